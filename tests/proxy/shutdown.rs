//! The orderly end: every session is closed in its own dialect, and never inside a frame.

use crate::deadlines::farewell;
use crate::harness::{Stage, millis, within};
use crate::peers::framing::frame;
use crate::peers::{Kind, Peer, Said};
use std::num::NonZeroUsize;

#[tokio::test]
async fn every_session_is_closed_in_its_own_dialect() {
    within("farewells", async {
        for backend in Kind::ALL {
            let stage =
                Stage::with(backend, |settings| settings.workers = NonZeroUsize::new(2).unwrap())
                    .await;
            let mut sessions = Vec::new();
            for client in Kind::ALL {
                let (at_client, at_backend) = stage.session(client).await;
                sessions.push((client, at_client, at_backend));
            }
            let served = stage.proxy.leave();
            for (client, mut at_client, mut at_backend) in sessions {
                let (up, down) = tokio::join!(at_backend.hear(), at_client.hear());
                assert_eq!((up, down), (farewell(backend), farewell(client)));
                at_client.answer_close(&farewell(client)).await;
                at_backend.answer_close(&farewell(backend)).await;
                tokio::join!(ended(at_client), ended(at_backend));
            }
            served.await.unwrap().unwrap();
        }
    })
    .await;
}

/// Hears the end and ends its own stream, as a server or as a client; nothing else may come.
async fn ended(mut peer: Peer) {
    peer.finish().await;
    assert_eq!(peer.hear().await, Said::Fin);
}

/// A client of hybi whose message streams to a Hixie backend: so far `start` has arrived there.
async fn streaming(stage: &Stage, client: &mut Peer, backend: &mut Peer, start: &str) {
    let Peer::Hybi(client) = client else { panic!("a client of hybi") };
    let Peer::Hixie(backend) = backend else { panic!("a Hixie backend") };
    client.wire.write(frame(0x01, start.as_bytes(), true)).await;
    assert_eq!(
        backend.wire.take(1 + start.len()).await.unwrap(),
        [b"\0", start.as_bytes()].concat()
    );
    assert!(stage.backend.is_hixie());
}

#[tokio::test]
async fn a_text_that_streams_through_is_finished_first() {
    within("finished first", async {
        for backend in [Kind::Hixie75, Kind::Hixie76] {
            let stage = Stage::new(backend).await;
            let (mut at_client, mut at_backend) = stage.session(Kind::Hybi08).await;
            let start = "s".repeat(40_000);
            streaming(&stage, &mut at_client, &mut at_backend, &start).await;
            let served = stage.proxy.leave();
            // The client is told at once; its message is on its way in the other direction.
            assert_eq!(at_client.hear().await, Said::close(1001, ""));
            let Peer::Hybi(client) = &mut at_client else { panic!("a client of hybi") };
            let rest = [frame(0x00, b"and ", true), frame(0x80, b"the end", true)].concat();
            client.wire.write(rest).await;
            let Peer::Hixie(hixie) = &mut at_backend else { panic!("a Hixie backend") };
            assert_eq!(hixie.wire.until(&[0xff]).await.unwrap(), b"and the end");
            assert_eq!(at_backend.hear().await, farewell(backend));
            at_backend.answer_close(&farewell(backend)).await;
            at_client.say(&[Said::close(1001, "")]).await;
            tokio::join!(ended(at_client), ended(at_backend));
            served.await.unwrap().unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_text_that_does_not_end_is_cut_without_a_close() {
    within("cut", async {
        for backend in [Kind::Hixie75, Kind::Hixie76] {
            let stage = Stage::with(backend, |settings| {
                settings.shutdown_deadline = millis(1000);
                settings.routes[0].limits.linger = millis(300);
            })
            .await;
            let (mut at_client, mut at_backend) = stage.session(Kind::Hybi08).await;
            let start = "s".repeat(40_000);
            streaming(&stage, &mut at_client, &mut at_backend, &start).await;
            let served = stage.proxy.leave();
            assert_eq!(at_client.hear().await, Said::close(1001, ""));
            let Peer::Hixie(hixie) = &mut at_backend else { panic!("a Hixie backend") };
            let (rest, ended) = hixie.wire.rest().await;
            assert_eq!((rest, Said::from(ended)), (Vec::new(), Said::Fin), "no FF 00 in a frame");
            served.await.unwrap().unwrap();
            drop(at_client);
        }
    })
    .await;
}

/// The same towards a Hixie client, while a frame of its own is open in the other direction.
#[tokio::test]
async fn a_text_to_a_hixie_client_is_finished_first() {
    within("finished to the client", async {
        let stage = Stage::new(Kind::Hybi08).await;
        let (at_client, at_backend) = stage.session(Kind::Hixie76).await;
        let (Peer::Hixie(mut client), Peer::Hybi(mut backend)) = (at_client, at_backend) else {
            panic!("a Hixie client and a backend of hybi")
        };
        let start = "s".repeat(40_000);
        backend.wire.write(frame(0x01, start.as_bytes(), false)).await;
        assert_eq!(client.wire.take(1 + start.len()).await.unwrap()[1..], *start.as_bytes());
        let served = stage.proxy.leave();
        assert_eq!(backend.hear().await, Said::close(1001, ""));
        backend.wire.write(frame(0x80, b"the end", false)).await;
        assert_eq!(client.wire.until(&[0xff]).await.unwrap(), b"the end");
        assert_eq!(client.hear().await, Said::Close(None));
        client.say(&[Said::Close(None)]).await;
        backend.say(&[Said::close(1001, "")]).await;
        tokio::join!(ended(Peer::Hixie(client)), ended(Peer::Hybi(backend)));
        served.await.unwrap().unwrap();
    })
    .await;
}

/// No peer answers, none ends its stream: the deadline holds.
#[tokio::test]
async fn peers_that_do_nothing_do_not_hold_it_up() {
    within("deaf peers", async {
        for backend in [Kind::Hixie76, Kind::Hybi08] {
            let stage = Stage::with(backend, |settings| {
                settings.shutdown_deadline = millis(1000);
                settings.routes[0].limits.linger = millis(300);
            })
            .await;
            let mut sessions = Vec::new();
            for client in Kind::ALL {
                sessions.push(stage.session(client).await);
            }
            stage.stop().await;
            drop(sessions);
        }
    })
    .await;
}
