//! The opening handshake in detail: when what leaves, and what of it is passed on.

use crate::harness::{Stage, pass, within};
use crate::peers::hixie::{self, ANSWER, Hixie, KEY3};
use crate::peers::hybi::{self, Hybi};
use crate::peers::wire::{Ended, Wire};
use crate::peers::{Kind, Offer, Peer, Reply, Said, framing, head::Head};
use futures_util::FutureExt;
use hybridge::config::values::HostPolicy;

/// The request of a Hixie-76 client without its key3.
fn head_of_request() -> Vec<u8> {
    let mut request = hixie::request(Kind::Hixie76, &Offer::default());
    request.truncate(request.len() - KEY3.len());
    request
}

#[tokio::test]
async fn the_head_goes_ahead_of_a_late_key3() {
    within("a late key3", async {
        let stage = Stage::new(Kind::Rfc6455).await;
        let mut wire = Wire::connect(stage.proxy.address).await;
        wire.write(head_of_request()).await;
        let reply = Reply::default();
        let (head, (mut backend, _)) = tokio::join!(
            Head::read(&mut wire),
            Peer::accept(Kind::Rfc6455, &stage.listener, &reply)
        );
        assert_eq!(head.status(), 101);
        assert!(wire.buffer.is_empty(), "the proof without key3");
        for byte in KEY3 {
            wire.write([*byte]).await;
        }
        assert_eq!(wire.take(16).await.unwrap(), ANSWER);
        let mut client = Peer::Hixie(Hixie::over(wire, Kind::Hixie76));
        pass(&mut client, &mut backend, &[Said::text("up")]).await;
        pass(&mut backend, &mut client, &[Said::text("down")]).await;
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

/// The backend may push while the client's key3 is still on its way.
#[tokio::test]
async fn a_push_waits_for_the_proof() {
    within("a push before key3", async {
        let stage = Stage::new(Kind::Rfc6455).await;
        let mut wire = Wire::connect(stage.proxy.address).await;
        wire.write(head_of_request()).await;
        let reply = Reply { push: vec![Said::text("welcome")], ..Reply::default() };
        let (_, (mut backend, _)) = tokio::join!(
            Head::read(&mut wire),
            Peer::accept(Kind::Rfc6455, &stage.listener, &reply)
        );
        backend.say(&[Said::text("and again")]).await;
        wire.write(KEY3).await;
        assert_eq!(wire.take(16).await.unwrap(), ANSWER);
        let mut client = Hixie::over(wire, Kind::Hixie76);
        assert_eq!(client.hear().await, Said::text("welcome"));
        assert_eq!(client.hear().await, Said::text("and again"));
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn requests_may_come_byte_by_byte() {
    within("byte by byte", async {
        for kind in [Kind::Hixie75, Kind::Hixie76, Kind::Hybi07, Kind::Hybi08, Kind::Rfc6455] {
            let stage = Stage::new(Kind::Hixie76).await;
            let request = match kind {
                Kind::Hixie75 | Kind::Hixie76 => hixie::request(kind, &Offer::default()),
                _ => hybi::request(kind, &Offer::default()),
            };
            let mut wire = Wire::connect(stage.proxy.address).await;
            for byte in request {
                wire.write([byte]).await;
            }
            let reply = Reply::default();
            let (head, (mut backend, _)) = tokio::join!(
                Head::read(&mut wire),
                Peer::accept(Kind::Hixie76, &stage.listener, &reply)
            );
            assert_eq!(head.status(), 101);
            if kind == Kind::Hixie76 {
                assert_eq!(wire.take(16).await.unwrap(), ANSWER);
            }
            let mut client = match kind {
                Kind::Hixie75 | Kind::Hixie76 => Peer::Hixie(Hixie::over(wire, kind)),
                _ => Peer::Hybi(Hybi::over(kind, wire, true, None)),
            };
            pass(&mut client, &mut backend, &[Said::text("up")]).await;
            drop((client, backend));
            stage.stop().await;
        }
    })
    .await;
}

/// Some old servers look for key3 in the segment of the head and for nothing behind it.
#[tokio::test]
async fn a_backend_gets_head_and_key3_in_one_write_and_nothing_more_before_its_proof() {
    within("one write", async {
        let stage = Stage::new(Kind::Hixie76).await;
        let mut bystander = stage.bystander().await;
        // The client talks at once, so that the proxy has something it must hold back.
        let mut client = Wire::connect(stage.proxy.address).await;
        let mut request = hybi::request(Kind::Rfc6455, &Offer::default());
        request.extend(framing::frame(0x81, b"eager", true));
        client.write(request).await;
        let mut backend = Wire::accept(&stage.listener).await;
        backend.more().await.unwrap();
        let end = memchr::memmem::find(&backend.buffer, b"\r\n\r\n").expect("a whole head") + 4;
        assert_eq!(backend.buffer.len(), end + 8, "one write of head and key3");
        let head = Head::parse(&backend.buffer[..end - 4]);
        let proof = hixie::proof(&head, &backend.buffer[end..]);
        backend.buffer.clear();
        backend.write(b"HTTP/1.1 101 WebSocket Protocol Handshake\r\n").await;
        backend.write(b"Upgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n").await;
        for byte in &proof[..15] {
            backend.write([*byte]).await;
            bystander.is_well().await;
            let early = backend.more().now_or_never();
            assert!(early.is_none(), "{early:?}: {:?} before the proof", backend.buffer);
        }
        backend.write(&proof[15..]).await;
        let mut backend = Hixie::over(backend, Kind::Hixie76);
        assert_eq!(backend.hear().await, Said::text("eager"));
        drop((client, backend, bystander));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn location_is_what_the_client_sees() {
    within("location", async {
        let hosts = [HostPolicy::Preserve, HostPolicy::Backend, HostPolicy::Name("old:81".into())];
        for backend in [Kind::Hixie76, Kind::Rfc6455] {
            for policy in hosts.clone() {
                let stage = Stage::with(backend, |settings| {
                    settings.routes[0].host_header = policy.clone();
                })
                .await;
                // WebKit of 2010 decodes %20; the client checks Location strictly.
                let offer = Offer { target: "/a b?q=%C3%A9 c".to_owned(), ..Offer::default() };
                let reply = Reply::default();
                let (_, (_, request)) = tokio::join!(
                    Peer::connect(Kind::Hixie76, stage.proxy.address, &offer),
                    Peer::accept(backend, &stage.listener, &reply),
                );
                assert_eq!(request.target(), "/a%20b?q=%C3%A9%20c");
                let own = stage.listener.local_addr().unwrap().to_string();
                let due = match &policy {
                    HostPolicy::Preserve => "proxy.example:8080",
                    HostPolicy::Backend => own.as_str(),
                    HostPolicy::Name(name) => name,
                };
                assert_eq!(request.get("Host"), Some(due));
                stage.stop().await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_origin_is_never_interpreted() {
    within("origins", async {
        for origin in ["null", "file://", "random1234567", "host:80", "http://a.example"] {
            for backend in [Kind::Hixie75, Kind::Rfc6455] {
                let stage = Stage::new(backend).await;
                let offer = Offer { origin: Some(origin.to_owned()), ..Offer::default() };
                let reply = Reply::default();
                let (_, (_, request)) = tokio::join!(
                    Peer::connect(Kind::Hixie76, stage.proxy.address, &offer),
                    Peer::accept(backend, &stage.listener, &reply),
                );
                assert_eq!(request.get("Origin"), Some(origin));
                stage.stop().await;
            }
        }
    })
    .await;
}

/// Old servers demand an origin; a client of ours may have none, old or new.
#[tokio::test]
async fn a_missing_origin_is_made_up_for_old_servers_only() {
    within("no origin", async {
        for client in [Kind::Hixie76, Kind::Hybi08, Kind::Rfc6455] {
            for backend in [Kind::Hixie76, Kind::Rfc6455] {
                let stage = Stage::new(backend).await;
                let offer = Offer { origin: None, ..Offer::default() };
                let reply = Reply::default();
                let ((_, answer), (_, request)) = tokio::join!(
                    Peer::connect(client, stage.proxy.address, &offer),
                    Peer::accept(backend, &stage.listener, &reply),
                );
                let due = backend.is_hixie().then_some("http://proxy.example:8080");
                assert_eq!(request.get("Origin"), due);
                assert_eq!(answer.get("Sec-WebSocket-Origin"), None);
                stage.stop().await;
            }
        }
    })
    .await;
}

/// What belongs to one hop stays there, what is empty is dropped, the rest passes, cookies in order.
#[tokio::test]
async fn fields_pass_that_concern_the_other_end() {
    within("fields", async {
        let stage = Stage::new(Kind::Rfc6455).await;
        let mut client = Wire::connect(stage.proxy.address).await;
        let fields = "Cookie: a=1\r\nCookie: \r\nAuthorization: Basic Og==\r\nUser-Agent:\r\n\
            Content-Length: 8\r\nKeep-Alive: 300\r\nProxy-Authorization: Basic Og==\r\n\
            Sec-WebSocket-Key3: forged\r\nWebSocket-Protocol: forged\r\nX-Thing: b  c\r\n";
        let request = String::from_utf8(hixie::request(Kind::Hixie76, &Offer::default())).unwrap();
        client.write(request.replacen("Origin:", &format!("{fields}Origin:"), 1)).await;
        let mut backend = Wire::accept(&stage.listener).await;
        let request = Head::read(&mut backend).await;
        request.assert_tidy();
        let passed = [("Cookie", "a=1"), ("Authorization", "Basic Og=="), ("X-Thing", "b  c")];
        for (name, value) in passed {
            assert_eq!(request.get(name), Some(value));
        }
        for kept in ["Keep-Alive", "Proxy-Authorization", "Sec-WebSocket-Key3", "User-Agent"] {
            assert_eq!(request.get(kept), None, "{request:?}");
        }
        assert_eq!(request.get("WebSocket-Protocol"), None);
        let answer = String::from_utf8(hybi::answer_head(&request, &Reply::default())).unwrap();
        let fields = "Set-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\nServer: old/1.0\r\n\
            Sec-WebSocket-Protocol: \r\nSec-WebSocket-Extensions:\r\nDate: \r\n";
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        backend
            .write(format!(
                "{interim}{}{fields}\r\n",
                answer.trim_end_matches("\r\n\r\n").to_owned() + "\r\n"
            ))
            .await;
        let answer = Head::read(&mut client).await;
        answer.assert_tidy();
        assert_eq!(answer.all("Set-Cookie"), ["a=1", "b=2; Path=/"]);
        assert_eq!(client.take(16).await.unwrap(), ANSWER);
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

/// What real old servers put into their 101.
#[tokio::test]
async fn tolerates_the_answers_of_old_servers() {
    within("odd answers", async {
        for odd in [
            "Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 16\r\nDate: x\r\n",
            "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nServer: old\r\n\
             Sec-WebSocket-Protocol: *\r\n",
            "upgrade: WEBSOCKET\r\nconnection: Upgrade\r\nSec-WebSocket-Protocol:\r\n\
             Sec-WebSocket-Location: wss://elsewhere/\r\nSec-WebSocket-Origin: x\r\n",
            "Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: default\r\n",
        ] {
            let stage = Stage::new(Kind::Hixie76).await;
            let offer = Offer::default();
            let backend = async {
                let mut wire = Wire::accept(&stage.listener).await;
                let head = Head::read(&mut wire).await;
                let key3 = wire.take(8).await.unwrap();
                wire.write(format!("HTTP/1.1 101\r\n{odd}\r\n")).await;
                wire.write(hixie::proof(&head, &key3)).await;
                Peer::Hixie(Hixie::over(wire, Kind::Hixie76))
            };
            let ((mut client, _), mut backend) =
                tokio::join!(Peer::connect(Kind::Hixie76, stage.proxy.address, &offer), backend);
            pass(&mut backend, &mut client, &[Said::text("fine")]).await;
            drop((client, backend));
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_offer_of_several_subprotocols() {
    within("subprotocols", async {
        // A server of RFC 6455 sees them all, a Hixie server can be told one.
        for (backend, seen, chosen) in [
            (Kind::Rfc6455, "chat.v2, chat.v1", Some("chat.v1")),
            (Kind::Rfc6455, "chat.v2, chat.v1", None),
            (Kind::Hixie76, "chat.v2", Some("chat.v2")),
            (Kind::Hixie75, "chat.v2", None),
        ] {
            let stage = Stage::new(backend).await;
            let offer =
                Offer { subprotocol: Some("chat.v2, chat.v1".to_owned()), ..Offer::default() };
            let reply = Reply { subprotocol: chosen.map(str::to_owned), ..Reply::default() };
            let ((_, answer), (_, request)) = tokio::join!(
                Peer::connect(Kind::Rfc6455, stage.proxy.address, &offer),
                Peer::accept(backend, &stage.listener, &reply),
            );
            assert_eq!(request.get(backend.subprotocol_field()), Some(seen));
            assert_eq!(answer.get("Sec-WebSocket-Protocol"), chosen);
            stage.stop().await;
        }
    })
    .await;
}

/// Java clients of 2011 use DEL as noise, lws and others write `websocket`, some send a length.
#[tokio::test]
async fn tolerates_the_requests_of_old_clients() {
    within("odd requests", async {
        let stage = Stage::new(Kind::Rfc6455).await;
        for (odd, plain) in [
            ("Upgrade: websocket", "Upgrade: WebSocket"),
            ("connection: keep-alive, upgrade", "Connection: Upgrade"),
            ("Content-Length: 8\r\nOrigin:", "Origin:"),
            ("Sec-WebSocket-Draft: 0\r\nOrigin:", "Origin:"),
            ("4 @1  46546xW%0l\u{7f} 1 5", "4 @1  46546xW%0l 1 5"),
        ] {
            let request = hixie::request(Kind::Hixie76, &Offer::default());
            let request = String::from_utf8(request).unwrap().replacen(plain, odd, 1);
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(&request).await;
            let reply = Reply::default();
            let (head, (backend, _)) = tokio::join!(
                Head::read(&mut wire),
                Peer::accept(Kind::Rfc6455, &stage.listener, &reply)
            );
            assert_eq!(head.status(), 101, "{odd}");
            assert_eq!(wire.take(16).await.unwrap(), ANSWER, "{odd}");
            drop((wire, backend));
        }
        stage.stop().await;
    })
    .await;
}

/// A frame right behind the client's handshake is kept until the session stands.
#[tokio::test]
async fn what_an_eager_client_says_arrives() {
    within("eager", async {
        for (kind, eager) in [
            (Kind::Hixie76, hixie::encode(&[Said::text("eager")])),
            (Kind::Hixie75, hixie::encode(&[Said::text("eager")])),
            (Kind::Hybi08, framing::frame(0x81, b"eager", true)),
        ] {
            let stage = Stage::new(Kind::Rfc6455).await;
            let mut request = match kind {
                Kind::Hybi08 => hybi::request(kind, &Offer::default()),
                _ => hixie::request(kind, &Offer::default()),
            };
            request.extend(eager);
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(&request).await;
            let (mut backend, _) =
                Peer::accept(Kind::Rfc6455, &stage.listener, &Reply::default()).await;
            assert_eq!(backend.hear().await, Said::text("eager"));
            // It leaves without a word; 75 and 76 call that a close.
            wire.finish().await;
            let heard = backend.hear().await;
            if heard != Said::Fin {
                backend.answer_close(&heard).await;
            }
            let (_, ended) = wire.rest().await;
            assert_eq!(ended, Ended::Fin);
            drop(backend);
            stage.stop().await;
        }
    })
    .await;
}
