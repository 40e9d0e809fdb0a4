//! Who is taken where, and under which rules: the `[[route]]` tables.

use super::values::{HostPattern, HostPolicy, Network, PathPattern, Period, Size};
use crate::dialect::Dialect;
use crate::dialect::hybi::deflate::Compression;
use crate::event::Side;
use crate::limits::Limits;
use crate::quirk::Quirk;
use crate::session::policy::{Fragments, Keepalive, Policy};
use crate::session::translate::BinaryPolicy;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use std::collections::BTreeMap;
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::str::FromStr;

/// A `[[route]]`. Of its conditions all have to hold; where one has several values, one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// What the log and the metrics call it.
    pub name: String,

    /// Condition: the listener, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listener: Vec<String>,
    /// Condition: the host that the client asks for, without its port.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host: Vec<HostPattern>,
    /// Condition: the path that the client asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<PathPattern>,
    /// Condition: header fields and their values; `*` for any value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<String, String>,
    /// Condition: what the client speaks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client: Vec<ClientKind>,

    /// Where it leads: a backend, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Instead of a backend: a fixed response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub respond: Option<Respond>,
    /// Instead of a backend: a redirect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,

    /// Whether the prefix that matched is taken off the path before the backend sees it.
    pub strip_prefix: bool,
    /// What the backend is asked for instead of the path that matched: with a prefix in its place,
    /// with a regular expression with `$1` for its groups. The query stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<String>,
    /// The `Host` that the backend sees.
    pub host_header: HostPolicy,
    /// The `Origin` that the backend sees; the client's own without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_header: Option<String>,
    /// Which fields tell the backend of the client: `x-forwarded`, `forwarded`, both or none.
    pub forwarded: Vec<Forwarded>,
    /// The field in which the backend gets a number of the request, made here where a trusted front
    /// proxy has not made one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What is done to the fields of the request.
    pub request_headers: HeaderEdits,
    /// What is done to the fields of the response.
    pub response_headers: HeaderEdits,
    /// Pages for statuses that the proxy itself answers with: a file each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub error_pages: BTreeMap<String, PathBuf>,

    /// What clients may speak; others are answered 426.
    pub accept: Vec<Dialect>,
    /// What clients speak that could be of several dialects by their marks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assume: Vec<Dialect>,
    /// Whose pages may open sessions; all without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origins: Option<Origins>,
    /// Which addresses are let in; all where it is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Network>,
    /// Which are not, even if allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Network>,
    /// Names and passwords (HTTP basic authentication).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,

    /// Whether bytes are translated and checked, or pass as they come where both sides speak the
    /// same dialect.
    pub mode: Mode,
    /// What becomes of binary messages to or from a Hixie peer.
    pub binary: BinaryPolicy,
    /// What becomes of fragmented messages on their way to the backend.
    pub fragments: Fragments,
    /// Which faults of real peers are made up for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quirks: Vec<Quirk>,
    /// The bounds of one connection.
    pub limits: Bounds,
    /// How peers are found that are gone.
    pub keepalive: KeepaliveTable,
    /// Whether messages of and to clients are compressed, where a client can do so.
    pub client_compression: Compression,
    /// Whether messages of and to the backend are compressed, where it can do so.
    pub backend_compression: Compression,
    /// How fast one client may talk.
    pub client_rate: Rate,
    /// How fast a backend may talk to one client.
    pub backend_rate: Rate,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            name: String::new(),
            listener: Vec::new(),
            host: Vec::new(),
            path: Vec::new(),
            header: BTreeMap::new(),
            client: Vec::new(),
            backend: None,
            respond: None,
            redirect: None,
            strip_prefix: false,
            rewrite: None,
            host_header: HostPolicy::Preserve,
            origin_header: None,
            forwarded: vec![Forwarded::XForwarded],
            request_id: None,
            request_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
            error_pages: BTreeMap::new(),
            accept: crate::dialect::ALL.to_vec(),
            assume: Vec::new(),
            origins: None,
            allow: Vec::new(),
            deny: Vec::new(),
            basic_auth: None,
            mode: Mode::Translate,
            binary: BinaryPolicy::Frame,
            fragments: Fragments::Keep,
            quirks: Vec::new(),
            limits: Bounds::default(),
            keepalive: KeepaliveTable::default(),
            client_compression: Compression::Off,
            backend_compression: Compression::Off,
            client_rate: Rate::default(),
            backend_rate: Rate::default(),
        }
    }
}

impl Route {
    /// Whether messages are compressed on the connections of a side. In a tunnel they pass as they come,
    /// so that nothing may be agreed on.
    pub fn compression(&self, side: Side) -> Compression {
        match side {
            _ if self.mode == Mode::Tunnel => Compression::Off,
            Side::Client => self.client_compression,
            Side::Backend => self.backend_compression,
        }
    }

    /// What a session on this route is bound to.
    pub fn policy(&self, shutdown: Period) -> Policy {
        let Bounds { streamed, collected, inflated, backend_handshake, .. } = self.limits;
        let Bounds { idle, close, drain, linger, .. } = self.limits;
        Policy {
            limits: Limits {
                streamed: streamed.0,
                collected: collected.bytes(),
                inflated: inflated.0,
                backend_handshake: backend_handshake.millis(),
                idle: idle.millis(),
                close: close.millis(),
                drain: drain.millis(),
                linger: linger.millis(),
                shutdown: shutdown.millis(),
            },
            binary: self.binary,
            tunnel: self.mode == Mode::Tunnel,
            fragments: self.fragments,
            quirks: self.quirks.iter().copied().collect(),
            keepalive: self.keepalive.ping_every.map(|every| Keepalive {
                every: every.millis(),
                patience: self.keepalive.patience.millis(),
            }),
        }
    }
}

/// What a client speaks: a dialect of WebSocket, or `http` for plain requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, DeserializeFromStr, SerializeDisplay)]
pub enum ClientKind {
    /// A plain request.
    Http,
    /// A dialect of WebSocket.
    WebSocket(Dialect),
}

impl FromStr for ClientKind {
    type Err = crate::dialect::UnknownDialect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == "http" { Ok(Self::Http) } else { Ok(Self::WebSocket(name.parse()?)) }
    }
}

impl fmt::Display for ClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http => f.write_str("http"),
            Self::WebSocket(dialect) => dialect.fmt(f),
        }
    }
}

/// `[route.respond]`: a fixed response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Respond {
    /// Its status.
    pub status: u16,
    /// Its body.
    #[serde(default)]
    pub body: String,
    /// Its media type.
    #[serde(default = "Respond::plain_text")]
    pub content_type: String,
}

impl Respond {
    /// What a text without markup is.
    pub(crate) fn plain_text() -> String {
        "text/plain; charset=utf-8".to_owned()
    }
}

/// `[route.redirect]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// Where to; `{host}` stands for the host that was asked for, `{target}` for path and query.
    pub to: String,
    /// Its status: 301, 302, 303, 307 or 308.
    #[serde(default = "Redirect::found")]
    pub status: u16,
}

impl Redirect {
    const fn found() -> u16 {
        302
    }
}

/// Fields that tell a backend of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forwarded {
    /// `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// `[route.request_headers]` and `[route.response_headers]`; first fields are removed, then set,
/// then added.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderEdits {
    /// Fields that are taken out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Fields that are put in the place of all of that name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Fields that are put beside all of that name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, String>,
}

/// `[route.origins]`: whose pages may open sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Origins {
    /// Origins as browsers send them, `https://chat.example`; `https://*.example` for all names
    /// below one.
    pub allow: Vec<String>,
    /// Whether a client may have none, as programs do that are no browsers.
    pub missing: bool,
    /// Whether it may be `null`, as of files and sandboxed frames.
    pub null: bool,
}

/// `[route.basic_auth]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// What browsers show when they ask.
    #[serde(default = "BasicAuth::realm")]
    pub realm: String,
    /// Names, and their passwords: in clear (best as `${VARIABLE}`), or as `sha256:` and the
    /// hexadecimal digest.
    pub users: BTreeMap<String, String>,
}

impl BasicAuth {
    fn realm() -> String {
        "hybridge".to_owned()
    }
}

/// Whether bytes are translated, or pass as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Translated and checked.
    #[default]
    Translate,
    /// Unchecked, where both sides speak the same dialect.
    Tunnel,
}

/// `[route.limits]`: the bounds of one connection; see [`Limits`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// A message that streams through.
    pub streamed: Size,
    /// A message that has to be collected before it can leave.
    pub collected: Size,
    /// A message that came compressed, once it is inflated.
    pub inflated: Size,
    /// The body of a plain request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Size>,
    /// From the request to the backend's answer.
    pub backend_handshake: Period,
    /// From a plain request, sent whole, to the head of its response. Long polls have it to
    /// themselves, so that it is generous.
    pub response: Period,
    /// Without a byte of a session from either side.
    pub idle: Period,
    /// Without a byte of a plain request's body.
    pub body_idle: Period,
    /// From our closing handshake to the peer's.
    pub close: Period,
    /// From the first close to the last.
    pub drain: Period,
    /// From the end of our stream to the end of the peer's.
    pub linger: Period,
}

impl Default for Bounds {
    fn default() -> Self {
        let limits = Limits::default();
        let period = |millis| Period(std::time::Duration::from_millis(millis));
        Self {
            streamed: Size(limits.streamed),
            collected: Size(limits.collected as u64),
            inflated: Size(limits.inflated),
            body: None,
            backend_handshake: period(limits.backend_handshake),
            response: Period::seconds(300),
            idle: period(limits.idle),
            body_idle: Period::seconds(60),
            close: period(limits.close),
            drain: period(limits.drain),
            linger: period(limits.linger),
        }
    }
}

/// `[route.keepalive]`: how peers are found that are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeepaliveTable {
    /// After how long a silence each side that can answer is sent a ping; never without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_every: Option<Period>,
    /// How long it may be silent after that.
    pub patience: Period,
    /// After how long a silence the system asks the peer's system (TCP keep-alive).
    pub tcp: Period,
    /// For how long what was sent may stay unacknowledged (TCP user timeout).
    pub tcp_user_timeout: Period,
}

impl Default for KeepaliveTable {
    fn default() -> Self {
        Self {
            ping_every: None,
            patience: Period::seconds(20),
            tcp: Period::seconds(60),
            tcp_user_timeout: Period::seconds(60),
        }
    }
}

/// `[route.client_rate]` and `[route.backend_rate]`: who talks faster is read more slowly.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rate {
    /// Messages a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<NonZeroU32>,
    /// Bytes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<NonZeroU64>,
}
