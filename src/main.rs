//! Arguments, logs, runtime, exit code; nothing else.

use clap::Parser;
use hybridge::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    hybridge::cli::run(&Cli::parse())
}
