//! `hybridge replay`: what recorded clients said, said again to a live server, and what came of it.

mod choose;
mod progress;

use super::report::{Report, Written};
use super::terms::Terms;
use crate::config::backend::ClientTls;
use crate::dialect::Dialect;
use crate::recording::shelf::Shelf;
use crate::recording::source;
use crate::replay::compare::Made;
use crate::replay::lanes::Survey;
use crate::replay::pace::Pace;
use crate::replay::player::{Plan, Wait};
use crate::rerun::offer::Rewriting;
use crate::rerun::schedule::{Load, script, start};
use crate::rerun::target::Target;
use anyhow::{Context, bail};
use choose::Chosen;
use clap::{ValueEnum, ValueHint};
use progress::Progress;
use regex::Regex;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How many sessions of a file are looked at for its lanes.
const SURVEYED: usize = 10_000;

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

    /// The server to talk to: `ws://HOST:PORT`, `wss://HOST:PORT` or `unix:/PATH`; behind a host may stand a
    /// path, below which all is asked for. Never the one in the recording.
    #[arg(long, value_name = "URL")]
    target: String,

    /// The dialect to speak, instead of the client's own.
    #[arg(long = "as", value_name = "DIALECT", default_value = "rfc6455")]
    dialect: As,

    /// When a message is said: causal, causal+time, time, fast or step; behind time may stand how many times
    /// as fast, as in time:×2.
    #[arg(long, value_name = "PACE", default_value = "causal")]
    pace: Pace,

    /// Which answers a message waits for.
    #[arg(long, value_name = "WHICH", default_value = "replies")]
    wait: Waited,

    /// How long a message waits for an answer that does not come.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    stall: Duration,

    /// How long the end of a session waits for what was said before it.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = humantime::parse_duration)]
    drain: Duration,

    /// How long a connection and an opening handshake may take.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    timeout: Duration,

    /// How many sessions are in progress at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000, value_parser = at_least_one)]
    max_sessions: usize,

    /// How often each session is said, at the same time.
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    amplify: u32,

    /// How many sessions begin in a second at most.
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    rate: Option<f64>,

    #[command(flatten)]
    chosen: Chosen,

    #[command(flatten)]
    terms: Terms,

    /// Say values as they were recorded, though the server made them up and has made up others now.
    #[arg(long)]
    no_variables: bool,

    /// Do not count how sessions end.
    #[arg(long)]
    ignore_close: bool,

    /// Set a field of the request: `Name: value`. May be given several times, as the next may.
    #[arg(long = "set-header", value_name = "FIELD", value_parser = field)]
    set: Vec<(String, String)>,

    /// Leave out a field of the request.
    #[arg(long = "drop-header", value_name = "NAME")]
    drop: Vec<String>,

    /// The origin to name, instead of the recorded one.
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,

    /// The host to name, instead of the target's.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    /// Change request targets: a regular expression, and what stands in place of what it finds, as in
    /// '^/old(.*)=>/new$1'. May be given several times.
    #[arg(long = "path-map", value_name = "REGEX=>TEXT", value_parser = mapping)]
    targets: Vec<(Regex, String)>,

    /// Who signs the target's certificate: a PEM file, instead of the system's roots.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca: Option<PathBuf>,

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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Waited {
    /// All that had been seen, but for what came unasked.
    Replies,
    /// All that had been seen.
    All,
    /// The last of the replies that had been seen.
    Last,
}

/// A dialect, or that of the recording.
#[derive(Debug, Clone, Copy)]
struct As(Option<Dialect>);

impl std::str::FromStr for As {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "recorded" => Ok(Self(None)),
            name => name.parse().map(|dialect| Self(Some(dialect))).map_err(|_| {
                "the dialects are rfc6455, hybi-08, hybi-07, hixie-76, hixie-75, and recorded"
                    .to_owned()
            }),
        }
    }
}

/// Says everything.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let prepared = prepare(args);
    let (target, rules) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            writeln!(io::stderr(), "error: {error:#}")?;
            return Ok(ExitCode::from(2));
        }
    };
    let mut report = Report::new(subject(args, &target));
    let end = CancellationToken::new();
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let mut rules = Some(rules);
    for (number, file) in args.files.iter().enumerate() {
        let Some(shelf) = shelf(args, file, &mut report)? else { continue };
        let rules = match rules.take() {
            Some(rules) => rules,
            None => args.terms.rules()?,
        };
        let plan = plan(args, &shelf, rules)?;
        report.lane = plan.lanes.key.as_ref().map(ToString::to_string).or(report.lane);
        report.pushes.extend(plan.lanes.pushes.iter().cloned());
        if args.dry_run {
            tell(&shelf, &plan, &mut io::stdout())?;
            continue;
        }
        let shelf = Arc::new(shelf);
        let plan = Arc::new(plan);
        let replay = replay(args, number, &shelf, &target, &plan, &end, &mut report);
        runtime.block_on(replay)?;
        report.unused.extend(plan.rules.unused());
    }
    // What has not ended by now is not waited for.
    runtime.shutdown_background();
    report.pushes.sort();
    report.pushes.dedup();
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    conclude(args, report)
}

fn prepare(args: &Args) -> anyhow::Result<(Arc<Target>, crate::replay::rules::Rules)> {
    let rewriting = Rewriting {
        set: args.set.clone(),
        drop: args.drop.clone(),
        origin: args.origin.clone(),
        host: args.host.clone(),
        targets: args.targets.clone(),
    };
    if args.pace == Pace::Step && args.files.iter().any(|file| file.as_os_str() == "-") {
        bail!("with --pace step standard input is for the steps, and cannot be a FILE");
    }
    let tls = ClientTls { ca: args.ca.clone(), ..ClientTls::default() };
    let target = Target::new(&args.target, args.dialect.0, tls, args.timeout, rewriting)?;
    Ok((Arc::new(target), args.terms.rules()?))
}

fn subject(args: &Args, target: &Target) -> String {
    let files: Vec<_> = args.files.iter().map(|file| file.to_string_lossy()).collect();
    let dialect = args.dialect.0.map_or("its own dialects", Dialect::name);
    format!("{} said to {} in {dialect}", files.join(", "), target.address())
}

/// The chosen sessions of a file; `None`, and why, where there are none.
fn shelf(args: &Args, file: &Path, report: &mut Report) -> anyhow::Result<Option<Shelf>> {
    let name = match file.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => file.display().to_string(),
    };
    let mut shelf = Shelf::new(args.chosen.choose());
    let read = source::open(file).map_err(anyhow::Error::from);
    let read = read.and_then(|input| source::read(input, &mut shelf));
    let why = match &read {
        Err(error) => format!("{error:#}"),
        Ok(account) if account.sessions == 0 => super::inspect::nothing(account),
        Ok(_) if shelf.sessions().is_empty() => "none of its sessions is chosen".to_owned(),
        Ok(_) => {
            report.files.push((name, shelf.account().clone()));
            return Ok(Some(shelf));
        }
    };
    writeln!(
        io::stderr(),
        "{}: {}",
        super::inspect::shown::shown(&name),
        super::inspect::shown::safe(&why)
    )?;
    report.files.push((name, read.unwrap_or_default()));
    Ok(None)
}

/// What is known of the application, and what was asked for.
fn plan(
    args: &Args,
    shelf: &Shelf,
    mut rules: crate::replay::rules::Rules,
) -> anyhow::Result<Plan> {
    let surveyed = 0..shelf.sessions().len().min(SURVEYED);
    let mut survey = Survey::default();
    for index in surveyed.clone() {
        if let Some(script) = script(shelf, index)? {
            survey.look(&script, &rules);
        }
    }
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let mut plan = Plan {
        lanes: survey.lanes(&mut rules),
        rules,
        strictness: args.terms.strictness(),
        pace: args.pace,
        wait: match args.wait {
            Waited::Replies => Wait::Replies,
            Waited::All => Wait::All,
            Waited::Last => Wait::Last,
        },
        stall: nanos(args.stall),
        drain: nanos(args.drain),
        carry: !args.no_variables,
        made: Made::new(),
        closing: !args.ignore_close,
    };
    for index in surveyed {
        if let Some(script) = script(shelf, index)? {
            plan.look(&script);
        }
    }
    Ok(plan)
}

async fn replay(
    args: &Args,
    number: usize,
    shelf: &Arc<Shelf>,
    target: &Arc<Target>,
    plan: &Arc<Plan>,
    end: &CancellationToken,
    report: &mut Report,
) -> anyhow::Result<()> {
    let at_once = if args.pace == Pace::Step { 1 } else { args.max_sessions };
    let load = Load { at_once, copies: args.amplify, rate: args.rate };
    let total = shelf.sessions().len() as u64 * u64::from(args.amplify);
    let mut progress = Progress::new(total);
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut verdicts =
        start(Arc::clone(shelf), Arc::clone(target), Arc::clone(plan), load, end.clone());
    loop {
        let verdict = tokio::select! {
            verdict = verdicts.recv() => verdict,
            _ = interrupt.recv() => {
                end.cancel();
                continue;
            }
            _ = terminate.recv() => {
                end.cancel();
                continue;
            }
        };
        let Some(verdict) = verdict else { break };
        progress.step(verdict.is_same());
        report.take(number, verdict);
    }
    progress.finish();
    Ok(())
}

/// Tells the report, and what it means.
fn conclude(args: &Args, mut report: Report) -> anyhow::Result<ExitCode> {
    if report.is_empty() {
        return Ok(ExitCode::from(3));
    }
    report.sort();
    for written in &args.reports {
        written.write(&report)?;
    }
    let mut out = io::stdout().lock();
    report.tell(&mut out)?;
    out.flush()?;
    let unusable = report.files.iter().any(|(_, account)| account.sessions == 0);
    Ok(ExitCode::from(match report.code() {
        0 if args.strict && (report.is_damaged() || unusable) => 5,
        code => code,
    }))
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
            super::inspect::shown::shown(&script.open.target),
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

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once(':').ok_or_else(|| "it is written Name: value".to_owned())?;
    let (name, value) = (name.trim(), value.trim());
    let is_sound = crate::wire::grammar::is_token(name.as_bytes())
        && !value.bytes().any(|byte| byte < 0x20 || byte == 0x7f);
    is_sound
        .then(|| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "the name is a token, and the value without control characters".to_owned())
}

fn mapping(text: &str) -> Result<(Regex, String), String> {
    let (pattern, with) =
        text.split_once("=>").ok_or_else(|| "it is written REGEX=>TEXT".to_owned())?;
    let pattern = Regex::new(pattern).map_err(|error| error.to_string())?;
    Ok((pattern, with.to_owned()))
}
