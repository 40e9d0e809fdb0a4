//! A connection to one server: its address, the socket, the PROXY header, TLS.

use super::announce::{Ends, header};
use super::open::{NoBackend, lost};
use super::resolve::Place;
use super::tls;
use crate::config::backend::{Backend, ClientTls, ProxyVersion};
use crate::config::server_url::ServerUrl;
use crate::config::values::Period;
use crate::net::options::keep_alive_by_default;
use crate::net::stream::{Conduit, Stream};
use anyhow::Context;
use rustix::io::Errno;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// How a server is reached.
pub(crate) struct Way {
    pub(super) target: Arc<Target>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    announced: Option<ProxyVersion>,
    limit: Duration,
}

/// Where a server is.
#[derive(Debug)]
pub(crate) enum Target {
    Network(Place),
    Unix(PathBuf),
}

impl Way {
    /// The way to a server; `connector` is that of its backend.
    ///
    /// # Errors
    /// When the server has a name that TLS cannot ask for.
    pub(crate) fn new(
        url: &ServerUrl,
        settings: &Backend,
        connector: Option<&TlsConnector>,
    ) -> anyhow::Result<Self> {
        let (target, tls) = match url {
            ServerUrl::Unix(path) => (Target::Unix(path.clone()), None),
            ServerUrl::Network { secure, host, port, .. } => {
                let place = Target::Network(Place::new(host, *port));
                let tls = match secure {
                    true => {
                        let name = tls::server_name(&settings.tls, host)?;
                        Some((connector.context("no TLS")?.clone(), name))
                    }
                    false => None,
                };
                (place, tls)
            }
        };
        let announced = settings.proxy_protocol;
        Ok(Self { target: Arc::new(target), tls, announced, limit: settings.connect_timeout.0 })
    }

    /// What a URL names that stands alone, outside of any settings: `ws://` or `wss://` with a host, and
    /// perhaps a path, or `unix:` with that of a socket. With the way come its parts, the path as it was
    /// written.
    ///
    /// # Errors
    /// When it is none, or the roots of its certificate cannot be read.
    pub(crate) fn to_url(
        url: &str,
        tls: ClientTls,
        limit: Duration,
    ) -> anyhow::Result<(Self, ServerUrl, &str)> {
        let (server, path) = split(url);
        let server: ServerUrl = server.parse().with_context(|| format!("{url} is no target"))?;
        let settings = Backend { tls, connect_timeout: Period(limit), ..Backend::default() };
        let secure = matches!(server, ServerUrl::Network { secure: true, .. });
        let connector = secure.then(|| tls::connector(&settings.tls)).transpose()?;
        Ok((Self::new(&server, &settings, connector.as_ref())?, server, path))
    }

    /// Connects, in the time that the settings give. `ends`: the client for whom it is done.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub(crate) async fn connect(&self, ends: Option<Ends>) -> Result<Stream, NoBackend> {
        let connected = timeout(self.limit, self.connect_slowly(ends)).await;
        connected.unwrap_or(Err(NoBackend::ConnectTimeout))
    }

    async fn connect_slowly(&self, ends: Option<Ends>) -> Result<Stream, NoBackend> {
        let mut conduit = match &*self.target {
            Target::Unix(path) => {
                Conduit::Unix(UnixStream::connect(path).await.map_err(unconnected)?)
            }
            Target::Network(place) => {
                let unresolved = |error| NoBackend::Unresolved { host: place.host.clone(), error };
                let addresses = place.addresses().await.map_err(unresolved)?;
                let stream = self.first_of(&addresses).await?;
                keep_alive_by_default(&stream).map_err(NoBackend::Connect)?;
                Conduit::Tcp(stream)
            }
        };
        conduit.set_nodelay().map_err(NoBackend::Connect)?;
        if let Some(version) = self.announced {
            let announced = conduit.write_all(&header(version, ends)).await;
            announced.map_err(|error| lost(error, NoBackend::Connect))?;
        }
        let Some((connector, name)) = &self.tls else { return Ok(Stream::Plain(conduit)) };
        // Boxed, for who has no TLS is not to have the room for it.
        let secured = Box::pin(connector.connect(name.clone(), conduit)).await;
        Ok(Stream::Tls(Box::new(secured.map_err(NoBackend::Tls)?.into())))
    }

    /// Connects to the first of these addresses that accepts. Each has its share of the time that
    /// is left, so that a silent one does not take that of the others.
    async fn first_of(&self, addresses: &[SocketAddr]) -> Result<TcpStream, NoBackend> {
        let begun = Instant::now();
        let mut failed = NoBackend::Connect(io::ErrorKind::AddrNotAvailable.into());
        for (tried, address) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let share = self.limit.saturating_sub(begun.elapsed()) / left;
            failed = match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => unconnected(error),
                Err(_) => NoBackend::ConnectTimeout,
            };
        }
        Err(failed)
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("target", &self.target).finish_non_exhaustive()
    }
}

/// Why a socket is not connected. What the system has not to give us is no fault of the server's.
fn unconnected(error: io::Error) -> NoBackend {
    match Errno::from_io_error(&error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL | Errno::NOBUFS) => {
            NoBackend::Starved(error)
        }
        _ => lost(error, NoBackend::Connect),
    }
}

/// A server and a path.
fn split(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |scheme| scheme + 3);
    let is_unix = url.starts_with("unix:");
    let path = url.get(host..).and_then(|rest| rest.find('/')).filter(|_| !is_unix);
    url.split_at(path.map_or(url.len(), |path| host + path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_server_is_asked_whether_it_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap()).parse().unwrap();
        let way = Way::new(&url, &Backend::default(), None).unwrap();
        let stream = way.connect(None).await.unwrap();
        let Conduit::Tcp(socket) = stream.conduit() else { unreachable!() };
        assert!(sockopt::socket_keepalive(socket).unwrap());
    }
}
