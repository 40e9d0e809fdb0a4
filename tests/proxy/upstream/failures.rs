//! Servers that are down, die, come back, or say that they do not work.

use super::{Row, Session, Site, accept_any, of, server, session, status};
use crate::harness::{Proxy, Stage, listen, millis, within};
use crate::peers::head::Head;
use crate::peers::hixie::Hixie;
use crate::peers::hybi::{Hybi, request};
use crate::peers::wire::{Wire, nobody};
use crate::peers::{Kind, Offer, Reply, Said};
use futures_util::FutureExt;
use hybridge::config::backend::{Balance, Server};
use hybridge::config::values::{BackendDialect, Period};
use tokio::net::TcpListener;

/// One of two is down: nobody notices.
#[tokio::test]
async fn one_is_down_from_the_start() {
    within("down at start", async {
        let (_held, dead) = nobody();
        let (listener, alive) = listen().await;
        let servers = vec![server(dead, 1), server(alive, 1)];
        let proxy = Proxy::start(of(servers, |settings| {
            settings.backends[0].balance = Balance::RoundRobin;
        }))
        .await;
        let listeners = [listener];
        for _ in 0..6 {
            session(proxy.address, &listeners, &Offer::default()).await.is_well().await;
        }
        proxy.stop().await;
    })
    .await;
}

/// The one that dies takes its own sessions with it and no others; new ones go to the other; and
/// when it is back it gets its share again.
#[tokio::test]
async fn one_of_two_dies_under_load_and_comes_back() {
    within("killed under load", async {
        let sites = [Site::new(), Site::new()];
        let servers = sites.iter().map(|site| server(site.address, 1)).collect();
        let proxy = Proxy::start(of(servers, |settings| {
            settings.backends[0].passive_health.rest = millis(50);
        }))
        .await;
        let mut listeners: Vec<TcpListener> = sites.iter().map(Site::open).collect();
        let mut sessions = Vec::new();
        for _ in 0..20 {
            sessions.push(session(proxy.address, &listeners, &Offer::default()).await);
        }
        let (dying, mut living): (Vec<_>, Vec<_>) =
            sessions.into_iter().partition(|session| session.server == 0);
        assert_eq!((dying.len(), living.len()), (10, 10));

        // It dies: its port is closed, its connections are reset.
        drop(listeners.remove(0));
        let mut clients = Vec::new();
        for Session { client, backend, .. } in dying {
            backend.wire.reset();
            clients.push(client);
        }
        for client in &mut clients {
            assert_eq!(client.hear().await, Said::Fin, "the end of the session");
        }
        for session in &mut living {
            session.is_well().await;
        }
        for _ in 0..10 {
            let mut session = session(proxy.address, &listeners, &Offer::default()).await;
            session.is_well().await;
            living.push(session);
        }

        // It comes back, has no session, and gets the next ones.
        listeners.insert(0, sites[0].open());
        loop {
            let mut session = session(proxy.address, &listeners, &Offer::default()).await;
            session.is_well().await;
            if session.server == 0 {
                break;
            }
        }
        for session in &mut living {
            session.is_well().await;
        }
        drop(living);
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn no_more_servers_are_tried_than_the_settings_say() {
    within("retries", async {
        let (_one, first) = nobody();
        let (_two, second) = nobody();
        let (listener, third) = listen().await;
        for (retries, reaches) in [(0, false), (1, false), (2, true), (9, true)] {
            let servers = [first, second, third].map(|address| server(address, 1)).to_vec();
            let proxy = Proxy::start(of(servers, |settings| {
                settings.backends[0].balance = Balance::RoundRobin;
                settings.backends[0].retries = retries;
            }))
            .await;
            if reaches {
                let listeners = std::slice::from_ref(&listener);
                session(proxy.address, listeners, &Offer::default()).await.is_well().await;
            } else {
                assert_eq!(status(proxy.address).await, 502, "{retries} retries");
                assert!(listener.accept().now_or_never().is_none(), "{retries} retries");
            }
            proxy.stop().await;
        }
    })
    .await;
}

/// A request may have been seen by the server that breaks off.
#[tokio::test]
async fn a_request_is_never_sent_again() {
    within("no second request", async {
        let row = Row::new(&[1, 1], |settings| settings.backends[0].retries = 5).await;
        let ask = status(row.proxy.address);
        let backend = async {
            let (mut wire, server) = accept_any(&row.listeners).await;
            Head::read(&mut wire).await;
            wire.reset();
            server
        };
        let (status, server) = tokio::join!(ask, backend);
        assert_eq!(status, 502);
        assert!(row.listeners[1 - server].accept().now_or_never().is_none());
        row.proxy.stop().await;
    })
    .await;
}

/// A client asks, and the server that it comes to answers with this head; which one that was.
async fn answered(row: &Row, head: &str) -> usize {
    let ask = async {
        let mut wire = Wire::connect(row.proxy.address).await;
        wire.write(request(Kind::Rfc6455, &Offer::default())).await;
        Head::read(&mut wire).await
    };
    let backend = async {
        let (mut wire, server) = accept_any(&row.listeners).await;
        Head::read(&mut wire).await;
        wire.write(head).await;
        server
    };
    tokio::join!(ask, backend).1
}

/// The first server fails so often that it rests; what counts as that.
#[tokio::test]
async fn a_server_that_fails_is_left_alone() {
    within("passive health", async {
        for (head, counts) in [
            ("HTTP/1.1 502 Bad Gateway\r\n\r\n", true),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", true),
            ("HTTP/1.1 504 Gateway Timeout\r\n\r\n", true),
            ("HTTP/1.1 500 Internal Server Error\r\n\r\n", false),
            ("HTTP/1.1 404 Not Found\r\n\r\n", false),
            ("HTTP/1.1 429 Too Many Requests\r\n\r\n", false),
        ] {
            let row = Row::new(&[1, 1], |settings| {
                settings.backends[0].balance = Balance::RoundRobin;
                settings.backends[0].passive_health.failures = 2;
                settings.backends[0].passive_health.rest = Period::seconds(3600);
            })
            .await;
            for expected in [0, 1, 0, 1] {
                if expected == 0 {
                    assert_eq!(answered(&row, head).await, 0);
                } else {
                    assert_eq!(row.session().await.server, 1);
                }
            }
            let then = row.order(4).await;
            let expected = if counts { [1, 1, 1, 1] } else { [0, 1, 0, 1] };
            assert_eq!(then, expected, "{head:?}");
            row.proxy.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn where_all_rest_all_are_tried() {
    within("all rest", async {
        let site = Site::new();
        let proxy = Proxy::start(of(vec![server(site.address, 1)], |settings| {
            settings.backends[0].passive_health.failures = 1;
            settings.backends[0].passive_health.rest = Period::seconds(3600);
        }))
        .await;
        assert_eq!(status(proxy.address).await, 502);
        assert_eq!(status(proxy.address).await, 502);
        let listener = [site.open()];
        session(proxy.address, &listener, &Offer::default()).await.is_well().await;
        proxy.stop().await;
    })
    .await;
}

/// Each server has a dialect of its own to be found out.
#[tokio::test]
async fn servers_of_one_backend_may_speak_different_dialects() {
    within("dialects", async {
        let row = Row::new(&[1, 1], |settings| {
            settings.backends[0].balance = Balance::RoundRobin;
            settings.backends[0].dialect = BackendDialect::Auto;
        })
        .await;
        // The first is old and refuses what it does not know, once.
        for turn in 0..3 {
            let connect = Wire::connect(row.proxy.address).await;
            let offer = Offer::default();
            let connect = Hybi::connect(Kind::Rfc6455, connect, &offer);
            let old = async {
                if turn == 0 {
                    for _ in [Kind::Rfc6455, Kind::Hybi08, Kind::Hybi07] {
                        let mut wire = Wire::accept(&row.listeners[0]).await;
                        Head::read(&mut wire).await;
                        wire.write("HTTP/1.1 400 Bad Request\r\n\r\n").await;
                    }
                }
                let wire = Wire::accept(&row.listeners[0]).await;
                Hixie::accept(Kind::Hixie76, wire, &Reply::default()).await.0
            };
            let ((mut client, _), mut backend) = tokio::join!(connect, old);
            client.say(&[Said::text("old")]).await;
            assert_eq!(backend.hear().await, Said::text("old"));
            let mut session = row.session().await;
            assert_eq!(session.server, 1);
            session.is_well().await;
        }
        row.proxy.stop().await;
    })
    .await;
}

/// A label has at most 63 bytes (RFC 1035 section 2.3.4), so that no name server is asked.
#[tokio::test]
async fn a_name_without_an_address_is_no_failure_at_start() {
    within("unresolvable", async {
        let name = format!("ws://{}.invalid:80", "x".repeat(64)).parse().unwrap();
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            let servers = &mut settings.backends[0].servers;
            servers.push(Server::new(name));
            servers.swap(0, 1);
            settings.backends[0].balance = Balance::RoundRobin;
            settings.backends[0].retries = 0;
        })
        .await;
        assert_eq!(status(stage.proxy.address).await, 502);
        stage.bystander().await.is_well().await;
        assert_eq!(status(stage.proxy.address).await, 502);
        stage.stop().await;
    })
    .await;
}
