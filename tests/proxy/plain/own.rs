//! What the proxy itself answers on a route: fixed responses, redirects, error pages; to plain
//! requests and to openings alike.

use super::{ends, message, stage};
use crate::harness::within;
use crate::peers::wire::Wire;
use crate::peers::{Kind, Offer, hixie, hybi};
use hybridge::config::Settings;
use hybridge::config::route::{Redirect, Respond};
use std::collections::BTreeMap;

const GET: &str = "GET /a/../b?c=%0d%0aX HTTP/1.1\r\nHost: a.example:81\r\n\r\n";

/// The requests that are told the same: a plain one, and openings.
fn requests() -> [(Vec<u8>, bool); 3] {
    [
        (GET.into(), true),
        (hybi::request(Kind::Rfc6455, &Offer::default()), false),
        (hixie::request(Kind::Hixie76, &Offer::default()), false),
    ]
}

#[tokio::test]
async fn fixed_responses() {
    within("respond", async {
        let (stage, client) = stage(|settings| {
            settings.routes[0].backend = None;
            settings.routes[0].respond = Some(Respond {
                status: 200,
                body: "{}".to_owned(),
                content_type: "application/json".to_owned(),
            });
        })
        .await;
        for (request, kept) in requests() {
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(&request).await;
            let got = message(&mut wire).await;
            assert_eq!((got.head.status(), &got.body[..]), (200, &b"{}"[..]));
            assert_eq!(got.head.get("Content-Type"), Some("application/json"));
            if kept {
                wire.write(GET.replace("GET", "HEAD")).await;
                let head = crate::peers::head::Head::read(&mut wire).await;
                assert_eq!(head.get("Content-Length"), Some("2"));
                wire.write(&request).await;
                message(&mut wire).await;
            } else {
                ends(wire).await;
            }
        }
        drop(client);
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn redirects() {
    within("redirect", async {
        let (stage, client) = stage(|settings| {
            settings.routes[0].backend = None;
            let to = "https://{host}{target}".to_owned();
            settings.routes[0].redirect = Some(Redirect { to, status: 308 });
        })
        .await;
        for (request, plain) in requests() {
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(&request).await;
            let got = message(&mut wire).await;
            let location = match plain {
                true => "https://a.example/a/../b?c=%0d%0aX",
                false => "https://proxy.example/chat?room=1",
            };
            assert_eq!((got.head.status(), got.head.get("Location")), (308, Some(location)));
        }
        drop(client);
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn error_pages() {
    within("error pages", async {
        let folder = std::env::temp_dir().join(format!("hybridge-errors-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let page = folder.join("down.html");
        std::fs::write(&page, "<p>down").unwrap();
        let (_held, nobody) = crate::peers::wire::nobody();
        let (stage, client) = stage(|settings: &mut Settings| {
            settings.backends[0].servers[0].url = format!("ws://{nobody}").parse().unwrap();
            settings.routes[0].error_pages = BTreeMap::from([("502".to_owned(), page.clone())]);
        })
        .await;
        // Read when the service was built.
        std::fs::remove_dir_all(&folder).unwrap();
        for (request, _) in requests() {
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(&request).await;
            let got = message(&mut wire).await;
            assert_eq!((got.head.status(), &got.body[..]), (502, &b"<p>down"[..]));
            assert_eq!(got.head.get("Content-Type"), Some("text/html; charset=utf-8"));
        }
        drop(client);
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn no_route() {
    within("no route", async {
        let (stage, mut client) = stage(|settings| {
            settings.routes[0].path = vec!["/only".parse().unwrap()];
        })
        .await;
        client.write(GET).await;
        let got = message(&mut client).await;
        assert_eq!((got.head.status(), &got.body[..]), (404, &b"no route\n"[..]));
        // The connection goes on, but behind a body that nobody has read.
        client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n").await;
        let got = message(&mut client).await;
        assert_eq!((got.head.status(), got.head.get("Connection")), (404, Some("close")));
        ends(client).await;
        stage.stop().await;
    })
    .await;
}
