//! Header fields on their way: what a backend is told of the client, what a route changes, and what
//! stays byte for byte.

use crate::harness::{Stage, within};
use crate::peers::head::Head;
use crate::peers::wire::Wire;
use crate::peers::{Kind, Offer, Reply, hixie, hybi};
use hybridge::config::Settings;
use hybridge::config::route::{Forwarded, HeaderEdits, Route};

const ALL: [Kind; 5] = [Kind::Hixie75, Kind::Hixie76, Kind::Hybi07, Kind::Hybi08, Kind::Rfc6455];

/// A client's whole request, with more fields behind the last.
fn request(kind: Kind, fields: &str) -> Vec<u8> {
    let request = match kind {
        Kind::Hixie75 | Kind::Hixie76 => hixie::request(kind, &Offer::default()),
        _ => hybi::request(kind, &Offer::default()),
    };
    let end = memchr::memmem::find(&request, b"\r\n\r\n").unwrap() + 2;
    [&request[..end], fields.as_bytes(), &request[end..]].concat()
}

/// What the backend hears of a request, and what the client hears of an answer with these fields.
async fn heads(stage: &Stage, client: Kind, fields: &str, answered: &str) -> (Head, Head) {
    let mut wire = Wire::connect(stage.proxy.address).await;
    wire.write(request(client, fields)).await;
    let mut backend = Wire::accept(&stage.listener).await;
    let heard = Head::read(&mut backend).await;
    let answer = match stage.backend {
        Kind::Hixie75 => {
            "HTTP/1.1 101 OK\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n".into()
        }
        Kind::Hixie76 => panic!("a backend without a proof is enough here"),
        _ => hybi::answer_head(&heard, &Reply::default()),
    };
    let end = answer.len() - 2;
    backend.write([&answer[..end], answered.as_bytes(), b"\r\n"].concat()).await;
    (heard, Head::read(&mut wire).await)
}

async fn stage(backend: Kind, adjust: impl FnOnce(&mut Route)) -> Stage {
    Stage::with(backend, |settings| adjust(&mut settings.routes[0])).await
}

fn trust_us(settings: &mut Settings) {
    settings.listeners[0].trusted = vec!["127.0.0.1".parse().unwrap()];
}

/// Old servers know a spelling and an order.
#[tokio::test]
async fn spelling_and_order_stay_for_every_pair_of_dialects() {
    within("spelling", async {
        let fields = "cOOKIE: b=2;  a=1\r\nUser-agent: Mozilla/5.0  (X; U)\r\nX-Z: 1\r\nx-a: \"2\"\r\n\
            X-Z: 3\r\nACCEPT-Language: de,  en;q=0.5\r\n";
        for backend in ALL {
            let stage = stage(backend, |route| route.forwarded.clear()).await;
            for client in ALL {
                let mut wire = Wire::connect(stage.proxy.address).await;
                wire.write(request(client, fields)).await;
                let head = Head::read(&mut Wire::accept(&stage.listener).await).await;
                let found = memchr::memmem::find_iter(&head.raw, fields.as_bytes()).count();
                assert_eq!(found, 1, "{client:?} to {backend:?}: {head:?}");
            }
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_stranger_is_told_of_and_not_believed() {
    within("a stranger", async {
        let forged = "X-Forwarded-For: 10.0.0.1\r\nx-forwarded-proto: https\r\n\
            X-Forwarded-Host: evil.example\r\nForwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\n";
        for client in ALL {
            let both = vec![Forwarded::XForwarded, Forwarded::Forwarded];
            let stage = stage(Kind::Hixie75, |route| route.forwarded = both).await;
            let (heard, told) = heads(&stage, client, forged, "").await;
            assert_eq!(heard.get("X-Forwarded-For"), Some("127.0.0.1"));
            assert_eq!(heard.get("X-Forwarded-Proto"), Some("http"));
            assert_eq!(heard.get("X-Forwarded-Host"), Some("proxy.example:8080"));
            let port = stage.proxy.address.port().to_string();
            assert_eq!(heard.get("X-Forwarded-Port"), Some(port.as_str()));
            let due = "for=127.0.0.1;host=\"proxy.example:8080\";proto=http";
            assert_eq!(heard.get("Forwarded"), Some(due));
            assert_eq!(heard.get("X-Real-IP"), None);
            if client.is_hixie() {
                let prefix = if client == Kind::Hixie76 { "Sec-" } else { "" };
                let location = told.exact(&format!("{prefix}WebSocket-Location")).to_owned();
                assert_eq!(location, "ws://proxy.example:8080/chat?room=1");
            }
            stage.stop().await;
        }
    })
    .await;
}

/// The location of a Hixie answer is what the page asked for, which only the front knows.
#[tokio::test]
async fn a_trusted_front_tells_what_the_client_sees() {
    within("a trusted front", async {
        for (fields, scheme, host) in [
            ("X-Forwarded-Proto: https\r\n", "wss", "proxy.example:8080"),
            ("X-Forwarded-Proto: http\r\n", "ws", "proxy.example:8080"),
            (
                "X-Forwarded-Proto: https\r\nX-Forwarded-Host: chat.example\r\n\
                 Connection: X-Forwarded-Proto\r\n",
                "wss",
                "chat.example",
            ),
            ("Forwarded: for=192.0.2.1;proto=https;host=chat.example\r\n", "wss", "chat.example"),
        ] {
            for client in [Kind::Hixie75, Kind::Hixie76] {
                let stage = Stage::with(Kind::Rfc6455, trust_us).await;
                // A front may pass the client's own list of options on, in its one field.
                let (fields, options) = match fields.split_once("Connection: ") {
                    Some((fields, options)) => (fields, format!(", {}", options.trim_end())),
                    None => (fields, String::new()),
                };
                let asked = String::from_utf8(request(client, fields)).unwrap();
                let upgrade = "Connection: Upgrade";
                let asked = asked.replacen(upgrade, &format!("{upgrade}{options}"), 1);
                let mut wire = Wire::connect(stage.proxy.address).await;
                wire.write(asked).await;
                let mut backend = Wire::accept(&stage.listener).await;
                let heard = Head::read(&mut backend).await;
                backend.write(hybi::answer_head(&heard, &Reply::default())).await;
                let told = Head::read(&mut wire).await;
                let prefix = if client == Kind::Hixie76 { "Sec-" } else { "" };
                let due = format!("{scheme}://{host}/chat?room=1");
                assert_eq!(told.exact(&format!("{prefix}WebSocket-Location")), due, "{fields}");
                let origin = told.exact(&format!("{prefix}WebSocket-Origin"));
                assert_eq!(origin, "http://page.example");
                // The backend's own Host is the one that the front sent.
                assert_eq!(heard.get("Host"), Some("proxy.example:8080"));
                let proto = if scheme == "wss" { "https" } else { "http" };
                assert_eq!(heard.get("X-Forwarded-Proto"), Some(proto));
                assert_eq!(heard.get("X-Forwarded-Host"), Some(host));
                drop((wire, backend));
                stage.stop().await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_list_of_addresses_grows() {
    within("addresses", async {
        for client in ALL {
            let stage = Stage::with(Kind::Hybi08, |settings| {
                trust_us(settings);
                settings.routes[0].request_id = Some("X-Request-ID".to_owned());
            })
            .await;
            let fields = "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 192.0.2.1\r\n\
                X-Request-Id: abc-1\r\nX-Forwarded-Port: 4443\r\n";
            let (heard, _) = heads(&stage, client, fields, "").await;
            assert_eq!(heard.get("X-Forwarded-For"), Some("10.0.0.1, 192.0.2.1, 127.0.0.1"));
            assert_eq!(heard.get("X-Forwarded-Port"), Some("4443"));
            assert_eq!(heard.get("X-Request-ID"), Some("abc-1"));
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_gets_a_number_of_its_own() {
    within("numbers", async {
        let stage = stage(Kind::Rfc6455, |route| route.request_id = Some("X-Id".to_owned())).await;
        let mut numbers = Vec::new();
        for fields in ["", "X-Id: forged\r\n", "X-Id: a\r\nX-Id: b\r\n"] {
            let (heard, _) = heads(&stage, Kind::Hixie76, fields, "").await;
            let number = heard.exact("X-Id").to_owned();
            assert!(
                number.len() == 32 && number.bytes().all(|b| b.is_ascii_hexdigit()),
                "{number}"
            );
            numbers.push(number);
        }
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), 3);
        stage.stop().await;
    })
    .await;
}

/// What a backend says with a refusal is changed as what it says else.
#[tokio::test]
async fn a_route_changes_the_fields_of_a_refusal() {
    within("edits of a refusal", async {
        let stage = stage(Kind::Rfc6455, |route| {
            route.response_headers.remove = vec!["X-Internal".to_owned()];
        })
        .await;
        let mut client = Wire::connect(stage.proxy.address).await;
        client.write(hybi::request(Kind::Rfc6455, &Offer::default())).await;
        let mut backend = Wire::accept(&stage.listener).await;
        Head::read(&mut backend).await;
        let refusal = "HTTP/1.1 403 Forbidden\r\nX-Internal: 10.0.0.7\r\nX-Why: closed\r\nContent-Length: 0\r\n\r\n";
        backend.write(refusal).await;
        let told = Head::read(&mut client).await;
        assert_eq!((told.status(), told.get("X-Why")), (403, Some("closed")));
        assert_eq!(told.get("X-Internal"), None);
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_route_changes_fields_both_ways() {
    within("edits", async {
        let one = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        for client in ALL {
            let stage = stage(Kind::Rfc6455, |route| {
                route.forwarded.clear();
                route.origin_header = Some("https://new.example".to_owned());
                route.request_headers = HeaderEdits {
                    remove: vec!["x-gone".to_owned()],
                    set: one("X-Set", "new"),
                    add: one("X-Added", "too"),
                };
                route.response_headers = HeaderEdits {
                    remove: vec!["Server".to_owned()],
                    set: one("X-Frame", "DENY"),
                    add: one("Set-Cookie", "b=2"),
                };
            })
            .await;
            let fields = "X-Gone: 1\r\nx-set: old\r\nX-Added: one\r\nX-SET: older\r\n";
            let answered = "Server: old/1\r\nx-frame: ALL\r\nSet-Cookie: a=1\r\n";
            let (heard, told) = heads(&stage, client, fields, answered).await;
            assert_eq!(heard.get("X-Gone"), None);
            let from = heard.fields.iter().position(|(name, _)| name == "X-Set").unwrap();
            let rest: Vec<_> = heard.fields[from..].iter().map(|(n, v)| (&**n, &**v)).collect();
            assert_eq!(rest, [("X-Set", "new"), ("X-Added", "one"), ("X-Added", "too")]);
            assert_eq!(heard.get("Origin"), Some("https://new.example"));
            assert_eq!(told.get("Server"), None);
            assert_eq!(told.all("Set-Cookie"), ["a=1", "b=2"]);
            if client.is_hixie() {
                // Strict clients of 2010 fail on what they do not know, and want their own origin.
                assert_eq!(told.get("X-Frame"), None);
                let prefix = if client == Kind::Hixie76 { "Sec-" } else { "" };
                let origin = told.exact(&format!("{prefix}WebSocket-Origin"));
                assert_eq!(origin, "http://page.example");
            } else {
                assert_eq!(told.exact("X-Frame"), "DENY");
            }
            stage.stop().await;
        }
    })
    .await;
}
