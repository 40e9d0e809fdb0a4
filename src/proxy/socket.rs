//! One side's socket, with what it has not taken yet.

use crate::limits::{HIGH_WATER, LOW_WATER};
use crate::wire::outbox::Outbox;
use crate::wire::spare::{Buffer, Spare};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{self, Read, Write};
use std::net::Shutdown;

/// A socket that never blocks.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    unsent: Option<Box<Buffer>>,
    ready: Ready,
    read: ReadSide,
    write: WriteSide,
    /// Whether the other side is not to be read until this one has taken more.
    full: bool,
}

/// What the socket is believed to be ready for. The system tells of each change once, so that a
/// belief holds until a call shows otherwise.
#[derive(Debug, Clone, Copy)]
struct Ready {
    read: bool,
    /// Whether the end of the peer's stream is near, so that a short read is not the last.
    end: bool,
    write: bool,
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
    /// A write has found the connection lost, which a read does not tell again.
    Lost,
}

/// What a read brought.
pub(crate) enum Received {
    /// Nothing is there yet.
    Nothing,
    Bytes(usize),
    /// The end of the stream, in order or not.
    End {
        in_order: bool,
    },
}

impl Socket {
    /// A socket that waits for nothing yet; see [`Self::register`].
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            unsent: None,
            ready: Ready { read: false, end: false, write: true },
            read: ReadSide::Open,
            write: WriteSide::Open,
            full: false,
        }
    }

    /// Has the changes of the socket told under `token`, from what it is ready for now on.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.stream, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Takes a change.
    #[inline]
    pub(crate) fn note(&mut self, event: &Event) {
        self.ready.read |= event.is_readable();
        self.ready.end |= event.is_read_closed() || event.is_error();
        self.ready.write |= event.is_writable();
    }

    /// Whether the peer has ended its stream, or lost it.
    pub(crate) fn has_ended(&self) -> bool {
        self.read == ReadSide::Ended
    }

    /// Whether the peer still takes what it is sent.
    pub(crate) fn is_writable(&self) -> bool {
        self.write == WriteSide::Open
    }

    /// Whether the other side has to wait until this one has taken more.
    pub(crate) const fn is_full(&self) -> bool {
        self.full
    }

    /// The bytes that the peer has not taken yet.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.as_ref().map_or(0, |unsent| unsent.len())
    }

    /// Reads once. A short read shows that there is no more, which saves the system call that would
    /// find nothing.
    #[inline]
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Received {
        if self.read == ReadSide::Ended || !(self.ready.read || self.ready.end) {
            return Received::Nothing;
        }
        let received = loop {
            match self.stream.read(buffer) {
                Ok(0) => break Received::End { in_order: self.write != WriteSide::Lost },
                Ok(count) => {
                    self.ready.read = count == buffer.len();
                    return Received::Bytes(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready = Ready { read: false, end: false, ..self.ready };
                    return Received::Nothing;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break Received::End { in_order: false },
            }
        };
        self.read = ReadSide::Ended;
        received
    }

    /// Writes an outbox at once, as far as the peer takes it, and keeps the rest.
    #[inline]
    pub(crate) fn send(&mut self, outbox: &Outbox<'_>, spare: &mut Spare) {
        if outbox.is_empty() || self.write != WriteSide::Open {
            return;
        }
        let slices = outbox.slices();
        let mut sent = 0;
        if self.unsent.is_none() && self.ready.write {
            let len: usize = slices.iter().map(|slice| slice.len()).sum();
            let written = match &slices[..] {
                [one] => attempt(|| self.stream.write(one)),
                many => attempt(|| self.stream.write_vectored(many)),
            };
            match written {
                Ok(written) => sent = written,
                Err(error) => return self.break_off(&error, spare),
            }
            self.ready.write = sent == len;
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
    pub(crate) fn flush(&mut self, spare: &mut Spare) -> bool {
        let Some(unsent) = &mut self.unsent else {
            return true;
        };
        if self.ready.write {
            match attempt(|| self.stream.write(unsent.bytes())) {
                Ok(written) => unsent.consume(written),
                Err(error) => {
                    self.break_off(&error, spare);
                    return true;
                }
            }
            self.ready.write = unsent.is_empty();
        }
        if unsent.is_empty() {
            self.full = false;
            self.forget_unsent(spare);
            return true;
        }
        self.full &= unsent.len() > LOW_WATER;
        false
    }

    /// Ends our stream, once; only when all is flushed.
    pub(crate) fn end(&mut self) {
        if self.write == WriteSide::Open {
            let ended = self.stream.shutdown(Shutdown::Write);
            self.write = ended.map_or(WriteSide::Broken, |()| WriteSide::Ended);
        }
    }

    /// The peer takes nothing more. What it said before may still be in the read buffer of the
    /// system, so that reading goes on.
    fn break_off(&mut self, error: &io::Error, spare: &mut Spare) {
        self.write = match error.kind() {
            // What a peer leaves that has ended its stream first.
            io::ErrorKind::BrokenPipe => WriteSide::Broken,
            _ => WriteSide::Lost,
        };
        self.full = false;
        self.forget_unsent(spare);
    }

    fn forget_unsent(&mut self, spare: &mut Spare) {
        if let Some(unsent) = self.unsent.take() {
            spare.give(unsent);
        }
    }
}

/// Writes until something is taken, or nothing can be.
fn attempt(mut write: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match write() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            result => return result,
        }
    }
}
