//! Plain requests that are refused, none of which the backend hears of.

use super::{message, stage};
use crate::harness::{millis, within};
use crate::peers::head::Head;
use crate::peers::wire::{Ended, Wire};
use futures_util::FutureExt;
use hybridge::config::values::Size;

#[tokio::test]
async fn requests_that_could_be_two() {
    within("ambiguous", async {
        let (stage, client) = stage(|_| {}).await;
        let post =
            |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}");
        let next = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
        for (request, status) in [
            (post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400),
            (post("Content-Length: 5\r\nContent-Length: 0\r\n", next), 400),
            (post("Content-Length: 5, 5\r\n", "hello"), 400),
            (post("Content-Length: +5\r\n", "hello"), 400),
            (post("Content-Length: 18446744073709551617\r\n", "a"), 400),
            (post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400),
            (
                post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
                400,
            ),
            (post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), 400),
            (post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501),
            (post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400),
            (post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n").replace("1.1", "1.0"), 400),
            (next.replace("Host: a", "Host: a\r\nHost: b"), 400),
            (next.replace("Host: a\r\n", ""), 400),
            (next.replace("/smuggled", "/a b"), 400),
            (next.replace("/smuggled", "smuggled"), 400),
            (next.replace("/smuggled", "/a\0b"), 400),
            (next.replace("/smuggled", "/a#b"), 400),
            (next.replace("/smuggled", "/a\x7fb"), 400),
            (next.replace("Host: a", "Host: a\r\nX-A: a\x7fb"), 400),
            (next.replace("Host: a", "Host: a\r\nSec-WebSocket-Key1: a\x7fb"), 400),
            ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 501),
        ] {
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.try_write(&request).await;
            let (answer, ended) = wire.rest().await;
            assert_eq!(ended, Ended::Fin, "{request}");
            let end = memchr::memmem::find(&answer, b"\r\n\r\n").unwrap();
            let head = Head::parse(&answer[..end]);
            assert_eq!(head.status(), status, "{request}");
            assert_eq!(head.exact("Content-Length"), (answer.len() - end - 4).to_string());
            assert!(stage.listener.accept().now_or_never().is_none(), "{request}");
        }
        drop(client);
        stage.stop().await;
    })
    .await;
}

/// The backend may have the start of these when they turn out to be malformed; it never has an end.
#[tokio::test]
async fn chunks_that_are_none() {
    within("chunks", async {
        for chunks in ["x\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhello\r\n-1\r\n", "0\r\nA b\r\n\r\n"] {
            let (stage, mut client) = stage(|_| {}).await;
            let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
            client.write([head, chunks].concat()).await;
            let mut backend = Wire::accept(&stage.listener).await;
            let refused = message(&mut client).await;
            assert_eq!(refused.head.status(), 400, "{chunks}");
            assert_eq!(client.rest().await, (Vec::new(), Ended::Fin));
            let (rest, _) = backend.rest().await;
            assert!(!rest.ends_with(b"0\r\n\r\n"), "{chunks}: {rest:?}");
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_that_are_too_large_or_too_slow() {
    within("bodies", async {
        let (stage, client) = stage(|settings| {
            settings.routes[0].limits.body = Some(Size(4));
            settings.routes[0].limits.body_idle = millis(200);
        })
        .await;
        let head = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        // Before the backend hears of it.
        let mut wire = Wire::connect(stage.proxy.address).await;
        wire.write(head("Content-Length: 5") + "hello").await;
        assert_eq!(message(&mut wire).await.head.status(), 413);
        assert_eq!(wire.rest().await, (Vec::new(), Ended::Fin));
        assert!(stage.listener.accept().now_or_never().is_none());
        for (request, status) in [
            (head("Transfer-Encoding: chunked") + "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", 413),
            (head("Transfer-Encoding: chunked") + "2\r\na", 408),
            (head("Content-Length: 4") + "abc", 408),
        ] {
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(&request).await;
            let mut backend = Wire::accept(&stage.listener).await;
            assert_eq!(message(&mut wire).await.head.status(), status, "{request}");
            assert_eq!(wire.rest().await, (Vec::new(), Ended::Fin));
            let (rest, _) = backend.rest().await;
            assert!(!rest.ends_with(b"0\r\n\r\n"), "{request}");
        }
        // One that fits goes through.
        let mut wire = Wire::connect(stage.proxy.address).await;
        wire.write(head("Content-Length: 4") + "abcd").await;
        let mut backend = Wire::accept(&stage.listener).await;
        assert_eq!(message(&mut backend).await.body, b"abcd");
        drop((client, wire, backend));
        stage.stop().await;
    })
    .await;
}
