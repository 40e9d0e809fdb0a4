//! Backends that fail: the client is told with the status that fits, whatever it speaks, and the
//! sessions beside it go on.

use crate::harness::{Proxy, Stage, millis, settings, within};
use crate::peers::head::Head;
use crate::peers::wire::{Ended, Wire, nobody};
use crate::peers::{Kind, Offer, hixie, hybi};

/// A client's request without key3: a refusal does not wait for it.
fn request(kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Hixie75 => hixie::request(kind, &Offer::default()),
        Kind::Hixie76 => {
            let mut request = hixie::request(kind, &Offer::default());
            request.truncate(request.len() - 8);
            request
        }
        _ => hybi::request(kind, &Offer::default()),
    }
}

const CLIENTS: [Kind; 3] = [Kind::Hixie75, Kind::Hixie76, Kind::Rfc6455];

/// Asks for a session whose backend answers with these bytes and then ends its stream; what the
/// client is told.
async fn told(stage: &Stage, client: Kind, answer: &[u8]) -> Head {
    let ask = async {
        let mut wire = Wire::connect(stage.proxy.address).await;
        wire.write(request(client)).await;
        let head = Head::read(&mut wire).await;
        let (body, ended) = wire.rest().await;
        assert_eq!(ended, Ended::Fin);
        assert_eq!(head.exact("Content-Length"), body.len().to_string());
        head
    };
    let backend = async {
        let mut wire = Wire::accept(&stage.listener).await;
        Head::read(&mut wire).await;
        wire.try_write(answer).await;
        wire.finish().await;
        wire.rest().await;
    };
    tokio::join!(ask, backend).0
}

#[tokio::test]
async fn a_backend_that_is_down() {
    within("backend down", async {
        let (_held, address) = nobody();
        let proxy = Proxy::start(settings(address, Some(Kind::Rfc6455.dialect()))).await;
        for client in CLIENTS {
            let mut wire = Wire::connect(proxy.address).await;
            wire.write(request(client)).await;
            assert_eq!(Head::read(&mut wire).await.status(), 502);
            assert_eq!(wire.rest().await.1, Ended::Fin);
        }
        proxy.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_backend_that_never_answers() {
    within("silent backend", async {
        for backend in [Kind::Hixie76, Kind::Rfc6455] {
            let stage = Stage::with(backend, |settings| {
                settings.routes[0].limits.backend_handshake = millis(200);
            })
            .await;
            let mut bystander = stage.bystander().await;
            for half in [&b""[..], b"HTTP/1.1 101 OK\r\nUpgrade: WebSocket\r\n"] {
                let mut wire = Wire::connect(stage.proxy.address).await;
                wire.write(request(Kind::Hixie76)).await;
                let mut silent = Wire::accept(&stage.listener).await;
                silent.write(half).await;
                assert_eq!(Head::read(&mut wire).await.status(), 504);
                assert_eq!(wire.rest().await.1, Ended::Fin);
                // It is let go, too.
                silent.rest().await;
                bystander.is_well().await;
            }
            drop(bystander);
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_backend_that_talks_nonsense() {
    within("nonsense", async {
        let long = [b"HTTP/1.1 101 OK\r\nX: ", &vec![b'x'; 20_000][..], b"\r\n\r\n"].concat();
        let upgrade = "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
        let wrong = format!("{upgrade}Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n");
        let folded = format!("{upgrade}X: a\r\n b\r\n\r\n");
        let bare = format!("{upgrade}X: a\nY: b\r\n\r\n");
        let unproven = format!("{upgrade}\r\n");
        let garbled = format!("{upgrade}\r\n0123456789abcdef");
        let cut = format!("{upgrade}\r\n0123");
        for backend in [Kind::Hixie76, Kind::Rfc6455] {
            let stage = Stage::new(backend).await;
            let mut bystander = stage.bystander().await;
            for answer in [
                &b""[..],
                b"H",
                b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
                b"HTTP/2 200\r\n\r\n",
                b"\0\xff\0\xff\r\n\r\n",
                b"HTTP/1.1 101 OK\r\n\r\n",
                b"HTTP/1.1 101 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
                b"HTTP/1.1 400 Bad Request\r\n\r\n",
                b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 99\r\n\r\n",
                upgrade.as_bytes(),
                wrong.as_bytes(),
                folded.as_bytes(),
                bare.as_bytes(),
                unproven.as_bytes(),
                garbled.as_bytes(),
                cut.as_bytes(),
                &long,
            ] {
                for client in CLIENTS {
                    let head = told(&stage, client, answer).await;
                    assert_eq!(head.status(), 502, "{}", answer.escape_ascii());
                }
                bystander.is_well().await;
            }
            drop(bystander);
            stage.stop().await;
        }
    })
    .await;
}

/// The backend has said no, and says so to the client.
#[tokio::test]
async fn a_backend_that_refuses() {
    within("refusal", async {
        for backend in [Kind::Hixie76, Kind::Rfc6455] {
            let stage = Stage::new(backend).await;
            let mut bystander = stage.bystander().await;
            for (status, field) in [
                (403, ("X-Reason", "not you")),
                (401, ("WWW-Authenticate", "Basic realm=\"old\"")),
                (302, ("Location", "http://elsewhere.example/")),
                (429, ("Retry-After", "7")),
                (500, ("X-Trace", "1")),
                (418, ("Set-Cookie", "tea=1")),
            ] {
                let answer = format!(
                    "HTTP/1.1 {status} No\r\n{}: {}\r\nContent-Type: text/html\r\n\
                     Content-Length: 9\r\nConnection: close\r\n\r\nforbidden",
                    field.0, field.1
                );
                for client in CLIENTS {
                    let head = told(&stage, client, answer.as_bytes()).await;
                    assert_eq!(head.status(), status);
                    assert_eq!(head.get(field.0), Some(field.1));
                    assert_eq!(head.get("Connection"), Some("close"));
                }
                bystander.is_well().await;
            }
            drop(bystander);
            stage.stop().await;
        }
    })
    .await;
}

/// What it was not asked for, it cannot choose.
#[tokio::test]
async fn a_backend_that_chooses_what_was_not_offered() {
    within("unoffered", async {
        for field in [
            "Sec-WebSocket-Protocol: chat",
            "Sec-WebSocket-Extensions: permessage-deflate",
            "Sec-WebSocket-Accept: again",
        ] {
            let stage = Stage::new(Kind::Rfc6455).await;
            let ask = async {
                let mut wire = Wire::connect(stage.proxy.address).await;
                wire.write(request(Kind::Rfc6455)).await;
                Head::read(&mut wire).await.status()
            };
            let backend = async {
                let mut wire = Wire::accept(&stage.listener).await;
                let head = Head::read(&mut wire).await;
                let answer = hybi::answer_head(&head, &Default::default());
                let answer = String::from_utf8(answer).unwrap();
                wire.write(answer.replacen("Upgrade:", &format!("{field}\r\nUpgrade:"), 1)).await;
                wire.rest().await
            };
            let (status, (rest, _)) = tokio::join!(ask, backend);
            assert_eq!((status, rest), (502, Vec::new()), "{field}");
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_backend_that_breaks_off_in_the_handshake() {
    within("break-off", async {
        let stage = Stage::new(Kind::Hixie76).await;
        let mut bystander = stage.bystander().await;
        for answer in [
            &b""[..],
            b"HTTP/1.1 101 OK\r\n",
            b"HTTP/1.1 101 OK\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n",
        ] {
            let mut client = Wire::connect(stage.proxy.address).await;
            client.write(request(Kind::Hixie76)).await;
            let mut wire = Wire::accept(&stage.listener).await;
            Head::read(&mut wire).await;
            wire.write(answer).await;
            wire.reset();
            assert_eq!(Head::read(&mut client).await.status(), 502);
            bystander.is_well().await;
        }
        drop(bystander);
        stage.stop().await;
    })
    .await;
}
