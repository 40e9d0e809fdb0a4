//! The deadlines of a session: idle, closing, linger.

use crate::harness::{Stage, millis, pass, within};
use crate::peers::{Kind, Offer, Peer, Said};
use futures_util::future::join_all;

const PAIRS: [(Kind, Kind); 5] = [
    (Kind::Hixie75, Kind::Rfc6455),
    (Kind::Hixie76, Kind::Hybi07),
    (Kind::Rfc6455, Kind::Hixie75),
    (Kind::Hybi08, Kind::Hixie76),
    (Kind::Hixie76, Kind::Hixie75),
];

/// Runs a test for every pair at once, for most of it is waiting.
async fn beside_each_other(test: impl AsyncFn(Kind, Kind)) {
    join_all(PAIRS.map(|(client, backend)| test(client, backend))).await;
}

/// How the proxy takes leave of a peer.
pub(crate) fn farewell(kind: Kind) -> Said {
    match kind {
        Kind::Hixie75 => Said::Fin,
        kind if kind.has_codes() => Said::close(1001, ""),
        _ => Said::Close(None),
    }
}

#[tokio::test]
async fn a_session_that_is_idle_is_closed() {
    within(
        "idle",
        beside_each_other(async |client, backend| {
            let stage =
                Stage::with(backend, |settings| settings.routes[0].limits.idle = millis(500)).await;
            let (mut at_client, mut at_backend) = stage.session(client).await;
            pass(&mut at_client, &mut at_backend, &[Said::text("a sign of life")]).await;
            let (up, down) = tokio::join!(at_backend.hear(), at_client.hear());
            assert_eq!((up, down), (farewell(backend), farewell(client)));
            at_backend.answer_close(&farewell(backend)).await;
            at_client.answer_close(&farewell(client)).await;
            if client != Kind::Hixie75 {
                assert_eq!(at_client.hear().await, Said::Fin);
            }
            drop((at_client, at_backend));
            stage.stop().await;
        }),
    )
    .await;
}

/// WebKit of 2011 never answers `FF 00`, and notices the end only when TCP ends.
#[tokio::test]
async fn a_peer_that_never_answers_a_close() {
    within(
        "no answer to a close",
        beside_each_other(async |client, backend| {
            let stage = Stage::with(backend, |settings| {
                settings.routes[0].limits.close = millis(300);
                settings.routes[0].limits.linger = millis(300);
            })
            .await;
            // The backend closes, the client says nothing and never ends its stream.
            let (mut at_client, mut at_backend) = stage.session(client).await;
            at_backend.say(&[Said::Close(None)]).await;
            let heard = at_client.hear().await;
            if heard != Said::Fin {
                assert_eq!(heard, Said::Close(None));
                assert_eq!(silent(&mut at_client).await, Said::Fin);
            }
            assert!(matches!(at_backend.hear().await, Said::Close(None) | Said::Fin));
            // The same the other way round.
            let (mut at_client, mut at_backend) = stage.session(client).await;
            at_client.say(&[Said::Close(None)]).await;
            assert!(matches!(at_backend.hear().await, Said::Close(None) | Said::Fin));
            let heard = at_client.hear().await;
            if heard != Said::Fin {
                assert_eq!(heard, Said::Close(None));
                assert_eq!(silent(&mut at_client).await, Said::Fin);
            }
            // Nobody has ended a stream; the sessions are over all the same.
            stage.stop().await;
            drop((at_client, at_backend));
        }),
    )
    .await;
}

/// What a peer hears that does not answer a close; the foreign implementation would.
async fn silent(peer: &mut Peer) -> Said {
    match peer {
        Peer::Foreign(peer) => peer.hear_without_answer().await,
        other => other.hear().await,
    }
}

/// The order to shut down does not wait for a client in its handshake.
#[tokio::test]
async fn a_handshake_during_the_shutdown() {
    use crate::peers::head::Head;
    use crate::peers::hybi;
    use crate::peers::wire::{Ended, Wire};
    within("handshake at shutdown", async {
        let stage = Stage::new(Kind::Rfc6455).await;
        let mut bystander = stage.bystander().await;
        let mut half = Wire::connect(stage.proxy.address).await;
        half.write(b"GET / HTTP/1.1\r\n").await;
        let mut waiting = Wire::connect(stage.proxy.address).await;
        waiting.write(hybi::request(Kind::Rfc6455, &Offer::default())).await;
        let mut backend = Wire::accept(&stage.listener).await;
        Head::read(&mut backend).await;
        bystander.is_well().await;
        drop(bystander);
        let served = stage.proxy.leave();
        for mut wire in [half, waiting] {
            assert_eq!(Head::read(&mut wire).await.status(), 503);
            assert_eq!(wire.rest().await.1, Ended::Fin);
        }
        backend.rest().await;
        served.await.unwrap().unwrap();
    })
    .await;
}
