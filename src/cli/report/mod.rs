//! What came of sessions that were said again or compared: for a person, as JSON, and as XML of `JUnit`.

mod delays;
mod json;
pub(super) mod junit;
mod text;

use crate::replay::variables::Place;
use crate::replay::verdict::Verdict;
use crate::transcript::account::Account;
use anyhow::{Context, bail};
use delays::Delays;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

/// What came of all of them.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// What was compared with what, for a person.
    subject: String,
    /// Whether nobody was spoken to.
    offline: bool,
    /// What names the lanes, and those that come unasked.
    pub(super) lane: Option<String>,
    pub(super) pushes: Vec<String>,
    /// The files, with what was in them.
    pub(super) files: Vec<(String, Account)>,
    /// The verdicts, each with the number of its file.
    verdicts: Vec<(usize, Verdict)>,
    /// Values that were carried forward: from where to where, and in how many sessions.
    carried: BTreeMap<(String, String), u64>,
    delays: BTreeMap<Cow<'static, str>, Delays>,
    /// Whether somebody has interrupted it, so that sessions may not have been begun.
    pub(super) interrupted: bool,
    /// The rules that have made no difference.
    pub(super) unused: Vec<String>,
}

/// The sums of a report.
#[derive(Debug, Default)]
struct Totals {
    sessions: u64,
    same: u64,
    damaged: u64,
    /// Those that were never opened though they had been in the recording.
    unopened: u64,
    interrupted: u64,
    expected: u64,
    matched: u64,
    differing: u64,
    missing: u64,
    extra: u64,
    moved: u64,
    stalls: u64,
}

/// A report that is written to a file.
#[derive(Debug, Clone)]
pub(super) struct Written {
    form: Form,
    path: PathBuf,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Json,
    JUnit,
}

impl Report {
    /// An empty one.
    pub(super) fn new(subject: String) -> Self {
        Self { subject, ..Self::default() }
    }

    /// An empty one of sessions that are compared only.
    pub(super) fn offline(subject: String) -> Self {
        Self { offline: true, ..Self::new(subject) }
    }

    /// Takes a verdict on a session of the file of this number.
    pub(super) fn take(&mut self, file: usize, mut verdict: Verdict) {
        for variable in verdict.variables.drain(..).filter(|variable| variable.is_known()) {
            let from = match variable.from {
                Place::Field(name, None) => name,
                Place::Field(name, Some(cookie)) => format!("{name}: {cookie}"),
                Place::Message(_, path) if path.is_empty() => "a text".to_owned(),
                Place::Message(_, path) => path,
            };
            let to = if variable.to.is_empty() { "a text".to_owned() } else { variable.to };
            *self.carried.entry((from, to)).or_default() += 1;
        }
        for delay in std::mem::take(&mut verdict.delays) {
            self.delays.entry(delay.lane).or_default().add(delay.then, delay.now);
        }
        self.verdicts.push((file, verdict));
    }

    /// Whether there is a session.
    pub(super) fn is_empty(&self) -> bool {
        self.verdicts.is_empty()
    }

    /// The exit code: 130 where it was interrupted, 4 where no session could be opened, 1 where
    /// something is not as it was, else 0.
    pub(super) fn code(&self) -> u8 {
        let totals = self.totals();
        match totals {
            _ if self.interrupted => 130,
            Totals { interrupted: 1.., .. } => 130,
            Totals { sessions, unopened, .. }
                if sessions == unopened && sessions > 0 && !self.offline =>
            {
                4
            }
            Totals { sessions, same, .. } if same < sessions => 1,
            _ => 0,
        }
    }

    /// Whether the recording of a session is damaged, or anything in a file.
    pub(super) fn is_damaged(&self) -> bool {
        let damaged =
            |account: &Account| account.damage.is_some() || account.sessions_with_gaps > 0;
        self.totals().damaged > 0 || self.files.iter().any(|(_, account)| damaged(account))
    }

    /// Brings the verdicts into the order of the recording.
    pub(super) fn sort(&mut self) {
        self.verdicts.sort_by_key(|(file, verdict)| (*file, verdict.session, verdict.copy));
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for (_, verdict) in &self.verdicts {
            totals.sessions += 1;
            totals.same += u64::from(verdict.is_same());
            totals.damaged += u64::from(verdict.damage.is_some());
            totals.unopened += u64::from(verdict.opening.is_some() && !verdict.opened);
            totals.interrupted += u64::from(verdict.interrupted);
            totals.expected += verdict.expected;
            totals.matched += verdict.matched;
            totals.differing += verdict.differing.count;
            totals.missing += verdict.missing.count;
            totals.extra += verdict.extra.count;
            totals.moved += verdict.moved.count;
            totals.stalls += verdict.stalls.count;
        }
        totals
    }

    /// The name of a session: its file is told where there are several.
    fn name(&self, file: usize, verdict: &Verdict) -> String {
        let file = match self.files.get(file) {
            Some((name, _)) if self.files.len() > 1 => format!("{name} "),
            _ => String::new(),
        };
        let copy = if verdict.copy > 0 { format!(".{}", verdict.copy + 1) } else { String::new() };
        format!("{file}session {}{copy}", verdict.session)
    }
}

impl Written {
    /// Writes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, report: &Report) -> anyhow::Result<()> {
        self.put(|| json::write(report), || junit::write(report))
    }

    /// Writes what its form makes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn put(
        &self,
        json: impl FnOnce() -> anyhow::Result<Vec<u8>>,
        junit: impl FnOnce() -> anyhow::Result<Vec<u8>>,
    ) -> anyhow::Result<()> {
        let bytes = match self.form {
            Form::Json => json()?,
            Form::JUnit => junit()?,
        };
        fs::write(&self.path, bytes)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl FromStr for Written {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (form, path) = match text.split_once(':') {
            Some(("json", path)) => (Form::Json, path),
            Some(("junit", path)) => (Form::JUnit, path),
            _ => bail!("a report is written json:FILE or junit:FILE"),
        };
        Ok(Self { form, path: path.into() })
    }
}
