//! Active checks: what servers see of them, and what follows.

use super::{Site, of, server, session, status};
use crate::harness::{Proxy, millis, step, within};
use crate::peers::head::Head;
use crate::peers::hixie::Hixie;
use crate::peers::hybi::{Hybi, answer_head};
use crate::peers::wire::{Ended, Wire};
use crate::peers::{Kind, Offer, Peer, Reply, Said};
use hybridge::config::backend::{Check, Health};
use hybridge::config::values::BackendDialect;
use std::num::NonZeroU32;
use tokio::net::TcpListener;

const TWICE: NonZeroU32 = NonZeroU32::new(2).unwrap();

fn health(check: Check) -> Health {
    Health {
        check,
        path: "/healthz".to_owned(),
        interval: millis(20),
        timeout: millis(30_000),
        fall: TWICE,
        rise: TWICE,
        ..Health::default()
    }
}

/// A proxy before one server that is checked, and that server.
async fn checked(kind: Kind, health: Health) -> (Proxy, TcpListener, Site) {
    let site = Site::new();
    let listener = site.open();
    let proxy = Proxy::start(of(vec![server(site.address, 1)], |settings| {
        settings.backends[0].dialect = BackendDialect::Fixed(kind.dialect());
        settings.backends[0].health = Some(health);
    }))
    .await;
    (proxy, listener, site)
}

/// The next check by HTTP, answered with this status.
async fn answer_check(listener: &TcpListener, status: u16) {
    let mut wire = step("a check", Wire::accept(listener)).await;
    let head = Head::read(&mut wire).await;
    assert_eq!(head.target(), "/healthz");
    assert_eq!(head.get("Host"), Some(&*listener.local_addr().unwrap().to_string()));
    assert_eq!(head.get("Connection"), Some("close"));
    wire.write("HTTP/1.1 103 Early Hints\r\n\r\n").await;
    wire.write(format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n")).await;
    assert_eq!(wire.rest().await.1, Ended::Fin);
}

#[tokio::test]
async fn a_status_takes_a_server_down_and_up() {
    within("http check", async {
        let (proxy, listener, _site) = checked(Kind::Rfc6455, health(Check::Http)).await;
        // That a third check comes shows that the second has counted.
        for status in [200, 500, 200, 500, 404, 500] {
            answer_check(&listener, status).await;
        }
        assert_eq!(status(proxy.address).await, 503, "no server is up");
        for status in [200, 500, 200, 200, 200] {
            answer_check(&listener, status).await;
        }
        // It is up; checks and clients come to the same port.
        let serve = async {
            loop {
                let mut wire = Wire::accept(&listener).await;
                let head = Head::read(&mut wire).await;
                if head.target() == "/healthz" {
                    wire.write("HTTP/1.1 200 OK\r\n\r\n").await;
                } else {
                    wire.write(answer_head(&head, &Reply::default())).await;
                    return wire;
                }
            }
        };
        let (status, _wire) = tokio::join!(status(proxy.address), serve);
        assert_eq!(status, 101);
        proxy.stop().await;
    })
    .await;
}

/// The check is a real opening handshake, and a real close.
#[tokio::test]
async fn a_session_is_opened_and_closed_in_the_dialect() {
    within("websocket check", async {
        for kind in [Kind::Hixie75, Kind::Hixie76, Kind::Hybi07, Kind::Rfc6455] {
            let (proxy, listener, _site) = checked(kind, health(Check::Websocket)).await;
            for _ in 0..3 {
                let wire = step("a check", Wire::accept(&listener)).await;
                let reply = Reply::default();
                let (mut peer, head) = if kind.is_hixie() {
                    let (peer, head) = Hixie::accept(kind, wire, &reply).await;
                    (Peer::Hixie(peer), head)
                } else {
                    let (peer, head) = Hybi::accept(kind, wire, &reply).await;
                    (Peer::Hybi(peer), head)
                };
                assert_eq!(head.target(), "/healthz");
                let close = match kind {
                    Kind::Hixie75 => Said::Fin,
                    Kind::Hixie76 => Said::Close(None),
                    _ => Said::close(1000, ""),
                };
                let heard = peer.hear().await;
                assert_eq!(heard, close, "{kind:?}");
                peer.answer_close(&heard).await;
                peer.finish().await;
                assert_eq!(peer.hear().await, Said::Fin);
            }
            proxy.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_handshake_that_is_refused_takes_a_server_down() {
    within("websocket check refused", async {
        let (proxy, listener, _site) = checked(Kind::Rfc6455, health(Check::Websocket)).await;
        for _ in 0..3 {
            let mut wire = step("a check", Wire::accept(&listener)).await;
            Head::read(&mut wire).await;
            wire.write("HTTP/1.1 403 Forbidden\r\n\r\n").await;
        }
        assert_eq!(status(proxy.address).await, 503);
        proxy.stop().await;
    })
    .await;
}

/// A check that is never answered counts as failed, and the next one comes.
#[tokio::test]
async fn a_check_that_is_not_answered_fails() {
    within("silent check", async {
        let rules = Health { timeout: millis(50), ..health(Check::Http) };
        let (proxy, listener, _site) = checked(Kind::Rfc6455, rules).await;
        let mut silent = Vec::new();
        for _ in 0..3 {
            silent.push(step("a check", Wire::accept(&listener)).await);
        }
        assert_eq!(status(proxy.address).await, 503);
        for mut wire in silent.drain(..2) {
            Head::read(&mut wire).await;
            wire.rest().await;
        }
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_port_that_is_closed_takes_a_server_down() {
    within("tcp check", async {
        let (proxy, listener, site) = checked(Kind::Rfc6455, health(Check::Tcp)).await;
        let mut wire = step("a check", Wire::accept(&listener)).await;
        assert_eq!(wire.rest().await, (Vec::new(), Ended::Fin));
        drop((wire, listener));
        // Clients are told 502 as long as the server is believed to be up.
        loop {
            match status(proxy.address).await {
                502 => {}
                status => break assert_eq!(status, 503),
            }
        }
        let listener = site.open();
        for _ in 0..3 {
            drop(step("a check", Wire::accept(&listener)).await);
        }
        let serve = async {
            // A check says nothing.
            loop {
                let mut wire = Wire::accept(&listener).await;
                if wire.more().await.is_ok() {
                    return Hybi::accept(Kind::Rfc6455, wire, &Reply::default()).await;
                }
            }
        };
        let (status, _peer) = tokio::join!(status(proxy.address), serve);
        assert_eq!(status, 101);
        proxy.stop().await;
    })
    .await;
}

/// The one that fails its checks gets none, the other all.
#[tokio::test]
async fn clients_go_to_the_server_that_is_up() {
    within("one is down", async {
        let sites = [Site::new(), Site::new()];
        let bad = sites[0].open();
        let good = [sites[1].open()];
        let servers = sites.iter().map(|site| server(site.address, 1)).collect();
        let proxy = Proxy::start(of(servers, |settings| {
            let rules = Health {
                interval: millis(3_600_000),
                fall: NonZeroU32::MIN,
                ..health(Check::Http)
            };
            settings.backends[0].health = Some(rules);
        }))
        .await;
        // Each is checked once; the answer of the good one is behind that of the bad one, and a
        // client is sent only when both have counted.
        answer_check(&bad, 503).await;
        answer_check(&good[0], 200).await;
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(session(proxy.address, &good, &Offer::default()).await);
        }
        drop(held);
        proxy.stop().await;
    })
    .await;
}
