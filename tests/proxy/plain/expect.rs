//! `Expect: 100-continue`: the client sends its body when the backend wants it.

use super::{ends, message, ok, stage};
use crate::harness::within;
use crate::peers::head::Head;
use crate::peers::wire::{Ended, Wire};

const ASK: &str =
    "PUT /big HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

#[tokio::test]
async fn a_body_is_sent_when_the_backend_wants_it() {
    within("continue", async {
        let (stage, mut client) = stage(|_| {}).await;
        client.write(ASK).await;
        let mut backend = Wire::accept(&stage.listener).await;
        let head = Head::read(&mut backend).await;
        assert_eq!(head.get("Expect"), Some("100-continue"));
        backend.write("HTTP/1.1 100 Continue\r\n\r\n").await;
        assert_eq!(client.until(b"\r\n\r\n").await.unwrap(), b"HTTP/1.1 100 Continue");
        client.write("hello").await;
        assert_eq!(backend.take(5).await.unwrap(), b"hello");
        backend.write(ok("done")).await;
        assert_eq!(message(&mut client).await.body, b"done");
        // And the connections are kept.
        client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        message(&mut backend).await;
        backend.write(ok("next")).await;
        assert_eq!(message(&mut client).await.body, b"next");
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_body_that_the_backend_refuses_is_not_sent() {
    within("refused", async {
        let (stage, mut client) = stage(|_| {}).await;
        client.write(ASK).await;
        let mut backend = Wire::accept(&stage.listener).await;
        Head::read(&mut backend).await;
        backend.write("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").await;
        let refused = message(&mut client).await;
        assert_eq!((refused.head.status(), &refused.body[..]), (413, &b"no"[..]));
        assert_eq!(refused.head.get("Connection"), Some("close"));
        ends(client).await;
        let (rest, ended) = backend.rest().await;
        assert_eq!((rest, ended), (Vec::new(), Ended::Fin));
        stage.stop().await;
    })
    .await;
}

/// Old servers know no such thing and wait for the body.
#[tokio::test]
async fn a_backend_that_says_nothing_gets_the_body() {
    within("silent backend", async {
        let (stage, mut client) = stage(|_| {}).await;
        client.write(ASK).await;
        let mut backend = Wire::accept(&stage.listener).await;
        Head::read(&mut backend).await;
        assert_eq!(client.until(b"\r\n\r\n").await.unwrap(), b"HTTP/1.1 100 Continue");
        client.write("hello").await;
        assert_eq!(backend.take(5).await.unwrap(), b"hello");
        backend.write(ok("done")).await;
        assert_eq!(message(&mut client).await.body, b"done");
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

/// A client that does not wait for the answer.
#[tokio::test]
async fn a_body_that_comes_at_once() {
    within("at once", async {
        let (stage, mut client) = stage(|_| {}).await;
        client.write([ASK, "hello"].concat()).await;
        let mut backend = Wire::accept(&stage.listener).await;
        Head::read(&mut backend).await;
        backend.write("HTTP/1.1 100 Continue\r\n\r\n").await;
        assert_eq!(backend.take(5).await.unwrap(), b"hello");
        backend.write(ok("done")).await;
        assert_eq!(client.until(b"\r\n\r\n").await.unwrap(), b"HTTP/1.1 100 Continue");
        assert_eq!(message(&mut client).await.body, b"done");
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}
