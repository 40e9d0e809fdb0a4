//! A watcher is shown every byte of both legs as it is on the wire, the facts, and the end.

use crate::harness::{Proxy, listen, millis, settings, within};
use crate::peers::Kind;
use crate::peers::wire::Wire;
use hybridge::config::Settings;
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

    /// What the clients of a connection have sent, one behind the other.
    fn clients(&self, id: ConnectionId) -> Vec<String> {
        let mut clients = Vec::new();
        for (_, shown) in self.shown.lock().unwrap().iter().filter(|(of, _)| *of == id) {
            match shown {
                Shown::Opened(_) => clients.push(String::new()),
                Shown::Read(Side::Client, bytes) => {
                    clients.last_mut().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
                }
                _ => {}
            }
        }
        clients
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

/// A server before this backend, and the recorder that watches it.
async fn recorded(settings: Settings) -> (Proxy, Arc<Recorder>, mpsc::Receiver<ConnectionId>) {
    let (ended, ends) = mpsc::channel(8);
    let recorder = Arc::new(Recorder { shown: Mutex::default(), ended });
    let server = Server::bind(settings).await.unwrap();
    let server = server.watched_by(Arc::clone(&recorder) as Arc<dyn Watcher>);
    (Proxy::of(server), recorder, ends)
}

/// Answers a plain request.
async fn answer(backend: &mut Wire, client: &mut Wire) {
    backend.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    client.until(b"\r\n\r\n").await.unwrap();
}

/// However they are cut: each of them is that of a new client, to who watches.
#[tokio::test]
async fn each_byte_of_plain_requests_is_shown_once() {
    within("watching plain requests", async {
        const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let (listener, address) = listen().await;
        let settings = settings(address, Some(Kind::Rfc6455.dialect()));
        let (proxy, recorder, mut ends) = recorded(settings).await;
        let mut client = Wire::connect(proxy.address).await;
        let (start, rest) = POST.split_at(POST.len() - 1);
        client.write([GET, start].concat()).await;
        let mut backend = Wire::accept(&listener).await;
        backend.until(b"\r\n\r\n").await.unwrap();
        answer(&mut backend, &mut client).await;
        backend.until(b"\r\n\r\nab").await.unwrap();
        client.write([rest, GET].concat()).await;
        assert_eq!(backend.byte().await, Ok(b'c'));
        answer(&mut backend, &mut client).await;
        backend.until(b"\r\n\r\n").await.unwrap();
        answer(&mut backend, &mut client).await;
        let (start, rest) = GET.split_at(9);
        client.write(start).await;
        client.write(rest).await;
        backend.until(b"\r\n\r\n").await.unwrap();
        answer(&mut backend, &mut client).await;
        client.write("GET /half").await;
        client.finish().await;
        client.rest().await;
        let id = ends.recv().await.unwrap();
        for _ in 0..4 {
            assert_eq!(ends.recv().await, Some(id));
        }
        assert_eq!(recorder.clients(id), [GET, POST, GET, GET, "GET /half"]);
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn who_is_cut_off_by_a_shutdown_has_ended() {
    within("watching a shutdown", async {
        let (listener, address) = listen().await;
        let mut settings = settings(address, Some(Kind::Rfc6455.dialect()));
        settings.shutdown_deadline = millis(300);
        let (proxy, _recorder, mut ends) = recorded(settings).await;
        let mut client = Wire::connect(proxy.address).await;
        client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut backend = Wire::accept(&listener).await;
        backend.until(b"\r\n\r\n").await.unwrap();
        proxy.stop().await;
        ends.try_recv().unwrap();
        drop((client, backend));
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
