//! Every client dialect with every backend dialect: what each pair can say arrives, in order.

use crate::harness::{Stage, pass, within};
use crate::peers::{Kind, Offer, Peer, Reply, Said};
use futures_util::FutureExt;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;

macro_rules! rows {
    ($($client:ident $name:ident),*) => {
        $(#[tokio::test]
        async fn $name() {
            row(Kind::$client).await;
        })*
    };
}

rows!(
    Hixie75 from_hixie_75,
    Hixie76 from_hixie_76,
    Hybi01 from_hybi_01,
    Hybi02 from_hybi_02,
    Hybi03 from_hybi_03,
    Hybi04 from_hybi_04,
    Hybi05 from_hybi_05,
    Hybi06 from_hybi_06,
    Hybi07 from_hybi_07,
    Hybi08 from_hybi_08,
    Rfc6455 from_rfc6455
);

/// A client with every backend, one after the other, each conversation on a stage of its own. The
/// rest goes on when one fails, and all that failed are named.
async fn row(client: Kind) {
    let mut failed = Vec::new();
    for backend in Kind::ALL {
        let conversations = [
            ("handshake", handshake(client, backend).boxed_local()),
            ("texts", texts(client, backend).boxed_local()),
            ("bursts", bursts(client, backend).boxed_local()),
            ("binaries", binaries(client, backend).boxed_local()),
            ("pings", pings(client, backend).boxed_local()),
            ("server first", server_first(client, backend).boxed_local()),
            ("client closes", client_closes(client, backend).boxed_local()),
            ("backend closes", backend_closes(client, backend).boxed_local()),
        ];
        for (what, conversation) in conversations {
            let cell = format!("{client:?} to {backend:?}: {what}");
            let held = AssertUnwindSafe(within(&cell, conversation)).catch_unwind().await;
            if held.is_err() {
                failed.push(cell);
            }
        }
    }
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

/// A stage for a client of a dialect. What 02 says of itself 03 says too.
async fn stage(client: Kind, backend: Kind) -> Stage {
    Stage::with(backend, |settings| {
        if client == Kind::Hybi02 {
            settings.routes[0].assume = vec![client.dialect()];
        }
    })
    .await
}

/// The subprotocol comes back, the cookies pass in both directions, the rest stays as it was.
async fn handshake(client: Kind, backend: Kind) {
    let stage = stage(client, backend).await;
    let offer = Offer {
        subprotocol: Some("chat.v1".to_owned()),
        cookie: Some("id=1; theme=\"dark\"".to_owned()),
        ..Offer::default()
    };
    let reply = Reply {
        subprotocol: Some("chat.v1".to_owned()),
        cookie: Some("seen=yes; Path=/".to_owned()),
        ..Reply::default()
    };
    let ((mut at_client, answer), (mut at_backend, request)) = tokio::join!(
        Peer::connect(client, stage.proxy.address, &offer),
        Peer::accept(backend, &stage.listener, &reply),
    );
    assert_eq!(request.target(), offer.target);
    assert_eq!(request.get("Host"), Some("proxy.example:8080"));
    assert_eq!(request.get(backend.origin_field()), Some("http://page.example"));
    if backend == Kind::Hybi08 {
        assert_eq!(request.get("Sec-WebSocket-Origin"), Some("http://page.example"));
    }
    assert_eq!(request.get(backend.subprotocol_field()), Some("chat.v1"));
    assert_eq!(request.all("Cookie"), ["id=1; theme=\"dark\""]);
    assert_eq!(answer.get(client.subprotocol_field()), Some("chat.v1"));
    assert_eq!(answer.all("Set-Cookie"), ["seen=yes; Path=/"]);
    pass(&mut at_client, &mut at_backend, &[Said::text("up")]).await;
    pass(&mut at_backend, &mut at_client, &[Said::text("down")]).await;
    drop((at_client, at_backend));
    stage.stop().await;
}

async fn texts(client: Kind, backend: Kind) {
    let stage = stage(client, backend).await;
    let (mut at_client, mut at_backend) = stage.session(client).await;
    let long: String = "0123456789 žluťoučký kůň \u{1f434} ".chars().cycle().take(60_000).collect();
    let texts = [
        "hello".to_owned(),
        String::new(),
        "žluťoučký кириллица \u{20ac}".to_owned(),
        "\u{1f600} \u{1f469}\u{200d}\u{1f680} \u{10ffff}".to_owned(),
        "a\0b\r\n\r\n\u{7f}\u{ffff}".to_owned(),
        "x".repeat(70_000),
        long,
        "x".repeat(125),
        "x".repeat(126),
        "x".repeat(65_536),
    ];
    for text in texts {
        let said = [Said::Text(text)];
        pass(&mut at_client, &mut at_backend, &said).await;
        pass(&mut at_backend, &mut at_client, &said).await;
    }
    drop((at_client, at_backend));
    stage.stop().await;
}

/// Two hundred messages of all sizes in one write.
async fn bursts(client: Kind, backend: Kind) {
    let stage = stage(client, backend).await;
    let (mut at_client, mut at_backend) = stage.session(client).await;
    let burst: Vec<_> =
        (0..200_usize).map(|i| Said::Text(format!("{i} {}", "é".repeat(i * i % 701)))).collect();
    pass(&mut at_client, &mut at_backend, &burst).await;
    pass(&mut at_backend, &mut at_client, &burst).await;
    drop((at_client, at_backend));
    stage.stop().await;
}

/// By the default policy a Hixie length frame is a binary message, and the other way round.
async fn binaries(client: Kind, backend: Kind) {
    let stage = stage(client, backend).await;
    let (mut at_client, mut at_backend) = stage.session(client).await;
    for size in [0, 1, 127, 128, 16_383, 16_384, 70_000, 300_000] {
        let data = (0..=255_u8).cycle().skip(size % 7).take(size).collect();
        let said = [Said::Binary(data), Said::text("between")];
        pass(&mut at_client, &mut at_backend, &said).await;
        pass(&mut at_backend, &mut at_client, &said).await;
    }
    drop((at_client, at_backend));
    stage.stop().await;
}

/// A ping is answered by the other side where it can, and by the proxy where it cannot.
async fn pings(client: Kind, backend: Kind) {
    let stage = stage(client, backend).await;
    let (mut at_client, mut at_backend) = stage.session(client).await;
    ping(client, &mut at_client, backend, &mut at_backend).await;
    ping(backend, &mut at_backend, client, &mut at_client).await;
    drop((at_client, at_backend));
    stage.stop().await;
}

async fn ping(kind: Kind, asks: &mut Peer, other: Kind, answers: &mut Peer) {
    if kind.is_hixie() {
        return;
    }
    let payload = b"are you \xff there?".to_vec();
    asks.say(&[Said::Ping(payload.clone()), Said::text("behind the ping")]).await;
    if !other.is_hixie() {
        assert_eq!(answers.hear().await, Said::Ping(payload.clone()));
        if other != Kind::Rfc6455 {
            answers.say(&[Said::Pong(payload.clone())]).await;
        }
    }
    assert_eq!(answers.hear().await, Said::text("behind the ping"));
    // The foreign implementation answers when it is read from or written to.
    answers.say(&[Said::text("behind the pong")]).await;
    assert_eq!(asks.hear().await, Said::Pong(payload));
    assert_eq!(asks.hear().await, Said::text("behind the pong"));
}

/// What a backend says in the write of its handshake arrives, and so does what follows.
async fn server_first(client: Kind, backend: Kind) {
    let stage = stage(client, backend).await;
    let push = vec![Said::text("welcome"), Said::text("é".repeat(20_000)), Said::text("")];
    let (offer, reply) = (Offer::default(), Reply { push: push.clone(), ..Reply::default() });
    let ((mut at_client, _), (mut at_backend, _)) = tokio::join!(
        Peer::connect(client, stage.proxy.address, &offer),
        Peer::accept(backend, &stage.listener, &reply),
    );
    for said in push {
        assert_eq!(at_client.hear().await, said);
    }
    pass(&mut at_backend, &mut at_client, &[Said::text("later")]).await;
    pass(&mut at_client, &mut at_backend, &[Said::text("hello")]).await;
    drop((at_client, at_backend));
    stage.stop().await;
}

async fn client_closes(client: Kind, backend: Kind) {
    let stage = stage(client, backend).await;
    let (mut at_client, mut at_backend) = stage.session(client).await;
    close(client, &mut at_client, backend, &mut at_backend).await;
    // The proxy is the server here, so that it ends first.
    assert_eq!(at_client.hear().await, Said::Fin);
    at_client.finish().await;
    at_backend.finish().await;
    assert_eq!(at_backend.hear().await, Said::Fin);
    drop((at_client, at_backend));
    stage.stop().await;
}

async fn backend_closes(client: Kind, backend: Kind) {
    let stage = stage(client, backend).await;
    let (mut at_client, mut at_backend) = stage.session(client).await;
    close(backend, &mut at_backend, client, &mut at_client).await;
    assert_eq!(at_client.hear().await, Said::Fin);
    at_client.finish().await;
    at_backend.finish().await;
    assert_eq!(at_backend.hear().await, Said::Fin);
    drop((at_client, at_backend));
    stage.stop().await;
}

/// One side closes, the other hears it in its own dialect and answers, and the answer comes back.
/// The last text of the closing side arrives before.
async fn close(kind: Kind, asks: &mut Peer, other: Kind, answers: &mut Peer) {
    let said = if kind.has_codes() { Said::close(4001, "gone fishing") } else { Said::Close(None) };
    asks.say(&[Said::text("last words")]).await;
    asks.say(std::slice::from_ref(&said)).await;
    assert_eq!(answers.hear().await, Said::text("last words"));
    let heard = answers.hear().await;
    let due = match other {
        Kind::Hixie75 => Said::Fin,
        other if other.has_codes() => said,
        _ => Said::Close(None),
    };
    assert_eq!(heard, due);
    answers.answer_close(&heard).await;
    match (kind, asks.hear().await) {
        (Kind::Hixie75, answer) => assert_eq!(answer, Said::Fin),
        // An answer repeats the code; its text is of no matter.
        (kind, answer) if kind.has_codes() => {
            assert!(matches!(answer, Said::Close(Some((4001, _)))), "{answer:?}");
        }
        (_, answer) => assert_eq!(answer, Said::Close(None)),
    }
}

#[tokio::test]
async fn many_sessions_beside_each_other() {
    within("many sessions", async {
        let stage =
            Stage::with(Kind::Rfc6455, |settings| settings.workers = NonZeroUsize::new(2).unwrap())
                .await;
        let mut sessions = Vec::new();
        for kind in Kind::ALL.into_iter().cycle().take(44) {
            sessions.push(stage.session(kind).await);
        }
        for round in 0..5 {
            for (number, (client, backend)) in sessions.iter_mut().enumerate() {
                let said = [Said::Text(format!("{round} of {number}"))];
                pass(client, backend, &said).await;
                pass(backend, client, &said).await;
            }
        }
        drop(sessions);
        stage.stop().await;
    })
    .await;
}
