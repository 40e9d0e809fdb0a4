//! Arguments, logs, runtime, exit code; nothing else.

use clap::Parser;
use hybridge::cli::Cli;
use mimalloc::MiMalloc;
use std::process::ExitCode;

// The runtime aligns what it keeps of a connection to 128 bytes. The system's allocator leaves a
// hole beside each such block, which costs an idle connection half as much again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    hybridge::cli::run(&Cli::parse())
}
