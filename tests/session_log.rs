//! What the access log of the real program promises of a session and of a refused handshake, in JSON,
//! and what its own log tells beside it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]
#![expect(dead_code, reason = "the modules are shared with other tests, which use the rest")]

#[path = "proxy/peers/mod.rs"]
mod peers;
#[path = "proxy/program.rs"]
mod program;

use peers::foreign::Foreign;
use peers::hixie::Hixie;
use peers::wire::{Ended, Wire, nobody};
use peers::{Kind, Offer, Peer, Reply, Said};
use program::Program;
use rustix::process::Signal;
use std::process::Command;
use std::time::Duration;
use tokio::net::TcpListener;

/// What a conversation takes at most; nothing here takes as long.
const DEADLINE: Duration = Duration::from_secs(60);

/// A program in front of a backend of Hixie-76.
async fn start() -> (Program, TcpListener) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let program =
        Program::serve(listener.local_addr().unwrap(), &["--backend-dialect", "hixie-76"]);
    (program, listener)
}

async fn accept(listener: &TcpListener) -> Hixie {
    let wire = Wire::accept(listener).await;
    Hixie::accept(Kind::Hixie76, wire, &Reply::default()).await.0
}

/// A session of a client of Hixie-76.
async fn open(program: &Program, listener: &TcpListener, offer: &Offer) -> (Hixie, Hixie) {
    let client = async {
        let wire = Wire::connect(program.address).await;
        Hixie::connect(Kind::Hixie76, wire, offer).await.0
    };
    tokio::join!(client, accept(listener))
}

async fn in_time<T>(conversation: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, conversation).await.expect("a conversation in time")
}

const OPEN: &str = "\"event\":\"open\"";
const CLOSE: &str = "\"event\":\"close\"";
const REFUSED: &str = "\"event\":\"refused\"";

/// Asserts that a line has all of these parts.
fn holds(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "no {part} in {line}");
    }
}

#[tokio::test]
async fn binary_is_warned_of_once_and_counted() {
    let (mut program, listener) = start().await;
    in_time(async {
        let (offer, reply) = (Offer::default(), Reply::default());
        let ((mut client, _), (mut backend, _)) = tokio::join!(
            Peer::connect(Kind::Rfc6455, program.address, &offer),
            Peer::accept(Kind::Hixie76, &listener, &reply),
        );
        let said = [Said::Binary(vec![0, 0xff]), Said::text("between"), Said::Binary(vec![1])];
        client.say(&said).await;
        for said in said {
            assert_eq!(backend.hear().await, said);
        }
        client.say(&[Said::close(1000, "")]).await;
        assert_eq!(backend.hear().await, Said::Close(None));
        backend.say(&[Said::Close(None)]).await;
        assert_eq!(client.hear().await, Said::close(1000, ""));
    })
    .await;
    let line = program.access_log.with(CLOSE);
    holds(&line, &["\"messages_up\":3", "\"binary_lost\":2"]);
    program.signal(Signal::TERM);
    assert!(program.wait().success());
    let warnings: Vec<_> = program.log.read.iter().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    holds(
        warnings[0],
        &[
            "\"message\":\"binary message; see --binary\"",
            "\"path\":\"/chat\"",
            "\"outcome\":\"sent as a Hixie length frame",
        ],
    );
}

#[tokio::test]
async fn a_fault_has_its_name_in_the_line() {
    let (mut program, listener) = start().await;
    in_time(async {
        let offer = Offer::default();
        let ((mut client, _), mut backend) =
            tokio::join!(Foreign::connect(program.address, &offer), accept(&listener));
        client.write_raw(b"\x81\x05Hello").await;
        assert_eq!(client.hear().await, Said::close(1002, ""));
        assert_eq!(backend.hear().await, Said::Close(None));
        backend.say(&[Said::Close(None)]).await;
    })
    .await;
    let line = program.access_log.with(CLOSE);
    let parts = [
        "\"ended_by\":\"client\"",
        "\"how\":\"fault\"",
        "\"fault\":\"wrong masking\"",
        "\"client_close\":\"-\"",
    ];
    holds(&line, &parts);
    assert!(!line.contains("binary_lost") && !line.contains("messages_cut"), "zeros in {line}");
}

/// Sends a request that is to be refused; the line of the refusal.
async fn refused(program: &mut Program, request: &str, status: &str) -> String {
    in_time(async {
        let mut wire = Wire::connect(program.address).await;
        wire.write(request).await;
        let (response, ended) = wire.rest().await;
        let response = response.escape_ascii().to_string();
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        assert_eq!(ended, Ended::Fin);
    })
    .await;
    program.access_log.with(REFUSED)
}

#[tokio::test]
async fn a_refusal_has_its_status_and_its_reason_in_the_line() {
    let (_held, address) = nobody();
    let mut program = Program::serve(address, &[]);
    let request = |fields: &str| {
        format!(
            "GET /chat?secret=1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        )
    };
    let line = refused(&mut program, &request("Host: b\r\n"), "400").await;
    let reason = "\"reason\":\"doubled header field Host\"";
    holds(&line, &["\"status\":400", reason]);
    let line = refused(&mut program, &request(""), "502").await;
    let reason = "\"reason\":\"backend: cannot connect: ";
    let asked = ["\"client\":\"rfc6455\"", "\"path\":\"/chat\"", "\"route\":\"main\""];
    holds(&line, &["\"status\":502", reason]);
    holds(&line, &asked);
    // What the operator can mend is told in the log of the program too; the client's fault is not.
    let line = program.line_with("handshake refused");
    holds(&line, &["\"level\":\"WARN\"", "\"status\":502", reason]);
    tells_no_secret(&program);
}

#[tokio::test]
async fn a_message_that_was_cut_is_counted() {
    let (mut program, listener) = start().await;
    in_time(async {
        let (mut client, mut backend) = open(&program, &listener, &Offer::default()).await;
        let begun = [&[0][..], &[b'a'; 40_000]].concat();
        backend.wire.write(&begun).await;
        // What has arrived cannot be destroyed by the reset.
        assert!(client.wire.take(begun.len()).await.unwrap() == begun, "another message");
        backend.wire.reset();
        let (rest, _) = client.wire.rest().await;
        assert!(rest.is_empty(), "neither an end of the frame nor a close: {rest:?}");
    })
    .await;
    let line = program.access_log.with(CLOSE);
    let parts = [
        "\"messages_cut\":1",
        "\"messages_down\":0",
        "\"ended_by\":\"backend\"",
        "\"how\":\"lost\"",
    ];
    holds(&line, &parts);
}

/// A client that takes nothing and then is gone, with whole messages on their way to it.
#[tokio::test]
async fn messages_that_a_client_did_not_take_are_counted() {
    let (mut program, listener) = start().await;
    in_time(async {
        let (client, backend) = open(&program, &listener, &Offer::default()).await;
        let message = [&[0][..], &[b'a'; 1000], &[0xff]].concat();
        let mut taken = 0;
        // Sessions beside it are given room, until nobody takes anything for ten of them.
        let mut beside = 0;
        while beside < 10 {
            match backend.wire.stream.try_write(&message[taken % message.len()..]) {
                Ok(count) => (taken, beside) = (taken + count, 0),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    drop(open(&program, &listener, &Offer::default()).await);
                    beside += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        client.wire.reset();
    })
    .await;
    // Of the backend's last message a part may be on its way too.
    let line = program.access_log.with("\"messages_cut\":");
    holds(&line, &[CLOSE, "\"how\":\"lost\"", "\"ended_by\":\"client\""]);
}

#[tokio::test]
async fn a_raw_space_is_escaped_and_the_query_is_left_out() {
    let (mut program, listener) = start().await;
    in_time(async {
        let target = "/a room/b?secret=1 2".to_owned();
        let offer = Offer { target, ..Offer::default() };
        let (mut client, mut backend) = open(&program, &listener, &offer).await;
        client.say(&[Said::Close(None)]).await;
        assert_eq!(backend.hear().await, Said::Close(None));
        backend.say(&[Said::Close(None)]).await;
        assert_eq!(client.hear().await, Said::Close(None));
    })
    .await;
    let line = program.access_log.with(CLOSE);
    holds(&line, &["\"path\":\"/a%20room/b\""]);
    tells_no_secret(&program);
}

fn tells_no_secret(program: &Program) {
    let mut lines = program.log.read.iter().chain(&program.access_log.read);
    assert!(!lines.any(|line| line.contains("secret")), "{program:#?}");
}

/// An opening of RFC 6455 by hand, for fields of our choice.
async fn by_hand(program: &Program, fields: &str) -> Wire {
    let mut client = Wire::connect(program.address).await;
    client
        .write(&format!(
            "GET /chat?secret=1 HTTP/1.1\r\nHost: old.example\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        ))
        .await;
    client
}

#[tokio::test]
async fn a_session_has_a_line_when_it_opens_and_one_when_it_has_closed() {
    let (mut program, listener) = start().await;
    let server = format!("\"server\":\"ws://{}\"", listener.local_addr().unwrap());
    in_time(async {
        let user_agent = "User-Agent: Mozilla/5.0 (\"x\\y\")\u{202e}\r\nCookie: id=secret\r\n";
        let opening = by_hand(&program, user_agent);
        let (mut client, mut backend) = tokio::join!(opening, accept(&listener));
        client.until(b"\r\n\r\n").await.unwrap();
        backend.say(&[Said::text("four")]).await;
        assert_eq!(client.take(6).await.unwrap(), b"\x81\x04four");
        // The masked close 4000 of a client.
        client.write(b"\x88\x82\0\0\0\0\x0f\xa0").await;
        assert_eq!(backend.hear().await, Said::Close(None));
        backend.say(&[Said::Close(None)]).await;
        assert_eq!(client.take(4).await.unwrap(), b"\x88\x02\x0f\xa0");
    })
    .await;
    let (open, close) = (program.access_log.with(OPEN), program.access_log.with(CLOSE));
    let who = [
        "\"peer\":\"127.0.0.1:",
        "\"listener\":\"main\"",
        "\"route\":\"main\"",
        "\"host\":\"old.example\"",
        "\"path\":\"/chat\"",
        &server,
        "\"user_agent\":\"Mozilla/5.0 (\\\"x\\\\y\\\")\\\\xe2\\\\x80\\\\xae\"",
        "\"client\":\"rfc6455\"",
        "\"backend\":\"hixie-76\"",
    ];
    holds(&open, &who);
    holds(&close, &who);
    let how = [
        "\"messages_down\":1",
        "\"bytes_down\":4",
        "\"client_close\":\"4000\"",
        "\"backend_close\":\"none\"",
        "\"ended_by\":\"client\"",
        "\"how\":\"close\"",
        "\"duration_ms\":",
    ];
    holds(&close, &how);
    tells_no_secret(&program);
}

#[tokio::test]
async fn a_line_of_text_is_one_line_whatever_a_client_sends() {
    let (_held, address) = nobody();
    let mut program = Program::start({
        let mut command = Command::new(env!("CARGO_BIN_EXE_hybridge"));
        let backend = format!("ws://{address}");
        command.args(["serve", "--listen", "127.0.0.1:0", "--backend", &backend]);
        command
    });
    in_time(async {
        let forged = "User-Agent: x\" refused reason=forged\u{9b}2J\r\n";
        let (response, _) = by_hand(&program, forged).await.rest().await;
        assert!(response.starts_with(b"HTTP/1.1 502 "));
    })
    .await;
    let line = program.access_log.with(" refused ");
    holds(&line, &["user_agent=\"x\\\" refused reason=forged\\\\xc2\\\\x9b2J\"", " status=502 "]);
    assert_eq!(program.access_log.read.len(), 1, "{:#?}", program.access_log.read);
}
