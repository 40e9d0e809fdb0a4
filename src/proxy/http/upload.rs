//! The body of a request on its way to the backend: counted, bounded, and held back until the backend
//! wants it where the client asks first.

use super::fields::strip;
use crate::config::route::Bounds;
use crate::proxy::edit::forwarded::forget;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a client that asks first waits for a backend that says nothing. "A client that sends a
/// 100-continue expectation is not required to wait for any specific length of time" (RFC 9110 section
/// 10.1.1), and old servers know no such thing.
const ASKED: Duration = Duration::from_secs(1);

/// Why a body has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cut {
    #[error("body larger than allowed")]
    TooLarge,
    #[error("body not sent in time")]
    Late,
    #[error("body broken off")]
    Broken,
}

impl Cut {
    /// The HTTP status that tells the client.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::Late => 408,
            Self::Broken => 400,
        }
    }
}

/// How far a body is, for who waits for the response.
#[derive(Debug)]
pub(crate) struct Progress {
    cut: OnceLock<Cut>,
    /// Told when the backend wants the body.
    wanted: CancellationToken,
    begun: AtomicBool,
    /// How much of it has come, in bytes.
    received: AtomicU64,
    /// When something of it was sent last.
    moved: Mutex<Instant>,
}

impl Progress {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            cut: OnceLock::new(),
            wanted: CancellationToken::new(),
            begun: AtomicBool::new(false),
            received: AtomicU64::new(0),
            moved: Mutex::new(Instant::now()),
        })
    }

    /// Why it was cut, if it was.
    pub(crate) fn cut(&self) -> Option<Cut> {
        self.cut.get().copied()
    }

    /// Lets it begin.
    pub(crate) fn want(&self) {
        self.wanted.cancel();
    }

    /// Whether anything of it was asked for, so that the client sends it.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// How much of it has come, in bytes.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// When something of it was sent last, or else when it could have been.
    pub(crate) fn moved(&self) -> Instant {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut_off(&self, cut: Cut) -> Cut {
        *self.cut.get_or_init(|| cut)
    }

    fn advance(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// The body itself.
pub(crate) struct Upload {
    body: Incoming,
    progress: Arc<Progress>,
    /// What is waited for before it begins.
    waits: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// How much of it may still come.
    room: Option<u64>,
    idle: Duration,
    /// Runs while the client sends nothing.
    silence: Option<Pin<Box<Sleep>>>,
}

impl Upload {
    /// A body that has not begun; where the client `asks` first, only when the backend wants it.
    pub(crate) fn new(
        body: Incoming,
        progress: &Arc<Progress>,
        asks: bool,
        bounds: &Bounds,
    ) -> Self {
        let wanted = progress.wanted.clone().cancelled_owned();
        let waits = async { drop(timeout(ASKED, wanted).await) };
        Self {
            waits: asks.then(|| Box::pin(waits) as Pin<Box<dyn Future<Output = ()> + Send>>),
            progress: Arc::clone(progress),
            room: bounds.body.map(|size| size.0),
            idle: bounds.body_idle.0,
            silence: None,
            body,
        }
    }

    fn poll_wanted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(waits) = &mut self.waits {
            ready!(waits.as_mut().poll(cx));
        }
        self.waits = None;
        self.progress.begun.store(true, Ordering::Relaxed);
        Poll::Ready(())
    }

    fn take(&mut self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, Cut> {
        if let Some(trailers) = frame.trailers_mut() {
            strip(trailers);
            forget(trailers);
        }
        if let (Some(room), Some(data)) = (&mut self.room, frame.data_ref()) {
            let left = room.checked_sub(data.len() as u64);
            *room = left.ok_or_else(|| self.progress.cut_off(Cut::TooLarge))?;
        }
        self.silence = None;
        self.progress.advance(frame.data_ref().map_or(0, Bytes::len));
        Ok(frame)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let upload = self.get_mut();
        ready!(upload.poll_wanted(cx));
        let cut = match Pin::new(&mut upload.body).poll_frame(cx) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Ok(frame))) => match upload.take(frame) {
                Ok(frame) => return Poll::Ready(Some(Ok(frame))),
                Err(cut) => cut,
            },
            Poll::Ready(Some(Err(_))) => upload.progress.cut_off(Cut::Broken),
            Poll::Pending => {
                let silence = upload.silence.get_or_insert_with(|| Box::pin(sleep(upload.idle)));
                ready!(silence.as_mut().poll(cx));
                upload.progress.cut_off(Cut::Late)
            }
        };
        Poll::Ready(Some(Err(cut.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
