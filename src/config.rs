//! The checked settings that a server runs with.

use crate::dialect::{self, Dialect};
use crate::handshake::is_host;
use crate::limits::Limits;
use crate::session::translate::BinaryPolicy;
use std::net::SocketAddr;
use std::str::FromStr;

/// All that a server needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where the sessions go.
    pub backend: BackendUrl,
    /// What the backend speaks; `None` finds it out.
    pub backend_dialect: Option<Dialect>,
    /// What clients may speak.
    pub accept: Vec<Dialect>,
    /// The `Host` that the backend sees.
    pub host: HostPolicy,
    /// Whether bytes pass unchecked where both sides speak the same dialect.
    pub tunnel: bool,
    /// What becomes of binary messages that a side cannot be told.
    pub binary: BinaryPolicy,
    /// The bounds of one connection.
    pub limits: Limits,
    /// How many clients are served at once; more are answered 503.
    pub max_connections: usize,
    /// How many threads serve them.
    pub workers: usize,
}

impl Settings {
    /// Settings that are all defaults, from where clients come to where they go.
    pub fn new(listen: SocketAddr, backend: BackendUrl) -> Self {
        Self {
            listen,
            backend,
            backend_dialect: Some(Dialect::RFC6455),
            accept: dialect::ALL.to_vec(),
            host: HostPolicy::Preserve,
            tunnel: false,
            binary: BinaryPolicy::Frame,
            limits: Limits::default(),
            max_connections: 1000,
            workers: 1,
        }
    }
}

/// The `Host` that a backend sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPolicy {
    /// What the client sent.
    Preserve,
    /// That of the backend's URL. Some old servers refuse a port that is not theirs.
    Backend,
    /// A fixed one.
    Name(String),
}

/// A Host that could not stand in a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed host; give preserve, backend, or a name with an optional port")]
pub struct BadHost;

impl FromStr for HostPolicy {
    type Err = BadHost;

    fn from_str(host: &str) -> Result<Self, BadHost> {
        match host {
            "preserve" => Ok(Self::Preserve),
            "backend" => Ok(Self::Backend),
            name if is_host(name.as_bytes()) => Ok(Self::Name(name.to_owned())),
            _ => Err(BadHost),
        }
    }
}

/// `ws://host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendUrl {
    /// The host and port as they stand in the URL, which is what `Host` says.
    pub authority: String,
    /// The name or address to connect to.
    pub host: String,
    /// The port, 80 where the URL has none.
    pub port: u16,
}

/// What is wrong with a backend's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendUrlError {
    /// Another scheme, or none.
    #[error("a backend is written ws://HOST:PORT")]
    Scheme,
    /// TLS.
    #[error("backends over TLS (wss://) are not supported yet; use ws:// on a trusted network")]
    Tls,
    /// A path, a query, or credentials.
    #[error("a backend has no path: requests keep the target that the client sent")]
    Path,
    /// The host or the port.
    #[error("malformed host or port")]
    Authority,
}

impl FromStr for BackendUrl {
    type Err = BackendUrlError;

    fn from_str(url: &str) -> Result<Self, BackendUrlError> {
        if url.starts_with("wss://") {
            return Err(BackendUrlError::Tls);
        }
        let authority = url.strip_prefix("ws://").ok_or(BackendUrlError::Scheme)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(BackendUrlError::Path);
        }
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => 80,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| BackendUrlError::Authority)?
            }
            _ => return Err(BackendUrlError::Authority),
        };
        if !is_host(host.as_bytes()) {
            return Err(BackendUrlError::Authority);
        }
        Ok(Self { authority: authority.to_owned(), host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_backends() {
        let parts = |url: &str| {
            let url: BackendUrl = url.parse().unwrap();
            (url.authority, url.host, url.port)
        };
        let expect = |a: &str, h: &str, p| (a.to_owned(), h.to_owned(), p);
        assert_eq!(parts("ws://127.0.0.1:9000"), expect("127.0.0.1:9000", "127.0.0.1", 9000));
        assert_eq!(parts("ws://old.example/"), expect("old.example", "old.example", 80));
        assert_eq!(parts("ws://[::1]:81"), expect("[::1]:81", "::1", 81));
        let fault = |url: &str| url.parse::<BackendUrl>().unwrap_err();
        assert_eq!(fault("http://a"), BackendUrlError::Scheme);
        assert_eq!(fault("wss://a"), BackendUrlError::Tls);
        assert_eq!(fault("ws://a/b"), BackendUrlError::Path);
        assert_eq!(fault("ws://:80"), BackendUrlError::Authority);
        for bad in ["ws://a:port", "ws://a:+80", "ws://a:", "ws://[::1]80", "ws://[::1]x:80"] {
            assert_eq!(fault(bad), BackendUrlError::Authority, "{bad}");
        }
    }
}
