//! `hybridge inspect`: what was said in recorded traffic.

mod account;
mod deps;
pub(super) mod shown;
mod table;
mod transcript;
pub(super) mod watch;

use super::is_broken_pipe;
use crate::recording::redact::{Redact, Stand};
use crate::recording::{Sink, lines, source};
use crate::transcript::account::Account;
use clap::ValueHint;
use shown::{safe, shown};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use watch::Watch;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 when something could be shown, 1 when it could not be written, 2 \
                        for arguments that make no sense, 3 when a FILE holds nothing that can be \
                        shown, 5 with --strict when something was damaged."
)]
pub(super) struct Args {
    /// Captures (pcap, pcapng), HAR files and recordings (.wsrec), packed by gzip or zstd or not; `-` is standard input. The
    /// form is found by content.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,

    /// Show one session of FILE as a transcript, by its number in the table.
    #[arg(long, value_name = "NUMBER")]
    session: Option<u64>,

    /// Tell of each client message which server messages its sender had seen when it sent it.
    #[arg(long)]
    deps: bool,

    /// Write all events as JSON Lines, in the form of recordings.
    #[arg(long, conflicts_with_all = ["deps", "full"])]
    json: bool,

    /// Show messages in their whole length.
    #[arg(long)]
    full: bool,

    /// Show the values of cookies, passwords, and query parameters that are named like a secret.
    #[arg(long)]
    show_secrets: bool,

    /// Exit with 5 when something was damaged or is missing.
    #[arg(long)]
    strict: bool,
}

/// How a file was found; the worst of several counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Sound,
    Damaged,
    Unusable,
}

/// Shows each file.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.session.is_some() && args.files.len() > 1 {
        writeln!(io::stderr(), "error: --session is a number in one FILE, and here are several")?;
        return Ok(ExitCode::from(2));
    }
    let mut worst = Outcome::Sound;
    for file in &args.files {
        match show(args, file) {
            Ok(outcome) => worst = worst.max(outcome),
            // Who reads has seen enough: `hybridge inspect FILE | head`.
            Err(error) if is_broken_pipe(&error) => return Ok(ExitCode::SUCCESS),
            Err(error) => return Err(error),
        }
    }
    Ok(match worst {
        Outcome::Unusable => ExitCode::from(3),
        Outcome::Damaged if args.strict => ExitCode::from(5),
        Outcome::Damaged | Outcome::Sound => ExitCode::SUCCESS,
    })
}

/// Shows one file.
///
/// # Errors
/// When it cannot be shown; what is wrong with the file is told, and is no error.
fn show(args: &Args, file: &Path) -> anyhow::Result<Outcome> {
    let name = match file.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => shown(&file.to_string_lossy()),
    };
    let mut view = view(args, &name);
    if !args.show_secrets {
        view = Box::new(Redact::new(Stand::Dots, view));
    }
    let mut watch = Watch::new(args.session, view);
    let read = source::open(file)
        .map_err(anyhow::Error::from)
        .and_then(|input| source::read(input, &mut watch));
    let Watch { session_found, damaged, failed, .. } = watch;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let fault = match &read {
        Err(error) => format!("{error:#}"),
        Ok(account) if account.sessions == 0 => nothing(account),
        Ok(account) => match args.session {
            Some(session) if !session_found => {
                format!("there is no session {session}, there are {}", account.sessions)
            }
            _ if damaged => return Ok(Outcome::Damaged),
            _ => return Ok(Outcome::Sound),
        },
    };
    writeln!(io::stderr(), "{name}: {}", safe(&fault))?;
    Ok(Outcome::Unusable)
}

fn view(args: &Args, name: &str) -> Box<dyn Sink> {
    let out = BufWriter::new(io::stdout());
    match args.session {
        _ if args.json => Box::new(lines::Writer::new(out)),
        _ if args.deps => Box::new(deps::Deps::new(out, args.full)),
        Some(_) => Box::new(transcript::Transcript::new(out, args.full)),
        None => Box::new(table::Table::new(out, name)),
    }
}

/// Why there is no session.
pub(super) fn nothing(account: &Account) -> String {
    match account {
        Account { tls_flows: tls @ 1.., .. } => format!(
            "no WebSocket can be seen, and {tls} flows hold TLS; capture behind what ends the TLS"
        ),
        Account { cut_flows: cut @ 1.., .. } => format!(
            "no WebSocket can be seen, and of {cut} flows bytes are missing where they may begin; \
             capture whole packets, with tcpdump -s 0"
        ),
        Account { damage: Some(damage), .. } => format!("no WebSocket before the damage: {damage}"),
        _ => "no WebSocket is in it".to_owned(),
    }
}
