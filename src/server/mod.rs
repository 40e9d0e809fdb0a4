//! The server: a listener, its workers, and the orderly end of both.

mod thread;

use crate::config::Settings;
use crate::proxy::Service;
use crate::proxy::backend::Backend;
use crate::proxy::open::open;
use crate::watch::{ConnectionId, Watcher};
use crate::worker::load::Places;
use anyhow::{Context, anyhow, bail};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use thread::{Handle, tick};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How long to wait when the process is out of files or memory, which only ending connections mend.
const OUT_OF_RESOURCES: Duration = Duration::from_millis(100);

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    settings: Arc<Settings>,
    watcher: Option<Arc<dyn Watcher>>,
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
        Ok(Self {
            settings: Arc::new(settings),
            watcher: None,
            address: listener.local_addr()?,
            listener,
        })
    }

    /// Shows all connections to a watcher.
    #[must_use]
    pub fn watched_by(self, watcher: Arc<dyn Watcher>) -> Self {
        Self { watcher: Some(watcher), ..self }
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
        let Self { settings, watcher, listener, .. } = self;
        let ended = CancellationToken::new();
        let started = (0..settings.workers.max(1))
            .map(|index| Handle::start(index, &settings, watcher.clone(), &ended));
        let (workers, threads): (Vec<_>, Vec<_>) =
            started.collect::<anyhow::Result<Vec<_>>>()?.into_iter().unzip();
        let bells: Vec<_> = workers.iter().map(|worker| Arc::clone(worker.bell())).collect();
        let ticking = tick(&bells);
        tokio::pin!(ticking);
        let workers = Arc::new(workers);
        let leaving = CancellationToken::new();
        let service = Arc::new(Service {
            backend: Backend::new(&settings),
            settings: Arc::clone(&settings),
            watcher,
            leaving: leaving.clone(),
        });
        tokio::select! {
            () = accept(&listener, &service, &workers) => {}
            () = shutdown => {}
            // A server that has lost a worker, and its sessions, is not to look healthy.
            () = ended.cancelled() => {}
            never = &mut ticking => match never {},
        }
        // The port is free, and who connects now is refused by the system.
        drop(listener);
        leaving.cancel();
        workers.iter().for_each(Handle::leave);
        // The threads end when the last handle is gone, which the openings that go on hold.
        drop(workers);
        let joined = tokio::task::spawn_blocking(move || {
            // Each is waited for, whatever the one before it says.
            threads.into_iter().fold(Ok(()), |so_far, thread| so_far.and(join(thread)))
        });
        // The sessions keep the deadline themselves; this is for what has none, such as a thread
        // that hangs.
        let grace = Duration::from_millis(settings.limits.shutdown) + Duration::from_secs(2);
        tokio::select! {
            joined = joined => joined.context("cannot wait for the workers")?,
            () = tokio::time::sleep(grace) => {
                let left: usize = bells.iter().map(|bell| bell.load()).sum();
                bail!("shutdown deadline passed, {left} connections dropped")
            }
            never = &mut ticking => match never {},
        }
    }
}

fn join(thread: JoinHandle<io::Result<()>>) -> anyhow::Result<()> {
    let ended =
        thread.join().map_err(|_| anyhow!("a worker has died, and its sessions with it"))?;
    ended.context("a worker cannot wait for its sockets")
}

/// Opens each connection that comes, and hands it to the worker with the fewest: they live long, so
/// that a hashed spread would stay uneven.
async fn accept(listener: &TcpListener, service: &Arc<Service>, workers: &Arc<Vec<Handle>>) {
    let places = Places::new(service.settings.max_connections);
    let mut id = ConnectionId(0);
    while let Some(((stream, peer), place)) = places.give(next_client(listener)).await {
        id.0 = id.0.wrapping_add(1);
        let (service, workers) = (Arc::clone(service), Arc::clone(workers));
        tokio::spawn(async move {
            if let Some(connection) = open(&service, stream, id, peer, place).await
                && let Some(worker) = workers.iter().min_by_key(|worker| worker.bell().load())
            {
                worker.relay(connection);
            }
        });
    }
}

/// The next client, whatever comes between.
pub(crate) async fn next_client(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client has gone before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(OUT_OF_RESOURCES).await;
            }
        }
    }
}
