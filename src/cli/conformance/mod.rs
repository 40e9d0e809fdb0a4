//! `hybridge conformance`: a peer is held to the list of cases.

mod report;

use super::replay::sessions::{heed, senseless};
use super::report::Written;
use crate::config::backend::ClientTls;
use crate::config::listener::Listener;
use crate::config::values::Address;
use crate::conformance::case::{Case, Counts, Need, Opening};
use crate::conformance::{VERSION, list};
use crate::dialect::{ALL, Dialect};
use crate::event::Side;
use crate::net::listen::Socket;
use crate::trial::Bounds;
use crate::trial::server::{Kit, Told};
use crate::trial::target::Target;
use anyhow::bail;
use clap::ValueHint;
use regex::Regex;
use report::Report;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

/// The largest message where nothing else is said.
const MIB: usize = 1 << 20;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 when no case has failed, 1 when it cannot run, 2 for arguments that make no \
                  sense, 3 when nothing could be tried, 4 when a case has failed, 5 with --strict when one was \
                  only passed non-strictly, 130 when interrupted."
)]
pub(super) struct Args {
    /// The server to hold to the list: `ws://HOST:PORT`, `wss://HOST:PORT`, both perhaps with a path, or
    /// `unix:/PATH`. It has to echo all messages.
    #[arg(long, value_name = "URL")]
    target: Option<String>,

    /// Where clients under test connect: `ADDRESS:PORT` or `unix:/PATH`. They have to echo all messages.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "target")]
    as_server: Option<Address>,

    /// Print the list, and try nothing.
    #[arg(long)]
    list: bool,

    /// Only these dialects; all that the peer speaks without it. May be given several times.
    #[arg(long = "dialect", value_name = "DIALECT", value_delimiter = ',')]
    dialects: Vec<Dialect>,

    /// Only cases whose names have this.
    #[arg(long = "case", value_name = "REGEX")]
    name: Option<Regex>,

    /// What the peer behind a proxy speaks, where the proxy is under test: what that cannot say is not asked.
    #[arg(long, value_name = "DIALECT")]
    behind: Option<Dialect>,

    /// The peer does not echo: only cases that do without.
    #[arg(long)]
    no_echo: bool,

    /// The largest message, in bytes; cases with larger ones are left out.
    #[arg(long, value_name = "BYTES", default_value_t = MIB, value_parser = size)]
    largest: usize,

    /// How long the peer may be silent in a case.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = humantime::parse_duration)]
    timeout: Duration,

    /// How many cases are in progress at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = at_once)]
    parallel: usize,

    /// Who signs the target's certificate: a PEM file, instead of the system's roots.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca: Option<PathBuf>,

    /// Write the report to a file too: json:FILE or junit:FILE. May be given several times.
    #[arg(long = "report", value_name = "FORM:FILE")]
    reports: Vec<Written>,

    /// Exit with 5 when no case has failed, but one was only passed non-strictly.
    #[arg(long)]
    strict: bool,
}

/// Tries all cases that are chosen.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.list {
        return tell(args, &mut io::stdout().lock());
    }
    let bounds = Bounds { parallel: args.parallel, silence: args.timeout };
    let target = match (&args.target, &args.as_server) {
        (Some(url), _) => {
            let tls = ClientTls { ca: args.ca.clone(), ..ClientTls::default() };
            match Target::new(url, tls) {
                Ok(target) => Some(Arc::new(target)),
                Err(error) => return senseless(&error),
            }
        }
        (None, Some(_)) => None,
        (None, None) => {
            return senseless(&anyhow::anyhow!(
                "one of --target, --as-server and --list is needed"
            ));
        }
    };
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let end = CancellationToken::new();
    let report = runtime.block_on(async {
        heed(&end)?;
        match (target, &args.as_server) {
            (Some(target), _) => at_server(args, &target, bounds, &end).await,
            (None, Some(address)) => before_clients(args, address, bounds, &end).await,
            (None, None) => bail!("nobody is under test"),
        }
    });
    // What has not ended by now is not waited for.
    runtime.shutdown_background();
    let mut report = report?;
    report.interrupted = end.is_cancelled();
    report.conclude(&args.reports, args.strict)
}

/// The cases of a dialect that are chosen.
fn chosen(choice: &Choice, dialect: Dialect, side: Side) -> Vec<Case> {
    let mut cases = list(dialect, choice.largest);
    cases.retain(|case| {
        let is_named = choice.name.as_ref().is_none_or(|name| name.is_match(&case.id));
        let is_able = case.needs.iter().all(|need| match need {
            Need::Echo => choice.echoes,
            Need::Binary => choice.has_binary,
            // What the peer agrees to is asked of it.
            Need::Compression => true,
        });
        is_named && is_able && case.tests.has(side)
    });
    cases
}

/// What cases are chosen by.
#[derive(Debug, Clone)]
struct Choice {
    largest: usize,
    name: Option<Regex>,
    echoes: bool,
    has_binary: bool,
}

impl Args {
    fn choice(&self) -> Choice {
        Choice {
            largest: self.largest,
            name: self.name.clone(),
            echoes: !self.no_echo,
            has_binary: !matches!(self.behind, Some(Dialect::Hixie(_))),
        }
    }
}

async fn at_server(
    args: &Args,
    target: &Arc<Target>,
    bounds: Bounds,
    end: &CancellationToken,
) -> anyhow::Result<Report> {
    let mut report = Report::new(args.target.clone().unwrap_or_default());
    let choice = args.choice();
    let dialects = if args.dialects.is_empty() { ALL.to_vec() } else { args.dialects.clone() };
    for dialect in dialects {
        // Whether it is spoken at all is asked first, so that a server of one dialect does not fail the
        // cases of all others.
        let probe = list(dialect, 0).into_iter().find(|case| case.counts == Counts::Opening);
        let Some(probe) = probe else { continue };
        let probed = match target.attempt(probe, bounds).await {
            Ok(probed) => probed,
            Err(error) => {
                report.lost(&error);
                break;
            }
        };
        if !probed.verdict.opened {
            report.unspoken(dialect, !args.dialects.is_empty(), probed.verdict);
            continue;
        }
        let mut cases = chosen(&choice, dialect, Side::Backend);
        let all = cases.len();
        if cases.iter().any(Case::needs_compression) {
            match compresses(target, dialect, bounds).await {
                Ok(true) => {}
                Ok(false) => cases.retain(|case| !case.needs_compression()),
                Err(error) => {
                    report.lost(&error);
                    break;
                }
            }
        }
        report.uncompressed(dialect, all - cases.len());
        let mut trying = target.start(cases, bounds, end.clone());
        while let Some(tried) = trying.recv().await {
            match tried {
                Ok(tried) => report.take(tried),
                Err(error) => report.lost(&error),
            }
        }
        if end.is_cancelled() {
            break;
        }
    }
    Ok(report)
}

/// Whether a server agrees to compress, asked in the plainest way.
async fn compresses(target: &Target, dialect: Dialect, bounds: Bounds) -> anyhow::Result<bool> {
    let is_probe = |case: &Case| matches!(case.opening, Opening::Compressed(_));
    let Some(probe) = list(dialect, 0).into_iter().find(is_probe) else { return Ok(false) };
    Ok(!target.attempt(probe, bounds).await?.verdict.declined)
}

async fn before_clients(
    args: &Args,
    address: &Address,
    bounds: Bounds,
    end: &CancellationToken,
) -> anyhow::Result<Report> {
    let choice = args.choice();
    let listing = move |dialect| chosen(&choice, dialect, Side::Client);
    let kit = Arc::new(Kit::new(args.dialects.clone(), Box::new(listing), bounds));
    let sockets = Socket::bind(address, &Listener::default())?;
    let mut report = Report::new("clients".to_owned());
    for socket in &sockets {
        writeln!(io::stdout(), "listening on {}", socket.address())?;
    }
    io::stdout().flush()?;
    let mut telling = kit.start(sockets);
    loop {
        let told = tokio::select! {
            told = telling.next() => told,
            () = end.cancelled() => None,
        };
        match told {
            None => return Ok(report),
            Some(Told::Tried(tried)) => report.take(*tried),
            Some(Told::Uncompressed(dialect, count)) => report.uncompressed(dialect, count),
        }
    }
}

/// Tells the list.
fn tell(args: &Args, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let dialects = if args.dialects.is_empty() { ALL.to_vec() } else { args.dialects.clone() };
    writeln!(out, "list {VERSION}")?;
    let mut count = 0;
    for dialect in dialects {
        let mut cases = list(dialect, args.largest);
        cases.retain(|case| args.name.as_ref().is_none_or(|name| name.is_match(&case.id)));
        for case in cases {
            count += 1;
            let who = match (case.tests.has(Side::Backend), case.tests.has(Side::Client)) {
                (true, false) => "server",
                (false, _) => "client",
                (true, true) => "both",
            };
            writeln!(out, "{}  {who}  {}  [{}]", case.id, case.about, case.source)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::from(if count > 0 { 0 } else { 3 }))
}

fn at_once(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=1000).contains(number));
    number.ok_or_else(|| "it has to be from 1 to 1000".to_owned())
}

fn size(text: &str) -> Result<usize, String> {
    // A message is held whole, also by the kit.
    let number = text.parse().ok().filter(|number| (MIB / 16..=16 * MIB).contains(number));
    number.ok_or_else(|| "it has to be from 65536 to 16777216".to_owned())
}
