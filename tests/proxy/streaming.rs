//! Large messages stream through in both directions at once, and every byte is checked.

use crate::harness::{Stage, within};
use crate::peers::hixie::{self, ANSWER, Hixie};
use crate::peers::hybi::{self, Hybi};
use crate::peers::pattern::{Framing, Pattern};
use crate::peers::wire::Wire;
use crate::peers::{Kind, Offer, Reply, head::Head};
use tokio::net::TcpStream;

const SIZE: usize = 64 << 20;

/// Both ends of a session as bare sockets.
async fn open(stage: &Stage, client: Kind) -> (TcpStream, TcpStream) {
    let connect = async {
        let mut wire = Wire::connect(stage.proxy.address).await;
        if client == Kind::Hixie76 {
            wire.write(hixie::request(client, &Offer::default())).await;
            Head::read(&mut wire).await;
            assert_eq!(wire.take(16).await.unwrap(), ANSWER);
        } else {
            wire.write(hybi::request(client, &Offer::default())).await;
            Head::read(&mut wire).await;
        }
        wire.stream
    };
    let accept = async {
        let (wire, reply) = (Wire::accept(&stage.listener).await, Reply::default());
        if stage.backend == Kind::Hixie76 {
            Hixie::accept(stage.backend, wire, &reply).await.0.wire.stream
        } else {
            Hybi::accept(stage.backend, wire, &reply).await.0.wire.stream
        }
    };
    tokio::join!(connect, accept)
}

#[tokio::test]
async fn from_a_hixie_client_to_rfc6455() {
    within("64 MiB from Hixie", async {
        let stage = Stage::new(Kind::Rfc6455).await;
        let (mut client, mut backend) = open(&stage, Kind::Hixie76).await;
        let pattern = Pattern::new(SIZE);
        let (client_reads, client_writes) = client.split();
        let (backend_reads, backend_writes) = backend.split();
        tokio::join!(
            pattern.send(Framing::Hixie, client_writes),
            pattern.check_hybi(true, backend_reads),
            pattern.send(Framing::Frame { masked: false }, backend_writes),
            pattern.check_hixie(client_reads),
        );
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn from_rfc6455_to_a_hixie_backend() {
    within("64 MiB to Hixie", async {
        let stage = Stage::new(Kind::Hixie76).await;
        let (mut client, mut backend) = open(&stage, Kind::Rfc6455).await;
        let pattern = Pattern::new(SIZE);
        let (client_reads, client_writes) = client.split();
        let (backend_reads, backend_writes) = backend.split();
        tokio::join!(
            pattern.send(Framing::Fragments { masked: true }, client_writes),
            pattern.check_hixie(backend_reads),
            pattern.send(Framing::Hixie, backend_writes),
            pattern.check_hybi(false, client_reads),
        );
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn between_two_of_rfc6455() {
    within("64 MiB without Hixie", async {
        let stage = Stage::new(Kind::Rfc6455).await;
        let (mut client, mut backend) = open(&stage, Kind::Rfc6455).await;
        let pattern = Pattern::new(SIZE / 4);
        let (client_reads, client_writes) = client.split();
        let (backend_reads, backend_writes) = backend.split();
        tokio::join!(
            pattern.send(Framing::Frame { masked: true }, client_writes),
            pattern.check_hybi(true, backend_reads),
            pattern.send(Framing::Fragments { masked: false }, backend_writes),
            pattern.check_hybi(false, client_reads),
        );
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}
