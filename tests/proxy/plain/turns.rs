//! One connection, request after request: in order, whatever they are and however they are cut.

use super::{Message, chunk, ends, message, ok, stage};
use crate::harness::{Stage, millis, within};
use crate::peers::framing::frame;
use crate::peers::head::Head;
use crate::peers::hixie::{encode, proof, request as hixie_request};
use crate::peers::hybi::request as hybi_request;
use crate::peers::wire::{Ended, Wire};
use crate::peers::{Kind, Offer, Peer, Reply, Said};
use futures_util::FutureExt;

const GET: &str = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST /form HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
    Trailer: X-Sum\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n";

/// A backend that answers plain requests one after the other on one connection.
async fn answer(stage: &Stage, bodies: &[&str]) -> (Wire, Vec<Message>) {
    let mut backend = Wire::accept(&stage.listener).await;
    let mut asked = Vec::new();
    for body in bodies {
        asked.push(message(&mut backend).await);
        backend.write(ok(body)).await;
    }
    (backend, asked)
}

/// A Hixie-76 client that has its 101 to come, behind its handshake.
async fn speaks_hixie(client: &mut Wire, backend: &mut Peer) {
    let head = Head::read(client).await;
    assert_eq!(head.status(), 101);
    client.take(16).await.unwrap();
    client.write(encode(&[Said::text("up")])).await;
    assert_eq!(backend.hear().await, Said::text("up"));
    backend.say(&[Said::text("down")]).await;
    assert_eq!(client.until(&[0xff]).await.unwrap(), b"\0down");
}

#[tokio::test]
async fn an_opening_in_the_segment_of_a_request() {
    within("one segment", async {
        for backend in [Kind::Rfc6455, Kind::Hixie76] {
            for plain in [GET, POST] {
                let stage = Stage::new(backend).await;
                let mut client = Wire::connect(stage.proxy.address).await;
                let opening = hixie_request(Kind::Hixie76, &Offer::default());
                client.write([plain.as_bytes(), &opening].concat()).await;
                let (plain_wire, _) = answer(&stage, &["first"]).await;
                let reply = Reply::default();
                let (mut at_backend, _) = Peer::accept(backend, &stage.listener, &reply).await;
                assert_eq!(message(&mut client).await.body, b"first");
                speaks_hixie(&mut client, &mut at_backend).await;
                drop((client, at_backend, plain_wire));
                stage.stop().await;
            }
        }
    })
    .await;
}

/// However the bytes are cut, each part goes where it belongs: the proof takes key3, which hyper must
/// not have had.
#[tokio::test]
async fn byte_by_byte() {
    within("byte by byte", async {
        let stage = Stage::new(Kind::Rfc6455).await;
        let mut client = Wire::connect(stage.proxy.address).await;
        let opening = hixie_request(Kind::Hixie76, &Offer::default());
        let write = async {
            for byte in [POST.as_bytes(), GET.as_bytes(), &opening].concat() {
                client.write([byte]).await;
            }
        };
        let ((), (plain, asked)) = tokio::join!(write, answer(&stage, &["first", "second"]));
        assert_eq!((&asked[0].body[..], &*asked[0].trailers), (&b"abcde"[..], "X-Sum: 5\n"));
        assert_eq!(asked[1].head.target(), "/page");
        let reply = Reply::default();
        let (at_backend, _) = Peer::accept(Kind::Rfc6455, &stage.listener, &reply).await;
        for body in ["first", "second"] {
            assert_eq!(message(&mut client).await.body, body.as_bytes());
        }
        let head = Head::read(&mut client).await;
        assert_eq!(head.status(), 101);
        let key3 = &opening[opening.len() - 8..];
        let request = Head::parse(&opening[..opening.len() - 12]);
        assert_eq!(client.take(16).await.unwrap(), proof(&request, key3));
        drop((client, at_backend, plain));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_opening_on_a_kept_connection() {
    within("kept, then opened", async {
        let (stage, mut client) = stage(|_| {}).await;
        client.write(GET).await;
        let (mut plain, _) = answer(&stage, &["first"]).await;
        assert_eq!(message(&mut client).await.body, b"first");
        // A second one, by the same connection to the backend.
        client.write(GET).await;
        assert_eq!(message(&mut plain).await.head.target(), "/page");
        plain.write(ok("second")).await;
        assert_eq!(message(&mut client).await.body, b"second");
        let opening = hybi_request(Kind::Rfc6455, &Offer::default());
        client.write([&opening[..], &frame(0x81, b"early", true)].concat()).await;
        let reply = Reply::default();
        let (mut backend, head) = Peer::accept(Kind::Rfc6455, &stage.listener, &reply).await;
        assert_eq!(head.target(), "/chat?room=1");
        assert_eq!(Head::read(&mut client).await.status(), 101);
        assert_eq!(backend.hear().await, Said::text("early"));
        backend.say(&[Said::text("down")]).await;
        assert_eq!(client.take(6).await.unwrap(), frame(0x81, b"down", false));
        drop((client, backend, plain));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    within("pipeline", async {
        let (stage, mut client) = stage(|_| {}).await;
        let all: Vec<_> = (0..20).map(|i| GET.replace("/page", &format!("/{i}"))).collect();
        client.write(all.concat()).await;
        let mut backend = Wire::accept(&stage.listener).await;
        for i in 0..20 {
            assert_eq!(message(&mut backend).await.head.target(), format!("/{i}"));
            // The next is not passed on before this one is answered.
            assert!(backend.buffer.is_empty());
            backend.write(ok(&format!("page {i}"))).await;
        }
        for i in 0..20 {
            assert_eq!(message(&mut client).await.body, format!("page {i}").as_bytes());
        }
        assert!(stage.listener.accept().now_or_never().is_none());
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

/// The response before it comes whole, then the refusal, then the end.
#[tokio::test]
async fn what_is_malformed_is_refused_behind_what_is_not() {
    within("malformed second", async {
        for (second, status) in [
            ("garbage\r\n\r\n".to_owned(), 400),
            (GET.replace("Host: a\r\n", ""), 400),
            (GET.replace("Host: a", "Host : a"), 400),
            (GET.replace("Host: a", &format!("Cookie: {}", "c".repeat(20 << 10))), 431),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505),
            (
                String::from_utf8(hybi_request(Kind::Rfc6455, &Offer::default()))
                    .unwrap()
                    .replace("Version: 13", "Version: 14"),
                426,
            ),
        ] {
            let (stage, mut client) = stage(|_| {}).await;
            client.write([GET, &second].concat()).await;
            let (backend, _) = answer(&stage, &["first"]).await;
            assert_eq!(message(&mut client).await.body, b"first");
            let refusal = message(&mut client).await;
            assert_eq!(refusal.head.status(), status, "{second}");
            ends(client).await;
            drop(backend);
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_waits_only_so_long() {
    within("waiting", async {
        let (stage, mut client) = stage(|settings| {
            settings.listeners[0].keep_alive = millis(200);
            settings.listeners[0].handshake_timeout = millis(200);
        })
        .await;
        client.write(GET).await;
        let (backend, _) = answer(&stage, &["first"]).await;
        message(&mut client).await;
        // Nothing is said to a client that asks nothing.
        ends(client).await;
        // One that has begun to ask is told.
        let mut client = Wire::connect(stage.proxy.address).await;
        client.write([GET, "GET /b"].concat()).await;
        let mut backend = backend;
        message(&mut backend).await;
        backend.write(ok("second")).await;
        assert_eq!(message(&mut client).await.body, b"second");
        assert_eq!(message(&mut client).await.head.status(), 408);
        ends(client).await;
        stage.stop().await;
    })
    .await;
}

/// Old browsers send a line end behind the body of a form.
#[tokio::test]
async fn an_empty_line_between_requests_is_ignored() {
    within("empty line", async {
        let (stage, mut client) = stage(|_| {}).await;
        let form = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\r\n";
        client.write([form, GET].concat()).await;
        let (backend, asked) = answer(&stage, &["first", "second"]).await;
        assert_eq!(asked[0].body, b"abc");
        for body in ["first", "second"] {
            assert_eq!(message(&mut client).await.body, body.as_bytes());
        }
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_wants_no_more_is_left() {
    within("close", async {
        for request in [
            GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
            "GET /page HTTP/1.0\r\n\r\n".to_owned(),
        ] {
            let (stage, mut client) = stage(|_| {}).await;
            client.write(request + GET).await;
            let (backend, _) = answer(&stage, &["first"]).await;
            let first = message(&mut client).await;
            assert_eq!(first.body, b"first");
            assert_eq!(client.rest().await, (Vec::new(), Ended::Fin));
            drop(backend);
            stage.stop().await;
        }
    })
    .await;
}

/// Health checkers speak it, and some old libraries.
#[tokio::test]
async fn clients_of_http_1_0() {
    within("HTTP/1.0", async {
        let (stage, mut client) = stage(|_| {}).await;
        let get = "GET /page HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        client.write(get).await;
        let mut backend = Wire::accept(&stage.listener).await;
        let asked = message(&mut backend).await;
        assert_eq!(asked.head.line, "GET /page HTTP/1.1");
        assert!(asked.head.get("Host").is_some());
        backend.write(ok("first")).await;
        let first = message(&mut client).await;
        assert!(first.head.line.starts_with("HTTP/1.0 200"), "{:?}", first.head);
        assert_eq!(first.head.get("Connection"), Some("keep-alive"));
        // It knows no chunks: the end of the connection is the end.
        client.write(get).await;
        message(&mut backend).await;
        backend.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
        let head = Head::read(&mut client).await;
        assert_eq!((head.get("Transfer-Encoding"), head.get("Connection")), (None, None));
        assert_eq!(client.take(3).await.unwrap(), b"abc");
        backend.write("2\r\nde\r\n0\r\n\r\n").await;
        assert_eq!(client.rest().await, (b"de".to_vec(), Ended::Fin));
        stage.stop().await;
    })
    .await;
}

/// What is no opening goes to the backend without `Upgrade`, and stays plain.
#[tokio::test]
async fn other_upgrades_are_stripped() {
    within("upgrades", async {
        let opening = String::from_utf8(hybi_request(Kind::Rfc6455, &Offer::default())).unwrap();
        for request in [
            GET.replace(
                "\r\n\r\n",
                "\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n",
            ),
            opening.replace("Upgrade: websocket", "Upgrade: h2c"),
            opening.replace("keep-alive, Upgrade", "keep-alive"),
            opening.replace("GET", "DELETE"),
        ] {
            let (stage, mut client) = stage(|_| {}).await;
            client.write(&request).await;
            let (backend, asked) = answer(&stage, &["plain"]).await;
            for name in ["Upgrade", "Connection", "HTTP2-Settings"] {
                assert_eq!(asked[0].head.get(name), None, "{request}");
            }
            assert_eq!(message(&mut client).await.body, b"plain");
            // The connection is kept.
            client.write(GET).await;
            let mut backend = backend;
            message(&mut backend).await;
            backend.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n").await;
            Head::read(&mut client).await;
            assert_eq!(chunk(&mut client).await, b"a");
            drop((client, backend));
            stage.stop().await;
        }
    })
    .await;
}
