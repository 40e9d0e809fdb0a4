//! What a session reads and writes: a socket of the system that never blocks, TCP or Unix, out of
//! the hands of the runtime that opened it.

use crate::net::stream::Conduit;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::{Errno, Result, writev};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};

/// A connected socket. Of which kind it is no longer matters. Dropped it is closed, which never
/// waits: the system sends on what it has taken.
#[derive(Debug)]
pub(super) struct Transport(OwnedFd);

impl Transport {
    /// Takes a connection from the runtime that opened it.
    ///
    /// # Errors
    /// When the runtime does not give it away.
    pub(super) fn new(conduit: Conduit) -> io::Result<Self> {
        Ok(Self(match conduit {
            Conduit::Tcp(tcp) => tcp.into_std()?.into(),
            Conduit::Unix(unix) => unix.into_std()?.into(),
        }))
    }

    /// Has the changes of the socket told under `token`, from what it is ready for now on.
    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut SourceFd(&self.0.as_raw_fd()), token, interest)
    }

    #[inline]
    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        uninterrupted(|| recv(&self.0, &mut *buffer, RecvFlags::empty()).map(|(count, _)| count))
    }

    /// Writes as much as the socket takes; less than all when it takes no more for now.
    #[inline]
    pub(super) fn write(&self, slices: &[IoSlice<'_>]) -> Result<usize> {
        let written = uninterrupted(|| match slices {
            // Every Rust program ignores SIGPIPE, so that neither needs to ask for it.
            [one] => send(&self.0, one, SendFlags::empty()),
            many => writev(&self.0, many),
        });
        match written {
            Err(Errno::AGAIN) => Ok(0),
            written => written,
        }
    }

    /// Ends our stream.
    pub(super) fn end(&self) -> Result<()> {
        shutdown(&self.0, Shutdown::Write)
    }
}

/// Calls until no signal comes between.
#[inline]
fn uninterrupted<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
