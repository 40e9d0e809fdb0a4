//! Connections for plain requests: kept alive between them, a few for each server.

use super::{Lease, Pool, Seeker};
use crate::net::stream::Stream;
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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
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
    since: Instant,
}

/// The kept connections of one server.
#[derive(Debug)]
pub(crate) struct Idle {
    most: usize,
    kept: Mutex<Vec<Kept>>,
}

impl Pool {
    /// A connection for a plain request: one that is kept, or where there is none, or a `fresh` one
    /// is wanted, a new one. `head` is the longest head of a response, in bytes.
    ///
    /// # Errors
    /// When no server can be reached.
    pub(crate) async fn line(
        &self,
        seeker: &Seeker<'_>,
        fresh: bool,
        head: usize,
    ) -> Result<Line, NoBackend> {
        let lease = self.lease(seeker).await?;
        if !fresh && let Some(Kept { sender, task, .. }) = lease.member().idle.take() {
            return Ok(Line { sender, task, lease, kept: true, spent: false });
        }
        let (stream, lease) =
            self.reach(lease, seeker, Instant::now() + Duration::from_hours(1)).await?;
        Line::start(stream, lease, head).await
    }
}

impl Line {
    async fn start(stream: Stream, lease: Lease, head: usize) -> Result<Self, NoBackend> {
        let lost = |error: hyper::Error| NoBackend::Lost(io::Error::other(error));
        let mut builder = Builder::new();
        builder.preserve_header_case(true).title_case_headers(true);
        builder.max_buf_size(BUFFER.max(head)).max_header_size(head);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(lost)?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to a server ended");
            }
        });
        let task = AbortOnDropHandle::new(task);
        Ok(Self { sender, task, lease, kept: false, spent: false })
    }

    /// Sends a request; what comes is the head of its response.
    ///
    /// # Errors
    /// When there is none; with the request, where nothing of it was sent.
    pub(crate) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        self.sender.try_send_request(request).await
    }

    /// Keeps it for the next request, if it can have one.
    pub(crate) fn keep(self) {
        let Self { mut sender, task, lease, spent, .. } = self;
        if spent {
            return;
        }
        tokio::spawn(async move {
            if !matches!(timeout(READY, sender.ready()).await, Ok(Ok(()))) {
                return;
            }
            let member = Arc::clone(lease.member());
            drop(lease);
            member.idle.put(Kept { sender, task, since: Instant::now() });
            sleep(KEPT).await;
            member.idle.sweep();
        });
    }
}

impl Idle {
    pub(super) const fn new(most: usize) -> Self {
        Self { most, kept: Mutex::new(Vec::new()) }
    }

    /// The one that was used last, which is the least likely to be closed.
    fn take(&self) -> Option<Kept> {
        let mut all = self.lock();
        all.retain(Kept::is_usable);
        all.pop()
    }

    fn put(&self, kept: Kept) {
        let mut all = self.lock();
        all.retain(Kept::is_usable);
        if all.len() < self.most {
            all.push(kept);
        }
    }

    /// Closes those that nobody has wanted.
    fn sweep(&self) {
        self.lock().retain(Kept::is_usable);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_usable(&self) -> bool {
        self.since.elapsed() < KEPT && self.sender.is_ready() && !self.task.is_finished()
    }
}
