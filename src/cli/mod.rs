//! The command line: one file a subcommand.

mod check;
mod conformance;
mod demo;
mod diff;
mod export;
mod inspect;
mod learn;
mod logs;
mod mock;
mod output;
mod reload;
mod reloading;
mod replay;
mod report;
mod serve;
mod shrink;
mod signals;
mod terms;

use crate::config::operation::{Log, LogLevel};
use clap::{Parser, Subcommand};
use std::io;
use std::process::ExitCode;

/// A reverse proxy that translates between the WebSocket drafts of 2010 and 2011 and RFC 6455.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Exit codes: 0 after an orderly end, 1 when it cannot run (an address in use or \
                  a faulty configuration, say), 2 for arguments that make no sense; inspect, \
                  export, replay, diff, learn, shrink, mock and conformance have more."
)]
pub struct Cli {
    #[command(flatten)]
    logs: logs::Args,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve old and new clients, as a configuration file says or in front of one backend.
    Serve(serve::Args),
    /// Tell whether a configuration file can be used.
    Check(check::Args),
    /// Have a running server read its configuration file again.
    Reload(reload::Args),
    /// Show what was said in recorded traffic.
    Inspect(inspect::Args),
    /// Write recorded traffic in another form, and without what others should not see.
    Export(export::Args),
    /// Say again to a live server what recorded clients said, and judge its answers.
    Replay(Box<replay::Args>),
    /// Compare the sessions of two recordings.
    Diff(Box<diff::Args>),
    /// Replay to a server that has not changed, and write what differs anyway as rules to review.
    Learn(Box<learn::Args>),
    /// Find the smallest part of a session that a server still answers otherwise than then.
    Shrink(Box<shrink::Args>),
    /// Stand in for a recorded server, for clients of any dialect.
    Mock(Box<mock::Args>),
    /// Hold a server, or a client, to a list of cases of every dialect.
    Conformance(Box<conformance::Args>),
    /// Show the translation: two conversations byte by byte, and a page to try it with a browser.
    Demo(demo::Args),
}

/// Runs a command to its end.
pub fn run(cli: &Cli) -> ExitCode {
    let result = match &cli.command {
        Command::Serve(args) => serve::run(args, &cli.logs),
        Command::Check(args) => {
            cli.logs.start(&Log::default());
            check::run(args)
        }
        Command::Reload(args) => {
            cli.logs.start(&Log::default());
            reload::run(args).map(|()| ExitCode::SUCCESS)
        }
        Command::Inspect(args) => {
            cli.logs.start(&Log::default());
            inspect::run(args)
        }
        Command::Export(args) => {
            cli.logs.start(&Log::default());
            export::run(args)
        }
        Command::Replay(args) => {
            cli.logs.start(&Log { level: LogLevel::Warn, ..Log::default() });
            replay::run(args)
        }
        Command::Diff(args) => {
            cli.logs.start(&Log { level: LogLevel::Warn, ..Log::default() });
            diff::run(args)
        }
        Command::Learn(args) => {
            cli.logs.start(&Log { level: LogLevel::Warn, ..Log::default() });
            learn::run(args)
        }
        Command::Shrink(args) => {
            cli.logs.start(&Log { level: LogLevel::Warn, ..Log::default() });
            shrink::run(args)
        }
        Command::Mock(args) => {
            cli.logs.start(&Log::default());
            mock::run(args)
        }
        Command::Conformance(args) => {
            cli.logs.start(&Log { level: LogLevel::Warn, ..Log::default() });
            conformance::run(args)
        }
        Command::Demo(args) => {
            // What the demo shows is not to be broken up by lines that say that all is well.
            cli.logs.start(&Log { level: LogLevel::Warn, ..Log::default() });
            demo::run(args).map(|()| ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        ExitCode::FAILURE
    })
}

/// Whether who reads has seen enough: `hybridge inspect FILE | head`.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
