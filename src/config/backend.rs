//! Where clients are taken to: the `[[backend]]` tables.

use super::server_url::ServerUrl;
use super::values::{BackendDialect, BadValue, Period};
use crate::dialect::Dialect;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use std::fmt;
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;

/// A `[[backend]]`: servers that can stand in for each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backend {
    /// What routes, the log and the metrics call it.
    pub name: String,
    /// What its servers speak.
    pub dialect: BackendDialect,
    /// Who gets the next session.
    pub balance: Balance,
    /// A cookie by which a client comes back to the server it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// How long a connection attempt to a server may take, TLS included.
    pub connect_timeout: Period,
    /// On how many further servers a connection is tried that one did not accept. Only the
    /// connecting is tried again, never a request that may have been seen.
    pub retries: u32,
    /// How many sessions and requests one server has at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<NonZeroUsize>,
    /// How many wait for a place when every server has as many as it may; more are answered 503.
    pub queue: usize,
    /// How long they wait.
    pub queue_timeout: Period,
    /// How often names are looked up again.
    pub resolve_every: Period,
    /// How many connections to one server are kept for the next plain request.
    pub keep_alive: usize,
    /// Whether each connection to a server begins with a PROXY header, and of which version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyVersion>,
    /// How `wss://` servers are known.
    pub tls: ClientTls,
    /// When a server that fails is left alone.
    pub passive_health: PassiveHealth,
    /// How servers are asked whether they are well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// The servers.
    #[serde(rename = "server")]
    pub servers: Vec<Server>,
}

impl Default for Backend {
    fn default() -> Self {
        Self {
            name: String::new(),
            dialect: BackendDialect::Fixed(Dialect::RFC6455),
            balance: Balance::LeastConnections,
            sticky: None,
            connect_timeout: Period::seconds(5),
            retries: 1,
            max_connections: None,
            queue: 0,
            queue_timeout: Period::seconds(5),
            resolve_every: Period::seconds(30),
            keep_alive: 32,
            proxy_protocol: None,
            tls: ClientTls::default(),
            passive_health: PassiveHealth::default(),
            health: None,
            servers: Vec::new(),
        }
    }
}

impl Backend {
    /// How many connections to one server are kept, all in all.
    pub(crate) fn kept(&self) -> usize {
        // A PROXY header names one client, whom later requests may not come from.
        if self.proxy_protocol.is_some() { 0 } else { self.keep_alive }
    }
}

/// A `[[backend.server]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where it is.
    pub url: ServerUrl,
    /// Its share beside the others.
    #[serde(default = "Server::weight")]
    pub weight: NonZeroU16,
}

impl Server {
    /// A server with the usual share.
    pub const fn new(url: ServerUrl) -> Self {
        Self { url, weight: Self::weight() }
    }

    const fn weight() -> NonZeroU16 {
        NonZeroU16::MIN
    }
}

/// Who gets the next session: `least-connections`, `round-robin`, `random-two`, `hash:address`,
/// `hash:header:NAME` or `hash:cookie:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, DeserializeFromStr, SerializeDisplay)]
pub enum Balance {
    /// The server with the fewest live connections for its weight.
    LeastConnections,
    /// Each in turn, by weight.
    RoundRobin,
    /// The better of two that chance picks.
    RandomTwo,
    /// The same for the same client address.
    HashAddress,
    /// The same for the same value of a header field.
    HashHeader(String),
    /// The same for the same value of a cookie.
    HashCookie(String),
}

impl FromStr for Balance {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        Ok(match text.split(':').collect::<Vec<_>>()[..] {
            ["least-connections"] => Self::LeastConnections,
            ["round-robin"] => Self::RoundRobin,
            ["random-two"] => Self::RandomTwo,
            ["hash", "address"] => Self::HashAddress,
            ["hash", "header", name] if !name.is_empty() => Self::HashHeader(name.to_owned()),
            ["hash", "cookie", name] if !name.is_empty() => Self::HashCookie(name.to_owned()),
            _ => {
                return Err(BadValue(
                    "give least-connections, round-robin, random-two, hash:address, \
                     hash:header:NAME or hash:cookie:NAME"
                        .to_owned(),
                ));
            }
        })
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeastConnections => f.write_str("least-connections"),
            Self::RoundRobin => f.write_str("round-robin"),
            Self::RandomTwo => f.write_str("random-two"),
            Self::HashAddress => f.write_str("hash:address"),
            Self::HashHeader(name) => write!(f, "hash:header:{name}"),
            Self::HashCookie(name) => write!(f, "hash:cookie:{name}"),
        }
    }
}

/// `[backend.sticky]`: a cookie that names the server, without telling its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sticky {
    /// The name of the cookie.
    pub cookie: String,
    /// How long browsers keep it; until they are closed without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Period>,
}

/// A version of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProxyVersion {
    /// The line of text.
    #[serde(rename = "v1")]
    V1,
    /// The binary header.
    #[serde(rename = "v2")]
    V2,
}

/// `[backend.tls]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientTls {
    /// Who signs the certificates of the servers: a PEM file. The system's roots without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The name that the servers' certificates are for; that of the URL without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Our own certificate: a PEM file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its key: a PEM file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// `[backend.passive_health]`: what is learnt from real traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PassiveHealth {
    /// After how many failed openings in a row a server is left alone; 0 for never.
    pub failures: u32,
    /// For how long. Where all are left alone, all are tried.
    pub rest: Period,
}

impl Default for PassiveHealth {
    fn default() -> Self {
        Self { failures: 3, rest: Period::seconds(10) }
    }
}

/// `[backend.health]`: what is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    /// What is asked.
    pub check: Check,
    /// The target of the request.
    pub path: String,
    /// The `Host` of the request; that of the URL without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The status that says that all is well, with `check = "http"`.
    pub status: u16,
    /// How often.
    pub interval: Period,
    /// How long the answer may take.
    pub timeout: Period,
    /// After how many failures in a row a server gets no more sessions.
    pub fall: NonZeroU32,
    /// After how many successes in a row it gets them again.
    pub rise: NonZeroU32,
}

impl Default for Health {
    fn default() -> Self {
        const THREE: NonZeroU32 = NonZeroU32::new(3).unwrap();
        const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();
        Self {
            check: Check::Tcp,
            path: "/".to_owned(),
            host: None,
            status: 200,
            interval: Period::seconds(5),
            timeout: Period::seconds(2),
            fall: THREE,
            rise: TWO,
        }
    }
}

/// What a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Whether it takes a connection, TLS included.
    Tcp,
    /// Whether it answers a GET with the right status.
    Http,
    /// Whether it answers an opening handshake in its dialect.
    Websocket,
}
