//! The admin listener, by what a scraper, a probe and a shell see of it on the wire.

use crate::harness::{listen, pass, settings, step, within};
use crate::peers::wire::{Ended, Wire, nobody};
use crate::peers::{Kind, Offer, Peer, Reply, Said};
use hybridge::config::Settings;
use hybridge::config::values::{Address, Period};
use hybridge::quirk::Quirk;
use hybridge::server::Server;
use std::collections::HashMap;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A proxy with an admin listener.
struct Proxy {
    address: SocketAddr,
    admin: Address,
    leave: oneshot::Sender<()>,
    served: JoinHandle<anyhow::Result<()>>,
}

impl Proxy {
    async fn start(mut settings: Settings) -> Self {
        if settings.admin.address.is_none() {
            settings.admin.address = Some("127.0.0.1:0".parse().unwrap());
        }
        let server = Server::bind(settings).await.unwrap();
        let (address, admin) = (server.local_addr().unwrap(), server.admin().unwrap());
        let (leave, left) = oneshot::channel();
        let served = tokio::spawn(server.run(async move { drop(left.await) }));
        Self { address, admin, leave, served }
    }

    async fn stop(self) {
        self.leave.send(()).unwrap();
        self.served.await.unwrap().unwrap();
    }

    /// The whole answer to a request.
    async fn ask(&self, method: &str, path: &str, fields: &str) -> String {
        let Address::Tcp(address) = self.admin else { panic!("{:?}", self.admin) };
        let mut wire = Wire::connect(address).await;
        wire.write(format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n")).await;
        let (answer, ended) = wire.rest().await;
        assert_eq!(ended, Ended::Fin);
        String::from_utf8(answer).unwrap()
    }

    async fn scrape(&self) -> Scrape {
        Scrape::read(&self.ask("GET", "/metrics", "").await)
    }

    /// Scrapes until something is so: what ends is told behind the last byte that a peer sees.
    async fn scrape_until(&self, what: &str, so: impl Fn(&Scrape) -> bool) -> Scrape {
        step(what, async {
            loop {
                let scrape = self.scrape().await;
                if so(&scrape) {
                    return scrape;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}

/// The samples of an answer, read as `OpenMetrics` 1.0 has them.
#[derive(Debug)]
struct Scrape(HashMap<String, f64>);

impl Scrape {
    fn read(answer: &str) -> Self {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let media_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert!(head.contains(media_type), "{head}");
        let text = body.strip_suffix("# EOF\n").expect("an end");
        let mut samples = HashMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let again = samples.insert(name.to_owned(), value.parse().unwrap());
            assert!(again.is_none(), "{name} stands there twice");
            let known = name.starts_with("hybridge_") || name.starts_with("process_");
            assert!(known, "another's name: {name}");
        }
        Self(samples)
    }

    fn of(&self, sample: &str) -> f64 {
        *self.0.get(sample).unwrap_or_else(|| panic!("no {sample} in {self:#?}"))
    }

    /// The same, 0 where it has not happened yet.
    fn count(&self, sample: &str) -> f64 {
        self.0.get(sample).copied().unwrap_or_default()
    }

    fn holds(&self, samples: &[(&str, f64)]) {
        for (sample, value) in samples {
            let found = self.of(sample);
            assert!((found - value).abs() < 1e-9, "{sample} is {found}: {self:#?}");
        }
    }
}

async fn session(
    proxy: &Proxy,
    stage: &tokio::net::TcpListener,
    kinds: (Kind, Kind),
) -> (Peer, Peer) {
    let (offer, reply) = (Offer::default(), Reply::default());
    let ((client, _), (backend, _)) = tokio::join!(
        Peer::connect(kinds.0, proxy.address, &offer),
        Peer::accept(kinds.1, stage, &reply),
    );
    (client, backend)
}

#[tokio::test]
async fn quirks_are_counted() {
    within("quirks", async {
        let (listener, backend) = listen().await;
        let mut settings = settings(backend, Some(Kind::Hixie76.dialect()));
        settings.routes[0].quirks = vec![Quirk::EchoSubprotocol, Quirk::NoEmptyText];
        let proxy = Proxy::start(settings).await;
        let offer = Offer { subprotocol: Some("a".to_owned()), ..Offer::default() };
        let reply = Reply::default();
        let ((mut client, _), (mut server, _)) = tokio::join!(
            Peer::connect(Kind::Rfc6455, proxy.address, &offer),
            Peer::accept(Kind::Hixie76, &listener, &reply),
        );
        client.say(&[Said::text(""), Said::text(""), Said::text("on")]).await;
        assert_eq!(server.hear().await, Said::text("on"));
        proxy.scrape().await.holds(&[
            ("hybridge_quirks_total{quirk=\"echo-subprotocol\"}", 1.0),
            ("hybridge_quirks_total{quirk=\"no-empty-text\"}", 2.0),
            ("hybridge_quirks_total{quirk=\"missing-origin\"}", 0.0),
        ]);
        drop((client, server));
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn metrics_tell_what_foreign_peers_did() {
    within("metrics", async {
        let (listener, backend) = listen().await;
        let proxy = Proxy::start(settings(backend, Some(Kind::Hixie76.dialect()))).await;
        let kinds = (Kind::Rfc6455, Kind::Hixie76);
        let (mut client, mut server) = session(&proxy, &listener, kinds).await;
        let (_other, _others) = session(&proxy, &listener, kinds).await;
        let up = [Said::text("Hello"), Said::Binary(vec![1, 2, 3])];
        pass(&mut client, &mut server, &up).await;
        pass(&mut server, &mut client, &[Said::text("0123456789")]).await;

        // While the sessions go on.
        let pair = "{client=\"rfc6455\",backend=\"hixie-76\"}";
        let scrape = proxy.scrape().await;
        scrape.holds(&[
            ("hybridge_connections{listener=\"main\"}", 2.0),
            ("hybridge_connections_accepted_total{listener=\"main\"}", 2.0),
            (&format!("hybridge_sessions{pair}"), 2.0),
            (
                "hybridge_handshakes_total{client=\"rfc6455\",backend=\"hixie-76\",result=\"ok\"}",
                2.0,
            ),
            ("hybridge_handshake_duration_seconds_count", 2.0),
            ("hybridge_messages_total{direction=\"up\"}", 2.0),
            ("hybridge_messages_total{direction=\"down\"}", 1.0),
            ("hybridge_payload_bytes_total{direction=\"up\"}", 8.0),
            ("hybridge_payload_bytes_total{direction=\"down\"}", 10.0),
            ("hybridge_losses_total{kind=\"binary_frame\"}", 1.0),
            ("hybridge_losses_total{kind=\"message_cut\"}", 0.0),
            (&format!("hybridge_server_up{{backend=\"main\",server=\"ws://{backend}\"}}"), 1.0),
            (
                &format!(
                    "hybridge_server_connections{{backend=\"main\",server=\"ws://{backend}\"}}"
                ),
                2.0,
            ),
            ("hybridge_access_log_lines_dropped_total", 0.0),
            (&format!("hybridge_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0),
        ]);
        assert!(scrape.of("process_open_fds") > 4.0);
        assert!(scrape.of("process_max_fds") >= scrape.of("process_open_fds"));
        let began = scrape.of("process_start_time_seconds");
        assert!(
            (scrape.of("hybridge_config_last_reload_success_timestamp_seconds") - began) < 60.0
        );

        // A close of the client with a code of an application.
        client.say(&[Said::close(4321, "")]).await;
        assert_eq!(server.hear().await, Said::Close(None));
        server.say(&[Said::Close(None)]).await;
        assert_eq!(client.hear().await, Said::close(4321, ""));
        drop((client, server));
        let close = "hybridge_closes_total{code=\"app\",initiator=\"client\",how=\"close\"}";
        let scrape = proxy.scrape_until(close, |scrape| scrape.count(close) > 0.0).await;
        scrape.holds(&[(close, 1.0), ("hybridge_losses_total{kind=\"close_reason\"}", 1.0)]);
        let gone = format!("hybridge_sessions{pair}");
        let scrape = proxy.scrape_until(&gone, |scrape| scrape.of(&gone) < 2.0).await;
        scrape.holds(&[
            (&gone, 1.0),
            ("hybridge_connections{listener=\"main\"}", 1.0),
            ("hybridge_session_duration_seconds_count", 1.0),
        ]);
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_fault_is_closed_by_the_proxy() {
    within("fault", async {
        let (listener, backend) = listen().await;
        let proxy = Proxy::start(settings(backend, Some(Kind::Hixie75.dialect()))).await;
        let opening = async {
            let mut wire = Wire::connect(proxy.address).await;
            wire.write(REQUEST).await;
            wire.until(b"\r\n\r\n").await.unwrap();
            wire
        };
        let reply = Reply::default();
        let (mut wire, _backend) =
            tokio::join!(opening, Peer::accept(Kind::Hixie75, &listener, &reply));
        // A client's frame without a mask.
        wire.write(b"\x81\x05Hello").await;
        assert_eq!(wire.take(4).await.unwrap(), b"\x88\x02\x03\xea");
        drop((wire, _backend));
        let close = "hybridge_closes_total{code=\"1002\",initiator=\"proxy\",how=\"fault\"}";
        proxy.scrape_until(close, |scrape| scrape.count(close) > 0.0).await;
        proxy.stop().await;
    })
    .await;
}

const REQUEST: &str = "GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[tokio::test]
async fn refusals_are_counted_by_few_reasons() {
    within("refusals", async {
        let (_held, address) = nobody();
        let mut settings = settings(address, Some(Kind::Rfc6455.dialect()));
        settings.backends[0].passive_health.failures = 1;
        let proxy = Proxy::start(settings).await;
        let refused = async |request: &str| {
            let mut wire = Wire::connect(proxy.address).await;
            wire.write(request).await;
            wire.rest().await;
        };
        assert!(proxy.ask("GET", "/ready", "").await.ends_with("\r\n\r\nready\n"));
        refused("nonsense\r\n\r\n").await;
        refused("GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\nUpgrade: websocket\r\n\r\n").await;
        refused(REQUEST).await;
        let server = format!("{{backend=\"main\",server=\"ws://{address}\"}}");
        proxy.scrape().await.holds(&[
            ("hybridge_refused_total{reason=\"malformed\"}", 2.0),
            ("hybridge_refused_total{reason=\"backend_failed\"}", 1.0),
            (
                "hybridge_handshakes_total{client=\"rfc6455\",backend=\"none\",\
                 result=\"backend_failed\"}",
                1.0,
            ),
            (&format!("hybridge_server_up{server}"), 0.0),
            (&format!("hybridge_server_failures_total{server}"), 1.0),
        ]);
        let ready = proxy.ask("GET", "/ready", "").await;
        assert!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
        assert!(ready.ends_with("no backend has a server that is up\n"), "{ready}");
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn it_answers_what_it_has_and_no_page() {
    within("answers", async {
        let (_listener, backend) = listen().await;
        let proxy = Proxy::start(settings(backend, None)).await;
        for (method, path, fields, status) in [
            ("GET", "/health", "", 200),
            ("HEAD", "/health", "", 200),
            ("GET", "/ready", "", 200),
            ("POST", "/metrics", "Content-Length: 0\r\n", 405),
            ("GET", "/reload", "", 405),
            // A server that was not started from a file.
            ("POST", "/reload", "Content-Length: 0\r\n", 501),
            ("POST", "/reload", "Origin: http://evil.example\r\nContent-Length: 0\r\n", 403),
            ("POST", "/reload", "Sec-Fetch-Site: none\r\nContent-Length: 0\r\n", 403),
            ("GET", "/", "", 404),
        ] {
            let answer = proxy.ask(method, path, fields).await;
            let due = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&due), "{method} {path} {fields}: {answer}");
        }
        // A name that leads here by someone else's DNS; and a head that is too long.
        let Address::Tcp(admin) = proxy.admin else { panic!() };
        for (fields, status) in [
            ("Host: evil.example\r\n".to_owned(), 421),
            (format!("Host: {admin}\r\nX: {}\r\n", "a".repeat(20_000)), 431),
        ] {
            let mut wire = Wire::connect(admin).await;
            wire.write(format!("GET /metrics HTTP/1.1\r\n{fields}\r\n")).await;
            let (answer, _) = wire.rest().await;
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn it_tells_how_the_shutdown_goes() {
    within("leaving", async {
        let (listener, backend) = listen().await;
        let mut settings = settings(backend, Some(Kind::Hixie76.dialect()));
        // The session lasts until the client has answered.
        settings.routes[0].limits.close = Period::seconds(600);
        settings.shutdown_deadline = Period::seconds(600);
        let proxy = Proxy::start(settings).await;
        let kinds = (Kind::Hixie76, Kind::Hixie76);
        let (mut client, mut server) = session(&proxy, &listener, kinds).await;
        let Proxy { address, admin, leave, served } = proxy;
        leave.send(()).unwrap();
        assert_eq!(client.hear().await, Said::Close(None));
        assert_eq!(server.hear().await, Said::Close(None));
        let (leave, _) = oneshot::channel();
        let proxy = Proxy { address, admin, leave, served };
        let ready = proxy.ask("GET", "/ready", "").await;
        assert!(ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("leaving\n"), "{ready}");
        assert!(proxy.ask("GET", "/health", "").await.starts_with("HTTP/1.1 200 "));
        client.say(&[Said::Close(None)]).await;
        server.say(&[Said::Close(None)]).await;
        drop((client, server));
        proxy.served.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test]
async fn it_listens_on_a_unix_socket() {
    within("unix", async {
        let folder = std::env::temp_dir().join(format!("hybridge-admin-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("admin.sock");
        let (_listener, backend) = listen().await;
        let mut settings = settings(backend, None);
        settings.admin.address = Some(Address::Unix(path.clone()));
        let proxy = Proxy::start(settings).await;
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: any\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(!Scrape::read(&answer).0.is_empty());
        proxy.stop().await;
        std::fs::remove_dir_all(&folder).unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_address_that_others_could_reach_has_to_be_meant() {
    let (_listener, backend) = listen().await;
    let mut settings = settings(backend, None);
    settings.admin.address = Some("0.0.0.0:0".parse().unwrap());
    let error = Server::bind(settings.clone()).await.unwrap_err();
    assert!(format!("{error:#}").contains("allow_remote"), "{error:#}");
    settings.admin.allow_remote = true;
    Server::bind(settings).await.unwrap();
}
