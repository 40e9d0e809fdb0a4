//! `hybridge mock`: stands in for a recorded server.

use super::signals::until_stopped;
use super::terms::Terms;
use crate::config::backend::ClientTls;
use crate::config::listener::Listener;
use crate::config::values::Address;
use crate::dialect::Dialect;
use crate::net::listen::Socket;
use crate::recording::shelf::Shelf;
use crate::recording::source;
use crate::replay::compare::Made;
use crate::replay::lanes::Survey;
use crate::replay::mirror::mirrored;
use crate::replay::mock::{Role, Tally};
use crate::replay::pace::Pace;
use crate::replay::repertoire::Repertoire;
use crate::replay::rules::Rules;
use crate::rerun::offer::Rewriting;
use crate::rerun::schedule::script;
use crate::rerun::stand_in::{Counts, OnMiss, Served, StandIn};
use crate::rerun::target::Target;
use clap::ValueHint;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

/// How many sessions are looked at for their lanes.
const SURVEYED: usize = 10_000;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 after an orderly end, 1 when it cannot listen, or with --on-miss error when \
                  something was said or asked for that is not recorded, 2 for arguments that make no sense, \
                  3 when no FILE holds a session."
)]
pub(super) struct Args {
    /// Captures (pcap, pcapng), HAR files and recordings (.wsrec), packed by gzip or zstd or not; `-` is
    /// standard input.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,

    /// Where clients connect: `ADDRESS:PORT` or `unix:/PATH`. With port 0 the system chooses one; the line
    /// `listening on` tells it.
    #[arg(long, value_name = "ADDRESS")]
    listen: Address,

    /// What becomes of a message that is like none that is recorded: nearest (it is taken for the one that
    /// is most like it), close, error (nothing, but the exit code is 1) or forward:URL (the server there
    /// has the session from here on, and the sessions of paths that are not recorded).
    #[arg(long, value_name = "WHAT", default_value = "nearest", value_parser = miss)]
    on_miss: Missed,

    /// The dialect to speak to the server that is forwarded to.
    #[arg(long = "as", value_name = "DIALECT", default_value = "rfc6455")]
    dialect: Dialect,

    /// Which pauses are made: causal (of what comes unasked), time (all; as time:×2 in half the time) or
    /// fast (none).
    #[arg(long, value_name = "PACE", default_value = "causal", value_parser = pace)]
    pace: Pace,

    /// How long is waited for a message that the client has passed over.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = humantime::parse_duration)]
    stall: Duration,

    /// How long an opening handshake may take.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    timeout: Duration,

    /// How many sessions are in progress at once; more clients wait.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = at_once)]
    max_sessions: usize,

    #[command(flatten)]
    terms: Terms,

    /// Say values as they were recorded, though they were the client's own and are others now.
    #[arg(long)]
    no_variables: bool,

    /// Who signs the certificate of the server that is forwarded to: a PEM file, instead of the system's
    /// roots.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca: Option<PathBuf>,
}

#[derive(Debug, Clone)]
enum Missed {
    Nearest,
    Close,
    Error,
    Forward(String),
}

/// Serves until SIGTERM or SIGINT.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let prepared = args.terms.rules().and_then(|rules| Ok((rules, on_miss(args)?)));
    let (rules, on_miss) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            writeln!(io::stderr(), "error: {error:#}")?;
            return Ok(ExitCode::from(2));
        }
    };
    let mut shelf = Shelf::new(Box::new(|_, _, _| true));
    for file in &args.files {
        read(file, &mut shelf)?;
    }
    let stand_in = Arc::new(stand_in(args, shelf, rules, on_miss)?);
    if stand_in.sessions.is_empty() {
        return Ok(ExitCode::from(3));
    }
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let end = CancellationToken::new();
    let serving = until_stopped(async |order| {
        let sockets = Socket::bind(&args.listen, &Listener::default())?;
        for socket in &sockets {
            writeln!(io::stdout(), "listening on {}", socket.address())?;
        }
        io::stdout().flush()?;
        let ordered = async {
            order.await;
            end.cancel();
        };
        tokio::join!(ordered, stand_in.serve(sockets, args.max_sessions, &end));
        Ok(())
    });
    let result = runtime.block_on(serving);
    // What has not ended by now is not waited for.
    runtime.shutdown_background();
    result?;
    let (served, is_failure) = stand_in.served();
    tell(&served, &mut io::stdout().lock())?;
    Ok(if is_failure { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn on_miss(args: &Args) -> anyhow::Result<OnMiss> {
    Ok(match &args.on_miss {
        Missed::Nearest => OnMiss::Nearest,
        Missed::Close => OnMiss::Close,
        Missed::Error => OnMiss::Error,
        Missed::Forward(url) => {
            let tls = ClientTls { ca: args.ca.clone(), ..ClientTls::default() };
            let rewriting = Rewriting::default();
            let target = Target::new(url, Some(args.dialect), tls, args.timeout, rewriting)?;
            OnMiss::Forward(Box::new(target))
        }
    })
}

/// Reads the sessions of a file; says why, where there are none.
fn read(file: &Path, shelf: &mut Shelf) -> anyhow::Result<()> {
    let name = match file.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => file.display().to_string(),
    };
    let read = source::open(file).map_err(anyhow::Error::from);
    let why = match read.and_then(|input| source::read(input, shelf)) {
        Err(error) => format!("{error:#}"),
        Ok(account) if account.sessions == 0 => super::inspect::nothing(&account),
        Ok(_) => return Ok(()),
    };
    let (name, why) = (super::inspect::shown::shown(&name), super::inspect::shown::safe(&why));
    writeln!(io::stderr(), "{name}: {why}")?;
    Ok(())
}

/// What is known of the sessions, and what was asked for.
fn stand_in(
    args: &Args,
    shelf: Shelf,
    mut rules: Rules,
    on_miss: OnMiss,
) -> anyhow::Result<StandIn> {
    let (mut asks, mut tells) = (Survey::default(), Survey::default());
    let (mut repertoire, mut sessions) = (Repertoire::default(), Vec::new());
    for index in 0..shelf.sessions().len() {
        let Some(script) = script(&shelf, index)? else { continue };
        // Of a handshake without an answer nobody knows how it would have gone on.
        if script.accept.is_none() && script.heard.is_empty() {
            continue;
        }
        repertoire.add(&script);
        sessions.push(index);
        if sessions.len() <= SURVEYED {
            tells.look(&script, &rules);
            asks.look(&mirrored(script), &rules);
        }
    }
    let lane = rules.lane.clone();
    let asks = asks.lanes(&mut rules);
    rules.lane = lane;
    let mut role = Role {
        asks,
        tells: tells.lanes(&mut rules),
        rules,
        strictness: args.terms.strictness(),
        pace: args.pace,
        stall: u64::try_from(args.stall.as_nanos()).unwrap_or(u64::MAX),
        nearest: matches!(on_miss, OnMiss::Nearest),
        carry: !args.no_variables,
        made: Made::new(),
    };
    for index in sessions.iter().take(SURVEYED) {
        if let Some(script) = script(&shelf, *index)? {
            role.look(&mirrored(script));
        }
    }
    Ok(StandIn {
        shelf,
        sessions,
        repertoire: Mutex::new(repertoire),
        role: Arc::new(role),
        on_miss,
        limit: args.timeout,
        served: Mutex::new(Served::default()),
    })
}

/// Tells what was served.
fn tell(served: &Served, out: &mut impl Write) -> io::Result<()> {
    let mut all = Counts::default();
    for (path, counts) in &served.paths {
        writeln!(out, "{}: {}", super::inspect::shown::shown(path), told(counts))?;
        all.sessions += counts.sessions;
        all.forwarded += counts.forwarded;
        all.tally.matched += counts.tally.matched;
        all.tally.missed += counts.tally.missed;
    }
    let unknown = match served.unknown {
        0 => String::new(),
        unknown => format!("; {unknown} asked for what is not recorded"),
    };
    writeln!(out, "in all: {}{unknown}", told(&all))?;
    out.flush()
}

fn told(counts: &Counts) -> String {
    let Counts { sessions, forwarded, tally: Tally { matched, missed } } = counts;
    let forwarded = match forwarded {
        0 => String::new(),
        forwarded => format!(", forwarded {forwarded}"),
    };
    format!("sessions {sessions}, messages matched {matched}, missed {missed}{forwarded}")
}

fn miss(text: &str) -> Result<Missed, String> {
    let forward = text.strip_prefix("forward").and_then(|url| url.strip_prefix([':', ' ', '=']));
    match (text, forward) {
        ("nearest", _) => Ok(Missed::Nearest),
        ("close", _) => Ok(Missed::Close),
        ("error", _) => Ok(Missed::Error),
        (_, Some(url)) => Ok(Missed::Forward(url.to_owned())),
        _ => Err("it is nearest, close, error or forward:URL".to_owned()),
    }
}

fn pace(text: &str) -> Result<Pace, String> {
    let known = text.parse().ok();
    known
        .filter(|pace| matches!(pace, Pace::Causal | Pace::Time(_) | Pace::Fast))
        .ok_or_else(|| "a pace is causal, time, as in time:×2 too, or fast".to_owned())
}

fn at_once(text: &str) -> Result<usize, String> {
    let most = tokio::sync::Semaphore::MAX_PERMITS;
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("it has to be from 1 to {most}"))
}
