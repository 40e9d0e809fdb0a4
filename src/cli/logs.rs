//! Log lines on standard error: for a person, or one JSON object a line.

use super::LogFormat;
use std::io::IsTerminal;
use tracing::level_filters::LevelFilter;

/// Starts logging; once a process.
pub(super) fn start(level: LevelFilter, format: LogFormat) {
    let logs = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Human => logs.init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
}
