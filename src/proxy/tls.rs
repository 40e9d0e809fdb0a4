//! TLS in a session: rustls behind its handshake, without any I/O of its own.
//!
//! What comes from the socket goes through [`Tls::open`] and what goes to it through [`Tls::seal`].
//! Both pass all they are given on, so that between two calls rustls holds nothing but a record that
//! has not come whole.

use crate::limits::READ_BUFFER;
use std::io::{self, IoSlice, Read, Write};
use tokio_rustls::TlsStream;
use tokio_rustls::rustls::{Connection, Error};

/// How much of a read buffer one read fills with what is sealed; it stands at the end of the buffer,
/// and what it opens to is put at the front.
pub(super) const SEALED: usize = 96 * 1024;

/// What may come out of the connection beside what is sealed in the buffer, in bytes: a record that
/// was not whole before (RFC 5246 section 6.2.3: 18 KiB and its head; RFC 8446 section 5.2: less).
const HELD: usize = 20 * 1024;
const _: () = assert!(READ_BUFFER - SEALED >= SEALED + HELD);

/// How much is sealed before it is written, in bytes: four whole records. It bounds what rustls
/// holds on its way to the socket, and stays in the caches until it is there.
const AT_ONCE: usize = 64 * 1024;

/// How much rustls keeps room for in any case, in bytes; what larger reads took is given back.
const KEPT: usize = 4096;

/// One side's TLS.
#[derive(Debug)]
pub(super) struct Tls {
    connection: Connection,
    state: State,
}

/// How far the peer's stream has come.
#[derive(Debug)]
enum State {
    Open,
    /// It is at its end, and that is still to be told.
    Ended(Ending),
    /// What still comes is of no concern.
    Deaf,
}

/// How the peer's stream ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// With a `close_notify`.
    Closed,
    /// With something that is no TLS, or with the peer's fatal alert.
    Fault(Error),
}

impl Tls {
    /// Takes the connection out of a stream whose handshake is done, with what it already holds.
    pub(super) fn new<T>(stream: TlsStream<T>) -> (T, Self) {
        let (conduit, mut connection) = match stream {
            TlsStream::Client(stream) => {
                let (conduit, connection) = stream.into_inner();
                (conduit, Connection::from(connection))
            }
            TlsStream::Server(stream) => {
                let (conduit, connection) = stream.into_inner();
                (conduit, Connection::from(connection))
            }
        };
        connection.set_buffer_limit(Some(AT_ONCE));
        (conduit, Self { connection, state: State::Open })
    }

    /// Opens what has come, all of it, behind what was open already; how many bytes that is.
    pub(super) fn open(&mut self, mut sealed: &[u8], plain: &mut [u8]) -> usize {
        let large = sealed.len() > KEPT;
        let mut count = 0;
        while matches!(self.state, State::Open) {
            match self.connection.process_new_packets() {
                Ok(now) if now.peer_has_closed() => self.state = State::Ended(Ending::Closed),
                Ok(_) => {}
                Err(error) => self.state = State::Ended(Ending::Fault(error)),
            }
            // Also what came in order before the end.
            let room = plain.get_mut(count..).unwrap_or_default();
            count += self.connection.reader().read(room).unwrap_or(0);
            if sealed.is_empty() {
                break;
            }
            // Up to 4 KiB; only a handshake message beyond all measure finds no room.
            if !matches!(self.connection.read_tls(&mut sealed), Ok(1..)) {
                let error = Error::General("message too long".to_owned());
                self.state = State::Ended(Ending::Fault(error));
            }
        }
        if large {
            self.shrink();
        }
        count
    }

    /// Seals all of `slices` and writes it.
    ///
    /// # Errors
    /// Those of `out`, and when nothing more can be sealed.
    pub(super) fn seal(
        &mut self,
        mut slices: &mut [IoSlice<'_>],
        out: &mut impl Write,
    ) -> io::Result<()> {
        while !slices.is_empty() {
            // Vectored, so that what fits into one record is one.
            let taken = self.connection.writer().write_vectored(slices)?;
            // The keys of TLS 1.2 wear out; then rustls closes and drops what it is given.
            if self.flush(out)? <= taken {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            IoSlice::advance_slices(&mut slices, taken);
        }
        Ok(())
    }

    /// Writes what the connection itself has to say, such as alerts; how many bytes that is.
    ///
    /// # Errors
    /// Those of `out`, which has to take all it is given.
    pub(super) fn flush(&mut self, out: &mut impl Write) -> io::Result<usize> {
        let mut count = 0;
        while self.connection.wants_write() {
            count += self.connection.write_tls(out)?;
        }
        Ok(count)
    }

    /// Says `close_notify`; nothing may be sealed behind it (RFC 8446 section 6.1).
    pub(super) fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// Whether the peer's stream has ended, and that is still to be told.
    pub(super) const fn is_ending(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    /// Whether that it ended with a fault is still to be told.
    pub(super) const fn has_failed(&self) -> bool {
        matches!(self.state, State::Ended(Ending::Fault(_)))
    }

    /// Whether all has been told.
    pub(super) const fn is_deaf(&self) -> bool {
        matches!(self.state, State::Deaf)
    }

    /// How the peer's stream ended, once.
    pub(super) fn take_ending(&mut self) -> Option<Ending> {
        match std::mem::replace(&mut self.state, State::Deaf) {
            State::Ended(ending) => Some(ending),
            state => {
                self.state = state;
                None
            }
        }
    }

    /// Has rustls give back the room that a large record took: it does so before it reads, also where
    /// nothing is there to be read.
    fn shrink(&mut self) {
        struct Dry;
        impl Read for Dry {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
        drop(self.connection.read_tls(&mut Dry));
    }
}
