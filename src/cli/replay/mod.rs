//! `hybridge replay`: what recorded clients said, said again to a live server, and what came of it.

pub(super) mod choose;
mod progress;
pub(super) mod saying;
pub(super) mod sessions;

use super::inspect::shown::shown;
use super::report::{Report, Written};
use super::terms::Terms;
use crate::recording::shelf::Shelf;
use crate::replay::pace::Pace;
use crate::replay::player::Plan;
use crate::replay::rules::Rules;
use crate::rerun::schedule::{Load, Servers, script, start};
use anyhow::bail;
use choose::Chosen;
use clap::ValueHint;
use saying::Saying;
use sessions::{conclude, follow, heed, name, read, senseless, survey};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 when all came as it was recorded, 1 when something did not, 2 for arguments \
                  that make no sense, 3 when no FILE holds a session to say, 4 when no session could be \
                  opened, 5 with --strict when a recording is damaged, 130 when interrupted."
)]
pub(super) struct Args {
    /// Captures (pcap, pcapng), HAR files and recordings (.wsrec), packed by gzip or zstd or not; `-` is
    /// standard input.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    saying: Saying,

    /// How many sessions are in progress at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000, value_parser = at_least_one)]
    max_sessions: usize,

    /// How often each session is said, at the same time.
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    amplify: u32,

    /// How many sessions begin in a second at most.
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    rate: Option<f64>,

    /// Another server, to whom the same is said at the same time: what the target answers is compared
    /// with what this one does, instead of the recording.
    #[arg(long, value_name = "URL")]
    baseline: Option<String>,

    #[command(flatten)]
    chosen: Chosen,

    #[command(flatten)]
    terms: Terms,

    /// Write the report to a file too: json:FILE or junit:FILE. May be given several times.
    #[arg(long = "report", value_name = "FORM:FILE")]
    reports: Vec<Written>,

    /// Tell what would be said to whom, and connect to nobody.
    #[arg(long)]
    dry_run: bool,

    /// Exit with 5 when a recording is damaged and all else is as it was.
    #[arg(long)]
    strict: bool,
}

/// Says everything.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (servers, rules) = match prepare(args) {
        Ok(prepared) => prepared,
        Err(error) => return senseless(&error),
    };
    let files: Vec<_> = args.files.iter().map(|file| name(file)).collect();
    let mut subject = files.join(", ") + " said to " + &args.saying.subject(&servers.target);
    if let Some(baseline) = &servers.baseline {
        subject += &format!(", compared with {}", baseline.address());
    }
    let mut report = Report::new(subject);
    let end = CancellationToken::new();
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { heed(&end) })?;
    let mut rules = Some(rules);
    for (number, file) in args.files.iter().enumerate() {
        let Some(shelf) = read(file, args.chosen.choose(), &mut report)? else { continue };
        let rules = match rules.take() {
            Some(rules) => rules,
            None => args.terms.rules()?,
        };
        let plan = args.saying.plan(rules, args.terms.strictness());
        let plan = survey(&shelf, plan, &mut report)?;
        if args.dry_run {
            tell(&shelf, &plan, &mut io::stdout())?;
            continue;
        }
        let at_once = if plan.pace == Pace::Step { 1 } else { args.max_sessions };
        let load = Load { at_once, copies: args.amplify, rate: args.rate };
        let total = shelf.sessions().len() as u64 * u64::from(args.amplify);
        let plan = Arc::new(plan);
        runtime.block_on(async {
            let shelf = Arc::new(shelf);
            let verdicts = start(shelf, servers.clone(), Arc::clone(&plan), load, end.clone());
            follow(verdicts, total, |verdict| report.take(number, verdict)).await;
        });
        report.unused.extend(plan.rules.unused());
    }
    report.interrupted = end.is_cancelled();
    // What has not ended by now is not waited for.
    runtime.shutdown_background();
    report.pushes.sort();
    report.pushes.dedup();
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    conclude(report, &args.reports, args.strict)
}

fn prepare(args: &Args) -> anyhow::Result<(Servers, Rules)> {
    let pace = args.saying.pace;
    if pace == Pace::Step && args.files.iter().any(|file| file.as_os_str() == "-") {
        bail!("with --pace step standard input is for the steps, and cannot be a FILE");
    }
    let baseline = args.baseline.as_ref().map(|url| args.saying.server(url)).transpose()?;
    Ok((Servers::new(args.saying.target()?, baseline, pace), args.terms.rules()?))
}

/// Tells what would be said.
fn tell(shelf: &Shelf, plan: &Plan, out: &mut impl Write) -> anyhow::Result<()> {
    for index in 0..shelf.sessions().len() {
        let Some(script) = script(shelf, index)? else { continue };
        let pushes =
            script.heard.iter().filter(|heard| plan.lanes.is_push(&plan.lanes.of(&heard.body)));
        writeln!(
            out,
            "session {} ({})  {}  to say {}, to hear {}, of them unasked {}{}",
            script.session,
            script.open.dialect,
            shown(&script.open.target),
            script.said.len(),
            script.heard.len(),
            pushes.count(),
            script.damage.map_or_else(String::new, |damage| format!("; damaged: {damage}")),
        )?;
    }
    Ok(())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| "it has to be 1 or more".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "it has to be a number above 0".to_owned())
}
