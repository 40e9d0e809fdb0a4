//! The quirks of a route: what each does, that it is counted, and that nothing happens without it.

use crate::harness::{Stage, within};
use crate::peers::head::Head;
use crate::peers::wire::Wire;
use crate::peers::{Kind, Offer, Peer, Reply, Said, framing, hybi};
use hybridge::quirk::Quirk;
use hybridge::session::translate::BinaryPolicy;

async fn stage(backend: Kind, quirks: &[Quirk]) -> Stage {
    let quirks = quirks.to_vec();
    Stage::with(backend, |settings| settings.routes[0].quirks = quirks).await
}

/// Sends the head of an opening and returns that of its answer, with the connection.
async fn ask(stage: &Stage, request: &[u8]) -> (Head, Wire) {
    let mut wire = Wire::connect(stage.proxy.address).await;
    wire.write(request).await;
    (Head::read(&mut wire).await, wire)
}

#[tokio::test]
async fn missing_connection() {
    within("missing connection", async {
        let request = hybi::request(Kind::Rfc6455, &Offer::default());
        let request = String::from_utf8(request).unwrap();
        let said = "Connection: keep-alive, Upgrade\r\n";
        let without = request.replacen(said, "", 1);
        let keeps_alive = request.replacen(said, "Connection: keep-alive\r\n", 1);
        assert!(without.len() < keeps_alive.len() && keeps_alive.len() < request.len());
        for odd in [without, keeps_alive] {
            let stage = stage(Kind::Rfc6455, &[Quirk::MissingConnection]).await;
            let reply = Reply::default();
            let ((head, wire), (mut backend, _)) = tokio::join!(
                ask(&stage, odd.as_bytes()),
                Peer::accept(stage.backend, &stage.listener, &reply),
            );
            assert_eq!(head.status(), 101);
            let mut client = hybi::Hybi::over(Kind::Rfc6455, wire, true, None);
            client.say(&[Said::text("charged")]).await;
            assert_eq!(backend.hear().await, Said::text("charged"));
            drop((client, backend));
            stage.stop().await;

            // By the word of the RFC it asks for nothing, and is a plain request.
            let stage = Stage::new(Kind::Rfc6455).await;
            let mut client = Wire::connect(stage.proxy.address).await;
            client.write(&odd).await;
            let mut backend = Wire::accept(&stage.listener).await;
            let head = Head::read(&mut backend).await;
            assert_eq!(head.all("Upgrade"), [""; 0]);
            drop((client, backend));
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn missing_origin() {
    within("missing origin", async {
        for (quirks, origin, seen) in [
            (&[Quirk::MissingOrigin][..], None, Some("http://proxy.example:8080")),
            (&[Quirk::MissingOrigin], Some("http://own.example"), Some("http://own.example")),
            (&[], None, None),
        ] {
            let stage = stage(Kind::Rfc6455, quirks).await;
            let offer = Offer { origin: origin.map(str::to_owned), ..Offer::default() };
            let reply = Reply::default();
            let (_client, (_backend, request)) = tokio::join!(
                Peer::connect(Kind::Rfc6455, stage.proxy.address, &offer),
                Peer::accept(stage.backend, &stage.listener, &reply),
            );
            assert_eq!(request.get("Origin"), seen);
            drop((_client, _backend));
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn echo_subprotocol() {
    within("echo subprotocol", async {
        for (client, asked) in [
            (Kind::Hixie76, "tv.v1"),
            (Kind::Hixie75, "tv.v1"),
            (Kind::Hybi03, "tv.v1 tv.v0"),
            (Kind::Rfc6455, "tv.v1"),
        ] {
            let offer = Offer { subprotocol: Some(asked.to_owned()), ..Offer::default() };
            for (quirks, chosen, answered) in [
                (&[Quirk::EchoSubprotocol][..], None, Some("tv.v1")),
                (&[Quirk::EchoSubprotocol], Some("tv.v1"), Some("tv.v1")),
                (&[], None, None),
            ] {
                if client.is_hixie() && answered.is_none() {
                    // That is what it gives up on.
                    continue;
                }
                let stage = stage(Kind::Rfc6455, quirks).await;
                let reply = Reply { subprotocol: chosen.map(str::to_owned), ..Reply::default() };
                let accept = Peer::accept(stage.backend, &stage.listener, &reply);
                let ((peer, answer), (backend, _)) =
                    tokio::join!(Peer::connect(client, stage.proxy.address, &offer), accept);
                assert_eq!(answer.get(client.subprotocol_field()), answered, "{client:?}");
                drop((peer, backend));
                stage.stop().await;
            }
        }
    })
    .await;
}

/// What a client of RFC 6455 says in text, whole and in fragments, and what a backend hears of it.
async fn heard(backend: Kind, quirks: &[Quirk], said: &[&[&str]], due: &[&str]) {
    let stage = stage(backend, quirks).await;
    let (offer, reply) = (Offer::default(), Reply::default());
    let connect = async {
        let wire = Wire::connect(stage.proxy.address).await;
        hybi::Hybi::connect(Kind::Rfc6455, wire, &offer).await.0
    };
    let (mut client, (mut server, _)) =
        tokio::join!(connect, Peer::accept(backend, &stage.listener, &reply));
    for fragments in said {
        for (at, fragment) in fragments.iter().enumerate() {
            let last = if at + 1 == fragments.len() { 0x80 } else { 0 };
            let opcode = if at == 0 { 1 } else { 0 };
            client.wire.write(framing::frame(last | opcode, fragment.as_bytes(), true)).await;
        }
    }
    for text in due {
        assert_eq!(server.hear().await, Said::text(*text), "{backend:?} {quirks:?}");
    }
    drop((client, server));
    stage.stop().await;
}

/// What a Hixie backend hears of binary messages that become base64.
async fn binary_heard(quirks: &[Quirk], said: &[&[u8]], due: &[&str]) {
    let stage = Stage::with(Kind::Hixie76, |settings| {
        settings.routes[0].quirks = quirks.to_vec();
        settings.routes[0].binary = BinaryPolicy::Base64;
    })
    .await;
    let (mut client, mut server) = stage.session(Kind::Rfc6455).await;
    for message in said {
        client.say(&[Said::Binary(message.to_vec())]).await;
    }
    for text in due {
        assert_eq!(server.hear().await, Said::text(*text), "{quirks:?}");
    }
    drop((client, server));
    stage.stop().await;
}

#[tokio::test]
async fn no_empty_text() {
    within("no empty text", async {
        let said: &[&[&str]] = &[&["a"], &[""], &["", ""], &["", "b", ""], &["c"]];
        let (without, all) = (&["a", "b", "c"][..], &["a", "", "", "b", "c"][..]);
        heard(Kind::Hixie76, &[Quirk::NoEmptyText], said, without).await;
        heard(Kind::Hixie76, &[], said, all).await;
        // What becomes text on the way is no less empty.
        binary_heard(&[Quirk::NoEmptyText], &[b"a", b"", b"b"], &["YQ==", "Yg=="]).await;
        binary_heard(&[], &[b"a", b"", b"b"], &["YQ==", "", "Yg=="]).await;
        // Others can read it.
        heard(Kind::Rfc6455, &[Quirk::NoEmptyText], said, all).await;
    })
    .await;
}

#[tokio::test]
async fn no_replacement_character() {
    within("no replacement character", async {
        let long = "\u{fffd}\u{ff0c}x".repeat(20_000);
        let said: &[&[&str]] = &[&["a\u{fffd}"], &["\u{ff0c}", "\u{fffd}"], &[&long], &[""]];
        let replaced = long.replace('\u{fffd}', "?");
        let due: &[&str] = &["a?", "\u{ff0c}?", &replaced, ""];
        heard(Kind::Hixie76, &[Quirk::NoReplacementCharacter], said, due).await;
        let due: &[&str] = &["a\u{fffd}", "\u{ff0c}\u{fffd}", &long, ""];
        heard(Kind::Hixie76, &[], said, due).await;
        heard(Kind::Rfc6455, &[Quirk::NoReplacementCharacter], said, due).await;
    })
    .await;
}
