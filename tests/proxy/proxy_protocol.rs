//! The PROXY header of a front proxy: whom it brings, that no byte behind it is lost, and what
//! becomes of strangers and of nonsense.

use crate::harness::{Proxy, Stage, listen, millis, settings, within};
use crate::peers::head::Head;
use crate::peers::wire::{Ended, Wire};
use crate::peers::{Kind, Offer, Peer, Reply, Said, hixie, hybi};
use hybridge::config::Settings;
use hybridge::dialect::Dialect;
use hybridge::event::Side;
use hybridge::net;
use hybridge::server::Server;
use hybridge::session::fact::Fact;
use hybridge::watch::{ConnectionId, Watcher};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2 that brings 203.0.113.9, with TLVs.
fn version_2(tlvs: &[u8]) -> Vec<u8> {
    let addresses = [203, 0, 113, 9, 198, 51, 100, 1, 0x12, 0x34, 0x01, 0xbb];
    let len = (addresses.len() + tlvs.len()) as u16;
    [SIGNATURE, &[0x21, 0x11], &len.to_be_bytes(), &addresses, tlvs].concat()
}

const VERSION_1: &[u8] = b"PROXY TCP4 203.0.113.9 198.51.100.1 4660 443\r\n";

/// That the client came to the front proxy by TLS.
const BY_TLS: &[u8] = &[0x20, 0, 5, 1, 0, 0, 0, 0];

/// Trusts this machine, or what stands for it.
fn trusting(settings: &mut Settings, network: &str) {
    settings.listeners[0].proxy_protocol = true;
    settings.listeners[0].trusted = vec![network.parse().unwrap()];
}

/// Who connects, told on a channel.
#[derive(Debug)]
struct Visitors(mpsc::Sender<net::Peer>);

impl Watcher for Visitors {
    fn opened(&self, _: ConnectionId, peer: net::Peer) {
        self.0.try_send(peer).unwrap();
    }
    fn speaks(&self, _: ConnectionId, _: Side, _: Dialect) {}
    fn read(&self, _: ConnectionId, _: Side, _: &[u8]) {}
    fn written(&self, _: ConnectionId, _: Side, _: &[u8]) {}
    fn observed(&self, _: ConnectionId, _: &Fact) {}
    fn ended(&self, _: ConnectionId) {}
}

/// A proxy that tells who connects, with its backend.
async fn visited(
    adjust: impl FnOnce(&mut Settings),
) -> (Proxy, TcpListener, mpsc::Receiver<net::Peer>) {
    let (listener, backend) = listen().await;
    let mut settings = settings(backend, Some(Kind::Rfc6455.dialect()));
    adjust(&mut settings);
    let (tell, visitors) = mpsc::channel(16);
    let server = Server::bind(settings).await.unwrap().watched_by(Arc::new(Visitors(tell)));
    (Proxy::of(server), listener, visitors)
}

/// Sends a header and a request, cut in two, and opens the session.
async fn opens(proxy: &Proxy, backend: &TcpListener, bytes: &[u8], cut: usize) {
    let mut wire = Wire::connect(proxy.address).await;
    let (start, rest) = bytes.split_at(cut);
    wire.write(start).await;
    // The two are two segments, and may be two reads.
    tokio::task::yield_now().await;
    wire.write(rest).await;
    let reply = Reply::default();
    let (head, (mut peer, _)) =
        tokio::join!(Head::read(&mut wire), Peer::accept(Kind::Rfc6455, backend, &reply));
    assert_eq!(head.status(), 101);
    // The masked "Hello" of RFC 6455 section 5.7.
    wire.write(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").await;
    assert_eq!(peer.hear().await, Said::text("Hello"));
    wire.reset();
}

fn inet(address: &str) -> net::Peer {
    address.parse::<SocketAddr>().unwrap().into()
}

#[tokio::test]
async fn whom_the_front_proxy_brings() {
    within("PROXY headers", async {
        let (proxy, backend, mut visitors) = visited(|s| trusting(s, "127.0.0.0/8")).await;
        let request = hybi::request(Kind::Rfc6455, &Offer::default());
        for header in [VERSION_1.to_vec(), version_2(&[]), version_2(BY_TLS)] {
            let bytes = [&header[..], &request].concat();
            // At every place of the header, and in the request.
            for cut in 0..=header.len() + 1 {
                opens(&proxy, &backend, &bytes, cut).await;
                assert_eq!(visitors.recv().await, Some(inet("203.0.113.9:4660")));
            }
        }
        proxy.stop().await;
    })
    .await;
}

/// What the front proxy says for itself, or does not know, leaves the real address.
#[tokio::test]
async fn the_front_proxy_itself() {
    within("LOCAL and UNKNOWN", async {
        let (proxy, backend, mut visitors) = visited(|s| trusting(s, "127.0.0.1")).await;
        let request = hybi::request(Kind::Rfc6455, &Offer::default());
        let local = [SIGNATURE, b"\x20\x00\x00\x00"].concat();
        for header in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY UNKNOWN ::1 ::2 3 4\r\n", &local] {
            opens(&proxy, &backend, &[header, &request].concat(), 3).await;
            let visitor = visitors.recv().await.unwrap();
            assert_eq!(visitor.ip(), Some("127.0.0.1".parse().unwrap()));
        }
        proxy.stop().await;
    })
    .await;
}

/// Who comes behind a header that names nobody can name nobody else.
#[tokio::test]
async fn a_front_that_brings_nobody_vouches_for_nobody() {
    within("a forged field behind UNKNOWN", async {
        let stage = Stage::with(Kind::Rfc6455, |s| trusting(s, "127.0.0.1")).await;
        let request = String::from_utf8(hybi::request(Kind::Rfc6455, &Offer::default())).unwrap();
        let forged = request.replacen("\r\n", "\r\nX-Forwarded-For: 192.0.2.9\r\n", 1);
        let mut wire = Wire::connect(stage.proxy.address).await;
        wire.write(["PROXY UNKNOWN\r\n", &forged].concat()).await;
        let heard = Head::read(&mut Wire::accept(&stage.listener).await).await;
        assert_eq!(heard.exact("X-Forwarded-For"), "127.0.0.1");
        stage.stop().await;
    })
    .await;
}

/// The location that a Hixie client is told tells whether it came by TLS.
#[tokio::test]
async fn by_tls_to_the_front_proxy() {
    within("TLS at the front proxy", async {
        let stage = Stage::with(Kind::Rfc6455, |s| trusting(s, "127.0.0.1")).await;
        for (tlvs, scheme) in [(BY_TLS, "wss"), (&[], "ws")] {
            let mut wire = Wire::connect(stage.proxy.address).await;
            let request = hixie::request(Kind::Hixie76, &Offer::default());
            wire.write([&version_2(tlvs)[..], &request].concat()).await;
            let reply = Reply::default();
            let (head, _) = tokio::join!(
                Head::read(&mut wire),
                Peer::accept(Kind::Rfc6455, &stage.listener, &reply)
            );
            let location = head.exact("Sec-WebSocket-Location");
            assert_eq!(location, format!("{scheme}://proxy.example:8080/chat?room=1"));
        }
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn missing_and_malformed_headers() {
    within("malformed PROXY headers", async {
        let (proxy, _backend, mut visitors) = visited(|s| trusting(s, "127.0.0.1")).await;
        let long = [SIGNATURE, b"\x21\x11\xff\xff"].concat();
        let request = hybi::request(Kind::Rfc6455, &Offer::default());
        let cases: [&[u8]; 9] = [
            &request,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\0\0\0\0",
            b"PROXY TCP4 203.0.113.9\r\n",
            b"PROXY TCP4 203.0.113.9 198.51.100.1 4660 65536\r\n",
            b"PROXY UNKNOWN\n",
            &[b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat(),
            &[SIGNATURE, b"\x11\x11\x00\x00"].concat(),
            &long,
        ];
        for bytes in cases {
            let mut wire = Wire::connect(proxy.address).await;
            wire.try_write(bytes).await;
            let (answer, _) = wire.rest().await;
            assert!(answer.is_empty(), "{}: {}", bytes.escape_ascii(), answer.escape_ascii());
        }
        // Those that leave before or within it.
        for bytes in [&b""[..], b"PRO", SIGNATURE] {
            let mut wire = Wire::connect(proxy.address).await;
            wire.write(bytes).await;
            wire.finish().await;
            assert_eq!(wire.rest().await, (Vec::new(), Ended::Fin));
        }
        assert!(visitors.try_recv().is_err(), "one of them was served");
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn slow_headers() {
    within("slow PROXY headers", async {
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            trusting(settings, "127.0.0.1");
            settings.listeners[0].handshake_timeout = millis(300);
        })
        .await;
        for start in [&b""[..], b"PROXY TCP4 203.0.113.9", SIGNATURE] {
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(start).await;
            assert!(wire.rest().await.0.is_empty());
        }
        // The time is one for the header and the head behind it.
        let mut wire = Wire::connect(stage.proxy.address).await;
        wire.write([VERSION_1, b"GET / HTTP/1.1\r\n"].concat()).await;
        assert_eq!(Head::read(&mut wire).await.status(), 408);
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn strangers() {
    within("strangers", async {
        let (proxy, backend, mut visitors) = visited(|s| trusting(s, "192.0.2.0/24")).await;
        let request = hybi::request(Kind::Rfc6455, &Offer::default());
        for header in [VERSION_1.to_vec(), version_2(&[])] {
            let mut wire = Wire::connect(proxy.address).await;
            wire.try_write([&header[..], &request].concat()).await;
            assert_eq!(Head::read(&mut wire).await.status(), 400);
            let (body, ended) = wire.rest().await;
            assert_eq!(ended, Ended::Fin);
            let text = "PROXY header from an address that is not trusted\n";
            assert_eq!(String::from_utf8(body).unwrap(), text);
            let visitor = visitors.recv().await.unwrap();
            assert_eq!(visitor.ip(), Some("127.0.0.1".parse().unwrap()));
        }
        // No header is looked for where none is believed.
        opens(&proxy, &backend, &request, 0).await;
        proxy.stop().await;
        // A listener without the PROXY protocol is not one of strangers.
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            settings.listeners[0].trusted = vec!["127.0.0.1".parse().unwrap()];
        })
        .await;
        let mut wire = Wire::connect(stage.proxy.address).await;
        wire.try_write(VERSION_1).await;
        assert_eq!(Head::read(&mut wire).await.status(), 400);
        assert_eq!(wire.rest().await.0, b"PROXY header where none is expected\n");
        stage.stop().await;
    })
    .await;
}

/// The limits of an address are those of the client, not of the front proxy.
#[tokio::test]
async fn limits_count_the_clients() {
    within("limits behind a front proxy", async {
        let (proxy, backend, _visitors) = visited(|settings| {
            trusting(settings, "127.0.0.1");
            settings.listeners[0].max_connections_per_address = NonZeroUsize::new(1);
        })
        .await;
        let request = hybi::request(Kind::Rfc6455, &Offer::default());
        let header = |last: u8| format!("PROXY TCP4 203.0.113.{last} 198.51.100.1 1 2\r\n");
        let mut held = Vec::new();
        for last in [1, 2, 3] {
            let mut wire = Wire::connect(proxy.address).await;
            wire.write([header(last).as_bytes(), &request].concat()).await;
            let reply = Reply::default();
            let (head, peer) =
                tokio::join!(Head::read(&mut wire), Peer::accept(Kind::Rfc6455, &backend, &reply));
            assert_eq!(head.status(), 101);
            held.push((wire, peer));
        }
        let mut wire = Wire::connect(proxy.address).await;
        wire.write([header(2).as_bytes(), &request].concat()).await;
        assert_eq!(Head::read(&mut wire).await.status(), 503);
        drop((held, wire));
        proxy.stop().await;
    })
    .await;
}
