//! What came of all cases: told to a person, as JSON, and as XML of `JUnit`.

use crate::cli::inspect::shown::safe;
use crate::cli::report::Written;
use crate::cli::report::junit::text;
use crate::conformance::case::Grade;
use crate::conformance::{VERSION, Verdict};
use crate::dialect::{ALL, Dialect};
use crate::trial::Tried;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use serde_json::json;
use std::io::{self, Write};
use std::process::ExitCode;

/// The version of the form of the JSON.
const FORM: u32 = 1;

const GRADES: [Grade; 4] = [Grade::Pass, Grade::NonStrict, Grade::Informational, Grade::Fail];

#[derive(Debug, Default)]
pub(super) struct Report {
    /// Who was under test.
    subject: String,
    tried: Vec<Tried>,
    /// Dialects that the server does not speak, and whether they were asked for by name.
    unspoken: Vec<(Dialect, bool, Verdict)>,
    /// Dialects that the peer does not compress in, and how many cases are left out for it.
    uncompressed: Vec<(Dialect, usize)>,
    /// What kept cases from being tried.
    lost: Vec<String>,
    pub(super) interrupted: bool,
}

impl Report {
    pub(super) fn new(subject: String) -> Self {
        Self { subject, ..Self::default() }
    }

    pub(super) fn take(&mut self, tried: Tried) {
        self.tried.push(tried);
    }

    pub(super) fn unspoken(&mut self, dialect: Dialect, is_asked: bool, verdict: Verdict) {
        self.unspoken.push((dialect, is_asked, verdict));
    }

    pub(super) fn uncompressed(&mut self, dialect: Dialect, count: usize) {
        if count > 0 {
            self.uncompressed.push((dialect, count));
        }
    }

    pub(super) fn lost(&mut self, error: &anyhow::Error) {
        self.lost.push(format!("{error:#}"));
    }

    /// Tells it all, and what it means.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn conclude(
        mut self,
        reports: &[Written],
        strict: bool,
    ) -> anyhow::Result<ExitCode> {
        self.tried.sort_by(|a, b| {
            let place = |tried: &Tried| ALL.iter().position(|d| *d == tried.case.dialect);
            (place(a), &a.case.id).cmp(&(place(b), &b.case.id))
        });
        for written in reports {
            written.put(|| self.json(), || self.junit())?;
        }
        let mut out = io::stdout().lock();
        self.tell(&mut out)?;
        out.flush()?;
        Ok(ExitCode::from(self.code(strict)))
    }

    fn code(&self, strict: bool) -> u8 {
        let has = |grade| self.tried.iter().any(|tried| tried.verdict.grade == grade);
        let is_missed = self.unspoken.iter().any(|(_, is_asked, _)| *is_asked);
        match () {
            () if self.interrupted => 130,
            () if self.tried.is_empty() && self.unspoken.is_empty() => 3,
            () if has(Grade::Fail) || is_missed || !self.lost.is_empty() => 4,
            () if self.tried.is_empty() => 3,
            () if strict && has(Grade::NonStrict) => 5,
            () => 0,
        }
    }

    fn counts(&self, dialect: Dialect) -> [usize; 4] {
        let of = self.tried.iter().filter(|tried| tried.case.dialect == dialect);
        let grades: Vec<_> = of.map(|tried| tried.verdict.grade).collect();
        GRADES.map(|grade| grades.iter().filter(|found| **found == grade).count())
    }

    fn dialects(&self) -> impl Iterator<Item = Dialect> + '_ {
        let has = |dialect: &Dialect| self.tried.iter().any(|tried| tried.case.dialect == *dialect);
        ALL.into_iter().filter(has)
    }

    fn tell(&self, out: &mut impl Write) -> io::Result<()> {
        for tried in self.tried.iter().filter(|tried| tried.verdict.grade != Grade::Pass) {
            let Tried { case, verdict, .. } = tried;
            writeln!(out, "{}  {}", verdict.grade.name(), case.id)?;
            writeln!(out, "    {} [{}]", safe(&case.about), case.source)?;
            writeln!(out, "    expected {}", safe(&verdict.expected))?;
            writeln!(out, "    came     {}", safe(&verdict.came))?;
            for note in &verdict.notes {
                writeln!(out, "    {}", safe(note))?;
            }
        }
        writeln!(out, "{}, list {VERSION}", safe(&self.subject))?;
        for dialect in self.dialects() {
            let [pass, non_strict, informational, fail] = self.counts(dialect);
            writeln!(
                out,
                "{dialect}: {pass} pass, {non_strict} non-strict, {informational} informational, {fail} fail"
            )?;
        }
        for (dialect, _, verdict) in &self.unspoken {
            writeln!(out, "{dialect}: not spoken ({})", safe(&verdict.came))?;
        }
        for (dialect, count) in &self.uncompressed {
            writeln!(out, "{dialect}: permessage-deflate not spoken ({count} cases left out)")?;
        }
        for lost in &self.lost {
            writeln!(out, "not tried: {}", safe(lost))?;
        }
        if self.interrupted {
            writeln!(out, "interrupted: not all cases were tried")?;
        }
        Ok(())
    }

    fn json(&self) -> anyhow::Result<Vec<u8>> {
        let cases = self.tried.iter().map(|Tried { case, verdict, took }| {
            json!({
                "id": case.id,
                "dialect": case.dialect.name(),
                "source": case.source,
                "about": case.about,
                "verdict": verdict.grade.name(),
                "expected": verdict.expected,
                "came": verdict.came,
                "notes": verdict.notes,
                "milliseconds": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            })
        });
        let dialects = self.dialects().map(|dialect| {
            let [pass, non_strict, informational, fail] = self.counts(dialect);
            json!({
                "dialect": dialect.name(), "pass": pass, "non_strict": non_strict,
                "informational": informational, "fail": fail,
            })
        });
        let unspoken = self.unspoken.iter().map(|(dialect, ..)| dialect.name());
        let uncompressed = self.uncompressed.iter().map(|(dialect, _)| dialect.name());
        let whole = json!({
            "version": FORM,
            "list": VERSION,
            "subject": self.subject,
            "dialects": dialects.collect::<Vec<_>>(),
            "unspoken": unspoken.collect::<Vec<_>>(),
            "uncompressed": uncompressed.collect::<Vec<_>>(),
            "not_tried": self.lost,
            "interrupted": self.interrupted,
            "cases": cases.collect::<Vec<_>>(),
        });
        let mut text = serde_json::to_vec_pretty(&whole)?;
        text.push(b'\n');
        Ok(text)
    }

    /// A suite a dialect. What is not strict has not failed; what it is stands in the system-out.
    fn junit(&self) -> anyhow::Result<Vec<u8>> {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        writer.create_element("testsuites").write_inner_content(|writer| {
            self.dialects().try_for_each(|dialect| self.suite(dialect, writer))
        })?;
        let mut text = writer.into_inner();
        text.push(b'\n');
        Ok(text)
    }

    fn suite(&self, dialect: Dialect, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let [pass, non_strict, informational, fail] = self.counts(dialect);
        let suite = writer.create_element("testsuite").with_attributes([
            ("name", dialect.name()),
            ("tests", (pass + non_strict + informational + fail).to_string().as_str()),
            ("failures", fail.to_string().as_str()),
        ]);
        suite.write_inner_content(|writer| {
            let own = self.tried.iter().filter(|tried| tried.case.dialect == dialect);
            own.into_iter().try_for_each(|tried| testcase(tried, writer))
        })?;
        Ok(())
    }
}

fn testcase(tried: &Tried, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
    let Tried { case, verdict, took } = tried;
    let seconds = format!("{:.3}", took.as_secs_f64());
    let element = writer.create_element("testcase").with_attributes([
        ("name", text(&case.id).as_str()),
        ("classname", case.dialect.name()),
        ("time", seconds.as_str()),
    ]);
    if verdict.grade == Grade::Pass {
        element.write_empty()?;
        return Ok(());
    }
    let Verdict { expected, came, notes, .. } = verdict;
    let told = format!("{}\nexpected {expected}\ncame {came}\n{}", case.about, notes.join("\n"));
    let (name, message) = match verdict.grade {
        Grade::Fail => ("failure", notes.first().cloned().unwrap_or_default()),
        _ => ("system-out", String::new()),
    };
    element.write_inner_content(|writer| {
        let mut inner = writer.create_element(name);
        if !message.is_empty() {
            inner = inner.with_attribute(("message", text(&message).as_str()));
        }
        inner.write_text_content(BytesText::new(&text(&told)))?;
        Ok(())
    })?;
    Ok(())
}
