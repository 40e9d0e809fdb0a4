//! The gate: the stream that hyper serves one request on. It lets through the head of that request
//! and its body, to the last byte and no further; what comes behind them stays in the client's buffer,
//! for the next request may be a WebSocket opening, which hyper is not to see.
//!
//! hyper asks for the next request when the response is written and it would keep the connection.
//! Then it is told that the client has ended its stream, and the client, still connected, goes back to
//! where heads are read.

use super::turn::Turn;
use crate::event::Side;
use crate::net::stream::Stream;
use crate::proxy::client::Client;
use crate::wire::body::Scanner;
use bytes::{Buf, Bytes};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What is read ahead of a client that sends the next requests before the first is answered, in
/// bytes. Reading on is how its end is noticed.
const AHEAD: usize = 64 * 1024;

pub(crate) struct Gate {
    client: Client,
    /// What is left of the head.
    head: Bytes,
    body: Scanner,
    turn: Arc<Turn>,
    /// Whether the whole response has been handed to the system.
    answered: bool,
    /// Whether hyper has asked for the next request.
    asked: bool,
    /// Who waits for the next request, or for the client's end.
    reader: Option<Waker>,
    /// Runs while the client takes nothing of the response.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Gate {
    pub(crate) fn new(client: Client, head: Vec<u8>, body: Scanner, turn: Arc<Turn>) -> Self {
        Self {
            client,
            head: head.into(),
            body,
            turn,
            answered: false,
            asked: false,
            reader: None,
            stalled: None,
        }
    }

    /// The client, and whether it is to be served further.
    pub(crate) fn into_client(self) -> (Client, bool) {
        (self.client, self.asked)
    }

    /// Lets through what belongs to the body.
    fn poll_body(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let ahead = self.client.buffer.len().min(out.remaining());
        let start = out.filled().len();
        if ahead > 0 {
            out.put_slice(self.client.buffer.get(..ahead).unwrap_or_default());
            self.client.buffer.drain(..ahead);
        } else {
            ready!(Pin::new(&mut self.client.stream).poll_read(cx, out))?;
        }
        let fresh = out.filled().get(start..).unwrap_or_default();
        let length = self.body.scan(fresh).map_err(|fault| {
            self.turn.malformed(fault);
            io::Error::new(io::ErrorKind::InvalidData, fault)
        })?;
        let (body, behind) = fresh.split_at_checked(length).unwrap_or_default();
        self.client.watched().read(Side::Client, body);
        self.client.buffer.splice(..0, behind.iter().copied());
        out.set_filled(start + length);
        Poll::Ready(Ok(()))
    }

    /// Waits for the client's end, which is nothing read, and reads the start of what it asks next.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.reader = Some(cx.waker().clone());
        while self.client.buffer.len() < AHEAD {
            let mut bytes = [0; 1024];
            let mut read = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.client.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.client.buffer.extend_from_slice(read.filled());
        }
        Poll::Pending
    }

    /// Writes or flushes, and does not wait for ever for a client that takes nothing.
    fn poll_taken<T>(
        &mut self,
        cx: &mut Context<'_>,
        send: impl FnOnce(Pin<&mut Stream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        // TLS that still holds something does not tell that it could pass on a part of it.
        if self.stalled.is_some() && self.client.stream.conduit().poll_room(cx).is_ready() {
            self.stalled = None;
        }
        if let Poll::Ready(sent) = send(Pin::new(&mut self.client.stream), cx) {
            self.stalled = None;
            return Poll::Ready(sent);
        }
        let patience = self.turn.patience();
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "client takes nothing")))
    }
}

impl AsyncRead for Gate {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        if gate.head.has_remaining() {
            let length = gate.head.len().min(out.remaining());
            out.put_slice(&gate.head.split_to(length));
            Poll::Ready(Ok(()))
        } else if !gate.body.is_done() {
            gate.poll_body(cx, out)
        } else if !gate.answered {
            gate.poll_end(cx)
        } else {
            gate.asked = true;
            Poll::Ready(Ok(()))
        }
    }
}

impl AsyncWrite for Gate {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_taken(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_taken(cx, |stream, cx| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.client.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        ready!(gate.poll_taken(cx, Stream::poll_flush))?;
        // hyper flushes when it has written all it holds, so that behind the last of the response
        // this is the end of it.
        if gate.turn.is_answered() && !gate.answered {
            gate.answered = true;
            if let Some(reader) = gate.reader.take() {
                reader.wake();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The stream is ours and goes on, or is ended with care by who gets it back.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
