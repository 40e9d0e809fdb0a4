//! What is known of servers outlives a reload that changes the settings around them, and what looked
//! after them by the settings of before ends.

use super::{Site, of, server, session, status};
use crate::harness::{Proxy, listen, millis, step, within};
use crate::peers::head::Head;
use crate::peers::hixie::Hixie;
use crate::peers::hybi::{Hybi, answer_head};
use crate::peers::wire::Wire;
use crate::peers::{Kind, Offer, Reply};
use futures_util::FutureExt;
use hybridge::config::Settings;
use hybridge::config::backend::{Balance, Check, Health};
use hybridge::config::values::{BackendDialect, Period};
use hybridge::server::Server;
use hybridge::server::control::Control;
use std::num::{NonZeroU32, NonZeroUsize};
use tokio::net::TcpListener;

/// What is done to settings.
type Change = fn(&mut Settings);

/// A proxy that can be told to reload.
async fn start(settings: &Settings) -> (Proxy, Control) {
    let server = Server::bind(settings.clone()).await.unwrap();
    let control = server.control();
    (Proxy::of(server), control)
}

/// Another value of a key of the backend that has nothing to do with what is known.
fn otherwise(settings: &mut Settings) {
    settings.backends[0].connect_timeout = Period::seconds(41);
}

/// A table that makes each reload build the backend anew.
fn own_tls(settings: &mut Settings) {
    settings.backends[0].tls.server_name = Some("chat.example".to_owned());
}

#[tokio::test]
async fn places_that_are_taken_stay_taken() {
    within("places", async {
        let changes: [(Change, Change); 2] = [(|_| {}, otherwise), (own_tls, |_| {})];
        for (before, change) in changes {
            let (listener, address) = listen().await;
            let mut settings = of(vec![server(address, 1)], |settings| {
                settings.backends[0].max_connections = Some(NonZeroUsize::MIN);
                before(settings);
            });
            let (proxy, control) = start(&settings).await;
            let listeners = [listener];
            let mut first = session(proxy.address, &listeners, &Offer::default()).await;
            for _ in 0..2 {
                change(&mut settings);
                control.reload(settings.clone()).await.unwrap();
                assert_eq!(status(proxy.address).await, 503);
            }
            first.is_well().await;
            // Who waits since the reload gets the place that a session of before gives back.
            settings.backends[0].queue = 1;
            settings.backends[0].queue_timeout = Period::seconds(3600);
            control.reload(settings).await.unwrap();
            let offer = Offer::default();
            let mut next = Box::pin(session(proxy.address, &listeners, &offer));
            assert!((&mut next).now_or_never().is_none());
            drop(first);
            next.await.is_well().await;
            proxy.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_rests_rests_on() {
    within("rest", async {
        let (site, other) = (Site::new(), Site::new());
        let servers = vec![server(site.address, 1), server(other.address, 1)];
        let mut settings = of(servers, |settings| {
            settings.backends[0].balance = Balance::RoundRobin;
            settings.backends[0].passive_health.failures = 1;
            settings.backends[0].passive_health.rest = Period::seconds(3600);
        });
        let (proxy, control) = start(&settings).await;
        let listeners = [other.open()];
        session(proxy.address, &listeners, &Offer::default()).await.is_well().await;
        otherwise(&mut settings);
        control.reload(settings).await.unwrap();
        let back = site.open();
        for _ in 0..4 {
            session(proxy.address, &listeners, &Offer::default()).await.is_well().await;
        }
        assert!(back.accept().now_or_never().is_none());
        proxy.stop().await;
    })
    .await;
}

/// The path of the next check, which is answered with a status.
async fn check(listener: &TcpListener, status: u16) -> String {
    let mut wire = step("a check", Wire::accept(listener)).await;
    let head = Head::read(&mut wire).await;
    wire.try_write(format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n")).await;
    head.target().to_owned()
}

/// A session with a server that is checked on the same port, and is well.
async fn session_beside_checks(proxy: &Proxy, listener: &TcpListener) -> (Hybi, Wire) {
    let serve = async {
        loop {
            let mut wire = Wire::accept(listener).await;
            let head = Head::read(&mut wire).await;
            if head.get("Upgrade").is_some() {
                wire.write(answer_head(&head, &Reply::default())).await;
                return wire;
            }
            wire.try_write("HTTP/1.1 200 So\r\n\r\n").await;
        }
    };
    let (client, offer) = (Wire::connect(proxy.address).await, Offer::default());
    let connect = Hybi::connect(Kind::Rfc6455, client, &offer);
    let ((client, _), server) = step("a session", async { tokio::join!(connect, serve) }).await;
    (client, server)
}

/// One that its checks have found down is down for the others too, and it is checked by one set.
#[tokio::test]
async fn a_server_that_is_down_stays_down_and_is_checked_once() {
    within("down", async {
        let (listener, address) = listen().await;
        let mut settings = of(vec![server(address, 1)], |settings| {
            settings.backends[0].health = Some(Health {
                check: Check::Http,
                path: "/before".to_owned(),
                interval: millis(10),
                timeout: Period::seconds(60),
                fall: NonZeroU32::MIN,
                ..Health::default()
            });
        });
        let (proxy, control) = start(&settings).await;
        // A session holds the pool of before to the end of the test.
        let (_other, _others) = session_beside_checks(&proxy, &listener).await;
        // That a check comes shows that the one before has counted.
        for _ in 0..3 {
            check(&listener, 500).await;
        }
        assert_eq!(status(proxy.address).await, 503);
        let health = settings.backends[0].health.as_mut().unwrap();
        health.path = "/behind".to_owned();
        control.reload(settings.clone()).await.unwrap();
        assert_eq!(status(proxy.address).await, 503);
        let mut paths = Vec::new();
        for _ in 0..20 {
            paths.push(check(&listener, 500).await);
        }
        // The one that was under way has been given up.
        let before = paths.iter().filter(|path| *path == "/before").count();
        assert!(before <= 1, "{paths:?}");
        assert_eq!(status(proxy.address).await, 503);

        // Without checks nothing says that it is down.
        settings.backends[0].health = None;
        control.reload(settings).await.unwrap();
        let (_client, _backend) = session_beside_checks(&proxy, &listener).await;
        proxy.stop().await;
    })
    .await;
}

/// The dialect that was found out is not looked for again.
#[tokio::test]
async fn a_dialect_that_was_found_stays_known() {
    within("dialect", async {
        let (listener, address) = listen().await;
        let mut settings = of(vec![server(address, 1)], |settings| {
            settings.backends[0].dialect = BackendDialect::Auto;
        });
        let (proxy, control) = start(&settings).await;
        let offer = Offer::default();
        for turn in 0..2 {
            let connect = Hybi::connect(Kind::Rfc6455, Wire::connect(proxy.address).await, &offer);
            let old = async {
                if turn == 0 {
                    for _ in [Kind::Rfc6455, Kind::Hybi08, Kind::Hybi07] {
                        let mut wire = Wire::accept(&listener).await;
                        Head::read(&mut wire).await;
                        wire.write("HTTP/1.1 400 Bad Request\r\n\r\n").await;
                    }
                }
                let wire = Wire::accept(&listener).await;
                Hixie::accept(Kind::Hixie76, wire, &Reply::default()).await.0
            };
            let _peers = step("a session", async { tokio::join!(connect, old) }).await;
            otherwise(&mut settings);
            control.reload(settings.clone()).await.unwrap();
        }
        proxy.stop().await;
    })
    .await;
}
