//! `hybridge learn`: what differs between runs at a server that has not changed, as rules to review.

use super::output::{Output, is_same_file};
use super::replay::choose::Chosen;
use super::replay::saying::Saying;
use super::replay::sessions::{conclude, follow, heed, name, read, senseless, survey};
use super::report::{Report, Written};
use crate::recording::shelf::Shelf;
use crate::replay::compare::Strictness;
use crate::replay::learn::Learned;
use crate::replay::pace::Pace;
use crate::replay::player::Plan;
use crate::replay::rules::Rules;
use crate::replay::verdict::Verdict;
use crate::rerun::schedule::{Load, Servers, start};
use crate::rerun::target::Target;
use anyhow::{Context, bail};
use clap::ValueHint;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

/// How many sessions are in progress at once, as of replay by default.
const AT_ONCE: usize = 10_000;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 when with the rules a further run is as it was recorded, 1 when something \
                  is not, or OUT could not be written, 2 for arguments that make no sense, 3 when FILE holds \
                  no session to say, 4 when no session could be opened, 130 when interrupted. Behind 2, 3, 4 \
                  and 130 there is no OUT."
)]
pub(super) struct Args {
    /// A capture (pcap, pcapng), a HAR file or a recording (.wsrec), packed by gzip or zstd or not; `-` is
    /// standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// The file of rules to write.
    #[arg(short, long, value_name = "OUT", value_hint = ValueHint::FilePath)]
    output: PathBuf,

    /// How often it is said before the rules are written; once more it is said behind that.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,

    #[command(flatten)]
    saying: Saying,

    #[command(flatten)]
    chosen: Chosen,

    /// Replace OUT where there is one.
    #[arg(long)]
    force: bool,

    /// Write the report on the last run to a file too: json:FILE or junit:FILE. May be given several times.
    #[arg(long = "report", value_name = "FORM:FILE")]
    reports: Vec<Written>,
}

/// Learns.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let target = match sensible(args) {
        Ok(target) => target,
        Err(error) => return senseless(&error),
    };
    let mut output = Output::create(&args.output, args.force)?;
    let subject = format!("{} said to {}", name(&args.file), args.saying.subject(&target));
    let mut report = Report::new(subject.clone());
    let Some(shelf) = read(&args.file, args.chosen.choose(), &mut report)? else {
        return Ok(ExitCode::from(3));
    };
    let plan = args.saying.plan(Rules::default(), Strictness::Json);
    let plan = Arc::new(survey(&shelf, plan, &mut report)?);
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let end = CancellationToken::new();
    runtime.block_on(async { heed(&end) })?;
    let servers = Servers::new(target, None, plan.pace);
    let runner = Runner { shelf: Arc::new(shelf), servers, end };
    let mut learned = Learned::default();
    for _ in 0..args.runs {
        let mut run = Report::new(subject.clone());
        run.files.clone_from(&report.files);
        learned.begin();
        runtime.block_on(runner.run(&plan, |verdict| {
            learned.take(&verdict);
            run.take(0, verdict);
        }));
        run.interrupted = runner.end.is_cancelled();
        if matches!(run.code(), 4 | 130) {
            runtime.shutdown_background();
            return conclude(run, &args.reports, false);
        }
    }
    let text = learned.rules(&subject, &plan.lanes);
    output.write_all(text.as_bytes()).context("cannot write the rules")?;
    let rules = Rules::parse(&text).context("the rules that were learned are none")?;
    let plan = args.saying.plan(rules, Strictness::Json);
    report.pushes.clear();
    let plan = Arc::new(survey(&runner.shelf, plan, &mut report)?);
    runtime.block_on(runner.run(&plan, |verdict| report.take(0, verdict)));
    runtime.shutdown_background();
    report.unused.extend(plan.rules.unused());
    report.interrupted = runner.end.is_cancelled();
    if !matches!(report.code(), 4 | 130) {
        output.finish()?;
        let (count, to) = (learned.count(), args.output.display());
        writeln!(io::stdout(), "{to}: {count} rules, of {} runs; once more with them:", args.runs)?;
    }
    conclude(report, &args.reports, false)
}

fn sensible(args: &Args) -> anyhow::Result<Arc<Target>> {
    if args.output.as_os_str() == "-" {
        bail!("OUT is a file: standard output has the report");
    }
    if is_same_file(&args.file, &args.output) {
        bail!("OUT is FILE, which is not overwritten");
    }
    args.saying.target()
}

/// Says the sessions of a file again and again.
struct Runner {
    shelf: Arc<Shelf>,
    servers: Servers,
    end: CancellationToken,
}

impl Runner {
    async fn run(&self, plan: &Arc<Plan>, take: impl FnMut(Verdict)) {
        let at_once = if plan.pace == Pace::Step { 1 } else { AT_ONCE };
        let load = Load { at_once, copies: 1, rate: None };
        let (shelf, servers) = (Arc::clone(&self.shelf), self.servers.clone());
        let total = shelf.sessions().len() as u64;
        let verdicts = start(shelf, servers, Arc::clone(plan), load, self.end.clone());
        follow(verdicts, total, take).await;
    }
}
