//! The command line: one file a subcommand.

mod demo;
mod logs;
mod serve;
mod signals;

use clap::{Parser, Subcommand, ValueEnum};
use std::process::ExitCode;
use tracing::level_filters::LevelFilter;

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
    /// Show the translation: two conversations byte by byte, and a page to try it with a browser.
    Demo(demo::Args),
}

/// Runs a command to its end.
pub fn run(cli: &Cli) -> ExitCode {
    // What the demo shows is not to be broken up by lines that say that all is well.
    let quiet = matches!(cli.command, Command::Demo(_));
    let level = match (cli.verbose, quiet) {
        (true, _) => LevelFilter::DEBUG,
        (false, true) => LevelFilter::WARN,
        (false, false) => LevelFilter::INFO,
    };
    logs::start(level, cli.log_format);
    let result = match &cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Demo(args) => demo::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
