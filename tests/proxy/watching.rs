//! A watcher is shown every byte of both legs as it is on the wire, the facts, and the end.

use crate::harness::{listen, settings, within};
use crate::peers::Kind;
use crate::peers::wire::Wire;
use hybridge::dialect::Dialect;
use hybridge::event::Side;
use hybridge::net::Peer;
use hybridge::server::Server;
use hybridge::session::fact::{Cause, Fact};
use hybridge::watch::{ConnectionId, Watcher};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

const REQUEST: &[u8] =
    b"GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\n\
    Connection: Upgrade\r\nWebSocket-Origin: http://a\r\nWebSocket-Location: ws://a/x\r\n\r\n";
/// The masked "Hello" of RFC 6455 section 5.7.
const HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";

/// All that a watcher was shown, and the numbers of the connections that have ended.
#[derive(Debug)]
struct Recorder {
    shown: Mutex<Vec<(ConnectionId, Shown)>>,
    ended: mpsc::Sender<ConnectionId>,
}

#[derive(Debug, Clone, PartialEq)]
enum Shown {
    Opened(Peer),
    Speaks(Side, Dialect),
    Read(Side, Vec<u8>),
    Written(Side, Vec<u8>),
    Fact(Fact),
    Ended,
}

impl Recorder {
    fn keep(&self, id: ConnectionId, shown: Shown) {
        self.shown.lock().unwrap().push((id, shown));
    }

    /// The bytes of one direction, however they were cut.
    fn bytes(&self, id: ConnectionId, pick: impl Fn(&Shown) -> Option<&[u8]>) -> Vec<u8> {
        let shown = self.shown.lock().unwrap();
        shown
            .iter()
            .filter(|(of, _)| *of == id)
            .filter_map(|(_, shown)| pick(shown))
            .flatten()
            .copied()
            .collect()
    }

    fn read(&self, id: ConnectionId, side: Side) -> Vec<u8> {
        self.bytes(id, |shown| {
            matches!(shown, Shown::Read(of, _) if *of == side).then(|| shown.payload())
        })
    }

    fn written(&self, id: ConnectionId, side: Side) -> Vec<u8> {
        self.bytes(id, |shown| {
            matches!(shown, Shown::Written(of, _) if *of == side).then(|| shown.payload())
        })
    }

    fn has(&self, id: ConnectionId, wanted: &Shown) -> bool {
        self.shown.lock().unwrap().iter().any(|(of, shown)| *of == id && shown == wanted)
    }
}

impl Shown {
    fn payload(&self) -> &[u8] {
        match self {
            Self::Read(_, bytes) | Self::Written(_, bytes) => bytes,
            _ => &[],
        }
    }
}

impl Watcher for Recorder {
    fn opened(&self, id: ConnectionId, peer: Peer) {
        self.keep(id, Shown::Opened(peer));
    }

    fn speaks(&self, id: ConnectionId, side: Side, dialect: Dialect) {
        self.keep(id, Shown::Speaks(side, dialect));
    }

    fn read(&self, id: ConnectionId, side: Side, bytes: &[u8]) {
        self.keep(id, Shown::Read(side, bytes.to_vec()));
    }

    fn written(&self, id: ConnectionId, side: Side, bytes: &[u8]) {
        self.keep(id, Shown::Written(side, bytes.to_vec()));
    }

    fn observed(&self, id: ConnectionId, fact: &Fact) {
        self.keep(id, Shown::Fact(fact.clone()));
    }

    fn ended(&self, id: ConnectionId) {
        self.keep(id, Shown::Ended);
        self.ended.try_send(id).unwrap();
    }
}

#[tokio::test]
async fn both_legs_are_shown_as_they_are_on_the_wire() {
    within("watching", async {
        let (listener, address) = listen().await;
        let (ended, mut ends) = mpsc::channel(8);
        let recorder = Arc::new(Recorder { shown: Mutex::default(), ended });
        let server = Server::bind(settings(address, Some(Kind::Hixie75.dialect()))).await.unwrap();
        let server = server.watched_by(Arc::clone(&recorder) as Arc<dyn Watcher>);
        let address = server.local_addr().unwrap();
        let (leave, left) = oneshot::channel::<()>();
        let served = tokio::spawn(server.run(async move { drop(left.await) }));

        // A word right behind the request, which is read with the handshake.
        let mut client = Wire::connect(address).await;
        client.write(&[REQUEST, HELLO].concat()).await;
        let mut backend = Wire::accept(&listener).await;
        let asked = backend.until(b"\r\n\r\n").await.unwrap();
        backend.write(&[ANSWER, b"\0early\xff"].concat()).await;
        let answered = client.until(b"\r\n\r\n").await.unwrap();
        assert_eq!(client.take(7).await.unwrap(), b"\x81\x05early");
        assert_eq!(backend.take(7).await.unwrap(), b"\0Hello\xff");
        client.write(HELLO).await;
        assert_eq!(backend.take(7).await.unwrap(), b"\0Hello\xff");
        drop(backend);
        let (rest, _) = client.rest().await;
        drop(client);
        let id = ends.recv().await.unwrap();

        assert_eq!(recorder.read(id, Side::Client), [REQUEST, HELLO, HELLO].concat());
        assert_eq!(
            recorder.written(id, Side::Backend),
            [&asked[..], b"\r\n\r\n\0Hello\xff\0Hello\xff"].concat()
        );
        assert_eq!(recorder.read(id, Side::Backend), [ANSWER, b"\0early\xff"].concat());
        assert_eq!(
            recorder.written(id, Side::Client),
            [&answered[..], b"\r\n\r\n\x81\x05early", &rest].concat()
        );
        for (side, kind) in [(Side::Client, Kind::Rfc6455), (Side::Backend, Kind::Hixie75)] {
            assert!(recorder.has(id, &Shown::Speaks(side, kind.dialect())), "{recorder:?}");
        }
        let fact = Fact::Ended { by: Some(Side::Backend), cause: Cause::Fin };
        assert!(recorder.has(id, &Shown::Fact(fact)), "{recorder:?}");

        // A client that gets no session is shown too.
        let mut refused = Wire::connect(address).await;
        let opening =
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        refused.write(opening).await;
        let (refusal, _) = refused.rest().await;
        drop(refused);
        let other = ends.recv().await.unwrap();
        assert_ne!(other, id);
        assert_eq!(recorder.written(other, Side::Client), refusal);
        assert!(refusal.starts_with(b"HTTP/1.1 426 "));
        leave.send(()).unwrap();
        served.await.unwrap().unwrap();
    })
    .await;
}

/// Panics when it is shown certain bytes, or the end of a connection.
#[derive(Debug)]
struct Faulty {
    bytes: &'static [u8],
    at_the_end: bool,
}

impl Watcher for Faulty {
    fn opened(&self, _: ConnectionId, _: Peer) {}

    fn speaks(&self, _: ConnectionId, _: Side, _: Dialect) {}

    fn read(&self, _: ConnectionId, _: Side, bytes: &[u8]) {
        assert!(bytes != self.bytes, "a fault of the watcher");
    }

    fn written(&self, _: ConnectionId, _: Side, _: &[u8]) {}

    fn observed(&self, _: ConnectionId, _: &Fact) {}

    fn ended(&self, _: ConnectionId) {
        assert!(!self.at_the_end, "a fault of the watcher");
    }
}

/// A session between raw peers, through a proxy.
async fn session(proxy: SocketAddr, listener: &TcpListener) -> (Wire, Wire) {
    let mut client = Wire::connect(proxy).await;
    client.write(REQUEST).await;
    let mut backend = Wire::accept(listener).await;
    backend.until(b"\r\n\r\n").await.unwrap();
    backend.write(ANSWER).await;
    client.until(b"\r\n\r\n").await.unwrap();
    (client, backend)
}

#[tokio::test]
async fn a_fault_in_one_session_ends_no_other() {
    within("a faulty watcher", async {
        let (listener, address) = listen().await;
        let server = Server::bind(settings(address, Some(Kind::Hixie75.dialect()))).await.unwrap();
        let server = server.watched_by(Arc::new(Faulty { bytes: HELLO, at_the_end: false }));
        let address = server.local_addr().unwrap();
        let (leave, left) = oneshot::channel::<()>();
        let served = tokio::spawn(server.run(async move { drop(left.await) }));
        let (mut bystander, mut behind) = session(address, &listener).await;
        let (mut client, mut backend) = session(address, &listener).await;
        client.write(HELLO).await;
        assert!(client.rest().await.0.is_empty());
        assert!(backend.rest().await.0.is_empty());
        behind.write(b"\0still here\xff").await;
        assert_eq!(bystander.take(12).await.unwrap(), b"\x81\x0astill here");
        drop((bystander, behind));
        leave.send(()).unwrap();
        served.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_server_that_has_lost_a_worker_ends() {
    within("a lost worker", async {
        let (listener, address) = listen().await;
        let server = Server::bind(settings(address, Some(Kind::Hixie75.dialect()))).await.unwrap();
        let server = server.watched_by(Arc::new(Faulty { bytes: HELLO, at_the_end: true }));
        let address = server.local_addr().unwrap();
        let served = tokio::spawn(server.run(std::future::pending()));
        drop(session(address, &listener).await);
        let error = served.await.unwrap().unwrap_err();
        assert!(format!("{error:#}").contains("a worker has died"), "{error:#}");
    })
    .await;
}
