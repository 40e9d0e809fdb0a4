//! The thread of a worker: its runtime, and the connections that are handed to it.

use crate::config::Settings;
use crate::proxy::backend::Backend;
use crate::proxy::open::open;
use crate::worker::Worker;
use crate::worker::load::{Load, Places, Ticket};
use anyhow::{Context, anyhow};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
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
    /// Starts a thread, and waits until it can take clients.
    ///
    /// # Errors
    /// When the system has no thread, no files or no randomness to give.
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
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                let started = prepare(settings, its_load);
                let (told, ready) = match started {
                    Ok(ready) => (Ok(()), Some(ready)),
                    Err(error) => (Err(error), None),
                };
                // The other end waits for this.
                drop(tell.send(told));
                if let Some((runtime, worker)) = ready {
                    runtime.block_on(serve(worker, &backend, accepted));
                }
            })
            .context("cannot start a worker")?;
        told.recv().context("a worker ended at once")?.context("cannot start a worker")?;
        Ok(Self { load, clients, thread })
    }

    /// How many connections the worker has.
    pub(super) fn load(&self) -> usize {
        self.load.count()
    }

    /// Hands over a client, for which there is a place.
    ///
    /// # Errors
    /// When the worker has ended, which it never does by itself.
    pub(super) async fn take(&self, stream: TcpStream, peer: SocketAddr) -> anyhow::Result<()> {
        let ticket = self.load.ticket();
        let handed = self.clients.send(Accepted { stream, peer, ticket }).await;
        handed.map_err(|_| anyhow!("a worker has ended"))
    }

    /// Tells the worker that no more clients come, which makes it leave.
    pub(super) fn dismiss(self) -> (Arc<Load>, JoinHandle<()>) {
        (self.load, self.thread)
    }
}

fn prepare(settings: Arc<Settings>, load: Arc<Load>) -> anyhow::Result<(LocalRuntime, Rc<Worker>)> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let worker = {
        // Its clock is that of the runtime.
        let _entered = runtime.enter();
        Rc::new(Worker::new(settings, load)?)
    };
    Ok((runtime, worker))
}

/// Serves connections until no more can come; then closes them all, and returns when the last has
/// ended.
async fn serve(worker: Rc<Worker>, backend: &Arc<Backend>, mut accepted: mpsc::Receiver<Accepted>) {
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
}
