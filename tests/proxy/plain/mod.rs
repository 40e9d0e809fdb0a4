//! Plain requests beside WebSocket: raw sockets on both ends, so that every byte is seen, and hyper
//! as a foreign server where much is to be moved.

mod body;
mod ending;
mod expect;
mod fields;
mod kept;
mod own;
mod refused;
mod turns;

use crate::harness::Stage;
use crate::peers::Kind;
use crate::peers::head::Head;
use crate::peers::wire::{Ended, Wire};
use hybridge::config::Settings;

/// A message whose body has been read.
#[derive(Debug)]
struct Message {
    head: Head,
    body: Vec<u8>,
    trailers: String,
}

/// A stage, and a client that has connected to it.
async fn stage(adjust: impl FnOnce(&mut Settings)) -> (Stage, Wire) {
    let stage = Stage::with(Kind::Rfc6455, adjust).await;
    let client = Wire::connect(stage.proxy.address).await;
    (stage, client)
}

/// Reads a message whose end its head tells.
async fn message(wire: &mut Wire) -> Message {
    let head = Head::read(wire).await;
    let (mut body, mut trailers) = (Vec::new(), String::new());
    if head.get("Transfer-Encoding") == Some("chunked") {
        assert_eq!(head.get("Content-Length"), None, "{head:?}");
        loop {
            let chunk = chunk(wire).await;
            if chunk.is_empty() {
                break;
            }
            body.extend(chunk);
        }
        loop {
            let line = String::from_utf8(wire.until(b"\r\n").await.unwrap()).unwrap();
            if line.is_empty() {
                break;
            }
            trailers.push_str(&line);
            trailers.push('\n');
        }
    } else if let Some(length) = head.get("Content-Length") {
        body = wire.take(length.parse().unwrap()).await.unwrap();
    }
    Message { head, body, trailers }
}

/// Reads one chunk; of the last, which is empty, only its size.
async fn chunk(wire: &mut Wire) -> Vec<u8> {
    let size = String::from_utf8(wire.until(b"\r\n").await.unwrap()).unwrap();
    let size = usize::from_str_radix(&size, 16).unwrap();
    if size == 0 {
        return Vec::new();
    }
    let data = wire.take(size).await.unwrap();
    assert_eq!(wire.take(2).await.unwrap(), b"\r\n");
    data
}

/// A response with a body of a length.
fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The client asks, a new connection to the backend has the request and answers; what either got.
async fn exchange(
    stage: &Stage,
    client: &mut Wire,
    request: impl AsRef<[u8]>,
    response: impl AsRef<[u8]>,
) -> (Message, Message, Wire) {
    client.write(request).await;
    let mut backend = Wire::accept(&stage.listener).await;
    let asked = message(&mut backend).await;
    backend.write(response).await;
    (asked, message(client).await, backend)
}

/// Whatever else comes is the end of the stream.
async fn ends(mut wire: Wire) {
    assert_eq!(wire.rest().await, (Vec::new(), Ended::Fin));
}
