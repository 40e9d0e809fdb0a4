//! `hybridge diff`: the sessions of two recordings, each with the one that stands for it, compared.

use super::replay::sessions::{conclude, name, read, senseless, survey};
use super::report::{Report, Written};
use super::terms::Terms;
use crate::recording::shelf::Shelf;
use crate::replay::offline::compare;
use crate::replay::player::Plan;
use crate::replay::script::Script;
use crate::replay::verdict::Verdict;
use crate::rerun::schedule::script;
use clap::ValueHint;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 when all is the same, 1 when something is not, 2 for arguments that make no \
                  sense, 3 when a file holds no session, 5 with --strict when a recording is damaged."
)]
pub(super) struct Args {
    /// What is expected: a capture (pcap, pcapng), a HAR file or a recording (.wsrec), packed by gzip or
    /// zstd or not; `-` is standard input.
    #[arg(value_name = "A", value_hint = ValueHint::FilePath)]
    then: PathBuf,

    /// What is compared with it.
    #[arg(value_name = "B", value_hint = ValueHint::FilePath)]
    now: PathBuf,

    #[command(flatten)]
    terms: Terms,

    /// Compare values as they are, though each server has made up its own.
    #[arg(long)]
    no_variables: bool,

    /// Do not count how sessions end.
    #[arg(long)]
    ignore_close: bool,

    /// Write the report to a file too: json:FILE or junit:FILE. May be given several times.
    #[arg(long = "report", value_name = "FORM:FILE")]
    reports: Vec<Written>,

    /// Exit with 5 when a recording is damaged and all else is the same.
    #[arg(long)]
    strict: bool,
}

/// Compares them.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let rules = match args.terms.rules() {
        Ok(_) if args.then.as_os_str() == "-" && args.now.as_os_str() == "-" => {
            return senseless(&anyhow::anyhow!("one of the two only is standard input"));
        }
        Ok(rules) => rules,
        Err(error) => return senseless(&error),
    };
    let mut report = Report::offline(format!("{} and {}", name(&args.then), name(&args.now)));
    let all = || Box::new(|_, _, _: &_| true);
    let then = read(&args.then, all(), &mut report)?;
    let (Some(then), Some(now)) = (then, read(&args.now, all(), &mut report)?) else {
        return Ok(ExitCode::from(3));
    };
    let plan = Plan {
        rules,
        strictness: args.terms.strictness(),
        carry: !args.no_variables,
        closing: !args.ignore_close,
        ..Plan::default()
    };
    let plan = Arc::new(survey(&then, plan, &mut report)?);
    let mut partners = Partners::new(&now)?;
    for index in 0..then.sessions().len() {
        let Some(expected) = script(&then, index)? else { continue };
        let verdict = match partners.of(&expected, &now)? {
            Some(came) => compare(&plan, expected, &came),
            None => alone(&expected, format!("{} has no such session", name(&args.now))),
        };
        report.take(0, verdict);
    }
    for index in partners.rest() {
        let Some(came) = script(&now, index)? else { continue };
        let came = Script { said: Vec::new(), heard: Vec::new(), ..came };
        report.take(1, alone(&came, format!("not expected: {} has none", name(&args.then))));
    }
    report.unused.extend(plan.rules.unused());
    conclude(report, &args.reports, args.strict)
}

/// Which sessions stand for those of another recording: of each path the n-th for the n-th.
struct Partners(HashMap<String, VecDeque<usize>>);

impl Partners {
    fn new(shelf: &Shelf) -> anyhow::Result<Self> {
        let mut paths: HashMap<_, VecDeque<_>> = HashMap::new();
        for index in 0..shelf.sessions().len() {
            if let Some(script) = script(shelf, index)? {
                paths.entry(path(&script).to_owned()).or_default().push_back(index);
            }
        }
        Ok(Self(paths))
    }

    /// The next one that stands for this.
    fn of(&mut self, expected: &Script, shelf: &Shelf) -> anyhow::Result<Option<Script>> {
        let next = self.0.get_mut(path(expected)).and_then(VecDeque::pop_front);
        next.map_or(Ok(None), |index| script(shelf, index))
    }

    /// Those that stand for none, in their order.
    fn rest(self) -> Vec<usize> {
        let mut rest: Vec<_> = self.0.into_values().flatten().collect();
        rest.sort_unstable();
        rest
    }
}

/// The target of a session without its query, in which there may be tokens.
fn path(script: &Script) -> &str {
    script.open.target.split('?').next().unwrap_or_default()
}

/// The verdict on a session that has no partner.
fn alone(script: &Script, why: String) -> Verdict {
    Verdict {
        session: script.session,
        target: script.open.target.clone(),
        to_say: script.said.len() as u64,
        expected: script.heard.len() as u64,
        opening: Some(why),
        damage: script.damage.clone(),
        ..Verdict::default()
    }
}
