//! Cases that live clients are held to: each connection is given the next one of its dialect.

use super::play::play;
use super::{Bounds, Tried};
use crate::conformance::Asked;
use crate::conformance::case::Case;
use crate::conformance::run::Run;
use crate::dialect::Dialect;
use crate::net::listen::Socket;
use crate::net::stream::Stream;
use std::collections::{HashMap, HashSet, VecDeque};
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
    /// Those in which a client has come, so that it is known whether compression is spoken.
    met: HashSet<Dialect>,
    /// How much is still to be told: of cases in progress, and of such as are left out.
    untold: usize,
}

/// What is told of clients, until all is over.
pub(crate) struct Telling {
    kit: Arc<Kit>,
    receiver: Receiver<Told>,
}

impl Kit {
    pub(crate) fn new(wanted: Vec<Dialect>, list: Box<List>, bounds: Bounds) -> Self {
        let lists = wanted.iter().map(|dialect| (*dialect, list(*dialect).into())).collect();
        let desk = Mutex::new(Desk { lists, ..Desk::default() });
        Self { wanted, list, bounds, desk }
    }

    /// Serves clients until all cases of their dialects have been tried.
    pub(crate) fn start(self: Arc<Self>, sockets: Vec<Socket>) -> Telling {
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
        Telling { kit: self, receiver }
    }

    /// Whether all cases have been tried and told, of one dialect at least.
    fn is_done(&self) -> bool {
        let desk = self.desk();
        desk.untold == 0 && !desk.lists.is_empty() && desk.lists.values().all(VecDeque::is_empty)
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

    /// The next case for a client, and how many are left out from now on: the first one of its dialect tells
    /// whether it compresses.
    fn take(&self, asked: &Asked) -> (Option<Case>, Option<(Dialect, usize)>) {
        let wanted = asked.dialects.iter().find(|dialect| self.wanted.contains(dialect));
        let dialect = match self.wanted.is_empty() {
            true => asked.dialects.first(),
            false => wanted,
        };
        let Some(dialect) = dialect.copied() else { return (None, None) };
        let is_fit = |case: &Case| asked.offers_compression() || !case.needs_compression();
        let mut desk = self.desk();
        let is_first = desk.met.insert(dialect);
        let list = desk.lists.entry(dialect).or_insert_with(|| (self.list)(dialect).into());
        let all = list.len();
        if is_first {
            list.retain(is_fit);
        }
        let left_out = all - list.len();
        let uncompressed = (left_out > 0).then_some((dialect, left_out));
        let case = list.iter().position(is_fit).and_then(|place| list.remove(place));
        desk.untold += usize::from(case.is_some()) + usize::from(uncompressed.is_some());
        (case, uncompressed)
    }

    fn desk(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Telling {
    /// What is told next; nothing when all is over.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        if self.kit.is_done() {
            return None;
        }
        let told = self.receiver.recv().await?;
        // Not who tells: the last would be lost if all were over before it has come.
        self.kit.desk().untold -= 1;
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::list;
    use std::time::Duration;

    /// A kit with a case that needs compression and two that do not.
    fn kit() -> Arc<Kit> {
        let few = |dialect| {
            let mut cases = list(dialect, 0);
            let names = ["/pings/2.2", "/pings/2.3", "/deflate/one-block"];
            cases.retain(|case| names.iter().any(|name| case.id.ends_with(name)));
            cases.sort_by_key(|case| !case.needs_compression());
            cases
        };
        let bounds = Bounds { parallel: 4, silence: Duration::from_secs(1) };
        Arc::new(Kit::new(Vec::new(), Box::new(few), bounds))
    }

    fn asked(field: &str) -> Asked {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\n{field}\r\n"
        );
        Asked::read(&mut request.into_bytes()).unwrap().unwrap()
    }

    const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

    fn names(kit: &Kit, fields: &[&str]) -> Vec<Option<String>> {
        fields.iter().map(|field| kit.take(&asked(field)).0.map(|case| case.id)).collect()
    }

    #[test]
    fn the_first_request_tells_whether_compression_is_spoken() {
        let [ping, pong, deflate] = ["pings/2.2", "pings/2.3", "deflate/one-block"]
            .map(|name| Some(format!("rfc6455/{name}")));
        // Who leaves the offer out later gets what does without it.
        let mut got = names(&kit(), &[OFFER, "", "", "", OFFER]);
        assert_eq!(got.remove(0), deflate);
        assert_eq!(got, [ping.clone(), pong.clone(), None, None]);
        let kit = kit();
        let (first, left_out) = kit.take(&asked(""));
        assert_eq!((first.map(|case| case.id), left_out), (ping, Some((Dialect::RFC6455, 1))));
        assert_eq!(names(&kit, &[OFFER, OFFER]), [pong, None]);
    }

    /// All that is told is heard, and then it is over.
    #[tokio::test]
    async fn nothing_that_is_told_is_lost() {
        let kit = kit();
        let (sender, receiver) = channel(4);
        let mut telling = Telling { kit: Arc::clone(&kit), receiver };
        let (first, left_out) = kit.take(&asked(""));
        let (dialect, count) = left_out.unwrap();
        let (second, _) = kit.take(&asked(""));
        sender.send(Told::Uncompressed(dialect, count)).await.ok();
        for case in [first, second].into_iter().flatten() {
            let verdict = Run::before_client(case.clone(), &asked("")).verdict();
            let tried = Tried { case, verdict, took: Duration::ZERO };
            sender.send(Told::Tried(Box::new(tried))).await.ok();
        }
        let mut count = 0;
        while telling.next().await.is_some() {
            count += 1;
        }
        assert_eq!(count, 3);
    }
}
