//! Finding out what the backend speaks: when an older dialect is tried, and what is remembered.

use crate::harness::{Proxy, listen, settings, within};
use crate::peers::head::Head;
use crate::peers::wire::Wire;
use crate::peers::{Kind, Offer, Reply, hixie, hybi};
use futures_util::FutureExt;
use std::net::SocketAddr;
use tokio::net::TcpListener;

const NEWEST_FIRST: [Kind; 5] =
    [Kind::Rfc6455, Kind::Hybi08, Kind::Hybi07, Kind::Hixie76, Kind::Hixie75];

fn kind_of(request: &Head) -> Kind {
    match request.get("Sec-WebSocket-Version") {
        Some("13") => Kind::Rfc6455,
        Some("8") => Kind::Hybi08,
        Some("7") => Kind::Hybi07,
        Some(other) => panic!("version {other}"),
        None if request.get("Sec-WebSocket-Key1").is_some() => Kind::Hixie76,
        None => Kind::Hixie75,
    }
}

/// One connection of the backend: reads the request, accepts it if it is what the backend speaks,
/// and answers anything else with `refusal`. Tells what was asked.
async fn serve_once(listener: &TcpListener, speaks: Option<Kind>, refusal: &str) -> (Wire, Kind) {
    let mut wire = Wire::accept(listener).await;
    let head = Head::read(&mut wire).await;
    let kind = kind_of(&head);
    let key3 = if kind == Kind::Hixie76 { wire.take(8).await.unwrap() } else { Vec::new() };
    if speaks == Some(kind) {
        let mut answer = match kind {
            Kind::Hixie75 | Kind::Hixie76 => {
                b"HTTP/1.1 101 OK\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n".to_vec()
            }
            _ => hybi::answer_head(&head, &Reply::default()),
        };
        if kind == Kind::Hixie76 {
            answer.extend(hixie::proof(&head, &key3));
        }
        wire.write(answer).await;
    } else {
        wire.write(refusal).await;
        wire.finish().await;
    }
    (wire, kind)
}

/// A client's request, and the status it is answered with.
async fn ask(proxy: SocketAddr) -> (Wire, Head) {
    let mut wire = Wire::connect(proxy).await;
    wire.write(hybi::request(Kind::Rfc6455, &Offer::default())).await;
    let head = Head::read(&mut wire).await;
    (wire, head)
}

async fn proxy() -> (Proxy, TcpListener) {
    let (listener, address) = listen().await;
    (Proxy::start(settings(address, None)).await, listener)
}

/// Asks once, with a backend that speaks `speaks`; what was tried until it accepted.
async fn tried(proxy: &Proxy, listener: &TcpListener, speaks: Kind, refusal: &str) -> Vec<Kind> {
    let backend = async {
        let mut tried = Vec::new();
        loop {
            let (wire, kind) = serve_once(listener, Some(speaks), refusal).await;
            tried.push(kind);
            if kind == speaks {
                return (wire, tried);
            }
        }
    };
    let ((client, head), (wire, tried)) = tokio::join!(ask(proxy.address), backend);
    assert_eq!(head.status(), 101, "{speaks:?} after {refusal:?}");
    assert!(listener.accept().now_or_never().is_none(), "tried more than it needed");
    drop((client, wire));
    tried
}

#[tokio::test]
async fn tries_older_dialects_and_remembers_what_worked() {
    within("auto", async {
        for refusal in [
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8\r\n\r\n",
            "HTTP/1.1 501 Not Implemented\r\n\r\nwith a body",
            "",
            "HTTP/1.1",
        ] {
            for (index, speaks) in NEWEST_FIRST.into_iter().enumerate() {
                let (proxy, listener) = proxy().await;
                let first = tried(&proxy, &listener, speaks, refusal).await;
                assert_eq!(first, NEWEST_FIRST[..=index], "{refusal:?}");
                for _ in 0..3 {
                    let later = tried(&proxy, &listener, speaks, refusal).await;
                    assert_eq!(later, [speaks], "remembered after {refusal:?}");
                }
                proxy.stop().await;
            }
        }
    })
    .await;
}

/// The backend was replaced: what is remembered is tried first, then the others.
#[tokio::test]
async fn learns_anew() {
    within("learning anew", async {
        let refusal = "HTTP/1.1 400 Bad Request\r\n\r\n";
        let (proxy, listener) = proxy().await;
        tried(&proxy, &listener, Kind::Hixie76, refusal).await;
        let then = tried(&proxy, &listener, Kind::Hybi08, refusal).await;
        assert_eq!(then, [Kind::Hixie76, Kind::Rfc6455, Kind::Hybi08]);
        assert_eq!(tried(&proxy, &listener, Kind::Hybi08, refusal).await, [Kind::Hybi08]);
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_an_answer() {
    within("no fallback", async {
        for (answer, status) in [
            ("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n", 401),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", 403),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", 404),
            ("HTTP/1.1 500 Internal Server Error\r\n\r\n", 500),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", 503),
            ("HTTP/1.1 200 OK\r\n\r\n<html>", 502),
            ("SSH-2.0-OpenSSH_9.9\r\n\r\n", 502),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", 502),
            ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n", 502),
        ] {
            let (proxy, listener) = proxy().await;
            let ((client, head), (backend, kind)) =
                tokio::join!(ask(proxy.address), serve_once(&listener, None, answer));
            assert_eq!((head.status(), kind), (status, Kind::Rfc6455), "{answer:?}");
            assert!(listener.accept().now_or_never().is_none(), "another try after {answer:?}");
            drop((client, backend));
            proxy.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn no_dialect_works() {
    within("nothing works", async {
        let (proxy, listener) = proxy().await;
        let backend = async {
            let mut tried = Vec::new();
            for _ in NEWEST_FIRST {
                let refusal = "HTTP/1.1 400 Bad Request\r\n\r\n";
                tried.push(serve_once(&listener, None, refusal).await.1);
            }
            tried
        };
        let ((client, head), tried) = tokio::join!(ask(proxy.address), backend);
        assert_eq!((head.status(), tried), (502, NEWEST_FIRST.to_vec()));
        drop(client);
        proxy.stop().await;
    })
    .await;
}
