//! Connections: how clients arrive, and the one type of stream that the proxy knows.

pub mod activation;
pub(crate) mod admission;
pub(crate) mod arrive;
mod certificates;
mod flash;
mod hush;
pub(crate) mod listen;
pub(crate) mod listener;
pub(crate) mod options;
pub(crate) mod proxy_protocol;
mod rate;
pub(crate) mod site;
pub(crate) mod stream;
mod tls;
mod unix;

use crate::config::listener::Listener;
use serde_with::SerializeDisplay;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use stream::Stream;
use tokio::time::Instant;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, SerializeDisplay)]
pub enum Peer {
    /// An address and a port.
    Inet(SocketAddr),
    /// A program on this machine, by a Unix socket.
    Unix,
}

impl Peer {
    /// The address, in IPv4 where it is one.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Inet(address) => Some(address.ip().to_canonical()),
            Self::Unix => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// A client that has connected and is to be served.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) stream: Stream,
    pub(crate) hop: Hop,
    /// What was taken from the stream before its first request was looked for.
    pub(crate) early: Vec<u8>,
    /// When the head of the first request has to be there.
    pub(crate) deadline: Instant,
    /// Why it is only to be told that it is turned away.
    pub(crate) turned_away: Option<TurnedAway>,
}

/// Why a client is turned away before its first request is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TurnedAway {
    #[error("too many connections")]
    Full,
    #[error("too many connections to the listener")]
    ListenerFull,
    #[error("too many connections from the address")]
    AddressFull,
    #[error("too many new connections")]
    Rate,
    #[error("too many new connections from the address")]
    AddressRate,
    #[error("plain request where TLS is expected")]
    NoTls,
}

impl TurnedAway {
    /// The HTTP status that tells the client.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::NoTls => 400,
            _ => 503,
        }
    }

    /// After how many seconds the client may come again; `None` where that would change nothing.
    /// A rate allows more in the next second. When a connection ends nobody knows.
    pub(crate) const fn retry_after(self) -> Option<u64> {
        match self {
            Self::Rate | Self::AddressRate => Some(1),
            Self::Full | Self::ListenerFull | Self::AddressFull => Some(5),
            Self::NoTls => None,
        }
    }
}

/// What is known of a client's connection.
#[derive(Debug, Clone)]
pub(crate) struct Hop {
    pub(crate) listener: Arc<Listener>,
    /// The client, as a trusted front proxy's PROXY header has it where there is one.
    pub(crate) peer: Peer,
    /// Where the client connected to, in the same way.
    pub(crate) local: Peer,
    /// Whether it came by TLS, to us or to the front proxy that says so.
    pub(crate) secure: bool,
    /// Whether the peer is a front proxy whose `X-Forwarded-*` and `Forwarded` are believed.
    pub(crate) trusted: bool,
}
