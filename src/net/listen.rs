//! The sockets of a listener, and the clients that connect to them.

use super::Peer;
use super::activation::{self, Inherited};
use super::stream::Conduit;
use super::unix::{self, SocketFile};
use crate::config::listener::Listener as Settings;
use crate::config::values::Address;
use anyhow::{Context, anyhow};
use socket2::{Domain, Protocol, Type};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener};

/// How long to wait when the process is out of files or memory, which only ending connections mend.
const OUT_OF_RESOURCES: Duration = Duration::from_millis(100);

/// A socket that listens, at one address of a listener.
#[derive(Debug)]
pub(crate) struct Socket {
    address: Address,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// What is removed in the end; the file of a socket of systemd is not ours.
        _file: Option<SocketFile>,
    },
}

/// What a socket has accepted, and nobody has looked at yet.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(super) conduit: Conduit,
    pub(super) peer: Peer,
}

impl Socket {
    /// Begins to listen at an address of a listener: on one socket, or on as many as systemd has
    /// under the name.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub(crate) fn bind(address: &Address, settings: &Settings) -> anyhow::Result<Vec<Self>> {
        let kinds = kinds(address, settings);
        let kinds = kinds.with_context(|| format!("cannot listen on {address}"))?;
        Ok(kinds.into_iter().map(|kind| Self { address: address.clone(), kind }).collect())
    }

    /// The address it listens on, with the port that the system chose where 0 was asked for.
    pub(crate) fn address(&self) -> Address {
        self.local_addr().map_or_else(|| self.address.clone(), Address::Tcp)
    }

    /// The same, where it is one of TCP.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Tcp(listener) => listener.local_addr().ok(),
            Kind::Unix { .. } => None,
        }
    }

    /// The next client, whatever comes between.
    pub(crate) async fn accept(&self) -> Accepted {
        loop {
            let accepted = match &self.kind {
                Kind::Tcp(listener) => listener.accept().await.map(|(stream, peer)| Accepted {
                    conduit: Conduit::Tcp(stream),
                    peer: peer.into(),
                }),
                Kind::Unix { listener, .. } => listener.accept().await.map(|(stream, _)| {
                    Accepted { conduit: Conduit::Unix(stream), peer: Peer::Unix }
                }),
            };
            match accepted {
                Ok(accepted) => return accepted,
                Err(error) => pause_after(&error).await,
            }
        }
    }
}

impl Accepted {
    /// The connection as the system gives it, for a server that has nothing before its first request.
    pub(crate) fn into_conduit(self) -> Conduit {
        self.conduit
    }
}

fn kinds(address: &Address, settings: &Settings) -> anyhow::Result<Vec<Kind>> {
    let backlog = i32::try_from(settings.backlog.get()).unwrap_or(i32::MAX);
    match address {
        Address::Tcp(tcp) => {
            let socket = tcp_socket(*tcp, settings.ipv6_only, backlog);
            let listener = socket.and_then(|socket| TcpListener::from_std(socket.into()));
            Ok(vec![Kind::Tcp(listener.map_err(|error| explained(&error))?)])
        }
        Address::Unix(path) => {
            let (listener, file) = unix::listen(path, &settings.unix_mode, backlog)?;
            let listener = UnixListener::from_std(listener)?;
            Ok(vec![Kind::Unix { listener, _file: Some(file) }])
        }
        Address::Systemd(name) => {
            let inherited = activation::sockets(name)?.into_iter().map(|socket| match socket {
                Inherited::Tcp(listener) => {
                    listener.set_nonblocking(true)?;
                    TcpListener::from_std(listener).map(Kind::Tcp)
                }
                Inherited::Unix(listener) => {
                    listener.set_nonblocking(true)?;
                    UnixListener::from_std(listener)
                        .map(|listener| Kind::Unix { listener, _file: None })
                }
            });
            Ok(inherited.collect::<io::Result<_>>()?)
        }
    }
}

fn tcp_socket(address: SocketAddr, ipv6_only: bool, backlog: i32) -> io::Result<socket2::Socket> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Always said, because what the system does otherwise is a setting of its own.
        socket.set_only_v6(ipv6_only)?;
    }
    // A restart must not wait for the connections of before to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The usual faults in few words, the others as the system has them.
fn explained(error: &io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!("address in use"),
        io::ErrorKind::AddrNotAvailable => anyhow!("not an address of this machine"),
        io::ErrorKind::PermissionDenied => {
            anyhow!("not permitted; ports below 1024 need CAP_NET_BIND_SERVICE")
        }
        _ => anyhow!("{error}"),
    }
}

/// The next client of a plain TCP listener, whatever comes between.
pub(crate) async fn next_client(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => pause_after(&error).await,
        }
    }
}

async fn pause_after(error: &io::Error) {
    // The client has gone before it was accepted.
    if error.kind() != io::ErrorKind::ConnectionAborted {
        tracing::warn!(%error, "cannot accept");
        tokio::time::sleep(OUT_OF_RESOURCES).await;
    }
}
