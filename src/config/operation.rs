//! What operators watch and steer: the `[log]`, `[access_log]`, `[admin]` and `[record]` tables.

use super::values::{Address, Percent, Period, Size};
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
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

/// `[record]`: what sessions say, written to files; off without a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Record {
    /// Where the files go. It has to exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// The share of connections that is recorded, in percent.
    pub percent: Percent,
    /// With what the targets of recorded sessions begin; all are recorded without it.
    pub paths: Vec<String>,
    /// Whether passwords, cookies and tokens are recorded as they are.
    pub secrets: bool,
    /// Whether both legs are written as packets too, for Wireshark.
    pub pcapng: bool,
    /// From which size on new sessions go to a new file.
    pub max_file: Size,
    /// From which age on they do.
    pub max_age: Period,
    /// How many recordings are kept; the oldest are removed.
    pub keep: NonZeroUsize,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            folder: None,
            percent: Percent::ALL,
            paths: Vec::new(),
            secrets: false,
            pcapng: false,
            max_file: Size(256 << 20),
            max_age: Period::seconds(3600),
            keep: const { NonZeroUsize::new(48).unwrap() },
        }
    }
}
