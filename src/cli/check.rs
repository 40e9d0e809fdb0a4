//! `hybridge check`: whether a configuration can be used, and what it comes to.

use crate::config::Settings;
use crate::server;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,

    /// Print the settings that the server would have, defaults and included files among them and
    /// secrets masked, as a configuration file.
    #[arg(long)]
    dump: bool,
}

/// Reads a configuration and tells what is found, a line each.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut log = io::stderr().lock();
    let loaded = match Settings::load(&args.config) {
        Ok(loaded) => loaded,
        Err(error) => {
            writeln!(log, "{error}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in &loaded.warnings {
        writeln!(log, "{warning}")?;
    }
    if args.dump {
        match io::stdout().write_all(loaded.settings.dump()?.as_bytes()) {
            // Who reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            result => result?,
        }
    }
    if let Err(error) = server::check(&loaded.settings) {
        writeln!(log, "{}: {error:#}", args.config.display())?;
        return Ok(ExitCode::FAILURE);
    }
    writeln!(log, "{}: the configuration is good", args.config.display())?;
    Ok(ExitCode::SUCCESS)
}
