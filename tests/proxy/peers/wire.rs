//! A socket with what was read from it and not yet used.

use bytes::BytesMut;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Fin,
    Reset,
}

/// An address where nobody listens, as long as the socket is held. The port of a listener that was
/// dropped would not do: it can be another's at once, and a child that is being started in the same
/// moment still holds the listener.
pub(crate) fn nobody() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    pub(crate) buffer: BytesMut,
}

impl Wire {
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: BytesMut::new() }
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn accept(listener: &TcpListener) -> Self {
        Self::over(listener.accept().await.unwrap().0)
    }

    /// Writes all of it, in one system call where it fits.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Writes what a proxy that has already closed need not take.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.stream.write_all(bytes.as_ref()).await);
    }

    /// Ends our stream.
    pub(crate) async fn finish(&mut self) {
        // The other end may have reset it.
        drop(self.stream.shutdown().await);
    }

    /// Breaks the connection off with a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Reads once more.
    pub(crate) async fn more(&mut self) -> Result<(), Ended> {
        self.buffer.reserve(64 * 1024);
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) => Err(Ended::Fin),
            Ok(_) => Ok(()),
            Err(_) => Err(Ended::Reset),
        }
    }

    pub(crate) async fn take(&mut self, count: usize) -> Result<Vec<u8>, Ended> {
        while self.buffer.len() < count {
            self.more().await?;
        }
        Ok(self.buffer.split_to(count).into())
    }

    pub(crate) async fn byte(&mut self) -> Result<u8, Ended> {
        Ok(self.take(1).await?[0])
    }

    /// Everything up to and without the delimiter, which is used up.
    pub(crate) async fn until(&mut self, delimiter: &[u8]) -> Result<Vec<u8>, Ended> {
        let mut searched: usize = 0;
        loop {
            let from = searched.saturating_sub(delimiter.len());
            let found = memchr::memmem::find(&self.buffer[from..], delimiter);
            if let Some(at) = found {
                let bytes = self.buffer.split_to(from + at).into();
                drop(self.buffer.split_to(delimiter.len()));
                return Ok(bytes);
            }
            searched = self.buffer.len();
            self.more().await?;
        }
    }

    /// Everything up to the end of the stream, and how it ended.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, Ended) {
        loop {
            if let Err(ended) = self.more().await {
                return (self.buffer.split().into(), ended);
            }
        }
    }
}
