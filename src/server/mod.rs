//! The server: a listener, its workers, and the orderly end of both.

mod thread;

use crate::config::Settings;
use crate::proxy::backend::Backend;
use crate::worker::load::Places;
use anyhow::{Context, bail};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thread::Handle;
use tokio::net::TcpListener;

/// How long to wait when the process is out of files or memory, which only ending connections mend.
const OUT_OF_RESOURCES: Duration = Duration::from_millis(100);

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    settings: Arc<Settings>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(settings: Settings) -> anyhow::Result<Self> {
        let address = settings.listen;
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        Ok(Self { settings: Arc::new(settings), address: listener.local_addr()?, listener })
    }

    /// The address it listens on, with the port that the system chose where 0 was asked for.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is done; then closes every session in its own dialect, and returns
    /// when the last has ended or the shutdown deadline has passed.
    ///
    /// # Errors
    /// When a worker cannot be started or has ended, or when the shutdown deadline has passed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let places = Places::new(self.settings.max_connections);
        let backend = Arc::new(Backend::new(&self.settings));
        let workers = (0..self.settings.workers.max(1))
            .map(|index| Handle::start(index, &self.settings, &backend, &places))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let accepted = tokio::select! {
            result = self.accept(&places, &workers) => result,
            () = shutdown => Ok(()),
        };
        let Self { settings, listener, .. } = self;
        // The port is free, and who connects now is refused by the system.
        drop(listener);
        // With its handle a worker loses the source of its connections, which tells it to leave.
        let (loads, threads): (Vec<_>, Vec<_>) = workers.into_iter().map(Handle::dismiss).unzip();
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().for_each(|thread| drop(thread.join()));
        });
        // The sessions keep the deadline themselves; this is for what has none, such as a thread
        // that hangs.
        let grace = Duration::from_millis(settings.limits.shutdown) + Duration::from_secs(2);
        if tokio::time::timeout(grace, joined).await.is_err() {
            let left: usize = loads.iter().map(|load| load.count()).sum();
            bail!("shutdown deadline passed, {left} connections dropped");
        }
        accepted
    }

    /// Hands each new connection to the worker with the fewest: they live long, so that a hashed
    /// spread would stay uneven.
    async fn accept(&self, places: &Places, workers: &[Handle]) -> anyhow::Result<()> {
        loop {
            places.wait().await;
            let (stream, peer) = loop {
                // The runtime of the worker takes the stream over from that of the listener.
                let accepted = self.listener.accept().await;
                match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
                    Ok(accepted) => break accepted,
                    // The client has gone before it was accepted.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept");
                        tokio::time::sleep(OUT_OF_RESOURCES).await;
                    }
                }
            };
            let Some(worker) = workers.iter().min_by_key(|worker| worker.load()) else {
                return Ok(());
            };
            worker.take(stream, peer).await?;
        }
    }
}
