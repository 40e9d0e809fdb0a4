//! Routes and their guards: who is taken where, who is not let in, and what the backend is asked for.

use crate::harness::{Proxy, Stage, listen, pass, settings, within};
use crate::peers::head::Head;
use crate::peers::hixie::{self, ANSWER, Hixie};
use crate::peers::wire::{Ended, Wire};
use crate::peers::{Kind, Offer, Peer, Reply, Said, hybi};
use base64::prelude::{BASE64_STANDARD, Engine};
use futures_util::FutureExt;
use hybridge::config::backend::{Backend, Server};
use hybridge::config::route::{BasicAuth, ClientKind, Origins, Route};
use hybridge::config::values::BackendDialect;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::net::TcpListener;

const ALL: [Kind; 5] = [Kind::Hixie75, Kind::Hixie76, Kind::Hybi07, Kind::Hybi08, Kind::Rfc6455];

/// A proxy before several backends, each with one route that bears its name.
struct Town {
    proxy: Proxy,
    backends: Vec<(&'static str, TcpListener)>,
}

impl Town {
    async fn new(routes: Vec<(&'static str, Route)>) -> Self {
        let mut settings = settings(SocketAddr::from(([127, 0, 0, 1], 1)), None);
        let mut backends = Vec::new();
        (settings.routes, settings.backends) = (Vec::new(), Vec::new());
        for (name, route) in routes {
            let (listener, address) = listen().await;
            backends.push((name, listener));
            let own = Some(name.to_owned());
            settings.routes.push(Route { name: name.to_owned(), backend: own, ..route });
            settings.backends.push(Backend {
                name: name.to_owned(),
                dialect: BackendDialect::Fixed(Kind::Rfc6455.dialect()),
                servers: vec![Server::new(format!("ws://{address}").parse().unwrap())],
                ..Backend::default()
            });
        }
        Self { proxy: Proxy::start(settings).await, backends }
    }

    /// Sends a request; who gets it, and what.
    async fn taken(&self, request: &[u8]) -> (&'static str, Head) {
        let mut wire = Wire::connect(self.proxy.address).await;
        wire.write(request).await;
        let accepts = self
            .backends
            .iter()
            .map(|(name, listener)| Box::pin(async move { (*name, Wire::accept(listener).await) }));
        let ((name, mut backend), ..) = futures_util::future::select_all(accepts).await;
        (name, Head::read(&mut backend).await)
    }

    /// Sends a request that no backend hears of; the answer's head and body.
    async fn refused(&self, request: &[u8]) -> (Head, String) {
        let (head, body) = refused(self.proxy.address, request).await;
        for (name, listener) in &self.backends {
            let heard = listener.accept().now_or_never();
            assert!(heard.is_none(), "{name} heard of {}", request.escape_ascii());
        }
        (head, body)
    }
}

/// Sends a request that is refused; the answer's head and body.
async fn refused(proxy: SocketAddr, request: &[u8]) -> (Head, String) {
    let mut wire = Wire::connect(proxy).await;
    wire.write(request).await;
    let head = Head::read(&mut wire).await;
    let (body, ended) = wire.rest().await;
    assert_eq!(ended, Ended::Fin);
    (head, String::from_utf8(body).unwrap())
}

/// A client's request without key3, which a refusal does not wait for, with more fields.
fn request(kind: Kind, offer: &Offer, fields: &str) -> Vec<u8> {
    let request = match kind {
        Kind::Hixie75 | Kind::Hixie76 => hixie::request(kind, offer),
        _ => hybi::request(kind, offer),
    };
    let end = memchr::memmem::find(&request, b"\r\n\r\n").unwrap() + 2;
    [&request[..end], fields.as_bytes(), b"\r\n"].concat()
}

fn at(target: &str) -> Offer {
    Offer { target: target.to_owned(), ..Offer::default() }
}

fn paths(patterns: &[&str]) -> Route {
    let path = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
    Route { path, ..Route::default() }
}

/// A route for each kind of condition.
fn crossroads() -> Vec<(&'static str, Route)> {
    let kinds = [Kind::Hixie75, Kind::Hixie76].map(|kind| ClientKind::WebSocket(kind.dialect()));
    vec![
        ("elsewhere", Route { listener: vec!["other".to_owned()], ..Route::default() }),
        ("below", Route { host: vec!["*.old.example".parse().unwrap()], ..Route::default() }),
        ("six", Route { host: vec!["[::1]".parse().unwrap()], ..Route::default() }),
        (
            "blue",
            Route {
                header: BTreeMap::from([("x-tenant".to_owned(), "blue".to_owned())]),
                ..paths(&["/chat"])
            },
        ),
        (
            "tenant",
            Route {
                header: BTreeMap::from([("X-Tenant".to_owned(), "*".to_owned())]),
                ..Route::default()
            },
        ),
        ("exact", paths(&["= /exact", "~ ^/c[0-9]+$"])),
        ("slash", paths(&["/slash/"])),
        ("hixie", Route { client: kinds.to_vec(), ..paths(&["/chat"]) }),
        ("chat", paths(&["/chat"])),
        ("own", Route { host: vec!["Proxy.Example".parse().unwrap()], ..Route::default() }),
    ]
}

#[tokio::test]
async fn the_first_route_whose_conditions_hold_is_taken() {
    within("routes", async {
        let town = Town::new(crossroads()).await;
        let host = |host: &str| Offer { host: host.to_owned(), ..Offer::default() };
        for (kind, offer, fields, due) in [
            (Kind::Rfc6455, host("a.old.example"), "", "below"),
            (Kind::Hixie75, host("B.A.Old.Example.:81"), "", "below"),
            (Kind::Rfc6455, host("[0::1]:81"), "", "six"),
            (Kind::Hybi08, at("/chat/a"), "X-TENANT: blue\r\n", "blue"),
            (Kind::Hybi08, at("/chats"), "X-TENANT: blue\r\n", "tenant"),
            (Kind::Rfc6455, at("/exact?a"), "", "exact"),
            (Kind::Rfc6455, at("/c4%32"), "", "exact"),
            (Kind::Rfc6455, at("/slash/"), "", "slash"),
            (Kind::Rfc6455, at("/slash"), "", "own"),
            (Kind::Hixie75, at("/chat?a"), "", "hixie"),
            (Kind::Hixie75, at("/chats"), "", "own"),
            (Kind::Rfc6455, at("/chat"), "", "chat"),
            (Kind::Hybi07, at("//x/../%63hat/y"), "", "chat"),
        ] {
            let (name, head) = town.taken(&request(kind, &offer, fields)).await;
            assert_eq!((name, head.target()), (due, offer.target.as_str()), "{offer:?}");
        }
        let other = Offer { target: "/".to_owned(), ..host("other") };
        let (head, body) = town.refused(&request(Kind::Hixie75, &other, "")).await;
        assert_eq!((head.status(), body.as_str()), (404, "no route\n"));
        town.proxy.stop().await;
    })
    .await;
}

/// However a path is spelled, it is the guarded one, or none.
#[tokio::test]
async fn no_spelling_of_a_path_avoids_its_guard() {
    within("spellings", async {
        let locked = Route { deny: vec!["127.0.0.0/8".parse().unwrap()], ..paths(&["/admin"]) };
        let town = Town::new(vec![("admin", locked), ("public", paths(&["/public", "/"]))]).await;
        for kind in [Kind::Hixie76, Kind::Rfc6455] {
            for target in [
                "/admin",
                "//admin",
                "/admin?a",
                "/%61dmin/x",
                "/public/../admin",
                "/public/%2e%2e/admin",
                "/public/.%2E//admin/",
                "/./admin/./x",
                "/admin/x/..",
            ] {
                let (head, body) = town.refused(&request(kind, &at(target), "")).await;
                let due = (403, "address not allowed\n");
                assert_eq!((head.status(), body.as_str()), due, "{target}");
            }
            for (target, reason) in [
                ("/public/..%2fadmin", "ambiguous dot segment in the path"),
                ("/public/..;/admin", "ambiguous dot segment in the path"),
                ("/public//../admin", "ambiguous dot segment in the path"),
                ("/..", "path climbs above the root"),
                ("/public/%2e%2e/../admin", "path climbs above the root"),
                ("/public%00/../admin", "NUL in the path"),
                ("/public\\..\\admin", "backslash in the path"),
                ("/%5cadmin", "backslash in the path"),
                ("/admin#", "fragment in the target"),
            ] {
                let (head, body) = town.refused(&request(kind, &at(target), "")).await;
                assert_eq!((head.status(), body), (400, format!("{reason}\n")), "{target}");
            }
            // What is let through is sent as it came.
            for target in ["/public/./a//%7e%2f", "/admins/../public?%00\\#/../..", "/%C3%a9%zz"] {
                let (name, head) = town.taken(&request(kind, &at(target), "")).await;
                assert_eq!((name, head.target()), ("public", target));
            }
        }
        town.proxy.stop().await;
    })
    .await;
}

/// The backend is asked for another path; the client hears of its own.
#[tokio::test]
async fn a_path_is_stripped_or_rewritten_for_the_backend_only() {
    within("rewriting", async {
        for (pattern, rewrite, target, due) in [
            ("/app", None, "/app/a b?q=/app %20", "/a%20b?q=/app%20%20"),
            ("/app/", Some("/v2"), "/x/../app/%7ea/", "/v2/%7ea/"),
            ("~ ^/u/([^/]+)/(.*)$", Some("/$2/$1"), "/u/a b/c%40d?q", "/c%40d/a%20b?q"),
        ] {
            for client in [Kind::Hixie75, Kind::Hixie76] {
                let stage = Stage::with(Kind::Rfc6455, |settings| {
                    let route = &mut settings.routes[0];
                    route.path = vec![pattern.parse().unwrap()];
                    route.rewrite = rewrite.map(str::to_owned);
                    route.strip_prefix = rewrite.is_none();
                })
                .await;
                let (offer, reply) = (at(target), Reply::default());
                // The client checks its location strictly.
                let ((mut client, _), (mut backend, head)) = tokio::join!(
                    Peer::connect(client, stage.proxy.address, &offer),
                    Peer::accept(Kind::Rfc6455, &stage.listener, &reply),
                );
                assert_eq!(head.target(), due);
                pass(&mut client, &mut backend, &[Said::text("up")]).await;
                drop((client, backend));
                stage.stop().await;
            }
        }
    })
    .await;
}

/// RFC 9112 section 3.2.2: the host of the target counts.
#[tokio::test]
async fn an_absolute_target_names_the_host() {
    within("absolute targets", async {
        let host = vec!["a.example".parse().unwrap()];
        let town = Town::new(vec![("a", Route { host, ..Route::default() })]).await;
        for (target, due) in [
            ("http://A.example:81/x?y", "/x?y"),
            ("WS://a.example/", "/"),
            ("wss://a.example?y=/", "/?y=/"),
            ("https://a.example", "/"),
        ] {
            for kind in [Kind::Hybi07, Kind::Hybi08, Kind::Rfc6455] {
                let (_, head) = town.taken(&request(kind, &at(target), "")).await;
                assert_eq!(head.target(), due);
                let host = target.split("//").nth(1).unwrap().split(['/', '?']).next();
                assert_eq!(head.get("Host"), host);
            }
            let (head, _) = town.refused(&request(Kind::Hixie76, &at(target), "")).await;
            assert_eq!(head.status(), 400);
        }
        for target in ["*", "a.example:80", "ftp://a.example/", "http:///x", "http://b@a.example/"]
        {
            let (head, body) = town.refused(&request(Kind::Rfc6455, &at(target), "")).await;
            assert_eq!((head.status(), body.as_str()), (400, "malformed request target\n"));
        }
        let (head, _) = town.refused(&request(Kind::Rfc6455, &at("http://b.example/"), "")).await;
        assert_eq!(head.status(), 404);
        town.proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_password_is_asked_for_and_not_passed_on() {
    within("passwords", async {
        for kind in ALL {
            let stage = Stage::with(Kind::Rfc6455, |settings| {
                let users = BTreeMap::from([("ann".to_owned(), "secret".to_owned())]);
                let realm = "old \"chat\"".to_owned();
                settings.routes[0].basic_auth = Some(BasicAuth { realm, users });
            })
            .await;
            let basic =
                |text: &str| format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(text));
            let offer = Offer::default();
            for fields in ["".to_owned(), basic("ann:Secret"), basic("ann:secret").repeat(2)] {
                let request = request(kind, &offer, &fields);
                let (head, body) = refused(stage.proxy.address, &request).await;
                assert_eq!((head.status(), body.as_str()), (401, "no valid name and password\n"));
                let due = "Basic realm=\"old \\\"chat\\\"\", charset=\"UTF-8\"";
                assert_eq!(head.exact("WWW-Authenticate"), due);
            }
            assert!(stage.listener.accept().now_or_never().is_none());
            let mut wire = Wire::connect(stage.proxy.address).await;
            wire.write(request(kind, &offer, &basic("ann:secret"))).await;
            let (_, head) = Peer::accept(Kind::Rfc6455, &stage.listener, &Reply::default()).await;
            assert_eq!(head.get("Authorization"), None);
            assert_eq!(Head::read(&mut wire).await.status(), 101);
            drop(wire);
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn origins_are_let_in_or_refused_in_every_dialect() {
    within("origins", async {
        for (missing, null) in [(true, false), (false, true)] {
            let stage = Stage::with(Kind::Hixie76, |settings| {
                let allow = ["https://*.example", "http://Page.example:8080"].map(str::to_owned);
                let allow = allow.to_vec();
                settings.routes[0].origins = Some(Origins { allow, missing, null });
            })
            .await;
            for kind in ALL {
                for (origin, due) in [
                    (Some("https://page.example"), None),
                    (Some("HTTPS://Page.Example:443"), None),
                    (Some("http://page.example:8080"), None),
                    (Some("http://page.example"), Some("origin not allowed")),
                    (Some("https://example"), Some("origin not allowed")),
                    (Some("page.example"), Some("origin not allowed")),
                    (Some("null"), (!null).then_some("origin null not allowed")),
                    (None, (!missing).then_some("no origin")),
                ] {
                    // Without one it is no request of 75.
                    if (kind, origin) == (Kind::Hixie75, None) {
                        continue;
                    }
                    let offer = Offer { origin: origin.map(str::to_owned), ..Offer::default() };
                    let asked = request(kind, &offer, "");
                    let Some(reason) = due else {
                        let mut wire = Wire::connect(stage.proxy.address).await;
                        wire.write(&asked).await;
                        let head = Head::read(&mut Wire::accept(&stage.listener).await).await;
                        assert_eq!(
                            head.get("Origin"),
                            origin.or(Some("http://proxy.example:8080"))
                        );
                        continue;
                    };
                    let (head, body) = refused(stage.proxy.address, &asked).await;
                    assert_eq!((head.status(), body), (403, format!("{reason}\n")), "{offer:?}");
                    assert!(stage.listener.accept().now_or_never().is_none());
                }
            }
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn addresses_are_those_of_clients_behind_trusted_fronts() {
    within("addresses", async {
        for (trusted, allow, deny, told, status) in [
            (false, "127.0.0.0/8", "", "", 101),
            (false, "10.0.0.0/8", "", "10.0.0.1", 403),
            (false, "127.0.0.0/8", "127.0.0.1", "", 403),
            (true, "10.0.0.0/8", "", "10.0.0.1", 101),
            (true, "127.0.0.0/8", "", "10.0.0.1", 403),
            (true, "", "10.0.0.1", "10.0.0.1", 403),
            (true, "", "10.0.0.1", "10.0.0.1, 192.0.2.1", 101),
            (true, "", "10.0.0.1", "192.0.2.1, 10.0.0.1, 127.0.0.1", 403),
        ] {
            let networks = |text: &str| {
                text.split(',')
                    .filter(|text| !text.is_empty())
                    .map(|n| n.parse().unwrap())
                    .collect()
            };
            let stage = Stage::with(Kind::Rfc6455, |settings| {
                let route = &mut settings.routes[0];
                (route.allow, route.deny) = (networks(allow), networks(deny));
                settings.listeners[0].trusted = networks(if trusted { "127.0.0.1" } else { "" });
            })
            .await;
            let fields = match told {
                "" => String::new(),
                list => format!("X-Forwarded-For: {list}\r\n"),
            };
            let asked = request(Kind::Hixie76, &Offer::default(), &fields);
            if status == 101 {
                let mut wire = Wire::connect(stage.proxy.address).await;
                wire.write([&asked[..], hixie::KEY3].concat()).await;
                let reply = Reply::default();
                let (mut backend, _) = Peer::accept(Kind::Rfc6455, &stage.listener, &reply).await;
                assert_eq!(Head::read(&mut wire).await.status(), 101, "{told}");
                assert_eq!(wire.take(16).await.unwrap(), ANSWER);
                let mut client = Peer::Hixie(Hixie::over(wire, Kind::Hixie76));
                pass(&mut client, &mut backend, &[Said::text("up")]).await;
            } else {
                let (head, body) = refused(stage.proxy.address, &asked).await;
                let due = (status, "address not allowed\n");
                assert_eq!((head.status(), body.as_str()), due, "{told}");
                assert!(stage.listener.accept().now_or_never().is_none());
            }
            stage.stop().await;
        }
    })
    .await;
}

/// What a route cannot do is told before anyone connects.
#[tokio::test]
async fn routes_that_do_not_fit_are_no_server() {
    within("misfits", async {
        type Change = fn(&mut Route);
        let misfits: [(Change, &str); 5] = [
            (|route| route.strip_prefix = true, "strip_prefix: the route needs a path"),
            (|route| route.request_headers.remove = vec!["Upgrade".into()], "request_headers"),
            (|route| route.request_id = Some("a b".into()), "request_id"),
            (|route| route.origin_header = Some("a\r\nb".into()), "origin_header"),
            (
                |route| {
                    let allow = vec!["page.example".to_owned()];
                    route.origins = Some(Origins { allow, ..Origins::default() });
                },
                "write an origin like",
            ),
        ];
        for (change, due) in misfits {
            let mut settings = settings(SocketAddr::from(([127, 0, 0, 1], 1)), None);
            change(&mut settings.routes[0]);
            let error = hybridge::server::Server::bind(settings).await.unwrap_err();
            let told = format!("{error:#}");
            assert!(told.starts_with("route main: ") && told.contains(due), "{told}");
        }
    })
    .await;
}
