//! One side's socket, with TLS or without, and what it has not taken yet.

use super::tls::{Ending, SEALED, Tls};
use super::transport::Transport;
use crate::limits::{HIGH_WATER, LOW_WATER};
use crate::net::stream::Stream;
use crate::wire::outbox::Outbox;
use crate::wire::spare::{Buffer, Spare};
use mio::event::Event;
use mio::{Registry, Token};
use rustix::io::Errno;
use std::io::{self, IoSlice, Write};
use tokio_rustls::rustls;

/// A socket that never blocks.
///
/// TLS lies between it and the session: bytes are sealed before they are sent or kept, and opened
/// before they are received. So `unsent` has what is on its way to the peer, as it will be sent.
#[derive(Debug)]
pub(crate) struct Socket {
    transport: Transport,
    tls: Option<Box<Tls>>,
    unsent: Option<Box<Buffer>>,
    read: ReadSide,
    write: WriteSide,
    /// Whether the system is believed to take more; so until a call shows otherwise.
    writable: bool,
    backlog: Backlog,
}

/// How much the peer has not taken yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backlog {
    /// So little that the other side may be read.
    Low,
    /// So much that the other side is not to be read until this one has taken more.
    High,
    /// It will never take it.
    Lost,
}

/// What there is to read, as it is believed. The system tells of each change once, so that a belief
/// holds until a call shows otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadSide {
    /// Nothing.
    Idle,
    /// Something. A short read shows that there is no more.
    Ready,
    /// The end of the peer's stream is near, so that a short read is not the last.
    Ending,
    /// Nothing ever again.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteSide {
    Open,
    /// Nothing is sent any more behind what is unsent.
    Ending,
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
    /// Something that is not for the session; there may be more.
    Other,
    Bytes(usize),
    End(End),
}

/// How a peer's stream ended.
#[derive(Debug)]
pub(crate) enum End {
    InOrder,
    /// By TCP alone, where TLS should have told it before: what went ahead may be missing.
    Truncated,
    Lost,
    /// With a fault of TLS; the peer has been told.
    Fault(rustls::Error),
}

impl Socket {
    /// A socket that waits for nothing yet; see [`Self::register`].
    ///
    /// # Errors
    /// When the runtime that opened it does not give it away.
    pub(crate) fn new(stream: Stream) -> io::Result<Self> {
        // What TLS already holds, no change of the socket will tell of.
        let (conduit, tls, read) = match stream {
            Stream::Plain(conduit) => (conduit, None, ReadSide::Idle),
            Stream::Tls(stream) => {
                let (conduit, tls) = Tls::new(*stream);
                (conduit, Some(Box::new(tls)), ReadSide::Ready)
            }
        };
        Ok(Self {
            transport: Transport::new(conduit)?,
            tls,
            unsent: None,
            read,
            write: WriteSide::Open,
            writable: true,
            backlog: Backlog::Low,
        })
    }

    /// Has the changes of the socket told under `token`, from what it is ready for now on.
    pub(crate) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        self.transport.register(registry, token)
    }

    /// Takes a change.
    #[inline]
    pub(crate) fn note(&mut self, event: &Event) {
        self.writable |= event.is_writable();
        self.read = match self.read {
            ReadSide::Ended => ReadSide::Ended,
            _ if event.is_read_closed() || event.is_error() => ReadSide::Ending,
            ReadSide::Idle if event.is_readable() => ReadSide::Ready,
            same => same,
        };
    }

    /// Has the next read try, even if no change was told.
    pub(crate) fn look_again(&mut self) {
        if self.read == ReadSide::Idle {
            self.read = ReadSide::Ready;
        }
    }

    /// Whether what comes has to be opened first, which wants the whole buffer.
    pub(crate) const fn is_sealed(&self) -> bool {
        self.tls.is_some()
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
        matches!(self.backlog, Backlog::High)
    }

    /// The bytes that the peer has not taken yet.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.as_ref().map_or(0, |unsent| unsent.len())
    }

    /// Whether the peer has not taken all that was written to it.
    pub(crate) fn has_cut(&self) -> bool {
        self.backlog == Backlog::Lost || self.unsent() > 0
    }

    /// Reads once.
    #[inline]
    pub(crate) fn receive(&mut self, buffer: &mut [u8], spare: &mut Spare) -> Received {
        match (self.read, &self.tls) {
            (ReadSide::Idle | ReadSide::Ended, _) => Received::Nothing,
            (_, None) => self.read(buffer),
            (_, Some(_)) => self.open(buffer, spare),
        }
    }

    /// Reads the socket once. A short read shows that there is no more, which saves the system call
    /// that would find nothing.
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> Received {
        let end = match self.transport.read(buffer) {
            Ok(0) if self.write == WriteSide::Lost => End::Lost,
            Ok(0) => End::InOrder,
            Ok(count) => {
                if count < buffer.len() && self.read == ReadSide::Ready {
                    self.read = ReadSide::Idle;
                }
                return Received::Bytes(count);
            }
            Err(Errno::AGAIN) => {
                self.read = ReadSide::Idle;
                return Received::Nothing;
            }
            Err(_) => End::Lost,
        };
        self.read = ReadSide::Ended;
        Received::End(end)
    }

    /// Opens what the socket has, in one read. That may be less than a record, or nothing that is for
    /// the session.
    fn open(&mut self, buffer: &mut [u8], spare: &mut Spare) -> Received {
        let (plain, sealed) = buffer.split_at_mut(buffer.len().saturating_sub(SEALED));
        let Some(tls) = &mut self.tls else { return Received::Nothing };
        let mut count = tls.open(&[], plain);
        if count == 0 && !tls.is_ending() {
            let deaf = tls.is_deaf();
            let received = match self.read(sealed) {
                Received::End(_) if deaf => Received::Nothing,
                // RFC 8446 section 6.1: "the receiver cannot know that all the data that was sent has
                // been received".
                Received::End(End::InOrder) => Received::End(End::Truncated),
                received => received,
            };
            let (Received::Bytes(read), Some(tls)) = (&received, &mut self.tls) else {
                return received;
            };
            count = tls.open(sealed.get(..*read).unwrap_or_default(), plain);
        }
        self.opened(count, spare)
    }

    /// What comes of so many opened bytes, and of what TLS has found beside them.
    fn opened(&mut self, count: usize, spare: &mut Spare) -> Received {
        self.flush_tls(spare);
        let Some(tls) = &mut self.tls else { return Received::Nothing };
        // RFC 8446 section 6.2: behind a fatal alert nothing is sent.
        if tls.has_failed() && self.write == WriteSide::Open {
            self.write = WriteSide::Ending;
        }
        if count > 0 {
            if tls.is_ending() {
                self.read = ReadSide::Ending;
            }
            return Received::Bytes(count);
        }
        match tls.take_ending() {
            None => Received::Other,
            Some(Ending::Closed) => {
                self.read = ReadSide::Ended;
                Received::End(End::InOrder)
            }
            // Reading goes on: a socket that is closed with something unread resets the connection,
            // and the alert with it.
            Some(Ending::Fault(error)) => Received::End(End::Fault(error)),
        }
    }

    /// Writes an outbox at once, as far as the peer takes it, and keeps the rest.
    #[inline]
    pub(crate) fn send(&mut self, outbox: &Outbox<'_>, spare: &mut Spare) {
        if outbox.is_empty() || self.write != WriteSide::Open {
            return;
        }
        let mut slices = outbox.slices();
        let (mut outlet, tls) = self.outlet(spare);
        let sent = match tls {
            None => outlet.send(&slices).map_err(io::Error::from),
            Some(tls) => tls.seal(&mut slices, &mut outlet),
        };
        match sent {
            Ok(()) if self.unsent() >= HIGH_WATER => self.backlog = Backlog::High,
            Ok(()) => {}
            Err(error) => self.break_off(&error, spare),
        }
    }

    /// Writes what is left, as far as the peer takes it. Whether all of it is gone.
    #[inline]
    pub(crate) fn flush(&mut self, spare: &mut Spare) -> bool {
        let Some(unsent) = &mut self.unsent else {
            return true;
        };
        if self.writable {
            match self.transport.write(&[IoSlice::new(unsent.bytes())]) {
                Ok(written) => unsent.consume(written),
                Err(error) => {
                    self.break_off(&error.into(), spare);
                    return true;
                }
            }
            self.writable = unsent.is_empty();
        }
        if unsent.is_empty() {
            self.backlog = Backlog::Low;
            self.forget_unsent(spare);
            return true;
        }
        if unsent.len() <= LOW_WATER {
            self.backlog = Backlog::Low;
        }
        false
    }

    /// Ends our stream behind all that is unsent: to be called again while [`Self::flush`] has not
    /// told that it is gone.
    pub(crate) fn end(&mut self, spare: &mut Spare) {
        if self.write == WriteSide::Open {
            if let Some(tls) = &mut self.tls {
                tls.close();
                self.flush_tls(spare);
            }
            // A flush may have found that there is nobody left to tell.
            if self.write == WriteSide::Open {
                self.write = WriteSide::Ending;
            }
        }
        if self.write == WriteSide::Ending && self.unsent.is_none() {
            let ended = self.transport.end();
            self.write = ended.map_or(WriteSide::Broken, |()| WriteSide::Ended);
        }
    }

    /// Writes what TLS itself has to say.
    fn flush_tls(&mut self, spare: &mut Spare) {
        if self.write != WriteSide::Open {
            return;
        }
        let (mut outlet, tls) = self.outlet(spare);
        if let Some(Err(error)) = tls.map(|tls| tls.flush(&mut outlet)) {
            self.break_off(&error, spare);
        }
    }

    /// The way to the peer, and what seals what goes there.
    #[inline]
    fn outlet<'s>(&'s mut self, spare: &'s mut Spare) -> (Outlet<'s>, Option<&'s mut Tls>) {
        let Self { transport, unsent, writable, tls, .. } = self;
        (Outlet { transport, unsent, writable, spare }, tls.as_deref_mut())
    }

    /// The peer takes nothing more. What it said before may still be in the read buffer of the
    /// system, so that reading goes on.
    fn break_off(&mut self, error: &io::Error, spare: &mut Spare) {
        self.write = match error.kind() {
            // What a peer leaves that has ended its stream first.
            io::ErrorKind::BrokenPipe => WriteSide::Broken,
            _ => WriteSide::Lost,
        };
        self.backlog = if self.unsent() > 0 { Backlog::Lost } else { Backlog::Low };
        self.forget_unsent(spare);
    }

    fn forget_unsent(&mut self, spare: &mut Spare) {
        if let Some(unsent) = self.unsent.take() {
            spare.give(unsent);
        }
    }
}

/// The way to the peer: what the socket does not take now is kept, behind what was kept before.
struct Outlet<'s> {
    transport: &'s Transport,
    unsent: &'s mut Option<Box<Buffer>>,
    writable: &'s mut bool,
    spare: &'s mut Spare,
}

impl Outlet<'_> {
    #[inline]
    fn send(&mut self, slices: &[IoSlice<'_>]) -> rustix::io::Result<()> {
        let mut sent = 0;
        if self.unsent.is_none() && *self.writable {
            let len: usize = slices.iter().map(|slice| slice.len()).sum();
            sent = self.transport.write(slices)?;
            *self.writable = sent == len;
        }
        for slice in slices {
            let (_, rest) = slice.split_at(sent.min(slice.len()));
            sent -= slice.len() - rest.len();
            if !rest.is_empty() {
                self.unsent.get_or_insert_with(|| self.spare.take()).append(rest);
            }
        }
        Ok(())
    }
}

impl Write for Outlet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send(slices)?;
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
