//! `hybridge replay` against servers: a good one, and all kinds of bad ones.

use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{fs, thread};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_websockets::{Message, ServerBuilder, WebSocketStream};

/// A login whose answer has a token, and two orders that say it.
const RECORDING: &str = r#"{"wsrec":1,"start":"2026-11-20T15:02:11Z","source":"a test"}
{"event":"open","session":1,"at":0,"dialect":"hixie-76","client":"10.0.0.7:1","server":"10.0.0.1:80","target":"/orders?u=1","fields":[["Host","old"],["Cookie","a=1"]]}
{"event":"accept","session":1,"at":1000,"status":101,"fields":[]}
{"event":"message","session":1,"at":2000,"from":"client","seen":0,"text":"{\"op\":\"login\"}"}
{"event":"message","session":1,"at":3000,"from":"server","seen":1,"text":"{\"op\":\"welcome\",\"token\":\"abc123def\"}"}
{"event":"message","session":1,"at":4000,"from":"client","seen":1,"text":"{\"op\":\"order\",\"id\":1,\"token\":\"abc123def\"}"}
{"event":"message","session":1,"at":5000,"from":"server","seen":2,"text":"{\"op\":\"ack\",\"id\":1}"}
{"event":"message","session":1,"at":6000,"from":"client","seen":2,"text":"{\"op\":\"order\",\"id\":2,\"token\":\"abc123def\"}"}
{"event":"message","session":1,"at":7000,"from":"server","seen":3,"text":"{\"op\":\"ack\",\"id\":2}"}
{"event":"end","session":1,"at":8000,"by":"client","how":"fin","clean":true}
{"event":"account","flows":1,"sessions":1}
"#;

type Socket = WebSocketStream<TcpStream>;

fn recording(name: &str, text: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("replay-{name}.wsrec"));
    fs::write(&file, text).unwrap();
    file
}

fn command(name: &str, address: SocketAddr, options: &[&str]) -> Command {
    command_for(&recording(name, RECORDING), address, options)
}

fn command_for(file: &Path, address: SocketAddr, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hybridge"));
    command.arg("replay").arg(file).args(["--target", &format!("ws://{address}")]);
    // Bad servers are not waited for as long as slow ones.
    command.args(["--stall", "300ms", "--drain", "300ms", "--timeout", "20s"]).args(options);
    command
}

/// Runs the replay against what `serve` does with each connection.
fn replay<F>(
    name: &str,
    options: &[&str],
    server: impl Fn(TcpStream) -> F + Send + 'static,
) -> (i32, String)
where
    F: Future<Output = ()> + Send + 'static,
{
    ended(&command(name, serve(server), options).output().unwrap())
}

/// Starts a server that ends with the test.
fn serve<F>(server: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let (address, listening) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            address.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server(stream));
            }
        });
    });
    listening.recv().unwrap()
}

fn ended(output: &Output) -> (i32, String) {
    let said = [&output.stdout[..], &output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

/// A server that answers each message with what `answers` makes of it.
async fn talk(stream: TcpStream, answers: impl Fn(&str) -> Vec<String>) {
    let (request, mut socket) = ServerBuilder::new().accept(stream).await.unwrap();
    assert_eq!(request.uri(), "/orders?u=1");
    assert_eq!(request.headers()["Cookie"], "a=1");
    while let Some(Ok(message)) = socket.next().await {
        let Some(text) = message.as_text() else { continue };
        for answer in answers(text) {
            socket.send(Message::text(answer)).await.unwrap();
        }
    }
}

/// What the server of the recording does, with another token, which it wants to hear again.
fn right(text: &str) -> Vec<String> {
    if text.contains("login") {
        return vec![r#"{"token":"999new888","op":"welcome"}"#.to_owned()];
    }
    let known = text.contains(r#""token":"999new888""#);
    let id = if text.contains(r#""id":1"#) { 1 } else { 2 };
    vec![if known {
        format!(r#"{{"op":"ack","id":{id}.0}}"#)
    } else {
        r#"{"op":"denied"}"#.to_owned()
    }]
}

#[test]
fn one_that_answers_as_it_was_recorded() {
    let (code, said) = replay("right", &[], |stream| talk(stream, right));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("messages 3: 3 matched"), "{said}");
    assert!(
        said.contains("carried forward: /token of the server to /token of the client"),
        "{said}"
    );
}

#[test]
fn in_the_dialect_of_the_recording_nobody_answers_here() {
    let (code, said) = replay("recorded", &["--as", "recorded"], |stream| async {
        ServerBuilder::new().accept(stream).await.ok();
    });
    assert_eq!(code, 4, "{said}");
}

#[test]
fn one_that_answers_otherwise() {
    let wrong = |text: &str| right(&text.replace(r#""id":2"#, r#""id":1"#));
    let (code, said) = replay("wrong", &[], move |stream| talk(stream, wrong));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("differs: < 3 ack\n    /id then 2\n        now  1.0\n"), "{said}");
    assert!(said.contains("messages 3: 2 matched, 1 differ, 0 missing; 0 not expected"), "{said}");
    let (code, said) =
        replay("ruled", &["--ignore", "/id", "--ignore", "/x"], move |stream| talk(stream, wrong));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the rule ignore /x has made no difference"), "{said}");
}

#[test]
fn reports_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let (json, junit) = (folder.path().join("r.json"), folder.path().join("r.xml"));
    let [to_json, to_junit] = [("json", &json), ("junit", &junit)]
        .map(|(form, path)| format!("{form}:{}", path.display()));
    let options = ["--no-variables", "--report", &to_json, "--report", &to_junit];
    let (code, said) = replay("reports", &options, |stream| talk(stream, right));
    assert_eq!(code, 1, "{said}");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!(report["messages"]["matched"], 0);
    assert_eq!(report["verdicts"][0]["differing"][0]["differences"][0]["path"], "/token");
    let xml = fs::read_to_string(junit).unwrap();
    let mut reader = quick_xml::Reader::from_str(&xml);
    let mut names = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Start(tag) => names.push(tag.name().0.to_owned()),
            _ => {}
        }
    }
    assert_eq!(names, ["testsuites", "testsuite", "testcase", "failure"]);
    assert!(xml.contains(r#"tests="1" failures="1""#), "{xml}");
}

#[test]
fn one_that_is_down() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, said) = ended(&command("down", address, &[]).output().unwrap());
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("not opened as then: backend: cannot connect"), "{said}");
}

#[test]
fn one_that_refuses() {
    let (code, said) = replay("refuses", &[], |mut stream| async move {
        let mut bytes = [0; 4096];
        assert!(stream.read(&mut bytes).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    });
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("answered with 403, expected 101"), "{said}");
}

#[test]
fn one_that_is_no_web_server() {
    let (code, said) = replay("garbage-first", &[], |mut stream| async move {
        stream.write_all(b"\x00\x01\x02 220 welcome to another protocol\r\n\r\n").await.unwrap();
    });
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("malformed start line"), "{said}");
}

#[test]
fn one_that_is_silent() {
    let (code, said) = replay("silent", &[], |stream| talk(stream, |_| Vec::new()));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("message 2 of the client has waited in vain for < 1 welcome"), "{said}");
    assert!(said.contains("0 matched, 0 differ, 3 missing"), "{said}");
}

#[test]
fn one_that_echoes_all() {
    let (code, said) = replay("echo", &[], |stream| talk(stream, |text| vec![text.to_owned()]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("messages 3: 0 matched"), "{said}");
}

#[test]
fn one_that_answers_twice() {
    let twice = |text: &str| [right(text), right(text)].concat();
    let (code, said) = replay("twice", &[], move |stream| talk(stream, twice));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("3 matched, 0 differ, 0 missing; 3 not expected"), "{said}");
}

#[test]
fn one_that_closes_in_the_middle() {
    let close = |stream| async {
        let (_, mut socket): (_, Socket) = ServerBuilder::new().accept(stream).await.unwrap();
        let login = socket.next().await.unwrap().unwrap();
        let answer = right(login.as_text().unwrap()).remove(0);
        socket.send(Message::text(answer)).await.unwrap();
        let code = tokio_websockets::CloseCode::try_from(1011).unwrap();
        socket.send(Message::close(Some(code), "")).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    };
    let (code, said) = replay("closes", &[], close);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("not ended as then: the server closed with 1011, expected the client to"),
        "{said}"
    );
    assert!(said.contains("1 matched, 0 differ, 2 missing"), "{said}");
}

/// What is said last has no answer in the recording, and the server does not like it.
#[test]
fn one_that_closes_at_the_last_message() {
    let bye = r#"{"event":"message","session":1,"at":7500,"from":"client","seen":3,"text":"bye"}"#;
    let end = r#"{"event":"end""#;
    let file = recording("bye", &RECORDING.replace(end, &format!("{bye}\n{end}")));
    let address = serve(|stream| async {
        let (_, mut socket): (_, Socket) = ServerBuilder::new().accept(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            match message.as_text() {
                Some("bye") => {
                    let code = tokio_websockets::CloseCode::try_from(1011).unwrap();
                    socket.send(Message::close(Some(code), "")).await.ok();
                }
                Some(text) => socket.send(Message::text(right(text).remove(0))).await.unwrap(),
                None => {}
            }
        }
    });
    let (code, said) = ended(&command_for(&file, address, &[]).output().unwrap());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("messages 3: 3 matched"), "{said}");
    assert!(said.contains("not ended as then: the server closed with 1011"), "{said}");
}

/// It takes a message that is larger than all buffers, and reads nothing.
#[test]
fn one_that_does_not_read() {
    let large = "x".repeat(16 << 20);
    let file = recording("large", &RECORDING.replace(r#"{\"op\":\"login\"}"#, &large));
    let address = serve(|mut stream| async move {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0);
        }
        let request = String::from_utf8(bytes).unwrap();
        let key =
            request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = hybridge::dialect::hybi::opening::accept(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let (code, said) = ended(&command_for(&file, address, &[]).output().unwrap());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("not ended as then: the connection was lost"), "{said}");
}

#[test]
fn one_whose_connection_breaks_off() {
    let (code, said) = replay("breaks", &[], |stream| async {
        drop(ServerBuilder::new().accept(stream).await);
    });
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("not ended as then: the connection was lost"), "{said}");
}

#[test]
fn one_that_sends_garbage() {
    let (code, said) = replay("garbage", &[], |stream| async {
        let (_, socket): (_, Socket) = ServerBuilder::new().accept(stream).await.unwrap();
        let mut stream = socket.into_inner();
        stream.write_all(&[0xff; 64]).await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.ok();
    });
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("not ended as then: the server broke a rule"), "{said}");
}

/// The report is written, and never says that all is well.
#[test]
fn an_interrupt() {
    let (opened, is_open) = std::sync::mpsc::channel();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        opened.send(()).unwrap();
        // It is held, and silent.
        thread::park();
        drop(stream);
    });
    let child = command("interrupt", address, &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    is_open.recv().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let (code, said) = ended(&child.wait_with_output().unwrap());
    assert_eq!(code, 130, "{said}");
    assert!(said.contains("interrupted: 1 sessions"), "{said}");
}

#[test]
fn what_cannot_be_said() {
    let run = |arguments: &[&str]| {
        ended(
            &Command::new(env!("CARGO_BIN_EXE_hybridge"))
                .arg("replay")
                .args(arguments)
                .output()
                .unwrap(),
        )
    };
    let good = recording("good", RECORDING);
    let good = good.to_str().unwrap();
    let (code, said) = run(&[good, "--target", "http://x"]);
    assert!(code == 2 && said.contains("http://x is no target"), "{code} {said}");
    let (code, said) = run(&[good, "--target", "ws://127.0.0.1:1", "--ignore", "ts"]);
    assert!(
        code == 2 && said.contains("--ignore ts: a JSON pointer begins with /"),
        "{code} {said}"
    );
    let rules = recording("rules", "lane = '/op'\n[[ignore]]\npth = '/ts'\n");
    let (code, said) =
        run(&[good, "--target", "ws://127.0.0.1:1", "--rules", rules.to_str().unwrap()]);
    assert!(
        code == 2 && said.contains("line 3") && said.contains("unknown field `pth`"),
        "{code} {said}"
    );
    let (code, said) = run(&[good, "--target", "ws://127.0.0.1:1", "--sessions", "2"]);
    assert!(code == 3 && said.contains("none of its sessions is chosen"), "{code} {said}");
    let empty = recording("empty", "");
    let (code, said) = run(&[empty.to_str().unwrap(), "--target", "ws://127.0.0.1:1"]);
    assert!(code == 3 && said.contains("it is empty"), "{code} {said}");
    let address = serve(|stream| talk(stream, right));
    let (code, said) =
        run(&[good, empty.to_str().unwrap(), "--target", &format!("ws://{address}")]);
    assert!(code == 3 && said.contains("nothing of it could be said"), "{code} {said}");
    let (code, said) = run(&[good, "--target", "ws://127.0.0.1:1", "--dry-run"]);
    assert!(
        code == 0 && said.contains("session 1 (hixie-76)  /orders?u=1  to say 3, to hear 3"),
        "{code} {said}"
    );
}

/// What is missing in the recording is never counted as well.
#[test]
fn a_damaged_recording() {
    let gap = r#"{"event":"gap","session":1,"at":5500,"from":"server","bytes":10}"#;
    let damaged = RECORDING.replace(
        "{\"event\":\"message\",\"session\":1,\"at\":6000",
        &format!("{gap}\n{{\"event\":\"message\",\"session\":1,\"at\":6000"),
    );
    let file = recording("damaged", &damaged);
    for (options, due) in [(&["--strict"][..], 5), (&[], 0)] {
        let address = serve(|stream| talk(stream, right));
        let (code, said) = ended(&command_for(&file, address, options).output().unwrap());
        assert_eq!(code, due, "{said}");
        assert!(said.contains("damaged in the recording: 1 sessions"), "{said}");
        assert!(said.contains("session 1: 10 bytes of the backend are missing"), "{said}");
        assert!(said.contains("messages 2: 2 matched"), "{said}");
    }
}
