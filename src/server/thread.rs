//! The thread of a worker: its runtime, and the connections that are handed to it.

use crate::config::Settings;
use crate::proxy::backend::Backend;
use crate::proxy::open::open;
use crate::worker::Worker;
use crate::worker::load::{Load, Places, Ticket};
use anyhow::Context;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio::task::spawn_local;

/// Accepted connections that wait for their worker.
const HANDED_OVER: usize = 256;

/// A client that has connected.
#[derive(Debug)]
struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    ticket: Ticket,
}

/// A worker's thread, seen from outside.
#[derive(Debug)]
pub(super) struct Handle {
    load: Arc<Load>,
    clients: mpsc::Sender<Accepted>,
    thread: JoinHandle<()>,
}

impl Handle {
    /// Starts a thread.
    pub(super) fn start(
        index: usize,
        settings: &Arc<Settings>,
        backend: &Arc<Backend>,
        places: &Places,
    ) -> anyhow::Result<Self> {
        let load = Load::new(places.clone());
        let (clients, accepted) = mpsc::channel(HANDED_OVER);
        let (settings, backend) = (Arc::clone(settings), Arc::clone(backend));
        let its_load = Arc::clone(&load);
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                if let Err(error) = run(settings, its_load, &backend, accepted) {
                    tracing::error!("worker {index} ended: {error:#}");
                }
            })
            .context("cannot start a worker")?;
        Ok(Self { load, clients, thread })
    }

    /// How many connections the worker has.
    pub(super) fn load(&self) -> usize {
        self.load.count()
    }

    /// Hands over a client, for which there is a place.
    pub(super) async fn take(&self, stream: TcpStream, peer: SocketAddr) {
        let ticket = self.load.ticket();
        if self.clients.send(Accepted { stream, peer, ticket }).await.is_err() {
            tracing::error!(%peer, "connection dropped: its worker has ended");
        }
    }

    /// Tells the worker that no more clients come, which makes it leave.
    pub(super) fn dismiss(self) -> (Arc<Load>, JoinHandle<()>) {
        (self.load, self.thread)
    }
}

/// Serves connections until no more can come; then closes them all, and returns when the last has
/// ended.
fn run(
    settings: Arc<Settings>,
    load: Arc<Load>,
    backend: &Arc<Backend>,
    mut accepted: mpsc::Receiver<Accepted>,
) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let worker = Rc::new(Worker::new(settings, load)?);
    runtime.block_on(async {
        let clock = Rc::clone(&worker);
        spawn_local(async move { clock.tick().await });
        while let Some(Accepted { stream, peer, ticket }) = accepted.recv().await {
            // A frame that is ready has nothing to wait for.
            let ready = stream.set_nodelay(true);
            match ready.and_then(|()| tokio::net::TcpStream::from_std(stream)) {
                Ok(stream) => {
                    let (worker, backend) = (Rc::clone(&worker), Arc::clone(backend));
                    spawn_local(open(worker, backend, stream, peer, ticket));
                }
                Err(error) => tracing::warn!(%peer, %error, "connection dropped"),
            }
        }
        worker.leave().await;
    });
    Ok(())
}
