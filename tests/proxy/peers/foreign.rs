//! RFC 6455 as another implementation speaks it: tokio-websockets, both roles.

use super::head::Head;
use super::{Offer, Reply, Said};
use futures_util::{SinkExt, StreamExt};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_websockets::{ClientBuilder, CloseCode, Limits, Message, ServerBuilder, WebSocketStream};

#[derive(Debug)]
pub(crate) struct Foreign(WebSocketStream<Tap>);

/// A socket that can hold writes back, to let them leave in one, and that keeps the head it reads.
#[derive(Debug)]
struct Tap {
    stream: TcpStream,
    held: Option<Vec<u8>>,
    head: Vec<u8>,
}

impl Foreign {
    pub(crate) async fn connect(proxy: SocketAddr, offer: &Offer) -> (Self, Head) {
        let uri = format!("ws://{}{}", offer.host, offer.target);
        let mut builder = ClientBuilder::new().uri(&uri).unwrap().limits(Limits::unlimited());
        let fields = [
            ("origin", &offer.origin),
            ("sec-websocket-protocol", &offer.subprotocol),
            ("cookie", &offer.cookie),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                let (name, value) = (name.parse().unwrap(), value.parse().unwrap());
                builder = builder.add_header(name, value).unwrap();
            }
        }
        let tap = Tap::over(TcpStream::connect(proxy).await.unwrap());
        let (stream, _) = builder.connect_on(tap).await.expect("the handshake with the proxy");
        let head = stream.get_ref().head();
        head.assert_tidy();
        (Self(stream), head)
    }

    pub(crate) async fn accept(listener: &TcpListener, reply: &Reply) -> (Self, Head) {
        let mut builder = ServerBuilder::new().limits(Limits::unlimited());
        let fields =
            [("sec-websocket-protocol", &reply.subprotocol), ("set-cookie", &reply.cookie)];
        for (name, value) in fields {
            if let Some(value) = value {
                let (name, value) = (name.parse().unwrap(), value.parse().unwrap());
                builder = builder.add_header(name, value).unwrap();
            }
        }
        let mut tap = Tap::over(listener.accept().await.unwrap().0);
        tap.held = Some(Vec::new());
        let (_, stream) = builder.accept(tap).await.expect("the handshake of the proxy");
        let head = stream.get_ref().head();
        head.assert_tidy();
        let mut peer = Self(stream);
        peer.say(&reply.push).await;
        (peer, head)
    }

    pub(crate) async fn say(&mut self, all: &[Said]) {
        self.0.get_mut().held.get_or_insert_default();
        for said in all {
            let message = match said.clone() {
                Said::Text(text) => Message::text(text),
                Said::Binary(data) => Message::binary(data),
                Said::Ping(data) => Message::ping(data),
                Said::Pong(data) => Message::pong(data),
                Said::Close(None) => Message::close(None, ""),
                Said::Close(Some((code, text))) => {
                    Message::close(Some(CloseCode::try_from(code).unwrap()), &text)
                }
                Said::Fin | Said::Lost => panic!("not a message"),
            };
            self.0.feed(message).await.unwrap();
        }
        self.0.flush().await.unwrap();
        let tap = self.0.get_mut();
        let held = tap.held.take().unwrap_or_default();
        tap.stream.write_all(&held).await.unwrap();
    }

    /// Bytes that the implementation would never write.
    pub(crate) async fn write_raw(&mut self, bytes: &[u8]) {
        self.0.get_mut().stream.write_all(bytes).await.unwrap();
    }

    /// Breaks the connection off with a reset.
    pub(crate) fn reset(self) {
        self.0.into_inner().stream.set_zero_linger().unwrap();
    }

    pub(crate) async fn hear(&mut self) -> Said {
        match self.0.next().await {
            Some(Ok(message)) if message.is_text() => {
                Said::text(message.as_text().unwrap_or_default())
            }
            Some(Ok(message)) if message.is_binary() => Said::Binary(message.as_payload().to_vec()),
            Some(Ok(message)) if message.is_ping() => Said::Ping(message.as_payload().to_vec()),
            Some(Ok(message)) if message.is_pong() => Said::Pong(message.as_payload().to_vec()),
            Some(Ok(message)) if message.as_payload().is_empty() => Said::Close(None),
            Some(Ok(message)) => {
                let (code, text) = message.as_close().unwrap();
                Said::close(code.into(), text)
            }
            Some(Err(tokio_websockets::Error::Io(_))) => Said::Lost,
            Some(Err(error)) => panic!("the proxy broke the rules: {error}"),
            // It stops reading at the close; the end of the stream is still to come.
            None => self.hear_without_answer().await,
        }
    }

    /// What comes after a close that it heard, without its answer.
    pub(crate) async fn hear_without_answer(&mut self) -> Said {
        match self.0.get_mut().stream.read(&mut [0; 16]).await {
            Ok(0) => Said::Fin,
            Ok(count) => panic!("{count} bytes behind the close"),
            Err(_) => Said::Lost,
        }
    }

    /// Answers a close that was heard; the implementation does so when it is read from again.
    pub(crate) async fn answer(&mut self) {
        assert!(self.0.next().await.is_none(), "nothing follows a close");
    }

    pub(crate) async fn finish(&mut self) {
        drop(self.0.get_mut().stream.shutdown().await);
    }
}

impl Tap {
    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, held: None, head: Vec::new() }
    }

    fn head(&self) -> Head {
        let end = memchr::memmem::find(&self.head, b"\r\n\r\n").expect("a whole head");
        Head::parse(&self.head[..end])
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if self.head.len() < 16 * 1024 {
            self.head.extend_from_slice(&buffer.filled()[before..]);
        }
        read
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(held) = &mut self.held {
            held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
