//! `hybridge mock`: foreign clients of every dialect talk to a recorded server.
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

use peers::head::Head;
use peers::hybi;
use peers::wire::Wire;
use peers::{Kind, Offer, Peer, Reply, Said};
use program::Program;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// What a conversation takes at most; nothing here takes as long.
const DEADLINE: Duration = Duration::from_secs(60);

const KINDS: [Kind; 5] = [Kind::Hixie75, Kind::Hixie76, Kind::Hybi07, Kind::Hybi08, Kind::Rfc6455];

/// A recording in the making.
struct Recording {
    lines: Vec<String>,
    sessions: u64,
    at: u64,
}

impl Recording {
    fn new() -> Self {
        let header = r#"{"wsrec":1,"start":"2026-11-20T15:02:11Z","source":"by hand"}"#;
        Self { lines: vec![header.to_owned()], sessions: 0, at: 0 }
    }

    /// A session of a client; `fields` are those of the answer.
    fn open(mut self, dialect: &str, target: &str, status: u16, fields: &[(&str, &str)]) -> Self {
        self.sessions += 1;
        let asked = [("Host", "old.example")];
        self = self.event(json!({"event": "open", "dialect": dialect, "client": "10.0.0.7:39088",
            "server": "10.0.0.1:80", "target": target, "fields": asked}));
        self.event(json!({"event": "accept", "status": status, "fields": fields}))
    }

    fn client(self, text: &str) -> Self {
        self.event(json!({"event": "message", "from": "client", "seen": 0, "text": text}))
    }

    fn server(self, text: &str) -> Self {
        self.event(json!({"event": "message", "from": "server", "seen": 0, "text": text}))
    }

    fn event(mut self, mut event: Value) -> Self {
        self.at += 1_000_000;
        event["session"] = self.sessions.into();
        event["at"] = self.at.into();
        self.lines.push(event.to_string());
        self
    }

    /// The end of the session.
    fn end(self, by: &str) -> Self {
        self.event(json!({"event": "end", "by": by, "how": "fin", "clean": true}))
    }

    fn write(mut self, folder: &TempDir) -> PathBuf {
        let sessions = self.sessions;
        let account = json!({"event": "account", "flows": sessions, "sessions": sessions});
        self.lines.push(account.to_string());
        let file = folder.path().join("by-hand.wsrec");
        fs::write(&file, self.lines.join("\n") + "\n").unwrap();
        file
    }

    /// A program that stands in for the server of it.
    fn mocked(self, options: &[&str]) -> Program {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hybridge"));
        command.arg("mock").arg(self.write(&folder)).args(["--listen", "127.0.0.1:0"]);
        // It has read the file when it listens.
        Program::telling({
            command.args(options);
            command
        })
    }
}

/// Ends a program; its exit code, and the summary.
fn end(mut program: Program) -> (i32, Vec<String>) {
    program.signal(Signal::TERM);
    let code = program.wait().code().unwrap();
    (code, program.access_log.read.split_off(1))
}

fn offer(target: &str) -> Offer {
    Offer { target: target.to_owned(), ..Offer::default() }
}

async fn connect(kind: Kind, program: &Program, target: &str) -> Peer {
    Peer::connect(kind, program.address, &offer(target)).await.0
}

async fn in_time(test: impl Future<Output = ()>) {
    timeout(DEADLINE, test).await.expect("a conversation in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_every_dialect() {
    in_time(async {
        // Each client gets a session of another dialect, but for the one in the middle.
        let recording = KINDS.iter().rev().fold(Recording::new(), |recording, kind| {
            let fields =
                [("Set-Cookie", "sid=s-1"), ("Sec-WebSocket-Protocol", "chat"), ("Upgrade", "x")];
            recording
                .open(kind.dialect().name(), "/chat?user=alice99", 101, &fields)
                .server(r#"{"hello":"alice99"}"#)
                .client(r#"{"id":"call-0001"}"#)
                .event(json!({"event": "message", "from": "client", "seen": 1, "base64": "AAEC"}))
                .server(r#"{"for":"call-0001"}"#)
                .server("\u{20ac}")
                .event(json!({"event": "close", "from": "server", "code": 4001, "reason": "bye"}))
                .end("server")
        });
        let program = recording.mocked(&["--pace", "fast"]);
        for kind in KINDS {
            let offer = Offer {
                target: "/chat?user=bob0001".to_owned(),
                subprotocol: Some("chat".to_owned()),
                ..Offer::default()
            };
            let (mut client, head) = Peer::connect(kind, program.address, &offer).await;
            assert_eq!(head.get("Set-Cookie"), Some("sid=s-1"), "{kind:?}");
            assert_eq!(head.get(kind.subprotocol_field()), Some("chat"), "{kind:?}");
            assert_eq!(client.hear().await, Said::text(r#"{"hello":"bob0001"}"#));
            let all = [Said::text(r#"{"id":"call-7777"}"#), Said::Binary(vec![0, 1, 2])];
            for said in all {
                client.say(&[said]).await;
            }
            assert_eq!(client.hear().await, Said::text(r#"{"for":"call-7777"}"#));
            assert_eq!(client.hear().await, Said::text("\u{20ac}"));
            let close = client.hear().await;
            let due = match kind {
                Kind::Hixie75 => Said::Fin,
                Kind::Hixie76 => Said::Close(None),
                _ => Said::close(4001, "bye"),
            };
            assert_eq!(close, due, "{kind:?}");
            client.answer_close(&close).await;
            client.finish().await;
        }
        let due = [
            "/chat: sessions 5, messages matched 10, missed 0",
            "in all: sessions 5, messages matched 10, missed 0",
        ];
        assert_eq!(end(program), (0, due.map(str::to_owned).to_vec()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn which_session_is_given() {
    in_time(async {
        let program = Recording::new()
            .open("rfc6455", "/a", 101, &[])
            .server("first")
            .end("client")
            .open("rfc6455", "/b", 101, &[])
            .server("other")
            .end("client")
            .open("rfc6455", "/a", 101, &[])
            .server("second")
            .end("client")
            .open("hixie-76", "/locked", 401, &[("WWW-Authenticate", "Basic")])
            .end("server")
            .mocked(&[]);
        let targets = ["/a", "/b?new=1", "/a", "/a"];
        for (target, due) in targets.into_iter().zip(["first", "other", "second", "first"]) {
            let mut client = connect(Kind::Rfc6455, &program, target).await;
            assert_eq!(client.hear().await, Said::text(due));
            client.say(&[Said::close(1000, "")]).await;
            assert_eq!(client.hear().await, Said::close(1000, ""));
        }
        for (target, status) in [("/locked", 401), ("/nowhere", 404)] {
            let mut wire = Wire::connect(program.address).await;
            wire.write(hybi::request(Kind::Rfc6455, &offer(target))).await;
            let head = Head::read(&mut wire).await;
            assert_eq!(head.status(), status);
            assert_eq!(head.get("WWW-Authenticate").is_some(), status == 401);
        }
        // What is no request of a WebSocket harms nobody.
        for (request, status) in
            [("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426), ("\x16\x03\r\n\r\n", 400)]
        {
            let mut wire = Wire::connect(program.address).await;
            wire.write(request).await;
            assert_eq!(Head::read(&mut wire).await.status(), status);
        }
        let (code, summary) = end(program);
        assert_eq!(code, 0);
        let due =
            "in all: sessions 5, messages matched 0, missed 0; 1 asked for what is not recorded";
        assert_eq!(summary.last().map(String::as_str), Some(due));
    })
    .await;
}

/// A session in which two questions are answered.
fn questions() -> Recording {
    Recording::new()
        .open("hixie-76", "/q", 101, &[])
        .client(r#"{"op":"ask","n":1}"#)
        .server("one")
        .client(r#"{"op":"ask","n":2}"#)
        .server("two")
        .end("client")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_recorded() {
    in_time(async {
        let other = Said::text(r#"{"op":"ask","n":3}"#);
        let known = Said::text(r#"{"op":"ask","n":2}"#);
        // Taken for the one that is most like it.
        let mut program = questions().mocked(&[]);
        let mut client = connect(Kind::Hixie76, &program, "/q").await;
        client.say(std::slice::from_ref(&other)).await;
        assert_eq!(client.hear().await, Said::text("one"));
        let line = program.line_with("not expected");
        assert!(line.contains("/n: 3 instead of 1"), "{line}");
        client.say(std::slice::from_ref(&known)).await;
        assert_eq!(client.hear().await, Said::text("two"));
        drop(client);
        let due = "/q: sessions 1, messages matched 1, missed 1";
        assert_eq!(end(program).1[0], due);
        // Where it is to be ignored, it is the same.
        let program = questions().mocked(&["--ignore", "/n"]);
        let mut client = connect(Kind::Hixie76, &program, "/q").await;
        client.say(std::slice::from_ref(&other)).await;
        assert_eq!(client.hear().await, Said::text("one"));
        drop(client);
        assert_eq!(end(program).1[0], "/q: sessions 1, messages matched 1, missed 0");
        for (kind, due) in
            [(Kind::Rfc6455, Said::close(1008, "")), (Kind::Hixie76, Said::Close(None))]
        {
            let program = questions().mocked(&["--on-miss", "close"]);
            let mut client = connect(kind, &program, "/q").await;
            client.say(std::slice::from_ref(&other)).await;
            assert_eq!(client.hear().await, due);
            drop(client);
            assert_eq!(end(program).0, 0);
        }
        let program = questions().mocked(&["--on-miss", "error"]);
        let mut client = connect(Kind::Rfc6455, &program, "/q").await;
        client.say(&[other, Said::text(r#"{"op":"ask","n":1}"#)]).await;
        assert_eq!(client.hear().await, Said::text("one"));
        let ended = thread::spawn(|| end(program));
        let close = client.hear().await;
        assert_eq!(close, Said::close(1001, ""));
        client.answer_close(&close).await;
        let (code, summary) = ended.join().unwrap();
        assert_eq!((code, &*summary[0]), (1, "/q: sessions 1, messages matched 1, missed 1"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_has_the_rest() {
    in_time(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let forward = format!("forward:ws://{}/base", listener.local_addr().unwrap());
        let program = questions().mocked(&["--on-miss", &forward, "--as", "hybi-08"]);
        let mut client = connect(Kind::Hixie76, &program, "/q").await;
        client.say(&[Said::text(r#"{"op":"ask","n":1}"#)]).await;
        assert_eq!(client.hear().await, Said::text("one"));
        client.say(&[Said::text("new"), Said::text("and more")]).await;
        let (mut server, head) = Peer::accept(Kind::Hybi08, &listener, &Reply::default()).await;
        assert_eq!(head.target(), "/base/q");
        for due in ["new", "and more"] {
            assert_eq!(server.hear().await, Said::text(due));
        }
        server.say(&[Said::text("answer")]).await;
        assert_eq!(client.hear().await, Said::text("answer"));
        client.say(&[Said::Close(None)]).await;
        let close = server.hear().await;
        server.answer_close(&close).await;
        assert_eq!(client.hear().await, Said::Close(None));
        client.finish().await;
        // A path that is not recorded is the other server's from the beginning.
        let reply = Reply { cookie: Some("a=b".to_owned()), ..Reply::default() };
        let offer = offer("/new?x");
        let ((mut client, answer), (mut server, head)) = tokio::join!(
            Peer::connect(Kind::Rfc6455, program.address, &offer),
            Peer::accept(Kind::Hybi08, &listener, &reply)
        );
        assert_eq!((head.target(), answer.get("Set-Cookie")), ("/base/new?x", Some("a=b")));
        client.say(&[Said::Binary(vec![255; 100_000])]).await;
        assert_eq!(server.hear().await, Said::Binary(vec![255; 100_000]));
        let close = Said::close(4002, "");
        server.say(std::slice::from_ref(&close)).await;
        assert_eq!(client.hear().await, close);
        client.answer_close(&close).await;
        assert_eq!(server.hear().await, close);
        let (code, summary) = end(program);
        let due = "in all: sessions 1, messages matched 1, missed 1, forwarded 1; 1 asked for what is not \
                   recorded";
        assert_eq!((code, summary.last().map(String::as_str)), (0, Some(due)));
    })
    .await;
}

/// A client that breaks a rule is told so, and is in nobody's way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_breaks_a_rule_is_closed() {
    in_time(async {
        let program = questions().mocked(&["--max-sessions", "1"]);
        // An opcode that is reserved, and frames behind it.
        let broken = [0x83, 0x80, 0, 0, 0, 0, 0x83, 0x80, 0, 0, 0, 0];
        for _ in 0..2 {
            let Peer::Hybi(mut client) = connect(Kind::Hybi08, &program, "/q").await else {
                unreachable!()
            };
            client.wire.write(broken).await;
            assert!(matches!(client.hear().await, Said::Close(Some((1002, _)))));
            client.wire.finish().await;
            assert_eq!(client.hear().await, Said::Fin);
        }
        let mut client = connect(Kind::Rfc6455, &program, "/q").await;
        client.say(&[Said::text(r#"{"op":"ask","n":1}"#)]).await;
        assert_eq!(client.hear().await, Said::text("one"));
        drop(client);
        assert_eq!(end(program).0, 0);
    })
    .await;
}

/// A client that does not read holds up nobody's end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_left() {
    in_time(async {
        let large = "x".repeat(16 << 20);
        let recording = Recording::new().open("hixie-76", "/q", 101, &[]);
        let recording =
            recording.client("ask").server("soon").server(&large).client("more").end("client");
        let program = recording.mocked(&[]);
        let mut client = connect(Kind::Rfc6455, &program, "/q").await;
        client.say(&[Said::text("ask")]).await;
        // What comes behind it is more than all buffers hold.
        assert_eq!(client.hear().await, Said::text("soon"));
        let (code, summary) = end(program);
        let due = "in all: sessions 1, messages matched 1, missed 0";
        assert_eq!((code, summary.last().map(String::as_str)), (0, Some(due)));
    })
    .await;
}

#[test]
fn what_it_cannot_do() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hybridge"));
        let output = command.arg("mock").args(arguments).output().unwrap();
        assert!(output.stdout.is_empty(), "{output:?}");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let folder = tempfile::tempdir().unwrap();
    let file = questions().write(&folder);
    let file = file.to_str().unwrap();
    let with = |more: &[&'static str]| run(&[&[file, "--listen", "127.0.0.1:0"], more].concat());
    assert_eq!(run(&[file]).0, 2);
    assert_eq!(with(&["--pace", "step"]).0, 2);
    assert_eq!(with(&["--on-miss", "forward"]).0, 2);
    assert_eq!(with(&["--on-miss", "forward:http://a"]).0, 2);
    assert_eq!(with(&["--ignore", "n"]).0, 2);
    assert_eq!(with(&["--max-sessions", "0"]).0, 2);
    let (code, error) = run(&["/nowhere.pcap", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, 3);
    assert!(error.contains("/nowhere.pcap"), "{error}");
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (code, error) = run(&[file, "--listen", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(code, 1);
    assert!(error.contains("address in use"), "{error}");
}
