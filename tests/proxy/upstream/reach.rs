//! How servers are reached: by name, by a Unix socket, and with a PROXY header.

use super::{of, server, session, status};
use crate::harness::{Proxy, listen, within};
use crate::peers::hybi::Hybi;
use crate::peers::wire::Wire;
use crate::peers::{Kind, Offer, Peer, Reply, Said};
use futures_util::{SinkExt, StreamExt};
use hybridge::config::backend::{ProxyVersion, Server};
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::{TcpListener, UnixListener};
use tokio_websockets::{Message, ServerBuilder};

#[tokio::test]
async fn by_name() {
    within("by name", async {
        let (listener, address) = listen().await;
        // It may have an address of IPv6 too, where nobody listens.
        let url = format!("ws://localhost:{}", address.port()).parse().unwrap();
        let proxy = Proxy::start(of(vec![Server::new(url)], |_| {})).await;
        let listeners = [listener];
        for _ in 0..4 {
            session(proxy.address, &listeners, &Offer::default()).await.is_well().await;
        }
        proxy.stop().await;
    })
    .await;
}

/// The path of a Unix socket; removed at the end.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new(name: &str) -> Self {
        let file = format!("hybridge-{}-{name}.sock", std::process::id());
        Self(std::env::temp_dir().join(file))
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

#[tokio::test]
async fn by_a_unix_socket() {
    within("unix socket", async {
        let path = SocketPath::new("backend");
        let url = format!("unix:{}", path.0.display()).parse().unwrap();
        let proxy = Proxy::start(of(vec![Server::new(url)], |_| {})).await;
        assert_eq!(status(proxy.address).await, 502, "there is none yet");
        let listener = UnixListener::bind(&path.0).unwrap();
        for kind in [Kind::Hixie76, Kind::Rfc6455] {
            let offer = Offer::default();
            let connect = Peer::connect(kind, proxy.address, &offer);
            let accept = async {
                let stream = listener.accept().await.unwrap().0;
                ServerBuilder::new().accept(stream).await.unwrap().1
            };
            let ((mut client, _), mut backend) = tokio::join!(connect, accept);
            client.say(&[Said::text("down")]).await;
            let heard = backend.next().await.unwrap().unwrap();
            assert_eq!(heard.as_text(), Some("down"));
            backend.send(Message::text("up")).await.unwrap();
            assert_eq!(client.hear().await, Said::text("up"));
            backend.close().await.unwrap();
            let heard = client.hear().await;
            client.answer_close(&heard).await;
            while backend.next().await.is_some() {}
        }
        proxy.stop().await;
    })
    .await;
}

/// A session with a server that wants a PROXY header: the header, and the client's address.
async fn announced(version: ProxyVersion) -> (Vec<u8>, SocketAddr, SocketAddr) {
    let (listener, address) = listen().await;
    let proxy = Proxy::start(of(vec![server(address, 1)], |settings| {
        settings.backends[0].proxy_protocol = Some(version);
    }))
    .await;
    let wire = Wire::connect(proxy.address).await;
    let client_address = wire.stream.local_addr().unwrap();
    let offer = Offer::default();
    let (client, (backend, header)) =
        tokio::join!(Hybi::connect(Kind::Rfc6455, wire, &offer), behind(&listener, version));
    let mut client = client.0;
    let mut backend = backend;
    client.say(&[Said::text("hello")]).await;
    assert_eq!(backend.hear().await, Said::text("hello"));
    let local = proxy.address;
    drop((client, backend));
    proxy.stop().await;
    (header, client_address, local)
}

async fn behind(listener: &TcpListener, version: ProxyVersion) -> (Hybi, Vec<u8>) {
    let mut wire = Wire::accept(listener).await;
    let header = match version {
        ProxyVersion::V1 => wire.until(b"\r\n").await.unwrap(),
        ProxyVersion::V2 => wire.take(28).await.unwrap(),
    };
    (Hybi::accept(Kind::Rfc6455, wire, &Reply::default()).await.0, header)
}

#[tokio::test]
async fn with_the_client_in_a_proxy_header() {
    within("PROXY header", async {
        let (header, client, local) = announced(ProxyVersion::V1).await;
        let line = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}", client.port(), local.port());
        assert_eq!(String::from_utf8(header).unwrap(), line);

        let (header, client, local) = announced(ProxyVersion::V2).await;
        let expected = [
            &b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x0c"[..],
            &[127, 0, 0, 1, 127, 0, 0, 1],
            &client.port().to_be_bytes(),
            &local.port().to_be_bytes(),
        ];
        assert_eq!(header, expected.concat());
    })
    .await;
}
