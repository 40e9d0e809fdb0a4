//! Backends with several servers: who gets a session, what happens when servers fail, who waits,
//! and how servers are reached.

mod balance;
mod checks;
mod failures;
mod queue;
mod reach;
mod reload;
mod tls;

use crate::harness::{Proxy, listen, settings, step};
use crate::peers::head::Head;
use crate::peers::hybi::{Hybi, request};
use crate::peers::wire::Wire;
use crate::peers::{Kind, Offer, Reply, Said};
use futures_util::future::select_all;
use hybridge::config::Settings;
use hybridge::config::backend::Server;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpSocket};

/// A server of RFC 6455 at an address.
fn server(address: SocketAddr, weight: u16) -> Server {
    let url = format!("ws://{address}").parse().unwrap();
    Server { weight: weight.try_into().unwrap(), ..Server::new(url) }
}

/// A proxy before several servers.
#[derive(Debug)]
struct Row {
    proxy: Proxy,
    listeners: Vec<TcpListener>,
}

/// A session, and which server has it.
#[derive(Debug)]
struct Session {
    client: Hybi,
    backend: Hybi,
    server: usize,
    /// The head of the answer that the client got.
    answer: Head,
}

impl Row {
    /// Servers with these weights.
    async fn new(weights: &[u16], adjust: impl FnOnce(&mut Settings)) -> Self {
        let mut listeners = Vec::new();
        let mut servers = Vec::new();
        for weight in weights {
            let (listener, address) = listen().await;
            servers.push(server(address, *weight));
            listeners.push(listener);
        }
        let proxy = Proxy::start(of(servers, adjust)).await;
        Self { proxy, listeners }
    }

    async fn session(&self) -> Session {
        session(self.proxy.address, &self.listeners, &Offer::default()).await
    }

    /// The same with a cookie.
    async fn session_with(&self, cookie: &str) -> Session {
        let offer = Offer { cookie: Some(cookie.to_owned()), ..Offer::default() };
        session(self.proxy.address, &self.listeners, &offer).await
    }

    /// Which server has each of so many sessions, one behind the other, none of which stays.
    async fn order(&self, count: usize) -> Vec<usize> {
        let mut order = Vec::new();
        for _ in 0..count {
            order.push(self.session().await.server);
        }
        order
    }
}

/// Settings for a backend of these servers.
fn of(servers: Vec<Server>, adjust: impl FnOnce(&mut Settings)) -> Settings {
    // The address is not used.
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let mut settings = settings(nowhere, Some(Kind::Rfc6455.dialect()));
    settings.backends[0].servers = servers;
    adjust(&mut settings);
    settings
}

/// A session with whichever of these the proxy chooses.
async fn session(proxy: SocketAddr, listeners: &[TcpListener], offer: &Offer) -> Session {
    let connect = Hybi::connect(Kind::Rfc6455, Wire::connect(proxy).await, offer);
    let accept = async {
        let (wire, server) = accept_any(listeners).await;
        (Hybi::accept(Kind::Rfc6455, wire, &Reply::default()).await.0, server)
    };
    let ((client, answer), (backend, server)) =
        step("a session", async { tokio::join!(connect, accept) }).await;
    Session { client, backend, server, answer }
}

async fn accept_any(listeners: &[TcpListener]) -> (Wire, usize) {
    let each = listeners.iter().map(|listener| Box::pin(Wire::accept(listener)));
    let (wire, server, _) = select_all(each).await;
    (wire, server)
}

/// What a client is answered that asks for a session.
async fn status(proxy: SocketAddr) -> u16 {
    let mut wire = Wire::connect(proxy).await;
    wire.write(request(Kind::Rfc6455, &Offer::default())).await;
    Head::read(&mut wire).await.status()
}

impl Session {
    /// Talks both ways.
    async fn is_well(&mut self) {
        self.client.say(&[Said::text("well?")]).await;
        assert_eq!(self.backend.hear().await, Said::text("well?"));
        self.backend.say(&[Said::text("well!")]).await;
        assert_eq!(self.client.hear().await, Said::text("well!"));
    }
}

/// The address of a server that can be down and come back: a socket that does not listen shares the
/// port with those that do, so that it stays ours.
#[derive(Debug)]
struct Site {
    _holder: TcpSocket,
    address: SocketAddr,
}

impl Site {
    fn new() -> Self {
        let holder = shared(SocketAddr::from(([127, 0, 0, 1], 0)));
        let address = holder.local_addr().unwrap();
        Self { _holder: holder, address }
    }

    /// Begins to listen; ends with the listener.
    fn open(&self) -> TcpListener {
        shared(self.address).listen(64).unwrap()
    }
}

fn shared(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}
