//! The one type of stream: TCP or a Unix socket, plain or with TLS.

use rustix::net::{RecvFlags, recv};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

/// A connection, whatever it is made of.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Conduit),
    Tls(Box<TlsStream<Conduit>>),
}

/// What the system gives.
#[derive(Debug)]
pub(crate) enum Conduit {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Conduit {
    /// Has small writes sent at once: a frame that is ready has nothing to wait for.
    pub(crate) fn set_nodelay(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nodelay(true),
            Self::Unix(_) => Ok(()),
        }
    }

    /// Waits until the system has room for bytes again.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    /// Waits for bytes, and copies them without taking them.
    pub(super) async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        const READABLE: Interest = Interest::READABLE;
        match self {
            Self::Tcp(stream) => {
                let look = || Ok(recv(stream, &mut *buffer, RecvFlags::PEEK)?.0);
                stream.async_io(READABLE, look).await
            }
            Self::Unix(stream) => {
                let look = || Ok(recv(stream, &mut *buffer, RecvFlags::PEEK)?.0);
                stream.async_io(READABLE, look).await
            }
        }
    }
}

/// How long a client whose connection ends has to read what was said last.
pub(crate) const PARTING: Duration = Duration::from_secs(2);

/// Closes a connection so that our last bytes are not destroyed: a reset, which follows from closing
/// with unread bytes, would overtake them.
pub(crate) async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.shutdown().await?;
    let mut discarded = [0; 1024];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}

impl Stream {
    /// What the system gave.
    pub(crate) fn conduit(&self) -> &Conduit {
        match self {
            Self::Plain(conduit) => conduit,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// Reads and writes whichever it is made of.
macro_rules! one_of {
    ($stream:ident: $($made_of:ident),+) => {
        impl AsyncRead for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $(Self::$made_of(stream) => Pin::new(stream).poll_read(cx, buffer),)+
                }
            }
        }

        impl AsyncWrite for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $(Self::$made_of(stream) => Pin::new(stream).poll_write(cx, bytes),)+
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $(Self::$made_of(stream) => Pin::new(stream).poll_write_vectored(cx, slices),)+
                }
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $(Self::$made_of(stream) => stream.is_write_vectored(),)+
                }
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $(Self::$made_of(stream) => Pin::new(stream).poll_flush(cx),)+
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $(Self::$made_of(stream) => Pin::new(stream).poll_shutdown(cx),)+
                }
            }
        }
    };
}

one_of!(Conduit: Tcp, Unix);
one_of!(Stream: Plain, Tls);
