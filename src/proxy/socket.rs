//! One side's socket, with what it has not taken yet.

use crate::limits::{HIGH_WATER, LOW_WATER};
use crate::wire::outbox::Outbox;
use crate::wire::spare::{Buffer, Spare};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    unsent: Option<Box<Buffer>>,
    read: ReadSide,
    write: WriteSide,
    /// Whether the other side is not to be read until this one has taken more.
    full: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadSide {
    Open,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteSide {
    Open,
    /// We have ended our stream.
    Ended,
    /// The peer takes nothing any more.
    Broken,
}

/// What a read brought.
pub(crate) enum Read {
    Bytes(usize),
    /// The end of the stream, in order or not.
    End {
        in_order: bool,
    },
}

impl Socket {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, unsent: None, read: ReadSide::Open, write: WriteSide::Open, full: false }
    }

    /// Whether the peer has ended its stream, or lost it.
    pub(crate) fn has_ended(&self) -> bool {
        self.read == ReadSide::Ended
    }

    /// Whether the other side has to wait until this one has taken more.
    pub(crate) const fn is_full(&self) -> bool {
        self.full
    }

    /// The bytes that the peer has not taken yet.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.as_ref().map_or(0, |unsent| unsent.len())
    }

    /// Reads once. A short read tells tokio that there is no more, which saves the system call that
    /// would find nothing.
    #[inline]
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Read> {
        let mut buffer = ReadBuf::new(buffer);
        let read = match std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
            Ok(()) if !buffer.filled().is_empty() => {
                return Poll::Ready(Read::Bytes(buffer.filled().len()));
            }
            Ok(()) => Read::End { in_order: true },
            Err(_) => Read::End { in_order: false },
        };
        self.read = ReadSide::Ended;
        Poll::Ready(read)
    }

    /// Writes an outbox at once, as far as the peer takes it, and keeps the rest; all of it where
    /// there is no context to write in.
    #[inline]
    pub(crate) fn send(
        &mut self,
        cx: Option<&mut Context<'_>>,
        outbox: &Outbox<'_>,
        spare: &mut Spare,
    ) {
        if outbox.is_empty() || self.write != WriteSide::Open {
            return;
        }
        let slices = outbox.slices();
        let mut sent = 0;
        if self.unsent.is_none()
            && let Some(cx) = cx
        {
            let stream = Pin::new(&mut self.stream);
            let written = match &slices[..] {
                [one] => stream.poll_write(cx, one),
                many => stream.poll_write_vectored(cx, many),
            };
            match written {
                Poll::Ready(Ok(written)) => sent = written,
                Poll::Ready(Err(_)) => return self.break_off(spare),
                Poll::Pending => {}
            }
        }
        for slice in &slices {
            let (_, rest) = slice.split_at(sent.min(slice.len()));
            sent -= slice.len() - rest.len();
            if !rest.is_empty() {
                self.unsent.get_or_insert_with(|| spare.take()).append(rest);
            }
        }
        self.full |= self.unsent() >= HIGH_WATER;
    }

    /// Writes what is left, as far as the peer takes it. Whether all of it is gone.
    #[inline]
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>, spare: &mut Spare) -> bool {
        while let Some(unsent) = &mut self.unsent {
            match Pin::new(&mut self.stream).poll_write(cx, unsent.bytes()) {
                Poll::Ready(Ok(written)) => {
                    unsent.consume(written);
                    if unsent.is_empty() {
                        self.forget_unsent(spare);
                    }
                }
                Poll::Ready(Err(_)) => self.break_off(spare),
                Poll::Pending => {
                    self.full &= unsent.len() > LOW_WATER;
                    return false;
                }
            }
        }
        self.full = false;
        true
    }

    /// Ends our stream, once; only when all is flushed.
    pub(crate) fn end(&mut self, cx: &mut Context<'_>) {
        if self.write == WriteSide::Open
            && let Poll::Ready(result) = Pin::new(&mut self.stream).poll_shutdown(cx)
        {
            self.write = result.map_or(WriteSide::Broken, |()| WriteSide::Ended);
        }
    }

    /// The peer takes nothing more. What it said before may still be in the read buffer of the
    /// system, so that reading goes on.
    fn break_off(&mut self, spare: &mut Spare) {
        self.write = WriteSide::Broken;
        self.full = false;
        self.forget_unsent(spare);
    }

    fn forget_unsent(&mut self, spare: &mut Spare) {
        if let Some(unsent) = self.unsent.take() {
            spare.give(unsent);
        }
    }
}

/// Closes a connection so that our last bytes are not destroyed: a reset, which follows from closing
/// with unread bytes, would overtake them.
pub(crate) async fn linger(stream: &mut TcpStream) -> io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    stream.shutdown().await?;
    let mut discarded = [0; 1024];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}
