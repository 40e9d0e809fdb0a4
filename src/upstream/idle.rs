//! Connections for plain requests: kept alive between them, a few for each server.

use super::heard::{Ear, Heard};
use super::resolve::Place;
use super::{Lease, Pool, Seeker, lock};
use crate::config::values::Period;
use crate::net::stream::{Conduit, Stream};
use crate::upstream::open::NoBackend;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;

/// How long a connection is kept without a request. Shorter than the five seconds after which common
/// servers close theirs, so that a request seldom meets a connection that is being closed.
const KEPT: Duration = Duration::from_secs(4);

/// How long a connection may take, behind a response, to be ready for the next request. It is at
/// once, unless the server has answered before it had the whole request.
const READY: Duration = Duration::from_secs(1);

/// What is buffered of each direction, in bytes; heads have to fit.
const BUFFER: usize = 64 * 1024;

/// The body of a request to a server.
pub(crate) type Body = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// A connection to a server for plain requests, one after the other. It is closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Line {
    sender: SendRequest<Body>,
    task: AbortOnDropHandle<()>,
    wait: Wait,
    peer: Option<SocketAddr>,
    heard: Heard,
    pub(crate) lease: Lease,
    /// Whether it has carried a request before.
    pub(crate) kept: bool,
    /// Whether it can carry no other.
    pub(crate) spent: bool,
}

/// A connection that is kept. It has no place at its server.
#[derive(Debug)]
struct Kept {
    sender: SendRequest<Body>,
    task: AbortOnDropHandle<()>,
    wait: Wait,
    /// Where it leads, if that is in the network.
    peer: Option<SocketAddr>,
    heard: Heard,
}

/// Since when a connection waits for its next request; nothing while it has one.
#[derive(Debug, Clone, Default)]
struct Wait(Arc<Mutex<Option<Instant>>>);

/// The kept connections of one server.
#[derive(Debug)]
pub(crate) struct Idle {
    most: usize,
    kept: Mutex<Vec<Kept>>,
}

impl Pool {
    /// A connection for a plain request: one that is kept, or where there is none, or a `fresh` one
    /// is wanted, a new one, which may take as long as the `limit`. `head` is the longest head of a
    /// response, in bytes.
    ///
    /// # Errors
    /// When no server can be reached.
    pub(crate) async fn line(
        &self,
        seeker: &Seeker<'_>,
        limit: Period,
        fresh: bool,
        head: usize,
    ) -> Result<Line, NoBackend> {
        let lease = self.lease(seeker).await?;
        if !fresh && let Some(kept) = lease.member().idle.take(lease.member().place()) {
            let Kept { sender, task, wait, peer, heard } = kept;
            return Ok(Line { sender, task, wait, peer, heard, lease, kept: true, spent: false });
        }
        let (stream, lease) = self.reach(lease, seeker, Instant::now() + limit.0).await?;
        Line::start(stream, lease, head).await
    }
}

impl Line {
    async fn start(stream: Stream, lease: Lease, head: usize) -> Result<Self, NoBackend> {
        let lost = |error: hyper::Error| NoBackend::Lost(io::Error::other(error));
        let peer = match stream.conduit() {
            Conduit::Tcp(socket) => socket.peer_addr().ok(),
            Conduit::Unix(_) => None,
        };
        let mut builder = Builder::new();
        builder.preserve_header_case(true).title_case_headers(true);
        builder.max_buf_size(BUFFER.max(head)).max_header_size(head);
        let heard = Heard::default();
        let stream = TokioIo::new(Ear { stream, heard: heard.clone() });
        let (sender, connection) = builder.handshake(stream).await.map_err(lost)?;
        let wait = Wait::default();
        let waited = wait.clone();
        let task = tokio::spawn(async move {
            let ended = tokio::select! {
                ended = connection => ended,
                () = waited.too_long() => return,
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection to a server ended");
            }
        });
        let task = AbortOnDropHandle::new(task);
        Ok(Self { sender, task, wait, peer, heard, lease, kept: false, spent: false })
    }

    /// Sends a request; what comes is the head of its response.
    ///
    /// # Errors
    /// When there is none; with the request, where nothing of it was sent.
    pub(crate) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        self.heard.forget();
        self.sender.try_send_request(request).await
    }

    /// Whether the server has said anything since the last request was sent.
    pub(crate) fn is_answered(&self) -> bool {
        self.heard.anything()
    }

    /// Keeps it for the next request, if it can have one.
    pub(crate) fn keep(mut self) {
        if self.spent || self.sender.is_closed() {
            return;
        }
        if self.sender.is_ready() {
            return self.put();
        }
        tokio::spawn(async move {
            if let Ok(Ok(())) = timeout(READY, self.sender.ready()).await {
                self.put();
            }
        });
    }

    fn put(self) {
        let Self { sender, task, wait, peer, heard, lease, .. } = self;
        lease.member().idle.put(Kept { sender, task, wait, peer, heard });
    }
}

impl Idle {
    pub(super) const fn new(most: usize) -> Self {
        Self { most, kept: Mutex::new(Vec::new()) }
    }

    /// The one that was used last, which is the least likely to be closed. One that leads where the
    /// server's name does no longer is given up.
    fn take(&self, place: Option<&Place>) -> Option<Kept> {
        let mut all = lock(&self.kept);
        all.retain(|kept| kept.is_usable() && kept.leads_to(place));
        let kept = all.pop()?;
        kept.wait.end();
        Some(kept)
    }

    fn put(&self, kept: Kept) {
        let mut all = lock(&self.kept);
        all.retain(Kept::is_usable);
        if all.len() < self.most {
            kept.wait.begin();
            all.push(kept);
        }
    }
}

impl Kept {
    fn is_usable(&self) -> bool {
        self.sender.is_ready() && !self.task.is_finished()
    }

    fn leads_to(&self, place: Option<&Place>) -> bool {
        match (place, self.peer) {
            (Some(place), Some(peer)) => place.is_at(peer),
            (Some(_), None) => false,
            (None, _) => true,
        }
    }
}

impl Wait {
    fn begin(&self) {
        *lock(&self.0) = Some(Instant::now());
    }

    fn end(&self) {
        *lock(&self.0) = None;
    }

    /// Ends when it has taken too long. The task of the connection itself waits for that, so that
    /// none is needed to close those that nobody has wanted.
    async fn too_long(&self) {
        loop {
            let now = Instant::now();
            let due = lock(&self.0).unwrap_or(now) + KEPT;
            if due <= now {
                return;
            }
            sleep_until(due).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::backend::{Backend, Server};
    use crate::handshake::Field;
    use crate::net::Peer;
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::runtime::Handle;

    /// Sends a request by a connection, which a server answers; then it is kept.
    async fn exchange(mut line: Line, server: &mut TcpStream) {
        let answer = async {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                assert!(server.read_buf(&mut asked).await.unwrap() > 0);
            }
            server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na").await.unwrap();
        };
        let (response, ()) = tokio::join!(line.send(Request::default()), answer);
        let body = response.unwrap_or_else(|failed| panic!("{}", failed.error()));
        assert_eq!(body.into_body().collect().await.unwrap().to_bytes(), "a");
        line.keep();
    }

    async fn line(pool: &Pool) -> Line {
        let anyone = Peer::from(SocketAddr::from(([192, 0, 2, 1], 5000)));
        let headers: Vec<Field> = Vec::new();
        let seeker = Seeker { peer: anyone, local: anyone, secure: false, headers: &headers };
        pool.line(&seeker, Period::seconds(60), false, BUFFER).await.expect("a connection")
    }

    fn pool(url: &str) -> Arc<Pool> {
        let servers = vec![Server::new(url.parse().unwrap())];
        Pool::new(Backend { servers, ..Backend::default() }, None).unwrap()
    }

    async fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// However many requests it has carried, a connection that is kept is one task.
    #[tokio::test]
    async fn a_kept_connection_is_one_task() {
        let (listener, address) = listen().await;
        let pool = pool(&format!("ws://{address}"));
        let mut server = None;
        for turn in 0..20 {
            let line = line(&pool).await;
            assert_eq!(line.kept, turn > 0);
            let server = match &mut server {
                Some(server) => server,
                none => none.insert(listener.accept().await.unwrap().0),
            };
            exchange(line, server).await;
            assert_eq!(Handle::current().metrics().num_alive_tasks(), 1);
        }
    }

    /// A server whose name has moved gets no request where it was before.
    #[tokio::test]
    async fn a_kept_connection_does_not_outlive_its_address() {
        let (one, first) = listen().await;
        let (other, second) = listen().await;
        let pool = pool("ws://name.example");
        let place = pool.members()[0].place().unwrap();
        place.take(Ok(vec![first]));
        let fresh = line(&pool).await;
        let mut server = one.accept().await.unwrap().0;
        exchange(fresh, &mut server).await;
        place.take(Ok(vec![first, second]));
        let kept = line(&pool).await;
        assert!(kept.kept, "it is there still");
        exchange(kept, &mut server).await;
        place.take(Ok(vec![second]));
        let fresh = line(&pool).await;
        assert!(!fresh.kept);
        exchange(fresh, &mut other.accept().await.unwrap().0).await;
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0, "the old one is closed");
    }
}
