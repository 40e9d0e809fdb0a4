//! Recordings of the real program: what its sessions said is in the files, and nothing that must not
//! be.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]
#![expect(dead_code, reason = "the modules are shared with other tests, which use the rest")]

#[path = "forms/packets.rs"]
mod packets;
#[path = "proxy/peers/mod.rs"]
mod peers;
#[path = "proxy/program.rs"]
mod program;

use hybridge::event::Side;
use hybridge::transcript::event::{End, How, Message, What};
use packets::Capture;
use peers::head::Head;
use peers::wire::Wire;
use peers::{Kind, Offer, Peer, Reply, Said};
use program::Program;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// What a conversation takes at most; nothing here takes as long.
const DEADLINE: Duration = Duration::from_secs(60);

/// A program that records, in front of a backend of RFC 6455.
async fn recording(folder: &Path, more: &str) -> (Program, TcpListener) {
    recording_before("rfc6455", folder, more).await
}

/// A program that records, in front of a backend of this dialect.
async fn recording_before(dialect: &str, folder: &Path, more: &str) -> (Program, TcpListener) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let backend = listener.local_addr().unwrap();
    let file = folder.join("hybridge.toml");
    let text = format!(
        "[record]\nfolder = {folder:?}\n{more}\n\
         [[listener]]\nname = \"main\"\naddress = [\"127.0.0.1:0\"]\n\
         [[backend]]\nname = \"main\"\ndialect = {dialect:?}\n[[backend.server]]\nurl = \"ws://{backend}\"\n\
         [[route]]\nname = \"main\"\nbackend = \"main\"\n"
    );
    fs::write(&file, text).unwrap();
    (Program::with(&file), listener)
}

/// A session of a client of Hixie-76.
async fn open(program: &Program, listener: &TcpListener, target: &str) -> (Peer, Peer) {
    let offer = Offer { target: target.to_owned(), ..Offer::default() };
    let reply = Reply::default();
    let (client, backend) = tokio::join!(
        Peer::connect(Kind::Hixie76, program.address, &offer),
        Peer::accept(Kind::Rfc6455, listener, &reply)
    );
    (client.0, backend.0)
}

/// A session in which all is said back, and which the client closes.
async fn session(program: &Program, listener: &TcpListener, target: &str, all: &[Said]) {
    let (mut client, mut backend) = open(program, listener, target).await;
    for said in all {
        client.say(std::slice::from_ref(said)).await;
        assert_eq!(backend.hear().await, *said);
        backend.say(std::slice::from_ref(said)).await;
        assert_eq!(client.hear().await, *said);
    }
    client.say(&[Said::Close(None)]).await;
    let close = backend.hear().await;
    backend.answer_close(&close).await;
    assert_eq!(client.hear().await, Said::Close(None));
    client.finish().await;
    backend.finish().await;
}

fn end(mut program: Program) {
    program.signal(Signal::TERM);
    assert!(program.wait().success());
}

/// The files with an ending, in the order of their times.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    files.sort();
    files
}

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A recording in another form.
fn exported(file: &Path, form: &str) -> PathBuf {
    let to = file.with_extension(format!("exported.{form}"));
    let status = Command::new(env!("CARGO_BIN_EXE_hybridge"))
        .args(["export", "-o"])
        .args([&to, file])
        .status()
        .unwrap();
    assert!(status.success());
    to
}

/// What `hybridge inspect` reads in a file.
fn inspected(file: &Path) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_hybridge"))
        .args(["inspect", "--json", "--strict"])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

async fn in_time(test: impl Future<Output = ()>) {
    timeout(DEADLINE, test).await.expect("a conversation in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_is_in_the_recording() {
    in_time(async {
        let folder = tempfile::tempdir().unwrap();
        let (program, listener) = recording(folder.path(), "").await;
        let large = "\u{e4}".repeat(100_000);
        let all = [Said::text("first"), Said::text(&large), Said::text("")];
        session(&program, &listener, "/chat?token=hush&room=1", &all).await;
        end(program);
        let [file] = &files(folder.path(), "wsrec")[..] else { panic!("one recording") };
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        let lines = lines(file);
        let of = |kind: &str| lines.iter().filter(|line| line["event"] == kind).collect::<Vec<_>>();
        assert_eq!((of("open").len(), of("accept").len(), of("end").len()), (1, 1, 1));
        assert_eq!(of("open")[0]["dialect"], "hixie-76");
        assert_eq!(of("accept")[0]["status"], 101);
        let said: Vec<_> = of("message")
            .into_iter()
            .map(|line| (line["from"].as_str().unwrap(), line["text"].as_str().unwrap()))
            .collect();
        let each = all.iter().flat_map(|said| {
            let Said::Text(text) = said else { unreachable!() };
            [("client", text.as_str()), ("server", text.as_str())]
        });
        assert!(said.iter().copied().eq(each), "what was said, in order");
        // The same through the other forms, and back.
        for form in ["pcapng", "har", "wsrec"] {
            let again = inspected(&exported(file, form));
            let texts = again.iter().filter(|line| line["event"] == "message");
            let again: Vec<_> = texts
                .map(|line| (line["from"].as_str().unwrap(), line["text"].as_str().unwrap()))
                .collect();
            assert!(again == said, "what was said, exported as {form}");
        }
        let end = of("end")[0];
        assert_eq!((&end["by"], &end["clean"]), (&"client".into(), &true.into()));
        let text = fs::read_to_string(file).unwrap();
        assert!(!text.contains("hush") && text.contains("room=1"), "{}", &text[..600]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_wanted_is_recorded_and_kept() {
    in_time(async {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            "paths = [\"/chat\"]\nmax_file = \"1\"\nkeep = 2\nsecrets = true\npcapng = true";
        let (program, listener) = recording(folder.path(), settings).await;
        for (target, said) in [
            ("/other", "not wanted"),
            ("/chat/1?token=known", "one"),
            ("/chat/2", "two"),
            ("/chat/3", "three"),
        ] {
            session(&program, &listener, target, &[Said::text(said)]).await;
        }
        end(program);
        let kept = files(folder.path(), "wsrec");
        // What is kept as packets is the same.
        let packets: Vec<_> = kept.iter().map(|file| file.with_extension("pcapng")).collect();
        assert_eq!(files(folder.path(), "pcapng"), packets);
        let said: Vec<_> = kept.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        let [before, last] = &said[..] else { panic!("two recordings of {kept:?}") };
        assert!(before.contains("\"two\"") && last.contains("\"three\""), "{said:?}");
        assert!(said.iter().all(|text| !text.contains("not wanted")), "{said:?}");
    })
    .await;
}

/// The file of packets holds both legs, each in its own dialect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_legs_are_packets() {
    in_time(async {
        let folder = tempfile::tempdir().unwrap();
        let (program, listener) = recording(folder.path(), "pcapng = true").await;
        let large = "\u{e4}".repeat(100_000);
        let all = [Said::text("first"), Said::text(&large), Said::text("")];
        session(&program, &listener, "/chat?token=hush&room=1", &all).await;
        // A backend that breaks off, and a client that does.
        for is_client in [false, true] {
            let (mut client, mut backend) = open(&program, &listener, "/reset").await;
            if is_client {
                client.reset();
                assert!(matches!(backend.hear().await, Said::Fin | Said::Lost));
            } else {
                backend.reset();
                while !matches!(client.hear().await, Said::Fin | Said::Lost) {}
            }
        }
        end(program);
        let [file] = &files(folder.path(), "pcapng")[..] else { panic!("one recording") };
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(file.with_extension("wsrec").exists());
        let bytes = fs::read(file).unwrap();
        assert!(!bytes.windows(4).any(|word| word == b"hush"));
        let capture = Capture::read(&bytes);
        assert_eq!(capture.interfaces, ["client leg", "backend leg"]);
        let mut connections = capture.connections();
        // In the order in which they began, both legs of each session.
        assert_eq!(connections.len(), 6);
        let ends: Vec<_> = connections
            .iter()
            .map(|connection| match connection.said().pop().unwrap().1 {
                What::End(end) => (connection.packets[0].interface, end),
                what => panic!("{what:?}"),
            })
            .collect();
        connections.truncate(2);
        for (connection, dialect) in connections.iter().zip(["hixie-76", "rfc6455"]) {
            let whats: Vec<_> = connection.said().into_iter().map(|(_, what)| what).collect();
            let What::Open(open) = &whats[0] else { panic!("{whats:?}") };
            assert_eq!((open.dialect.name(), open.target.contains("room=1")), (dialect, true));
            assert!(matches!(&whats[1], What::Accept(accept) if accept.status == 101));
            let said = whats.into_iter().filter_map(|what| match what {
                What::Message(Message { from, data, .. }) => Some((from, data)),
                _ => None,
            });
            let each = all.iter().flat_map(|said| {
                let Said::Text(text) = said else { unreachable!() };
                Side::BOTH.map(|side| (side, text.as_bytes().to_vec()))
            });
            assert!(said.eq(each), "what was said, in order");
        }
        let by = |by, how, clean| End { by: Some(by), how, clean };
        let (fin, reset) = (How::Fin, How::Reset);
        let due = [
            (0, by(Side::Client, fin, true)),
            (1, by(Side::Client, fin, true)),
            (0, by(Side::Backend, fin, true)),
            (1, by(Side::Backend, reset, false)),
            (0, by(Side::Client, reset, false)),
            (1, by(Side::Client, fin, false)),
        ];
        assert_eq!(ends, due);
    })
    .await;
}

/// Where a backend's dialect is looked for, each attempt is a connection of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_connections() {
    in_time(async {
        let folder = tempfile::tempdir().unwrap();
        let (program, listener) = recording_before("auto", folder.path(), "pcapng = true").await;
        let (offer, reply) = (Offer::default(), Reply::default());
        let ((mut client, _), mut backend) =
            tokio::join!(Peer::connect(Kind::Hixie76, program.address, &offer), async {
                let mut refused = Wire::accept(&listener).await;
                Head::read(&mut refused).await;
                refused.write("HTTP/1.1 400 Bad Request\r\n\r\n").await;
                refused.finish().await;
                Peer::accept(Kind::Hybi08, &listener, &reply).await.0
            });
        client.say(&[Said::text("hello")]).await;
        assert_eq!(backend.hear().await, Said::text("hello"));
        client.finish().await;
        let close = backend.hear().await;
        backend.answer_close(&close).await;
        end(program);
        let file = &files(folder.path(), "pcapng")[0];
        let connections = Capture::read(&fs::read(file).unwrap()).connections();
        let opens: Vec<_> = connections
            .iter()
            .map(|connection| {
                let said = connection.said();
                let What::Open(open) = &said[0].1 else { panic!("{said:?}") };
                let What::Accept(accept) = &said[1].1 else { panic!("{said:?}") };
                let messages = said.iter().filter(|(_, what)| matches!(what, What::Message(_)));
                let interface = connection.packets[0].interface;
                (interface, open.dialect.name(), accept.status, messages.count())
            })
            .collect();
        let due = [(0, "hixie-76", 101, 1), (1, "rfc6455", 400, 0), (1, "hybi-08", 101, 1)];
        assert_eq!(opens, due);
    })
    .await;
}

/// A client that breaks off is not said to have left in order, as one that ends its stream is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_breaks_off_has_not_left_in_order() {
    in_time(async {
        let folder = tempfile::tempdir().unwrap();
        let (program, listener) = recording(folder.path(), "").await;
        let (mut client, mut backend) = open(&program, &listener, "/fin").await;
        client.finish().await;
        let close = backend.hear().await;
        backend.answer_close(&close).await;
        let (client, mut backend) = open(&program, &listener, "/reset").await;
        client.reset();
        assert!(matches!(backend.hear().await, Said::Fin | Said::Lost));
        end(program);
        let lines = lines(&files(folder.path(), "wsrec")[0]);
        let mut ends: Vec<_> = lines.iter().filter(|line| line["event"] == "end").collect();
        ends.sort_by_key(|end| end["session"].as_u64());
        let ends: Vec<_> =
            ends.into_iter().map(|end| (&end["by"], &end["how"], &end["clean"])).collect();
        let (client, fin, reset) = ("client".into(), "fin".into(), "reset".into());
        assert_eq!(ends, [(&client, &fin, &true.into()), (&client, &reset, &false.into())]);
    })
    .await;
}

/// Sessions do not keep more files open than are to be kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_cut_whose_recording_is_too_old() {
    in_time(async {
        let folder = tempfile::tempdir().unwrap();
        let (program, listener) = recording(folder.path(), "max_file = \"1\"\nkeep = 1").await;
        let old = open(&program, &listener, "/old").await;
        session(&program, &listener, "/new", &[Said::text("one")]).await;
        drop(old);
        end(program);
        let kept = files(folder.path(), "wsrec");
        let [last] = &kept[..] else { panic!("one recording of {kept:?}") };
        let opens: Vec<_> =
            lines(last).into_iter().filter(|line| line["event"] == "open").collect();
        assert_eq!(opens.len(), 1);
        assert_eq!(opens[0]["target"], "/new");
    })
    .await;
}
