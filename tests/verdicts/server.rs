//! A server of RFC 6455 by another implementation, on a thread of its own.

use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_websockets::{Message, ServerBuilder};

/// What a session answers to the texts that it gets.
pub(crate) type Session = Box<dyn FnMut(&str) -> Vec<String> + Send>;

/// A server, until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

impl Server {
    /// One whose sessions are made by this.
    pub(crate) fn new(session: impl Fn() -> Session + Send + Sync + 'static) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let session = Arc::new(session);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, session()));
            }
        });
        Self { address, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }
}

async fn serve(stream: TcpStream, mut session: Session) {
    let Ok((_, mut stream)) = ServerBuilder::new().accept(stream).await else { return };
    while let Some(Ok(message)) = stream.next().await {
        let Some(text) = message.as_text() else { continue };
        for answer in session(text) {
            if stream.send(Message::text(answer)).await.is_err() {
                return;
            }
        }
    }
}
