//! Sides that may talk only so fast: they are held back and nothing is lost.

use crate::harness::{Stage, pass, within};
use crate::peers::hybi::Hybi;
use crate::peers::wire::Wire;
use crate::peers::{Kind, Offer, Peer, Reply, Said, hixie};
use crate::pressure::{encode, messages, until_stopped};
use crate::tls::{Authority, tls_of};
use hybridge::config::route::Rate;
use std::num::{NonZeroU32, NonZeroU64};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn rate(messages: u32, bytes: u64) -> Rate {
    Rate { messages: NonZeroU32::new(messages), bytes: NonZeroU64::new(bytes) }
}

/// All of it is there at once, and no change of a socket tells when there is room again.
#[tokio::test]
async fn all_of_it_comes_in_order() {
    within("in order", async {
        let all: Vec<_> = (0..60).map(|number| Said::text(format!("{number} of sixty"))).collect();
        for (client, backend) in [(Kind::Hixie76, Kind::Rfc6455), (Kind::Hybi08, Kind::Hixie75)] {
            for rate in [rate(30, 0), rate(0, 500)] {
                let stage = Stage::with(backend, |settings| {
                    settings.routes[0].client_rate = rate.clone();
                    settings.routes[0].backend_rate = rate;
                })
                .await;
                let (mut at_client, mut at_backend) = stage.session(client).await;
                pass(&mut at_client, &mut at_backend, &all).await;
                pass(&mut at_backend, &mut at_client, &all).await;
                drop((at_client, at_backend));
                stage.stop().await;
            }
        }
    })
    .await;
}

/// A message that is larger than what may be said in a second passes, and its end is told.
#[tokio::test]
async fn a_message_larger_than_a_second() {
    within("larger than a second", async {
        let stage =
            Stage::with(Kind::Rfc6455, |settings| settings.routes[0].client_rate = rate(1, 40_000))
                .await;
        let (mut client, mut backend) = stage.session(Kind::Hixie76).await;
        pass(&mut client, &mut backend, &[Said::text("l".repeat(60_000))]).await;
        client.say(&[Said::Close(None)]).await;
        assert_eq!(backend.hear().await, Said::Close(None));
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

/// A record of TLS is opened whole: what of it is beyond the rate waits, and the close behind it.
#[tokio::test]
async fn what_was_sealed_comes_in_order() {
    within("sealed", async {
        let authority = Authority::new("rates");
        let signed = authority.sign(&["a.test"]);
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            settings.listeners[0].tls = Some(tls_of(&[&signed]));
            settings.routes[0].client_rate = rate(1000, 0);
        })
        .await;
        let client = authority.client(|_| {});
        let mut client = client.connect(stage.proxy.address, "a.test").await.unwrap();
        client.write_all(&hixie::request(Kind::Hixie76, &Offer::default())).await.unwrap();
        let wire = Wire::accept(&stage.listener).await;
        let mut backend = Hybi::accept(Kind::Rfc6455, wire, &Reply::default()).await.0;
        let mut answer = vec![0; 1];
        while !answer.ends_with(hixie::ANSWER) {
            client.read_buf(&mut answer).await.unwrap();
        }
        let all: Vec<_> = (0..1500).map(|number| Said::text(number.to_string())).collect();
        let said = [hixie::encode(&all), b"\xff\x00".to_vec()].concat();
        client.write_all(&said).await.unwrap();
        for said in all {
            assert_eq!(backend.hear().await, said);
        }
        assert!(matches!(backend.hear().await, Said::Close(_)));
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

/// The backend takes all that it gets, and still the client has to wait; beside it nobody has.
#[tokio::test]
async fn who_talks_faster_is_stopped() {
    within("stopped", async {
        for rate in [rate(0, 4000), rate(40, 0)] {
            let stage =
                Stage::with(Kind::Hixie76, |settings| settings.routes[0].client_rate = rate).await;
            let mut beside = stage.bystander().await;
            let (client, backend) = stage.session(Kind::Hybi08).await;
            let Peer::Hixie(mut backend) = backend else { panic!("a Hixie backend") };
            let listening = tokio::spawn(async move { backend.wire.rest().await });
            let run = encode(Kind::Hybi08, &messages(), true);
            until_stopped(&client, &run, &mut beside).await;
            drop((client, beside));
            listening.abort();
            stage.stop().await;
        }
    })
    .await;
}
