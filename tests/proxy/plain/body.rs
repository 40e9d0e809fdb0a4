//! Bodies that stream: much in bounded memory, little at once, trailers, and who is slow is waited
//! for.

use super::{chunk, message, stage};
use crate::harness::{Bystander, Stage, within};
use crate::peers::Kind;
use crate::peers::head::Head;
use crate::peers::wire::{Ended, Wire};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::ErrorKind;
use tokio::net::TcpListener;

/// Far more than all buffers on the way.
const LARGE: usize = 32 << 20;

/// After so many messages beside it, a sender that is still not taken from is stopped.
const ROUNDS: usize = 30;

/// Serves one connection with an echo by a foreign library, which streams.
async fn echo(listener: &TcpListener) {
    let (stream, _) = listener.accept().await.unwrap();
    let service = service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

/// Bytes of which no run of a chunk's length is like another.
fn pattern(at: usize, length: usize) -> Bytes {
    (at..at + length).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

#[tokio::test]
async fn a_large_body_each_way_at_once() {
    within("large", async {
        for chunked in [false, true] {
            let (stage, client) = stage(|_| {}).await;
            let talk = async {
                let (mut reader, mut writer) = client.stream.into_split();
                let write = async {
                    use tokio::io::AsyncWriteExt;
                    let framing = match chunked {
                        true => "Transfer-Encoding: chunked".to_owned(),
                        false => format!("Content-Length: {LARGE}"),
                    };
                    let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
                    writer.write_all(head.as_bytes()).await.unwrap();
                    let size = 64 * 1024;
                    for at in (0..LARGE).step_by(size) {
                        if chunked {
                            writer.write_all(format!("{size:X}\r\n").as_bytes()).await.unwrap();
                        }
                        writer.write_all(&pattern(at, size)).await.unwrap();
                        if chunked {
                            writer.write_all(b"\r\n").await.unwrap();
                        }
                    }
                    if chunked {
                        writer.write_all(b"0\r\n\r\n").await.unwrap();
                    }
                };
                let read = async {
                    use tokio::io::AsyncReadExt;
                    // What comes is a response of hyper, which a library of its own reads.
                    let (ours, theirs) = tokio::io::duplex(256 * 1024);
                    let (mut sender, connection) =
                        hyper::client::conn::http1::handshake(TokioIo::new(theirs)).await.unwrap();
                    let connection = tokio::spawn(connection);
                    let ask = Request::post("/").body(String::new()).unwrap();
                    let (mut fed, mut feed) = tokio::io::split(ours);
                    let mut asked = [0; 64];
                    let response = sender.send_request(ask);
                    let pump = async {
                        assert!(fed.read(&mut asked).await.unwrap() > 0);
                        drop(tokio::io::copy(&mut reader, &mut feed).await);
                    };
                    let hear = async {
                        let mut body = response.await.unwrap().into_body();
                        let mut at = 0;
                        while let Some(frame) = body.frame().await {
                            let data = frame.unwrap().into_data().unwrap();
                            assert!(data == pattern(at, data.len()), "altered at {at}");
                            at += data.len();
                        }
                        assert_eq!(at, LARGE);
                    };
                    tokio::select! { () = hear => {}, () = pump => panic!("ended early") }
                    connection.abort();
                };
                tokio::join!(write, read);
            };
            tokio::select! { () = talk => {}, () = echo(&stage.listener) => panic!("backend left") }
            stage.stop().await;
        }
    })
    .await;
}

/// Writes again and again until nobody takes any more; how much was taken.
async fn until_stopped(sender: &Wire, beside: &mut Bystander) -> usize {
    let (mut taken, mut rounds) = (0, 0);
    while rounds < ROUNDS {
        match sender.stream.try_write(&[b'x'; 64 * 1024]) {
            Ok(count) => {
                (taken, rounds) = (taken + count, 0);
                assert!(taken < LARGE, "a sender to a deaf peer is not stopped");
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                rounds += 1;
                beside.is_well().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    taken
}

#[tokio::test]
async fn who_sends_to_one_that_does_not_read_is_stopped() {
    within("stopped", async {
        let stage = Stage::new(Kind::Rfc6455).await;
        let mut beside = stage.bystander().await;
        let length = format!("Content-Length: {}\r\n\r\n", 4 * LARGE);
        let mut client = Wire::connect(stage.proxy.address).await;
        client.write(format!("POST / HTTP/1.1\r\nHost: a\r\n{length}")).await;
        let mut backend = Wire::accept(&stage.listener).await;
        Head::read(&mut backend).await;
        let taken = until_stopped(&client, &mut beside).await;
        assert!(backend.take(taken).await.is_ok(), "what was taken is passed on");
        drop((client, backend));
        let mut client = Wire::connect(stage.proxy.address).await;
        client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut backend = Wire::accept(&stage.listener).await;
        Head::read(&mut backend).await;
        backend.write(format!("HTTP/1.1 200 OK\r\n{length}")).await;
        let taken = until_stopped(&backend, &mut beside).await;
        Head::read(&mut client).await;
        assert!(client.take(taken).await.is_ok(), "what was taken is passed on");
        drop((client, backend, beside));
        stage.stop().await;
    })
    .await;
}

/// Each piece is at the client before the next is sent.
#[tokio::test]
async fn an_event_stream_comes_piece_by_piece() {
    within("events", async {
        let (stage, mut client) = stage(|_| {}).await;
        client.write("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut backend = Wire::accept(&stage.listener).await;
        message(&mut backend).await;
        let head = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        backend.write(format!("HTTP/1.1 200 OK\r\n{head}")).await;
        assert_eq!(Head::read(&mut client).await.get("Content-Type"), Some("text/event-stream"));
        for i in 0..50 {
            let event = format!("data: {i}\n\n");
            backend.write(format!("{:x}\r\n{event}\r\n", event.len())).await;
            assert_eq!(chunk(&mut client).await, event.as_bytes());
        }
        // Who leaves is not talked to any more.
        drop(client);
        assert_eq!(backend.rest().await, (Vec::new(), Ended::Fin));
        stage.stop().await;
    })
    .await;
}

/// And upwards: the backend may answer while it listens.
#[tokio::test]
async fn a_request_comes_piece_by_piece() {
    within("pieces up", async {
        let (stage, mut client) = stage(|_| {}).await;
        client.write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let mut backend = Wire::accept(&stage.listener).await;
        Head::read(&mut backend).await;
        backend.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        Head::read(&mut client).await;
        for i in 0..50 {
            let piece = format!("piece {i}");
            let raw = format!("{:X}\r\n{piece}\r\n", piece.len());
            client.write(&raw).await;
            assert_eq!(chunk(&mut backend).await, piece.as_bytes());
            backend.write(&raw).await;
            assert_eq!(chunk(&mut client).await, piece.as_bytes());
        }
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    within("trailers", async {
        let (stage, mut client) = stage(|_| {}).await;
        let body =
            "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n";
        let ask = "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n";
        for _ in 0..2 {
            client.write(format!("{ask}{body}")).await;
        }
        let mut backend = Wire::accept(&stage.listener).await;
        for _ in 0..2 {
            let asked = message(&mut backend).await;
            assert_eq!(asked.head.get("TE"), Some("trailers"));
            assert_eq!(asked.head.get("Connection"), Some("TE"));
            assert_eq!((&asked.body[..], &*asked.trailers), (&b"abc"[..], "X-Sum: 3\n"));
            // What ends at this hop does so behind the body too.
            let hop = body.replace("X-Sum: 3\r\n", "X-Sum: 3\r\nKeep-Alive: 1\r\n");
            let hop = hop.replace("Trailer: X-Sum", "Trailer: X-Sum, Keep-Alive");
            backend.write(format!("HTTP/1.1 200 OK\r\n{hop}")).await;
            let got = message(&mut client).await;
            assert_eq!((&got.body[..], &*got.trailers), (&b"abc"[..], "X-Sum: 3\n"));
        }
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}
