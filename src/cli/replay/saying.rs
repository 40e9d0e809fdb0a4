//! The options that say to whom recorded clients talk, in what, and when; and what comes of them.

use crate::config::backend::ClientTls;
use crate::dialect::Dialect;
use crate::replay::compare::Strictness;
use crate::replay::pace::Pace;
use crate::replay::player::{Plan, Wait};
use crate::replay::rules::Rules;
use crate::rerun::offer::Rewriting;
use crate::rerun::target::Target;
use clap::{ValueEnum, ValueHint};
use regex::Regex;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Saying {
    /// The server to talk to: `ws://HOST:PORT`, `wss://HOST:PORT` or `unix:/PATH`; behind a host may stand a
    /// path, below which all is asked for. Never the one in the recording.
    #[arg(long, value_name = "URL")]
    target: String,

    /// The dialect to speak, instead of the client's own.
    #[arg(long = "as", value_name = "DIALECT", default_value = "rfc6455")]
    dialect: As,

    /// When a message is said: causal, causal+time, time, fast or step; behind time may stand how many times
    /// as fast, as in time:×2.
    #[arg(long, value_name = "PACE", default_value = "causal")]
    pub(in crate::cli) pace: Pace,

    /// Which answers a message waits for.
    #[arg(long, value_name = "WHICH", default_value = "replies")]
    wait: Waited,

    /// How long a message waits for an answer that does not come.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    stall: Duration,

    /// How long the end of a session waits for what was said before it.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = humantime::parse_duration)]
    drain: Duration,

    /// How long a connection and an opening handshake may take.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    timeout: Duration,

    /// Say values as they were recorded, though the server made them up and has made up others now.
    #[arg(long)]
    no_variables: bool,

    /// Do not count how sessions end.
    #[arg(long)]
    ignore_close: bool,

    /// Set a field of the request: `Name: value`. May be given several times, as the next may.
    #[arg(long = "set-header", value_name = "FIELD", value_parser = field)]
    set: Vec<(String, String)>,

    /// Leave out a field of the request.
    #[arg(long = "drop-header", value_name = "NAME")]
    drop: Vec<String>,

    /// The origin to name, instead of the recorded one.
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,

    /// The host to name, instead of the target's.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    /// Change request targets: a regular expression, and what stands in place of what it finds, as in
    /// '^/old(.*)=>/new$1'. May be given several times.
    #[arg(long = "path-map", value_name = "REGEX=>TEXT", value_parser = mapping)]
    targets: Vec<(Regex, String)>,

    /// Who signs the target's certificate: a PEM file, instead of the system's roots.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Waited {
    /// All that had been seen, but for what came unasked.
    Replies,
    /// All that had been seen.
    All,
    /// The last of the replies that had been seen.
    Last,
}

/// A dialect, or that of the recording.
#[derive(Debug, Clone, Copy)]
struct As(Option<Dialect>);

impl std::str::FromStr for As {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "recorded" => Ok(Self(None)),
            name => name.parse().map(|dialect| Self(Some(dialect))).map_err(|_| {
                "the dialects are rfc6455, hybi-08 to hybi-01, hixie-76, hixie-75, and recorded"
                    .to_owned()
            }),
        }
    }
}

impl Saying {
    /// The server, as the options have it.
    ///
    /// # Errors
    /// When it is none.
    pub(in crate::cli) fn target(&self) -> anyhow::Result<Arc<Target>> {
        self.server(&self.target)
    }

    /// Another server, talked to in the same way.
    ///
    /// # Errors
    /// When it is none.
    pub(in crate::cli) fn server(&self, url: &str) -> anyhow::Result<Arc<Target>> {
        let rewriting = Rewriting {
            set: self.set.clone(),
            drop: self.drop.clone(),
            origin: self.origin.clone(),
            host: self.host.clone(),
            targets: self.targets.clone(),
        };
        let tls = ClientTls { ca: self.ca.clone(), ..ClientTls::default() };
        Target::new(url, self.dialect.0, tls, self.timeout, rewriting).map(Arc::new)
    }

    /// What is talked to in what, for a person.
    pub(in crate::cli) fn subject(&self, target: &Target) -> String {
        let dialect = self.dialect.0.map_or("its own dialects", Dialect::name);
        format!("{} in {dialect}", target.address())
    }

    /// A plan, but for what is found in the sessions.
    pub(in crate::cli) fn plan(&self, rules: Rules, strictness: Strictness) -> Plan {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Plan {
            rules,
            strictness,
            pace: self.pace,
            wait: match self.wait {
                Waited::Replies => Wait::Replies,
                Waited::All => Wait::All,
                Waited::Last => Wait::Last,
            },
            stall: nanos(self.stall),
            drain: nanos(self.drain),
            carry: !self.no_variables,
            closing: !self.ignore_close,
            ..Plan::default()
        }
    }
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once(':').ok_or_else(|| "it is written Name: value".to_owned())?;
    let (name, value) = (name.trim(), value.trim());
    let is_sound = crate::wire::grammar::is_token(name.as_bytes())
        && !value.bytes().any(|byte| byte < 0x20 || byte == 0x7f);
    is_sound
        .then(|| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "the name is a token, and the value without control characters".to_owned())
}

fn mapping(text: &str) -> Result<(Regex, String), String> {
    let (pattern, with) =
        text.split_once("=>").ok_or_else(|| "it is written REGEX=>TEXT".to_owned())?;
    let pattern = Regex::new(pattern).map_err(|error| error.to_string())?;
    Ok((pattern, with.to_owned()))
}
