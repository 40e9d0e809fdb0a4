//! The body of a response on its way to the client: that of the backend as it comes, or one of our
//! own. When hyper has taken the last of it, or drops it, the exchange is over.

use super::exchange::Exchange;
use super::fields::strip;
use super::turn::Turn;
use crate::upstream::idle::Line;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

pub(crate) struct Download {
    source: Source,
    exchange: Exchange,
    turn: Arc<Turn>,
}

/// Where a body comes from.
pub(crate) enum Source {
    /// From us.
    Own(Bytes),
    /// From the backend, by a connection that is kept behind its end.
    Backend { body: Incoming, line: Option<Line> },
}

impl Download {
    pub(crate) const fn new(source: Source, exchange: Exchange, turn: Arc<Turn>) -> Self {
        Self { source, exchange, turn }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let download = self.get_mut();
        let frame = match &mut download.source {
            Source::Own(bytes) if bytes.is_empty() => None,
            Source::Own(bytes) => Some(Frame::data(std::mem::take(bytes))),
            Source::Backend { body, line } => {
                let frame = ready!(Pin::new(body).poll_frame(cx)).transpose();
                // A connection that failed is of no use, and who drops it closes it.
                let mut frame = frame.inspect_err(|_| drop(line.take()))?;
                if let Some(trailers) = frame.as_mut().and_then(Frame::trailers_mut) {
                    strip(trailers);
                }
                // Behind trailers comes nothing, and hyper does not ask.
                if frame.as_ref().is_none_or(Frame::is_trailers)
                    && let Some(line) = line.take()
                {
                    line.keep();
                }
                frame
            }
        };
        if let Some(data) = frame.as_ref().and_then(Frame::data_ref) {
            download.exchange.bytes += data.len() as u64;
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(bytes) => bytes.is_empty(),
            Source::Backend { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Backend { body, .. } => body.size_hint(),
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if let Source::Backend { body, line } = &mut self.source
            && body.is_end_stream()
            && let Some(line) = line.take()
        {
            line.keep();
        }
        self.turn.answer();
    }
}
