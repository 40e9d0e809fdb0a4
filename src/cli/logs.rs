//! Log lines on standard error: for a person, or one JSON object a line.

use crate::config::operation::{Log, LogFormat, LogLevel};
use std::io::IsTerminal;
use tracing::level_filters::LevelFilter;

/// What the command line says of log lines, which counts more than a configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Log more: which dialects a backend did not know, failures of servers, and clients that leave
    /// without a byte.
    #[arg(short, long, global = true)]
    verbose: bool,

    /// How log lines are written; for a person unless the configuration says otherwise.
    #[arg(long, global = true, value_enum)]
    log_format: Option<LogFormat>,
}

impl Args {
    /// The form of lines that the command line asks for, if it does.
    pub(super) const fn format(&self) -> Option<LogFormat> {
        self.log_format
    }

    /// Starts logging; once a process.
    pub(super) fn start(&self, log: &Log) {
        let level = match log.level {
            _ if self.verbose => LevelFilter::DEBUG,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
        };
        let logs = tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_max_level(level)
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal());
        match self.log_format.unwrap_or(log.format) {
            LogFormat::Text => logs.init(),
            LogFormat::Json => logs.json().flatten_event(true).init(),
        }
    }
}
