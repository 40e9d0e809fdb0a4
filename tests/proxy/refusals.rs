//! Requests that get no session: each its answer, none a connection to the backend, and nobody
//! beside them notices.

use crate::harness::{Stage, millis, within};
use crate::peers::head::Head;
use crate::peers::wire::{Ended, Wire};
use crate::peers::{Kind, Offer, Peer, Reply, hixie, hybi};
use futures_util::FutureExt;
use std::num::NonZeroUsize;

/// A request of a dialect with one thing replaced.
fn with(kind: Kind, plain: &str, odd: &str) -> Vec<u8> {
    let request = if kind.opens_as_hixie() {
        hixie::request(kind, &Offer::default())
    } else {
        hybi::request(kind, &Offer::default())
    };
    let text = String::from_utf8(request).unwrap();
    assert!(text.contains(plain), "{plain} is not in {text}");
    text.replacen(plain, odd, 1).into_bytes()
}

/// Sends all of the requests; each has to be answered with the status and the end of the stream.
async fn refused(cases: Vec<(Vec<u8>, u16)>) {
    let stage =
        Stage::with(Kind::Hixie76, |settings| settings.max_connections = NonZeroUsize::new(10))
            .await;
    let mut bystander = stage.bystander().await;
    for (request, status) in cases {
        let shown = request.escape_ascii().to_string();
        let mut wire = Wire::connect(stage.proxy.address).await;
        wire.try_write(&request).await;
        let (answer, ended) = wire.rest().await;
        assert_eq!(ended, Ended::Fin, "{shown}");
        let end = memchr::memmem::find(&answer, b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer to {shown}"));
        let (head, body) = (Head::parse(&answer[..end]), &answer[end + 4..]);
        assert_eq!(head.status(), status, "{shown}");
        assert_eq!(head.exact("Content-Length"), body.len().to_string(), "{shown}");
        assert!(head.exact("Connection").contains("close"), "{shown}");
        if status == 426 {
            assert_eq!(head.exact("Sec-WebSocket-Version"), "13, 8, 7, 6, 5, 4", "{shown}");
            assert_eq!(head.exact("Upgrade"), "websocket", "{shown}");
        }
        assert!(stage.listener.accept().now_or_never().is_none(), "the backend heard of {shown}");
        bystander.is_well().await;
    }
    drop(bystander);
    stage.stop().await;
}

#[tokio::test]
async fn malformed_heads() {
    let rfc = |plain: &str, odd: &str| with(Kind::Rfc6455, plain, odd);
    let cases = vec![
        (b"garbage\r\n\r\n".to_vec(), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), 400),
        (b"<policy-file-request/>\0".to_vec(), 400),
        (b"\r\n\r\n".to_vec(), 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), 505),
        (rfc(" HTTP/1.1", " HTTP/1.0"), 400),
        (rfc(" HTTP/1.1", " HTTP/1.1 "), 400),
        (rfc("Origin: ", "Origin : "), 400),
        (rfc("Origin: ", " Origin: "), 400),
        (rfc("Origin: ", "X: a\r\n folded\r\nOrigin: "), 400),
        (rfc("Origin: ", "X: a\nY: b\r\nOrigin: "), 400),
        (rfc("Origin: ", "X: a\rY: b\r\nOrigin: "), 400),
        (rfc("Origin: ", "X: a\0b\r\nOrigin: "), 400),
        (rfc("Origin: ", "nothing\r\nOrigin: "), 400),
        (rfc("Origin: ", ": nameless\r\nOrigin: "), 400),
        (rfc("/chat", "ftp://other/chat"), 400),
        (rfc("/chat", "other:80"), 400),
        (rfc("/chat", "*"), 400),
        (rfc("/chat", "/ch at"), 400),
        (rfc("/chat", "/ch\u{e9}t"), 400),
        (rfc("/chat", "/ch\tat"), 400),
    ];
    within("malformed heads", refused(cases)).await;
}

#[tokio::test]
async fn openings_of_no_version() {
    let mut cases = vec![
        (with(Kind::Rfc6455, "Version: 13", "Version: 14"), 426),
        (with(Kind::Rfc6455, "Version: 13", "Version: 0"), 426),
        (with(Kind::Rfc6455, "Version: 13", "Version: 3"), 426),
        (with(Kind::Rfc6455, "Version: 13", "Version: 13, 8"), 426),
        (with(Kind::Rfc6455, "Version: 13", "Version: 99999999999999999999"), 426),
        (with(Kind::Rfc6455, "Sec-WebSocket-Version: 13\r\n", ""), 426),
        (with(Kind::Hybi03, "Draft: 2", "Draft: 4"), 426),
        (with(Kind::Hybi03, "Draft: 2", "Draft: 2, 3"), 426),
        (with(Kind::Hybi01, "Draft: 1", "Draft: 01"), 426),
        (with(Kind::Hixie75, "Origin: ", "Sec-WebSocket-Draft: 2\r\nOrigin: "), 426),
    ];
    // Nothing of 75 but its Origin tells it from other requests.
    cases.push((with(Kind::Hixie75, "Origin: http://page.example\r\n", ""), 426));
    within("no version", refused(cases)).await;
}

#[tokio::test]
async fn oversized_heads() {
    let long = format!("Cookie: {}\r\nOrigin: ", "c".repeat(17 * 1024));
    let many = "X: y\r\n".repeat(101) + "Origin: ";
    let endless = [b"GET / HTTP/1.1\r\nCookie: ", &vec![b'c'; 100 * 1024][..]].concat();
    let cases = vec![
        (with(Kind::Rfc6455, "Origin: ", &long), 431),
        (with(Kind::Hixie76, "Origin: ", &long), 431),
        (with(Kind::Rfc6455, "Origin: ", &many), 431),
        (endless, 431),
        (vec![b'G'; 64 * 1024], 431),
    ];
    within("oversized heads", refused(cases)).await;
}

/// Two readings of one request are a way past somebody.
#[tokio::test]
async fn smuggled_lengths_and_doubled_fields() {
    let mut cases = Vec::new();
    for kind in [Kind::Hixie75, Kind::Rfc6455] {
        for length in ["5", "8", "-1", "0, 0", "+0", "00"] {
            let field = format!("Content-Length: {length}\r\nOrigin: ");
            cases.push((with(kind, "Origin: ", &field), 400));
        }
    }
    for length in ["0", "9", "08", "8, 8", "+8", "8 8", "18446744073709551624"] {
        let field = format!("Content-Length: {length}\r\nOrigin: ");
        cases.push((with(Kind::Hixie76, "Origin: ", &field), 400));
    }
    for kind in [Kind::Hixie75, Kind::Hixie76, Kind::Hybi07, Kind::Rfc6455] {
        let at = if kind == Kind::Hybi07 { "Sec-WebSocket-Origin: " } else { "Origin: " };
        for field in [
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: identity",
            "Content-Length: 8\r\nContent-Length: 8",
            "Host: elsewhere",
            "Origin: http://page.example\r\nOrigin: http://page.example",
        ] {
            cases.push((with(kind, at, &format!("{field}\r\n{at}")), 400));
        }
    }
    for (kind, field) in [
        (Kind::Hixie76, "Sec-WebSocket-Key1: 4 2"),
        (Kind::Hixie76, "Sec-WebSocket-Key2: 4 2"),
        (Kind::Hixie76, "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a"),
        (Kind::Hixie76, "Sec-WebSocket-Version: 13"),
        (Kind::Hixie76, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        (Kind::Hixie75, "WebSocket-Protocol: a\r\nWebSocket-Protocol: a"),
        (Kind::Rfc6455, "Sec-WebSocket-Version: 13"),
        (Kind::Rfc6455, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        (Kind::Rfc6455, "Sec-WebSocket-Key1: 4 2"),
        (Kind::Rfc6455, "Sec-WebSocket-Draft: 2"),
        (Kind::Hybi03, "Sec-WebSocket-Draft: 2"),
        (Kind::Hybi03, "Sec-WebSocket-Version: 4"),
        (Kind::Hybi01, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        cases.push((with(kind, "Origin: ", &format!("{field}\r\nOrigin: ")), 400));
    }
    for kind in [Kind::Hybi04, Kind::Hybi05, Kind::Hybi06, Kind::Hybi07, Kind::Hybi08] {
        let marked = "Sec-WebSocket-Draft: 2\r\nSec-WebSocket-Origin: ";
        cases.push((with(kind, "Sec-WebSocket-Origin: ", marked), 400));
    }
    within("smuggling", refused(cases)).await;
}

#[tokio::test]
async fn bad_keys() {
    let h76 = |plain: &str, odd: &str| (with(Kind::Hixie76, plain, odd), 400);
    let rfc = |odd: &str| (with(Kind::Rfc6455, hybi::KEY, odd), 400);
    let key1 = "4 @1  46546xW%0l 1 5";
    let mut cases = vec![
        h76(key1, "4146546015"),
        h76(key1, "no digits"),
        h76(key1, "2 L785 8o% s9Sy9@V. 4<1P5"),
        h76(key1, "4294967296 0 0"),
        h76(key1, "99999999999999999999999999999 9"),
        h76(key1, "4\t146546015"),
        h76("Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n", ""),
        h76("Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n", ""),
        rfc(""),
        rfc("dGhlIHNhbXBsZSBub25jZ"),
        rfc("dGhlIHNhbXBsZSBub25jZTE="),
        rfc("not base64 at all!!!!!!!"),
        (with(Kind::Rfc6455, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400),
    ];
    for kind in [Kind::Hybi01, Kind::Hybi02, Kind::Hybi03] {
        cases.push((with(kind, key1, "no digits"), 400));
    }
    for kind in [Kind::Hybi04, Kind::Hybi05, Kind::Hybi06] {
        cases.push((with(kind, hybi::KEY, "not base64 at all!!!!!!!"), 400));
    }
    within("bad keys", refused(cases)).await;
}

/// What is reflected into an answer or handed to an old server must not split it.
#[tokio::test]
async fn what_cannot_be_reflected() {
    let mut cases = Vec::new();
    for kind in [Kind::Hixie75, Kind::Hixie76, Kind::Rfc6455] {
        for host in ["", "a/b", "a b", "a?b", "a\u{e9}", "user@a", "a\"b"] {
            cases.push((with(kind, "proxy.example:8080", host), 400));
        }
        cases.push((with(kind, "Host: proxy.example:8080\r\n", ""), 400));
        cases.push((with(kind, "http://page.example", "http://p\u{e4}ge.example"), 400));
    }
    let protocol = |name: &str, value: &str| format!("{name}: {value}\r\nOrigin: ");
    for value in ["a b", "a;b", "a,\"b\"", "\u{e9}"] {
        let field = protocol("Sec-WebSocket-Protocol", value);
        cases.push((with(Kind::Rfc6455, "Origin: ", &field), 400));
    }
    let field = protocol("Sec-WebSocket-Protocol", "\u{e9}");
    cases.push((with(Kind::Hixie76, "Origin: ", &field), 400));
    within("reflection", refused(cases)).await;
}

#[tokio::test]
async fn dialects_that_are_not_accepted() {
    within("not accepted", async {
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            settings.routes[0].accept = vec![Kind::Hixie76.dialect(), Kind::Hybi08.dialect()];
        })
        .await;
        for kind in [Kind::Hixie75, Kind::Hybi07, Kind::Rfc6455] {
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(with(kind, "Host", "Host")).await;
            let head = Head::read(&mut wire).await;
            assert_eq!(head.status(), 426, "{kind:?}");
            assert_eq!(head.exact("Sec-WebSocket-Version"), "8");
        }
        drop(stage.session(Kind::Hybi08).await);
        stage.stop().await;
    })
    .await;
}

/// No bytes, half a head, no key3: each is ended when the time of a handshake is over.
#[tokio::test]
async fn slow_clients() {
    within("slow clients", async {
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            settings.listeners[0].handshake_timeout = millis(200);
        })
        .await;
        let mut bystander = stage.bystander().await;
        for half in [&b""[..], b"G", b"GET / HTTP/1.1\r\nUpgrade: WebSocket\r\n"] {
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(half).await;
            assert_eq!(Head::read(&mut wire).await.status(), 408);
            assert_eq!(wire.rest().await.1, Ended::Fin);
        }
        let mut request = hixie::request(Kind::Hixie76, &Offer::default());
        request.pop();
        let mut wire = Wire::connect(stage.proxy.address).await;
        wire.write(&request).await;
        let reply = Reply::default();
        let (head, (backend, _)) = tokio::join!(
            Head::read(&mut wire),
            Peer::accept(Kind::Rfc6455, &stage.listener, &reply)
        );
        assert_eq!(head.status(), 101);
        // No other status can follow the 101.
        assert_eq!(wire.rest().await, (Vec::new(), Ended::Fin));
        bystander.is_well().await;
        drop((wire, backend, bystander));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn clients_that_leave_in_the_handshake() {
    within("leaving early", async {
        let stage = Stage::new(Kind::Rfc6455).await;
        let mut bystander = stage.bystander().await;
        let request = hixie::request(Kind::Hixie76, &Offer::default());
        for length in [0, 1, 20, request.len() - 9] {
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(&request[..length]).await;
            wire.finish().await;
            assert_eq!(wire.rest().await, (Vec::new(), Ended::Fin));
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(&request[..length]).await;
            wire.reset();
            bystander.is_well().await;
        }
        // Between the 101 and key3.
        let mut wire = Wire::connect(stage.proxy.address).await;
        wire.write(&request[..request.len() - 1]).await;
        let reply = Reply::default();
        let (_, (mut backend, _)) = tokio::join!(
            Head::read(&mut wire),
            Peer::accept(Kind::Rfc6455, &stage.listener, &reply)
        );
        wire.reset();
        assert!(!matches!(backend.hear().await, crate::peers::Said::Close(_)));
        bystander.is_well().await;
        drop((backend, bystander));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn too_many_connections() {
    within("too many", async {
        let stage =
            Stage::with(Kind::Rfc6455, |settings| settings.max_connections = NonZeroUsize::new(2))
                .await;
        let mut bystander = stage.bystander().await;
        let (mut client, mut backend) = stage.session(Kind::Hixie76).await;
        for kind in [Kind::Hixie76, Kind::Rfc6455] {
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(with(kind, "Host", "Host")).await;
            assert_eq!(Head::read(&mut wire).await.status(), 503);
            assert_eq!(wire.rest().await.1, Ended::Fin);
        }
        assert!(stage.listener.accept().now_or_never().is_none());
        bystander.is_well().await;
        // Those who were turned away are gone, and one who leaves makes place.
        client.finish().await;
        while backend.hear().await != crate::peers::Said::Fin {
            backend.finish().await;
        }
        drop((client, backend));
        loop {
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(with(Kind::Rfc6455, "Host", "Host")).await;
            let accept = stage.listener.accept();
            tokio::select! {
                head = Head::read(&mut wire) => assert_eq!(head.status(), 503),
                _ = accept => break,
            }
            assert_eq!(wire.rest().await.1, Ended::Fin);
        }
        drop(bystander);
        stage.stop().await;
    })
    .await;
}
