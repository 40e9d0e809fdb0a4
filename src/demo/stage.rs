//! What the demo has running: an echo backend of each age, and before each a proxy that an inspector
//! watches.

use super::echo;
use crate::config::Settings;
use crate::config::values::{Address, BackendDialect};
use crate::dialect::Dialect;
use crate::dialect::hixie::Draft;
use crate::inspect::Inspector;
use crate::server::Server;
use anyhow::Context;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The dialect of the backend of today.
pub(super) const MODERN: Dialect = Dialect::RFC6455;

/// The dialect of the backend of 2010.
pub(super) const OLD: Dialect = Dialect::Hixie(Draft::H76);

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) before_modern: Proxy,
    pub(super) before_old: Proxy,
}

/// A proxy with its backend.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    leave: oneshot::Sender<()>,
    served: JoinHandle<anyhow::Result<()>>,
    backend: JoinHandle<()>,
}

impl Stage {
    pub(super) async fn start(host: IpAddr, inspector: &Inspector) -> anyhow::Result<Self> {
        Ok(Self {
            before_modern: Proxy::start(host, MODERN, inspector).await?,
            before_old: Proxy::start(host, OLD, inspector).await?,
        })
    }

    /// The proxy before the backend of a dialect.
    pub(super) fn proxy_before(&self, dialect: Dialect) -> &Proxy {
        if dialect == OLD { &self.before_old } else { &self.before_modern }
    }

    /// Closes all sessions, each in its dialects.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let (modern, old) = tokio::join!(self.before_modern.stop(), self.before_old.stop());
        modern.and(old)
    }
}

impl Proxy {
    async fn start(host: IpAddr, dialect: Dialect, inspector: &Inspector) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("ws://{}", listener.local_addr()?).parse()?;
        let backend = tokio::spawn(echo::serve(listener, dialect));
        let mut settings = Settings::between(Address::Tcp(SocketAddr::new(host, 0)), url);
        settings.workers = NonZeroUsize::MIN;
        // What the demo prints is not to be broken up by its own sessions.
        settings.access_log.enabled = false;
        for backend in &mut settings.backends {
            backend.dialect = BackendDialect::Fixed(dialect);
        }
        let server = Server::bind(settings).await?.watched_by(inspector.watcher(dialect.name()));
        let address = server.local_addr().context("no address to listen on")?;
        let (leave, left) = oneshot::channel();
        let served = tokio::spawn(server.run(async move { drop(left.await) }));
        Ok(Self { address, leave, served, backend })
    }

    async fn stop(self) -> anyhow::Result<()> {
        // The other end waits for this, or has failed, which the handle tells.
        self.leave.send(()).ok();
        let served = self.served.await.context("a proxy of the demo panicked")?;
        self.backend.abort();
        served
    }
}
