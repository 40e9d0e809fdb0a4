//! A tunnel: bytes pass as they come where both sides speak one dialect, and nowhere else.

use crate::harness::{Stage, pass, within};
use crate::peers::hixie::{self, ANSWER, Hixie};
use crate::peers::hybi::{self, Hybi};
use crate::peers::wire::{Ended, Wire};
use crate::peers::{Kind, Offer, Reply, Said, head::Head};
use hybridge::config::route::Mode;

/// No frame of any dialect: all reserved bits, an unknown opcode, no mask, invalid UTF-8.
const NONSENSE: [u8; 8] = [0xf3, 0x05, 0xff, 0x00, 0xc0, 0xaf, 0x80, 0x81];

async fn tunnel(backend: Kind) -> Stage {
    Stage::with(backend, |settings| settings.routes[0].mode = Mode::Tunnel).await
}

/// Both ends of a session in one dialect, behind their handshakes.
async fn open(stage: &Stage) -> (Wire, Wire) {
    let (kind, offer, reply) = (stage.backend, Offer::default(), Reply::default());
    let connect = async {
        let mut wire = Wire::connect(stage.proxy.address).await;
        if kind.is_hixie() {
            wire.write(hixie::request(kind, &offer)).await;
            Head::read(&mut wire).await;
            assert_eq!(wire.take(16).await.unwrap(), ANSWER);
        } else {
            wire.write(hybi::request(kind, &offer)).await;
            Head::read(&mut wire).await;
        }
        wire
    };
    let accept = async {
        let wire = Wire::accept(&stage.listener).await;
        if kind.is_hixie() {
            Hixie::accept(kind, wire, &reply).await.0.wire
        } else {
            Hybi::accept(kind, wire, &reply).await.0.wire
        }
    };
    tokio::join!(connect, accept)
}

#[tokio::test]
async fn bytes_pass_as_they_come() {
    for kind in [Kind::Rfc6455, Kind::Hixie76] {
        within("tunnel", async {
            let stage = tunnel(kind).await;
            let (mut client, mut backend) = open(&stage).await;
            for size in [1, 100, 100_000] {
                let bytes: Vec<u8> = NONSENSE.into_iter().cycle().take(size).collect();
                client.write(&bytes).await;
                assert!(backend.take(size).await.unwrap() == bytes);
                backend.write(&bytes).await;
                assert!(client.take(size).await.unwrap() == bytes);
            }
            // The end of a stream is no close, and the other way stays open.
            client.finish().await;
            assert_eq!(backend.rest().await, (Vec::new(), Ended::Fin));
            backend.write(NONSENSE).await;
            backend.finish().await;
            assert_eq!(client.rest().await, (NONSENSE.to_vec(), Ended::Fin));
            stage.stop().await;
        })
        .await;
    }
}

#[tokio::test]
async fn other_dialects_are_translated() {
    within("no tunnel", async {
        let stage = tunnel(Kind::Rfc6455).await;
        let (mut client, mut backend) = stage.session(Kind::Hixie76).await;
        pass(&mut client, &mut backend, &[Said::text("é€😀")]).await;
        pass(&mut backend, &mut client, &[Said::text("é€😀")]).await;
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

/// No close can be added, for it is not known where a frame ends.
#[tokio::test]
async fn a_shutdown_ends_both_streams() {
    within("shutdown", async {
        let stage = tunnel(Kind::Rfc6455).await;
        let (mut client, mut backend) = open(&stage).await;
        client.write(NONSENSE).await;
        assert_eq!(backend.take(NONSENSE.len()).await.unwrap(), NONSENSE);
        let left = stage.proxy.leave();
        assert_eq!(client.rest().await, (Vec::new(), Ended::Fin));
        assert_eq!(backend.rest().await, (Vec::new(), Ended::Fin));
        drop((client, backend));
        left.await.unwrap().unwrap();
    })
    .await;
}
