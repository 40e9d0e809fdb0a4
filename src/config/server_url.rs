//! Where a backend's server is: `ws://host:port`, `wss://host:port` or `unix:/path`.

use crate::handshake::is_host;
use serde_with::{DeserializeFromStr, SerializeDisplay};
use std::fmt;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;

/// A server's URL. It has no path: requests keep the target that the client sent, or what the route
/// makes of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, DeserializeFromStr, SerializeDisplay)]
pub enum ServerUrl {
    /// `ws://` or `wss://`.
    Network {
        /// Whether by TLS.
        secure: bool,
        /// The host and port as they stand in the URL, which is what `Host` can say.
        authority: String,
        /// The name or address to connect to.
        host: String,
        /// The port; 80 where the URL has none, 443 with TLS.
        port: u16,
    },
    /// `unix:` and an absolute path.
    Unix(PathBuf),
}

/// What is wrong with a server's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerUrlError {
    /// Another scheme, or none.
    #[error("a server is written ws://HOST:PORT, wss://HOST:PORT or unix:/PATH")]
    Scheme,
    /// A path, a query, or credentials.
    #[error("a server has no path: requests keep the target that the client sent")]
    Path,
    /// The host or the port.
    #[error("malformed host or port")]
    Authority,
    /// A socket by a path that depends on where the program was started.
    #[error("the path of a Unix socket begins with /")]
    Relative,
}

impl ServerUrl {
    /// What `Host` says when it is to be the server's own.
    pub fn authority(&self) -> &str {
        match self {
            Self::Network { authority, .. } => authority,
            Self::Unix(_) => "localhost",
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { secure: true, authority, .. } => write!(f, "wss://{authority}"),
            Self::Network { authority, .. } => write!(f, "ws://{authority}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(url: &str) -> Result<Self, ServerUrlError> {
        if let Some(path) = url.strip_prefix("unix:") {
            let absolute = path.starts_with('/').then(|| Self::Unix(path.into()));
            return absolute.ok_or(ServerUrlError::Relative);
        }
        let (secure, authority) = match (url.strip_prefix("wss://"), url.strip_prefix("ws://")) {
            (Some(authority), _) => (true, authority),
            (None, Some(authority)) => (false, authority),
            (None, None) => return Err(ServerUrlError::Scheme),
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(ServerUrlError::Path);
        }
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => {
                if secure {
                    443
                } else {
                    80
                }
            }
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                // Nothing listens on port 0.
                let port: Result<NonZeroU16, _> = digits.parse();
                port.map_err(|_| ServerUrlError::Authority)?.get()
            }
            _ => return Err(ServerUrlError::Authority),
        };
        if !is_host(host.as_bytes()) {
            return Err(ServerUrlError::Authority);
        }
        Ok(Self::Network { secure, authority: authority.to_owned(), host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_servers() {
        let server = |secure, authority: &str, host: &str, port| ServerUrl::Network {
            secure,
            authority: authority.to_owned(),
            host: host.to_owned(),
            port,
        };
        let cases = [
            ("ws://127.0.0.1:9000", server(false, "127.0.0.1:9000", "127.0.0.1", 9000)),
            ("ws://old.example/", server(false, "old.example", "old.example", 80)),
            ("wss://new.example", server(true, "new.example", "new.example", 443)),
            ("ws://[::1]:81", server(false, "[::1]:81", "::1", 81)),
            ("unix:/run/a.sock", ServerUrl::Unix("/run/a.sock".into())),
        ];
        for (url, expected) in cases {
            assert_eq!(url.parse(), Ok(expected), "{url}");
        }
        let fault = |url: &str| url.parse::<ServerUrl>().unwrap_err();
        assert_eq!(fault("http://a"), ServerUrlError::Scheme);
        assert_eq!(fault("ws://a/b"), ServerUrlError::Path);
        assert_eq!(fault("ws://:80"), ServerUrlError::Authority);
        assert_eq!(fault("unix:run/a.sock"), ServerUrlError::Relative);
        for bad in
            ["ws://a:port", "ws://a:+80", "ws://a:", "ws://a:0", "ws://[::1]80", "ws://[::1]x:80"]
        {
            assert_eq!(fault(bad), ServerUrlError::Authority, "{bad}");
        }
    }
}
