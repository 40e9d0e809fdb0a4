//! Messages in fragments, for a backend that is to get none.

use crate::harness::{Stage, within};
use crate::peers::framing::frame;
use crate::peers::hybi::Hybi;
use crate::peers::wire::Wire;
use crate::peers::{Kind, Offer, Peer, Reply, Said};
use hybridge::session::policy::Fragments;

/// A client of RFC 6455 that says what it is told byte by byte, and a backend.
async fn session(stage: &Stage) -> (Hybi, Peer) {
    let connect = async {
        let wire = Wire::connect(stage.proxy.address).await;
        Hybi::connect(Kind::Rfc6455, wire, &Offer::default()).await.0
    };
    let reply = Reply::default();
    let accept = Peer::accept(stage.backend, &stage.listener, &reply);
    let (client, (backend, _)) = tokio::join!(connect, accept);
    (client, backend)
}

#[tokio::test]
async fn a_backend_gets_each_message_in_one_frame() {
    within("coalesced", async {
        let stage = Stage::with(Kind::Hybi08, |settings| {
            settings.routes[0].fragments = Fragments::Coalesce;
        })
        .await;
        let (mut client, backend) = session(&stage).await;
        let Peer::Hybi(mut backend) = backend else { panic!("a backend of hybi") };
        let parts = [vec![b'a'; 300_000], vec![b'b'; 40_000], vec![b'c'; 5]];
        for (start, part) in [0x01, 0x00].into_iter().zip(&parts) {
            client.wire.write(frame(start, part, true)).await;
            client.say(&[Said::Ping(vec![start])]).await;
            // So the proxy has read the fragment, and nothing of it has left.
            assert_eq!(backend.hear().await, Said::Ping(vec![start]));
        }
        client.wire.write(frame(0x80, &parts[2], true)).await;
        let whole = parts.concat();
        let head = [&[0x81, 0xff], &(whole.len() as u64).to_be_bytes()[..]].concat();
        assert_eq!(backend.wire.take(head.len()).await.unwrap(), head);
        let mask = backend.wire.take(4).await.unwrap();
        let mut said = backend.wire.take(whole.len()).await.unwrap();
        said.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        assert!(said == whole, "another message");
        client.say(&[Said::text("and on")]).await;
        assert_eq!(backend.hear().await, Said::text("and on"));
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_too_large_to_be_coalesced() {
    within("too large", async {
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            settings.routes[0].fragments = Fragments::Coalesce;
            settings.routes[0].limits.collected = "64KiB".parse().unwrap();
        })
        .await;
        let mut bystander = stage.bystander().await;
        let (mut client, mut backend) = session(&stage).await;
        client.wire.write(frame(0x02, &[7; 40_000], true)).await;
        client.wire.write(frame(0x80, &[7; 40_000], true)).await;
        assert_eq!(client.hear().await, Said::close(1009, ""));
        assert_eq!(backend.hear().await, Said::close(1009, ""));
        bystander.is_well().await;
        drop((client, backend, bystander));
        stage.stop().await;
    })
    .await;
}
