//! Places at servers, and the queue of those who wait for one.

use super::{Row, Session, accept_any, of, server, session, status};
use crate::harness::{Proxy, listen, millis, within};
use crate::peers::head::Head;
use crate::peers::hybi::{Hybi, request};
use crate::peers::wire::Wire;
use crate::peers::{Kind, Offer, Reply};
use hybridge::config::Settings;
use hybridge::dialect::Dialect;
use hybridge::event::Side;
use hybridge::net::Peer;
use hybridge::server::Server;
use hybridge::session::fact::Fact;
use hybridge::watch::{ConnectionId, Watcher};
use std::num::NonZeroUsize;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Tells when a client's request was read, and when a client is gone. Behind the first a client
/// waits for its place: on the one thread of a test there is nothing in between.
#[derive(Debug)]
struct Teller(mpsc::Sender<Told>);

#[derive(Debug, PartialEq)]
enum Told {
    Asked,
    Gone,
}

impl Watcher for Teller {
    fn opened(&self, _: ConnectionId, _: Peer) {}

    fn speaks(&self, _: ConnectionId, side: Side, _: Dialect) {
        if side == Side::Client {
            self.0.try_send(Told::Asked).unwrap();
        }
    }

    fn read(&self, _: ConnectionId, _: Side, _: &[u8]) {}

    fn written(&self, _: ConnectionId, _: Side, _: &[u8]) {}

    fn observed(&self, _: ConnectionId, _: &Fact) {}

    fn ended(&self, _: ConnectionId) {
        self.0.try_send(Told::Gone).unwrap();
    }
}

/// A proxy before one server with one place, and what is told of its clients.
async fn one_place(
    adjust: impl FnOnce(&mut Settings),
) -> (Proxy, TcpListener, mpsc::Receiver<Told>) {
    let (listener, address) = listen().await;
    let settings = of(vec![server(address, 1)], |settings| {
        settings.backends[0].max_connections = Some(NonZeroUsize::MIN);
        adjust(settings);
    });
    let (teller, told) = mpsc::channel(100);
    let server = Server::bind(settings).await.unwrap().watched_by(Arc::new(Teller(teller)));
    (Proxy::of(server), listener, told)
}

/// A client that has asked for this target, and is not answered yet.
async fn asks(proxy: &Proxy, told: &mut mpsc::Receiver<Told>, target: &str) -> Wire {
    let mut wire = Wire::connect(proxy.address).await;
    let offer = Offer { target: target.to_owned(), ..Offer::default() };
    wire.write(request(Kind::Rfc6455, &offer)).await;
    assert_eq!(told.recv().await, Some(Told::Asked));
    wire
}

/// The next session of the backend: its target, and both ends.
async fn served(listener: &TcpListener, mut client: Wire) -> (String, Wire, Hybi) {
    let wire = Wire::accept(listener).await;
    let (backend, head) = Hybi::accept(Kind::Rfc6455, wire, &Reply::default()).await;
    assert_eq!(Head::read(&mut client).await.status(), 101);
    (head.target().to_owned(), client, backend)
}

#[tokio::test]
async fn places_go_to_who_waits_in_order() {
    within("queue", async {
        let (proxy, listener, mut told) =
            one_place(|settings| settings.backends[0].queue = 2).await;
        let holder = asks(&proxy, &mut told, "/holder").await;
        let (target, holder, held) = served(&listener, holder).await;
        assert_eq!(target, "/holder");

        let first = asks(&proxy, &mut told, "/first").await;
        let second = asks(&proxy, &mut told, "/second").await;
        assert_eq!(status(proxy.address).await, 503, "the queue is full");
        assert_eq!(told.recv().await, Some(Told::Asked));
        assert_eq!(told.recv().await, Some(Told::Gone));
        // Who leaves makes room.
        drop(first);
        assert_eq!(told.recv().await, Some(Told::Gone));
        let third = asks(&proxy, &mut told, "/third").await;
        assert_eq!(status(proxy.address).await, 503, "full again");

        drop((holder, held));
        let (target, second, held) = served(&listener, second).await;
        assert_eq!(target, "/second");
        drop((second, held));
        let (target, third, held) = served(&listener, third).await;
        assert_eq!(target, "/third");
        drop((third, held));
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn who_waits_too_long_is_told() {
    within("queue timeout", async {
        let (proxy, listener, _told) = one_place(|settings| {
            settings.backends[0].queue = 1;
            settings.backends[0].queue_timeout = millis(100);
            // The wait is no part of this.
            settings.routes[0].limits.backend_handshake = millis(60_000);
        })
        .await;
        let listeners = [listener];
        let mut held = session(proxy.address, &listeners, &Offer::default()).await;
        assert_eq!(status(proxy.address).await, 503);
        assert_eq!(status(proxy.address).await, 503);
        held.is_well().await;
        drop(held);
        proxy.stop().await;
    })
    .await;
}

/// For a plain request, the wait for a place is no part of the time that a connection may take.
#[tokio::test]
async fn plain_requests_wait_too() {
    within("queue of requests", async {
        let (proxy, listener, _told) = one_place(|settings| {
            settings.backends[0].queue = 1;
            settings.routes[0].limits.backend_handshake = millis(100);
            settings.listeners[0].handshake_timeout = millis(500);
        })
        .await;
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut holder = Wire::connect(proxy.address).await;
        holder.write(get).await;
        let mut backend = Wire::accept(&listener).await;
        Head::read(&mut backend).await;
        let mut waiting = Wire::connect(proxy.address).await;
        waiting.write(get).await;
        // One that comes later is told that it has been too long for it, who has more time.
        let mut slow = Wire::connect(proxy.address).await;
        slow.write("GET").await;
        assert_eq!(Head::read(&mut slow).await.status(), 408);
        for client in [&mut holder, &mut waiting] {
            backend.write("HTTP/1.1 204 No Content\r\n\r\n").await;
            assert_eq!(Head::read(client).await.status(), 204);
        }
        drop((holder, waiting, slow, backend));
        proxy.stop().await;
    })
    .await;
}

/// Without a queue the client is told at once; and a server with a place left is chosen before one
/// without.
#[tokio::test]
async fn full_servers_are_passed_over() {
    within("full", async {
        let row = Row::new(&[100, 1], |settings| {
            settings.backends[0].max_connections = NonZeroUsize::new(2);
        })
        .await;
        let mut sessions = Vec::new();
        for _ in 0..4 {
            sessions.push(row.session().await);
        }
        let servers: Vec<_> = sessions.iter().map(|session| session.server).collect();
        assert_eq!(servers, [0, 0, 1, 1]);
        assert_eq!(status(row.proxy.address).await, 503);
        let Session { client, backend, .. } = sessions.remove(1);
        drop((client, backend));
        // The place is given back a moment after the peers have gone.
        while status_of_attempt(&row).await == 503 {}
        drop(sessions);
        row.proxy.stop().await;
    })
    .await;
}

/// Asks once; a backend that is reached accepts.
async fn status_of_attempt(row: &Row) -> u16 {
    let accept = async {
        let (wire, _) = accept_any(&row.listeners).await;
        let peer = Hybi::accept(Kind::Rfc6455, wire, &Reply::default()).await;
        std::future::pending::<()>().await;
        drop(peer);
    };
    tokio::select! {
        status = status(row.proxy.address) => status,
        () = accept => unreachable!("it waits for ever"),
    }
}
