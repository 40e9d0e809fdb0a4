//! Binary messages where one side has only the length frames of Hixie: by each policy, both ways.

use crate::harness::{Stage, pass, within};
use crate::peers::framing::frame;
use crate::peers::{Kind, Peer, Said};
use base64::prelude::{BASE64_STANDARD, Engine};
use hybridge::config::values::Size;
use hybridge::session::translate::BinaryPolicy;

/// The pairs of which one side is Hixie, with the side that speaks.
const PAIRS: [(Kind, Kind); 4] = [
    (Kind::Hixie75, Kind::Rfc6455),
    (Kind::Hixie76, Kind::Hybi08),
    (Kind::Rfc6455, Kind::Hixie75),
    (Kind::Hybi07, Kind::Hixie76),
];

async fn stage(backend: Kind, policy: BinaryPolicy) -> Stage {
    Stage::with(backend, |settings| settings.routes[0].binary = policy).await
}

fn samples() -> Vec<Vec<u8>> {
    let sizes = [0, 1, 2, 3, 4, 1000, 70_000];
    sizes.map(|size| (0..=255_u8).cycle().take(size).collect()).to_vec()
}

#[tokio::test]
async fn as_base64() {
    within("base64", async {
        for (client, backend) in PAIRS {
            let stage = stage(backend, BinaryPolicy::Base64).await;
            let (mut at_client, mut at_backend) = stage.session(client).await;
            for data in samples() {
                let encoded = Said::Text(BASE64_STANDARD.encode(&data));
                let binary = [Said::Binary(data)];
                at_client.say(&binary).await;
                assert_eq!(at_backend.hear().await, encoded);
                at_backend.say(&binary).await;
                assert_eq!(at_client.hear().await, encoded);
            }
            pass(&mut at_client, &mut at_backend, &[Said::text("text stays text")]).await;
            drop((at_client, at_backend));
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn refused() {
    within("refuse", async {
        for (client, backend) in PAIRS {
            for by_client in [true, false] {
                let stage = stage(backend, BinaryPolicy::Refuse).await;
                let (mut at_client, mut at_backend) = stage.session(client).await;
                let speaker = if by_client { &mut at_client } else { &mut at_backend };
                speaker.say(&[Said::text("fine"), Said::Binary(vec![1, 2, 3])]).await;
                let other = if by_client { &mut at_backend } else { &mut at_client };
                assert_eq!(other.hear().await, Said::text("fine"));
                for (kind, peer) in [(client, &mut at_client), (backend, &mut at_backend)] {
                    let due = match kind {
                        Kind::Hixie75 => Said::Fin,
                        Kind::Hixie76 => Said::Close(None),
                        _ => Said::close(1003, ""),
                    };
                    assert_eq!(peer.hear().await, due);
                }
                drop((at_client, at_backend));
                stage.stop().await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn dropped() {
    within("drop", async {
        for (client, backend) in PAIRS {
            let stage = stage(backend, BinaryPolicy::Drop).await;
            let (mut at_client, mut at_backend) = stage.session(client).await;
            for data in samples() {
                let all = [Said::text("before"), Said::Binary(data), Said::text("behind")];
                at_client.say(&all).await;
                at_backend.say(&all).await;
                for peer in [&mut at_client, &mut at_backend] {
                    assert_eq!(peer.hear().await, Said::text("before"));
                    assert_eq!(peer.hear().await, Said::text("behind"));
                }
            }
            drop((at_client, at_backend));
            stage.stop().await;
        }
    })
    .await;
}

/// Between two sides that have binary, no policy applies.
#[tokio::test]
async fn without_hixie_it_passes() {
    within("no policy", async {
        for policy in [BinaryPolicy::Base64, BinaryPolicy::Refuse, BinaryPolicy::Drop] {
            let stage = stage(Kind::Rfc6455, policy).await;
            let (mut at_client, mut at_backend) = stage.session(Kind::Hybi08).await;
            for data in samples() {
                let said = [Said::Binary(data)];
                pass(&mut at_client, &mut at_backend, &said).await;
                pass(&mut at_backend, &mut at_client, &said).await;
            }
            drop((at_client, at_backend));
            stage.stop().await;
        }
    })
    .await;
}

/// A length frame tells its length first, so that fragments are collected, up to a limit.
#[tokio::test]
async fn fragments_become_one_length_frame() {
    const LIMIT: usize = 200_000;
    within("collected", async {
        let stage = Stage::with(Kind::Hixie76, |settings| {
            settings.routes[0].limits.collected = Size(LIMIT as u64);
        })
        .await;
        let (mut client, mut backend) = stage.session(Kind::Hybi08).await;
        let piece = [b'b'; 1000];
        for count in [1, 40, LIMIT / 1000] {
            let mut bytes = frame(0x02, b"", true);
            bytes.extend(frame(0x00, &piece, true).repeat(count - 1));
            bytes.extend(frame(0x80, &piece, true));
            write(&mut client, &bytes).await;
            assert_eq!(backend.hear().await, Said::Binary(piece.repeat(count)));
        }
        let mut bytes = frame(0x02, b"", true);
        bytes.extend(frame(0x00, &piece, true).repeat(LIMIT / 1000));
        bytes.extend(frame(0x00, b"x", true));
        write(&mut client, &bytes).await;
        assert_eq!(client.hear().await, Said::close(1004, ""));
        assert_eq!(backend.hear().await, Said::Close(None), "nothing of it had left");
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

async fn write(peer: &mut Peer, bytes: &[u8]) {
    match peer {
        Peer::Hybi(peer) => peer.wire.write(bytes).await,
        other => panic!("no raw peer: {other:?}"),
    }
}
