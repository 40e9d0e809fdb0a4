//! The command line: one file a subcommand.

mod logs;
mod serve;

use clap::{Parser, Subcommand, ValueEnum};
use std::process::ExitCode;

/// A reverse proxy that translates between the WebSocket drafts of 2010 and 2011 and RFC 6455.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Exit codes: 0 after an orderly end, 1 when it cannot run (an address in use, \
                  say), 2 for arguments that make no sense."
)]
pub struct Cli {
    /// Log more: the sessions that are opened, and which dialects a backend was tried with.
    #[arg(short, long, global = true)]
    verbose: bool,

    /// How log lines are written.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Human)]
    log_format: LogFormat,

    #[command(subcommand)]
    command: Command,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For a person.
    Human,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve old and new clients in front of one backend.
    Serve(serve::Args),
}

/// Runs a command to its end.
pub fn run(cli: &Cli) -> ExitCode {
    logs::start(cli.verbose, cli.log_format);
    let result = match &cli.command {
        Command::Serve(args) => serve::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
