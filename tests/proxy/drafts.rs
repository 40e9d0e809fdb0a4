//! What single drafts have of their own: marks that several have, closes that are said again, lengths
//! in more bytes than they need.

use crate::harness::{Proxy, Stage, listen, pass, settings, step, within};
use crate::peers::hixie::{self, Hixie};
use crate::peers::hybi::Hybi;
use crate::peers::wire::Wire;
use crate::peers::{Kind, Offer, Peer, Reply, Said};
use hybridge::config::values::Address;
use hybridge::dialect::{self, Dialect};
use hybridge::server::Server;

/// Whatever a client says of itself, it is taken for what the route says, and named so.
#[tokio::test]
async fn routes_say_which_of_the_drafts_with_the_same_marks() {
    let any = &dialect::ALL[..];
    let cases = [
        (Kind::Hixie76, None, Kind::Hixie76),
        (Kind::Hixie76, Some(Kind::Hybi01), Kind::Hybi01),
        (Kind::Hybi01, Some(Kind::Hybi02), Kind::Hybi01),
        (Kind::Hybi01, Some(Kind::Hixie76), Kind::Hixie76),
        (Kind::Hybi02, None, Kind::Hybi03),
        (Kind::Hybi02, Some(Kind::Hybi02), Kind::Hybi02),
        (Kind::Hybi03, Some(Kind::Hixie76), Kind::Hixie76),
        (Kind::Hybi04, Some(Kind::Hixie76), Kind::Hybi04),
    ];
    for (marks, assume, speaks) in cases {
        let case = format!("the marks of {marks:?}, {assume:?} assumed");
        within(&case, speaks_as(marks, assume, any, speaks)).await;
    }
    // What is not accepted, a client is not taken for where its marks have another reading.
    let accept = [Dialect::RFC6455, Kind::Hixie76.dialect()];
    for marks in [Kind::Hybi01, Kind::Hybi02, Kind::Hixie76] {
        let case = format!("the marks of {marks:?}, accepted as Hixie-76");
        within(&case, speaks_as(marks, None, &accept, Kind::Hixie76)).await;
    }
}

async fn speaks_as(marks: Kind, assume: Option<Kind>, accept: &[Dialect], speaks: Kind) {
    let (listener, address) = listen().await;
    let mut settings = settings(address, Some(Kind::Rfc6455.dialect()));
    settings.admin.address = Some("127.0.0.1:0".parse().unwrap());
    settings.routes[0].assume = assume.into_iter().map(Kind::dialect).collect();
    settings.routes[0].accept = accept.to_vec();
    let server = Server::bind(settings).await.unwrap();
    let Some(Address::Tcp(admin)) = server.admin() else { panic!("no admin listener") };
    let proxy = Proxy::of(server);
    let (offer, reply) = (Offer::default(), Reply::default());
    let (mut client, (mut backend, _)) = tokio::join!(
        client(marks, speaks, Wire::connect(proxy.address).await, &offer),
        Peer::accept(Kind::Rfc6455, &listener, &reply),
    );
    pass(&mut client, &mut backend, &[Said::text("up"), Said::Binary(vec![0, 255])]).await;
    pass(&mut backend, &mut client, &[Said::text("down"), Said::Binary(vec![255, 0])]).await;
    let mut scraper = Wire::connect(admin).await;
    scraper.write(format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\n\r\n")).await;
    let metrics = String::from_utf8(scraper.rest().await.0).unwrap();
    let sessions = format!(
        "hybridge_sessions{{client=\"{}\",backend=\"rfc6455\"}} 1\n",
        speaks.dialect().name()
    );
    assert!(metrics.contains(&sessions), "{sessions} is not in {metrics}");
    drop((client, backend));
    proxy.stop().await;
}

/// A client that says it is of one draft and speaks another.
async fn client(marks: Kind, speaks: Kind, mut wire: Wire, offer: &Offer) -> Peer {
    if !marks.opens_as_hixie() {
        return Peer::Hybi(Hybi::connect(marks, wire, offer).await.0);
    }
    hixie::ask(marks, &mut wire, offer).await;
    match speaks {
        Kind::Hixie76 => Peer::Hixie(Hixie::over(wire, speaks)),
        _ => Peer::Hybi(Hybi::over(speaks, wire, true, None)),
    }
}

/// The answer to a close of 01 to 04 holds what the close held (draft-ietf-hybi-03 section 4.5.1), and
/// the other side is told of a close and nothing more.
#[tokio::test]
async fn closes_are_said_again_byte_for_byte() {
    within("echoed closes", async {
        for kind in [Kind::Hybi01, Kind::Hybi02, Kind::Hybi03, Kind::Hybi04] {
            for body in [Vec::new(), vec![0xff], b"\x03\xe8 not a code \xff".to_vec(), vec![7; 125]]
            {
                let stage = Stage::new(Kind::Rfc6455).await;
                let (mut client, mut backend) = stage.session(kind).await;
                step(&format!("{kind:?} as a client, {body:?}"), async {
                    said_again(&mut client, &mut backend, &body).await;
                })
                .await;
                drop((client, backend));
                stage.stop().await;
                let stage = Stage::new(kind).await;
                let (mut client, mut backend) = stage.session(Kind::Rfc6455).await;
                step(&format!("{kind:?} as a backend, {body:?}"), async {
                    said_again(&mut backend, &mut client, &body).await;
                })
                .await;
                drop((client, backend));
                stage.stop().await;
            }
        }
    })
    .await;
}

async fn said_again(asks: &mut Peer, answers: &mut Peer, body: &[u8]) {
    let Peer::Hybi(peer) = &mut *asks else { panic!("a peer of hybi") };
    peer.closing = body.to_vec();
    asks.say(&[Said::Close(None)]).await;
    let heard = answers.hear().await;
    assert_eq!(heard, Said::Close(None));
    answers.answer_close(&heard).await;
    // The peer looks at the body.
    assert_eq!(asks.hear().await, Said::Close(None));
}

/// The least number of bytes is a rule of RFC 6455 (section 5.2), and of no draft that it was not in.
#[tokio::test]
async fn lengths_in_more_bytes_than_they_need() {
    let long = |start: u8, bit: u8, length: &[u8]| {
        let code = if length.len() == 2 { 126 } else { 127 };
        [&[start, bit | code], length].concat()
    };
    within("long lengths", async {
        let stage = Stage::new(Kind::Hixie76).await;
        for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_hixie()) {
            for length in [&[0, 5][..], &[0, 0, 0, 0, 0, 0, 0, 5]] {
                // A mask of zeros shows everything as it is; that of 04 is never so.
                let frame = match kind {
                    Kind::Hybi01 | Kind::Hybi02 | Kind::Hybi03 => long(0x04, 0, length),
                    Kind::Hybi04 => continue,
                    Kind::Hybi05 | Kind::Hybi06 => [vec![0; 4], long(0x84, 0, length)].concat(),
                    _ => [long(0x81, 0x80, length), vec![0; 4]].concat(),
                };
                let frame = [&frame[..], b"Hello"].concat();
                step(&format!("{kind:?}, {length:?}"), async {
                    let (mut client, mut backend) = stage.session(kind).await;
                    match &mut client {
                        Peer::Hybi(client) => client.wire.write(frame).await,
                        Peer::Foreign(client) => client.write_raw(&frame).await,
                        Peer::Hixie(_) => panic!("no peer of hybi"),
                    }
                    if kind == Kind::Rfc6455 {
                        assert_eq!(client.hear().await, Said::close(1002, ""));
                    } else {
                        assert_eq!(backend.hear().await, Said::text("Hello"));
                    }
                })
                .await;
            }
        }
        stage.stop().await;
    })
    .await;
}
