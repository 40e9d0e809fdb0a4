//! What operators watch and steer: the `[log]`, `[access_log]` and `[admin]` tables.

use super::values::Address;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[log]`: what the program tells of itself, on standard error.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How much.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
}

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the usual levels")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person.
    #[default]
    #[value(alias = "human")]
    Text,
    /// One JSON object a line.
    Json,
}

/// `[access_log]`: a line when a session opens and when it has closed, one for each plain request,
/// one for each refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLog {
    /// Whether it is written.
    pub enabled: bool,
    /// The file, opened again on SIGUSR1; standard output without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// In which form.
    pub format: LogFormat,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { enabled: true, file: None, format: LogFormat::Text }
    }
}

/// `[admin]`: metrics, health, readiness, reload; off without an address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Where it listens: loopback or a Unix socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Whether the address may be one that others than this machine can reach. There is no
    /// password.
    pub allow_remote: bool,
}
