//! Who gets a session: live ones counted, weights, turns, hashes, and the cookie of our own.

use super::{Row, Session};
use crate::harness::{Stage, within};
use crate::peers::{Kind, Offer, Peer, Reply, Said};
use hybridge::config::Settings;
use hybridge::config::backend::{Balance, Sticky};
use hybridge::config::values::Period;
use std::collections::HashMap;

#[tokio::test]
async fn the_server_with_the_fewest_live_sessions() {
    within("least connections", async {
        let row = Row::new(&[1, 2, 1], |_| {}).await;
        let mut sessions = Vec::new();
        for _ in 0..8 {
            sessions.push(row.session().await);
        }
        let count = |sessions: &[Session], server| {
            sessions.iter().filter(|session| session.server == server).count()
        };
        assert_eq!([0, 1, 2].map(|server| count(&sessions, server)), [2, 4, 2]);
        // Those of one server end; new ones go there.
        for ended in sessions.extract_if(.., |session| session.server == 2) {
            let Session { mut client, mut backend, .. } = ended;
            client.say(&[Said::close(1000, "")]).await;
            assert_eq!(backend.hear().await, Said::close(1000, ""));
            backend.say(&[Said::close(1000, "")]).await;
            assert_eq!(client.hear().await, Said::close(1000, ""));
        }
        // Its places are given back a moment after the peers have heard the end.
        while count(&sessions, 2) < 2 {
            let session = row.session().await;
            if session.server == 2 {
                sessions.push(session);
            }
        }
        for session in &mut sessions {
            session.is_well().await;
        }
        drop(sessions);
        row.proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn each_in_turn_by_weight() {
    within("round robin", async {
        let row = Row::new(&[3, 1], |settings| {
            settings.backends[0].balance = Balance::RoundRobin;
        })
        .await;
        assert_eq!(row.order(8).await, [0, 0, 1, 0, 0, 0, 1, 0]);
        row.proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn the_same_server_for_the_same_value() {
    within("hash of a cookie", async {
        let by_room = |settings: &mut Settings| {
            settings.backends[0].balance = "hash:cookie:room".parse().unwrap();
        };
        let row = Row::new(&[1, 1, 1], by_room).await;
        let mut homes = HashMap::new();
        for _ in 0..2 {
            // So many that a server without any is one case in two hundred million.
            for room in 0..50 {
                let session = row.session_with(&format!("a=1; room={room}")).await;
                let home = *homes.entry(room).or_insert(session.server);
                assert_eq!(session.server, home, "room {room}");
            }
        }
        assert!((0..3).all(|server| homes.values().any(|home| *home == server)), "{homes:?}");
        row.proxy.stop().await;

        // Without the cookie: the fewest connections.
        let row = Row::new(&[1, 1, 1], by_room).await;
        let held = [row.session().await, row.session().await, row.session().await];
        let mut servers = held.each_ref().map(|session| session.server);
        servers.sort_unstable();
        assert_eq!(servers, [0, 1, 2]);
        drop(held);
        row.proxy.stop().await;
    })
    .await;
}

fn sticky(settings: &mut Settings) {
    let backend = &mut settings.backends[0];
    backend.balance = Balance::RoundRobin;
    backend.sticky = Some(Sticky { cookie: "srv".to_owned(), max_age: Some(Period::seconds(60)) });
}

#[tokio::test]
async fn a_cookie_brings_a_client_back() {
    within("sticky", async {
        let row = Row::new(&[1, 1], sticky).await;
        let given = |session: &Session| session.answer.get("Set-Cookie").map(str::to_owned);
        let mut cookies = Vec::new();
        for server in 0..2 {
            let session = row.session().await;
            assert_eq!(session.server, server);
            let cookie = given(&session).unwrap();
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Max-Age=60");
            let (name, value) = pair.split_once('=').unwrap();
            assert_eq!((name, value.len()), ("srv", 16));
            cookies.push(pair.to_owned());
        }
        for (server, cookie) in cookies.iter().enumerate().cycle().take(6) {
            let mut session = row.session_with(&format!("theme=dark; {cookie}")).await;
            assert_eq!((session.server, given(&session)), (server, None));
            session.is_well().await;
        }
        // A server that is none of ours is not believed.
        let session = row.session_with("srv=0123456789abcdef").await;
        assert!(cookies.iter().any(|cookie| given(&session).unwrap().starts_with(cookie)));
        row.proxy.stop().await;
    })
    .await;
}

/// A strict client of Hixie-76 is given it too, beside what the backend sets.
#[tokio::test]
async fn old_clients_get_the_cookie() {
    within("sticky for old clients", async {
        for kind in [Kind::Hixie75, Kind::Hixie76, Kind::Hybi08] {
            let stage = Stage::with(Kind::Hixie76, sticky).await;
            let reply = Reply { cookie: Some("own=1".to_owned()), ..Reply::default() };
            let offer = Offer::default();
            let ((client, head), backend) = tokio::join!(
                Peer::connect(kind, stage.proxy.address, &offer),
                Peer::accept(Kind::Hixie76, &stage.listener, &reply),
            );
            let cookies = head.all("Set-Cookie");
            assert_eq!((cookies.len(), cookies[0]), (2, "own=1"), "{kind:?}");
            assert!(cookies[1].starts_with("srv="), "{cookies:?}");
            drop((client, backend));
            stage.stop().await;
        }
    })
    .await;
}
