//! One of two servers is lost under load: its sessions end, the others live, new ones go to the
//! other, and it gets sessions again when it is back.

use crate::load::{DEADLINE, Echo, TURN, beside};
use crate::peers::{Kind, Offer, Peer, Said};
use crate::program::Program;
use std::sync::atomic::Ordering;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Sessions before the loss, half on each server; and as many after it.
const SESSIONS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_server_takes_only_its_own_sessions() {
    let _turn = TURN.lock().await;
    let test = async {
        let kind = Kind::Hixie76;
        let (lost, other) = (Echo::start(kind).await, Echo::start(kind).await);
        let lost_address = lost.address;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hybridge.toml");
        let text = format!(
            "[[listener]]\nname = \"main\"\naddress = [\"127.0.0.1:0\"]\n\
             [[backend]]\nname = \"pair\"\ndialect = \"hixie-76\"\n\
             health = {{ check = \"websocket\", interval = \"50ms\", rise = 1, fall = 1 }}\n\
             [[backend.server]]\nurl = \"ws://{lost_address}\"\n\
             [[backend.server]]\nurl = \"ws://{}\"\n\
             [[route]]\nname = \"main\"\nbackend = \"pair\"\n",
            other.address
        );
        std::fs::write(&file, text).unwrap();
        let program = Program::with(&file);
        let mut peers = Vec::new();
        for _ in 0..SESSIONS {
            peers.push(Peer::connect(Kind::Rfc6455, program.address, &Offer::default()).await.0);
        }
        for peer in &mut peers {
            assert!(exchange(peer).await);
        }
        assert_eq!(other.talking.load(Ordering::Relaxed), SESSIONS as u64 / 2);
        drop(lost);
        let (program, _) = beside(program, |program| program.line_with("server is down")).await;
        let (mut ended, mut living) = (0, Vec::new());
        for mut peer in peers {
            match exchange(&mut peer).await {
                true => living.push(peer),
                false => ended += 1,
            }
        }
        assert_eq!((ended, living.len()), (SESSIONS / 2, SESSIONS / 2));
        for _ in 0..SESSIONS {
            let (mut peer, _) =
                Peer::connect(Kind::Rfc6455, program.address, &Offer::default()).await;
            assert!(exchange(&mut peer).await, "a new session goes to the other server");
            living.push(peer);
        }
        let back = Echo::over(TcpListener::bind(lost_address).await.unwrap(), kind);
        let (program, _) = beside(program, |program| program.line_with("server is up")).await;
        let (mut peer, _) = Peer::connect(Kind::Rfc6455, program.address, &Offer::default()).await;
        assert!(exchange(&mut peer).await);
        assert_eq!(
            back.talking.load(Ordering::Relaxed),
            1,
            "the one with the fewest gets the next"
        );
        for peer in &mut living {
            assert!(exchange(peer).await, "who was on the other server lives");
        }
        drop(program);
    };
    timeout(DEADLINE, test).await.expect("in time");
}

/// Says something and hears it back; whether the session still lives.
async fn exchange(peer: &mut Peer) -> bool {
    let said = Said::text("still there?");
    peer.say(std::slice::from_ref(&said)).await;
    match peer.hear().await {
        heard if heard == said => true,
        Said::Close(_) | Said::Fin | Said::Lost => false,
        heard => panic!("heard {heard:?}"),
    }
}
