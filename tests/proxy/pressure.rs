//! A peer that does not read: who sends to it is stopped, nothing is lost, and the sessions beside
//! it go on.

use crate::harness::{Bystander, Stage, millis, within};
use crate::peers::framing::frame;
use crate::peers::{Kind, Peer, Said, hixie};
use std::io::ErrorKind;
use tokio::net::TcpStream;

/// Far more than the buffers of four sockets and of the proxy, far less than an endless stream.
const BOUND: usize = 64 << 20;

/// After so many messages beside it, a sender that is still not taken from is stopped.
const ROUNDS: usize = 30;

fn stream(peer: &Peer) -> &TcpStream {
    match peer {
        Peer::Hixie(peer) => &peer.wire.stream,
        Peer::Hybi(peer) => &peer.wire.stream,
        Peer::Foreign(_) => panic!("no raw peer"),
    }
}

/// Writes the same run of bytes again and again until nobody takes any more; how much was taken.
pub(crate) async fn until_stopped(sender: &Peer, run: &[u8], beside: &mut Bystander) -> usize {
    let (mut taken, mut rounds) = (0, 0);
    while rounds < ROUNDS {
        match stream(sender).try_write(&run[taken % run.len()..]) {
            Ok(count) => {
                (taken, rounds) = (taken + count, 0);
                assert!(taken < BOUND, "a sender to a deaf peer is not stopped");
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                rounds += 1;
                beside.is_well().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    taken
}

/// A run of messages, each other than the one before.
pub(crate) fn messages() -> Vec<Said> {
    (0..64_usize).map(|i| Said::Text(format!("{i} ").repeat(500 + 37 * i))).collect()
}

pub(crate) fn encode(kind: Kind, all: &[Said], masked: bool) -> Vec<u8> {
    if kind.is_hixie() {
        return hixie::encode(all);
    }
    let frames = all.iter().map(|said| match said {
        Said::Text(text) => frame(0x81, text.as_bytes(), masked),
        Said::Ping(data) => frame(0x89, data, masked),
        other => panic!("{other:?}"),
    });
    frames.collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn the_sender_is_stopped_and_nothing_is_lost() {
    within("backpressure", async {
        for (client, backend, up) in [
            (Kind::Hixie76, Kind::Rfc6455, true),
            (Kind::Hybi08, Kind::Hixie76, true),
            (Kind::Hybi08, Kind::Rfc6455, true),
            (Kind::Hixie75, Kind::Hixie76, false),
            (Kind::Rfc6455, Kind::Hybi08, false),
            (Kind::Hixie76, Kind::Hybi07, false),
        ] {
            let stage = Stage::new(backend).await;
            let mut beside = stage.bystander().await;
            let (at_client, at_backend) = stage.session(client).await;
            let (mut sender, kind, mut deaf) =
                if up { (at_client, client, at_backend) } else { (at_backend, backend, at_client) };
            let all = messages();
            let run = encode(kind, &all, up);
            let taken = until_stopped(&sender, &run, &mut beside).await;
            // The other direction is open.
            deaf.say(&[Said::text("I speak, but I do not listen")]).await;
            assert_eq!(sender.hear().await, Said::text("I speak, but I do not listen"));
            // Now it listens, and the run is brought to its end.
            let rest = async {
                let bytes = &run[taken % run.len()..];
                match &mut sender {
                    Peer::Hixie(peer) => peer.wire.write(bytes).await,
                    Peer::Hybi(peer) => peer.wire.write(bytes).await,
                    Peer::Foreign(_) => panic!("no raw peer"),
                }
            };
            let listen = async {
                for number in 0..=taken / run.len() {
                    for said in &all {
                        assert!(deaf.hear().await == *said, "run {number}");
                    }
                }
            };
            tokio::join!(rest, listen);
            beside.is_well().await;
            drop((sender, deaf, beside));
            stage.stop().await;
        }
    })
    .await;
}

/// The proxy answers pings for a Hixie side; who never reads its pongs is not read from.
#[tokio::test]
async fn answers_do_not_pile_up() {
    within("unread pongs", async {
        let stage = Stage::new(Kind::Hixie76).await;
        let mut beside = stage.bystander().await;
        let (mut client, mut backend) = stage.session(Kind::Hybi08).await;
        let pings: Vec<_> = (0..100_u8).map(|i| Said::Ping(vec![i; 125])).collect();
        let run = encode(Kind::Hybi08, &pings, true);
        let taken = until_stopped(&client, &run, &mut beside).await;
        // It listens again: every pong is there, in order, and then what the backend says.
        let Peer::Hybi(hybi) = &mut client else { panic!("a client of hybi") };
        let count = taken / (run.len() / pings.len());
        for ping in pings.iter().cycle().take(count) {
            let Said::Ping(data) = ping else { panic!("pings") };
            assert_eq!(hybi.hear().await, Said::Pong(data.clone()));
        }
        backend.say(&[Said::text("at last")]).await;
        assert_eq!(hybi.hear().await, Said::text("at last"));
        drop((client, backend, beside));
        stage.stop().await;
    })
    .await;
}

/// Nor does a peer that never reads hold up the end.
#[tokio::test]
async fn a_deaf_peer_does_not_hold_up_the_shutdown() {
    within("deaf at shutdown", async {
        for backend in [Kind::Hixie76, Kind::Hybi08] {
            let stage = Stage::with(backend, |settings| {
                settings.shutdown_deadline = millis(1000);
                settings.routes[0].limits.linger = millis(300);
            })
            .await;
            let mut beside = stage.bystander().await;
            let (client, deaf) = stage.session(Kind::Hybi08).await;
            let run = encode(Kind::Hybi08, &messages(), true);
            until_stopped(&client, &run, &mut beside).await;
            drop(beside);
            stage.stop().await;
            drop((client, deaf));
        }
    })
    .await;
}
