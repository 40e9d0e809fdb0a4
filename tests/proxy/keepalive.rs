//! Pings of the proxy: peers that answer are kept, what they answer goes no further, the pings of the
//! peers pass beside them, and a peer that is silent is lost.

use crate::harness::{Stage, millis, within};
use crate::peers::{Kind, Peer, Said};
use crate::pressure::{encode, messages, until_stopped};
use hybridge::config::Settings;

/// Asks after a short silence.
fn asking(settings: &mut Settings, patience: u64) {
    settings.routes[0].keepalive.ping_every = Some(millis(300));
    settings.routes[0].keepalive.patience = millis(patience);
    settings.routes[0].limits.linger = millis(300);
}

/// Whether this is a ping of the proxy: the peers of these tests say none as long.
fn is_question(said: &Said) -> bool {
    matches!(said, Said::Ping(payload) if payload.len() == 9)
}

/// Hears a ping of the proxy and answers it.
async fn is_asked(peer: &mut Peer) {
    let heard = peer.hear().await;
    assert!(is_question(&heard), "{heard:?}");
    answer(peer, heard).await;
}

async fn answer(peer: &mut Peer, question: Said) {
    let Said::Ping(payload) = question else { panic!("{question:?}") };
    // The foreign implementation answers when it is read from again.
    if let Peer::Hybi(peer) = peer {
        peer.say(&[Said::Pong(payload)]).await;
    }
}

/// Hears the next that is no ping of the proxy, and answers those.
async fn hear(peer: &mut Peer) -> Said {
    loop {
        let heard = peer.hear().await;
        if !is_question(&heard) {
            return heard;
        }
        answer(peer, heard).await;
    }
}

#[tokio::test]
async fn peers_that_answer_stay() {
    within("answers", async {
        for (client, backend) in [
            (Kind::Rfc6455, Kind::Rfc6455),
            (Kind::Hybi08, Kind::Rfc6455),
            (Kind::Rfc6455, Kind::Hybi07),
            (Kind::Rfc6455, Kind::Hixie76),
            (Kind::Hixie75, Kind::Hybi08),
        ] {
            let stage = Stage::with(backend, |settings| asking(settings, 60_000)).await;
            let (mut at_client, mut at_backend) = stage.session(client).await;
            for _ in 0..2 {
                let client = async {
                    if !client.is_hixie() {
                        is_asked(&mut at_client).await;
                    }
                };
                let backend = async {
                    if !backend.is_hixie() {
                        is_asked(&mut at_backend).await;
                    }
                };
                tokio::join!(client, backend);
            }
            at_client.say(&[Said::text("up")]).await;
            assert_eq!(hear(&mut at_backend).await, Said::text("up"));
            at_backend.say(&[Said::text("down")]).await;
            assert_eq!(hear(&mut at_client).await, Said::text("down"));
            drop((at_client, at_backend));
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn pings_of_the_peers_pass_beside_it() {
    within("pings beside", async {
        let stage = Stage::with(Kind::Hybi07, |settings| asking(settings, 60_000)).await;
        let (mut at_client, mut at_backend) = stage.session(Kind::Hybi08).await;
        for round in 0..5_u8 {
            at_client.say(&[Said::Ping(vec![round])]).await;
            assert_eq!(hear(&mut at_backend).await, Said::Ping(vec![round]));
            // Until it answers, its client is asked by the proxy, which answers for itself only.
            is_asked(&mut at_client).await;
            at_backend.say(&[Said::Pong(vec![round])]).await;
            assert_eq!(hear(&mut at_client).await, Said::Pong(vec![round]));
        }
        drop((at_client, at_backend));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_silent_peer_is_lost() {
    within("silence", async {
        for hybi in [Kind::Hybi07, Kind::Hybi08] {
            for hixie in [Kind::Hixie75, Kind::Hixie76] {
                let stage = Stage::with(hixie, |settings| asking(settings, 300)).await;
                let (mut silent, mut other) = stage.session(hybi).await;
                assert!(is_question(&silent.hear().await));
                assert_eq!((silent.hear().await, other.hear().await), (Said::Fin, Said::Fin));
                drop((silent, other));
                stage.stop().await;

                let stage = Stage::with(hybi, |settings| asking(settings, 300)).await;
                let (mut other, mut silent) = stage.session(hixie).await;
                assert!(is_question(&silent.hear().await));
                assert_eq!((silent.hear().await, other.hear().await), (Said::Fin, Said::Fin));
                drop((silent, other));
                stage.stop().await;
            }
        }
    })
    .await;
}

/// Who is held back because the other side is slow cannot be heard, and its silence means nothing.
#[tokio::test]
async fn a_peer_that_is_held_back_is_not_silent() {
    within("held back", async {
        let (calm, stage) = (
            Stage::new(Kind::Hixie76).await,
            Stage::with(Kind::Hixie76, |settings| asking(settings, 2000)).await,
        );
        let mut beside = calm.bystander().await;
        let (mut sender, mut deaf) = stage.session(Kind::Hybi08).await;
        let all = messages();
        let run = encode(Kind::Hybi08, &all, true);
        let taken = until_stopped(&sender, &run, &mut beside).await;
        // Another is asked and answers, for longer than the sender could be silent.
        let (mut clock, at_backend) = stage.session(Kind::Hybi08).await;
        for _ in 0..10 {
            is_asked(&mut clock).await;
        }
        let Peer::Hybi(hybi) = &mut sender else { panic!("a client of hybi") };
        let rest = hybi.wire.write(&run[taken % run.len()..]);
        let listen = async {
            for number in 0..=taken / run.len() {
                for said in &all {
                    assert!(deaf.hear().await == *said, "run {number}");
                }
            }
        };
        tokio::join!(rest, listen);
        drop((sender, deaf, clock, at_backend, beside));
        stage.stop().await;
        calm.stop().await;
    })
    .await;
}
