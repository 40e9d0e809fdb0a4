//! Cases that live clients are held to: each connection is given the next one of its dialect.

use super::play::play;
use super::{Bounds, Tried};
use crate::conformance::Asked;
use crate::conformance::case::Case;
use crate::conformance::run::Run;
use crate::dialect::Dialect;
use crate::net::listen::Socket;
use crate::net::stream::Stream;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

/// The list of a dialect.
pub(crate) type List = dyn Fn(Dialect) -> Vec<Case> + Send + Sync;

/// What is told of clients.
pub(crate) enum Told {
    /// One was held to a case.
    Tried(Box<Tried>),
    /// One of this dialect offers no compression: so many cases are left out.
    Uncompressed(Dialect, usize),
}

/// A server that clients under test connect to.
pub(crate) struct Kit {
    /// The dialects that clients are held to; those that they speak where there are none.
    wanted: Vec<Dialect>,
    list: Box<List>,
    bounds: Bounds,
    desk: Mutex<Desk>,
}

/// What is still to be given to clients.
#[derive(Default)]
struct Desk {
    lists: HashMap<Dialect, VecDeque<Case>>,
    /// How many cases are in progress.
    given: usize,
}

impl Kit {
    pub(crate) fn new(wanted: Vec<Dialect>, list: Box<List>, bounds: Bounds) -> Self {
        let lists = wanted.iter().map(|dialect| (*dialect, list(*dialect).into())).collect();
        let desk = Mutex::new(Desk { lists, given: 0 });
        Self { wanted, list, bounds, desk }
    }

    /// Serves clients until all cases of their dialects have been tried.
    pub(crate) fn start(self: Arc<Self>, sockets: Vec<Socket>) -> Receiver<Told> {
        let (sender, receiver) = channel(self.bounds.parallel);
        let places = Arc::new(Semaphore::new(self.bounds.parallel));
        for socket in sockets {
            let (this, sender, places) = (Arc::clone(&self), sender.clone(), Arc::clone(&places));
            tokio::spawn(async move {
                // The places are never closed.
                while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                    let accepted = tokio::select! {
                        accepted = socket.accept() => accepted,
                        () = sender.closed() => return,
                    };
                    let (conduit, _) = accepted.into_parts();
                    conduit.set_nodelay().ok();
                    let (this, sender) = (Arc::clone(&this), sender.clone());
                    tokio::spawn(async move {
                        this.client(Stream::Plain(conduit), &sender).await;
                        drop(place);
                    });
                }
            });
        }
        receiver
    }

    /// Whether all cases have been tried, of one dialect at least.
    pub(crate) fn is_done(&self) -> bool {
        let desk = self.desk();
        desk.given == 0 && !desk.lists.is_empty() && desk.lists.values().all(VecDeque::is_empty)
    }

    async fn client(&self, mut stream: Stream, sender: &Sender<Told>) {
        let Some(asked) = self.asked(&mut stream).await else { return };
        // A client to whom nothing is left to say is left alone.
        let (case, uncompressed) = self.take(&asked);
        if let Some((dialect, count)) = uncompressed {
            sender.send(Told::Uncompressed(dialect, count)).await.ok();
        }
        let Some(case) = case else { return };
        let begun = tokio::time::Instant::now();
        let mut run = Run::before_client(case.clone(), &asked);
        play(stream, &mut run, self.bounds).await;
        let tried = Tried { case, verdict: run.verdict(), took: begun.elapsed() };
        self.desk().given -= 1;
        sender.send(Told::Tried(Box::new(tried))).await.ok();
    }

    /// The request of a client; `None` from one that asks for no session that is known.
    async fn asked(&self, stream: &mut Stream) -> Option<Asked> {
        let mut bytes = Vec::new();
        loop {
            let read = timeout(self.bounds.silence, stream.read_buf(&mut bytes)).await;
            if !matches!(read, Ok(Ok(1..))) {
                return None;
            }
            match Asked::read(&mut bytes) {
                Ok(None) => {}
                Ok(asked) => return asked,
                Err(what) => {
                    tracing::warn!("a client asks for nothing that is known: {what}");
                    return None;
                }
            }
        }
    }

    /// The next case for a client, and how many are left out of now on because it does not compress.
    fn take(&self, asked: &Asked) -> (Option<Case>, Option<(Dialect, usize)>) {
        let wanted = asked.dialects.iter().find(|dialect| self.wanted.contains(dialect));
        let dialect = match self.wanted.is_empty() {
            true => asked.dialects.first(),
            false => wanted,
        };
        let Some(dialect) = dialect.copied() else { return (None, None) };
        let mut desk = self.desk();
        let list = desk.lists.entry(dialect).or_insert_with(|| (self.list)(dialect).into());
        let all = list.len();
        list.retain(|case| asked.offers_compression() || !case.needs_compression());
        let uncompressed = all - list.len();
        let case = list.pop_front();
        desk.given += usize::from(case.is_some());
        (case, (uncompressed > 0).then_some((dialect, uncompressed)))
    }

    fn desk(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
