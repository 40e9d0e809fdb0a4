//! The sockets of a listener, and the clients that connect to them.

use super::Peer;
use super::activation::{self, Inherited};
use super::options::keep_alive_by_default;
use super::stream::Conduit;
use super::unix::{self, SocketFile};
use crate::config::listener::Listener as Settings;
use crate::config::values::Address;
use anyhow::{Context, anyhow};
use rustix::net::sockopt;
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
        file: Option<SocketFile>,
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

    /// Goes on with other settings of its listener, as far as a bound socket can, and warns of the
    /// rest. A socket of systemd is as its unit has it.
    pub(crate) fn adopt(&self, settings: &Settings, before: &Settings) {
        if matches!(self.address, Address::Systemd(_)) {
            return;
        }
        let (listener, address) = (&*settings.name, &self.address);
        if settings.backlog != before.backlog
            && let Err(error) = self.listen_again(backlog(settings))
        {
            tracing::warn!(%address, listener, %error, "backlog takes effect at the next start");
        }
        match &self.kind {
            Kind::Tcp(tcp) => {
                // Of the socket itself: a reload before this one may have warned already.
                let only = sockopt::ipv6_v6only(tcp).unwrap_or(settings.ipv6_only);
                if only != settings.ipv6_only && self.is_of_all_ipv6() {
                    tracing::warn!(%address, listener, "ipv6_only takes effect at the next start");
                }
            }
            Kind::Unix { file, .. } => {
                if settings.unix_mode != before.unix_mode
                    && let Some(Err(error)) =
                        file.as_ref().map(|file| file.set_mode(&settings.unix_mode))
                {
                    tracing::warn!(%address, listener, "unix_mode stays as it is: {error:#}");
                }
            }
        }
    }

    /// Whether it is for all addresses of IPv6, which may have those of IPv4 with them; the system
    /// takes any other for IPv6 only.
    fn is_of_all_ipv6(&self) -> bool {
        matches!(self.address, Address::Tcp(SocketAddr::V6(tcp)) if tcp.ip().is_unspecified())
    }

    /// Has the system hold another number of connections: a socket that listens may be told again
    /// (listen(2)).
    fn listen_again(&self, backlog: i32) -> rustix::io::Result<()> {
        match &self.kind {
            Kind::Tcp(listener) => rustix::net::listen(listener, backlog),
            Kind::Unix { listener, .. } => rustix::net::listen(listener, backlog),
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

    /// The same, and who has connected.
    pub(crate) fn into_parts(self) -> (Conduit, Peer) {
        (self.conduit, self.peer)
    }
}

fn kinds(address: &Address, settings: &Settings) -> anyhow::Result<Vec<Kind>> {
    match address {
        Address::Tcp(tcp) => {
            let socket = tcp_socket(*tcp, settings.ipv6_only, backlog(settings));
            let listener = socket.and_then(|socket| TcpListener::from_std(socket.into()));
            Ok(vec![Kind::Tcp(listener.map_err(|error| explained(&error))?)])
        }
        Address::Unix(path) => {
            let (listener, file) = unix::listen(path, &settings.unix_mode, backlog(settings))?;
            let listener = UnixListener::from_std(listener)?;
            Ok(vec![Kind::Unix { listener, file: Some(file) }])
        }
        Address::Systemd(name) => {
            let inherited = activation::sockets(name)?.into_iter().map(|socket| match socket {
                Inherited::Tcp(listener) => {
                    keep_alive_by_default(&listener)?;
                    listener.set_nonblocking(true)?;
                    TcpListener::from_std(listener).map(Kind::Tcp)
                }
                Inherited::Unix(listener) => {
                    listener.set_nonblocking(true)?;
                    UnixListener::from_std(listener)
                        .map(|listener| Kind::Unix { listener, file: None })
                }
            });
            Ok(inherited.collect::<io::Result<_>>()?)
        }
    }
}

fn backlog(settings: &Settings) -> i32 {
    i32::try_from(settings.backlog.get()).unwrap_or(i32::MAX)
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
    keep_alive_by_default(&socket)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::route::KeepaliveTable;
    use std::num::NonZeroU32;

    #[tokio::test]
    async fn clients_are_asked_whether_they_are_there() {
        let any = "127.0.0.1:0".parse().unwrap();
        let socket = Socket::bind(&any, &Settings::default()).unwrap().remove(0);
        let _client = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
        let Conduit::Tcp(accepted) = socket.accept().await.into_conduit() else { unreachable!() };
        assert!(sockopt::socket_keepalive(&accepted).unwrap());
        let silence = KeepaliveTable::default().tcp.0;
        assert_eq!(sockopt::tcp_keepidle(&accepted).unwrap(), silence);
    }

    /// How many more can connect before the system has them wait.
    fn held(address: &socket2::SockAddr, clients: &mut Vec<socket2::Socket>) -> usize {
        let before = clients.len();
        loop {
            let client = socket2::Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            match client.connect(address) {
                Ok(()) => clients.push(client),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
                    return clients.len() - before;
                }
            }
        }
    }

    #[tokio::test]
    async fn the_backlog_of_a_bound_socket_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let backlog = |backlog| Settings {
            backlog: NonZeroU32::new(backlog).unwrap(),
            ..Settings::default()
        };
        let socket = Socket::bind(&Address::Unix(path.clone()), &backlog(1)).unwrap().remove(0);
        let (address, mut clients) = (socket2::SockAddr::unix(&path).unwrap(), Vec::new());
        assert!(held(&address, &mut clients) > 0);
        socket.adopt(&backlog(8), &backlog(1));
        assert_eq!(held(&address, &mut clients), 7);
    }
}
