//! What the program makes of recordings: compared with one another, learned from, said to two servers,
//! made small. The recordings are written here, and the servers are those of another implementation.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod baseline;
mod diff;
mod learn;
mod server;
mod shrink;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// What a run of the program takes at most; nothing here takes as long.
const DEADLINE: Duration = Duration::from_secs(120);

/// Runs the program to its end; its exit code, and what it writes. One that does not end is stopped,
/// and fails the test.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let child = Command::new(env!("CARGO_BIN_EXE_hybridge"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = Pid::from_child(&child);
    let (ended, end) = channel();
    thread::spawn(move || ended.send(child.wait_with_output()));
    let output = end.recv_timeout(DEADLINE).unwrap_or_else(|_| {
        kill_process(id, Signal::KILL).unwrap();
        panic!("does not end: {arguments:?}")
    });
    let output = output.unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().expect("no signal"), text.concat())
}

/// The sessions of a recording: the target, and what is said (`>`) and heard (`<`).
type Sessions<'a> = &'a [(&'a str, &'a [&'a str])];

/// Writes a recording, of a message a millisecond. The client ends each session.
fn record(file: &Path, sessions: Sessions<'_>) {
    let mut lines = Vec::new();
    let mut at = 0;
    for (number, (target, messages)) in sessions.iter().enumerate() {
        let mut add = |event: &str, more: Value| {
            at += 1_000_000;
            let mut line = json!({ "event": event, "session": number + 1, "at": at });
            line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            lines.push(line);
        };
        let fields = json!([["Host", "old.example"]]);
        add(
            "open",
            json!({ "dialect": "hixie-76", "client": "", "server": "", "target": target, "fields": fields }),
        );
        add("accept", json!({ "status": 101, "fields": [] }));
        let mut count = [0; 2];
        for message in *messages {
            let (from, text) = message.split_at(1);
            let side = usize::from(from == "<");
            let from = ["client", "server"][side];
            add("message", json!({ "from": from, "seen": count[1 - side], "text": text }));
            count[side] += 1;
        }
        add("close", json!({ "from": "client", "reason": "" }));
        add("end", json!({ "by": "client", "how": "fin", "clean": true }));
    }
    lines.push(json!({ "event": "account", "flows": sessions.len(), "sessions": sessions.len() }));
    let header = r#"{"wsrec":1,"start":"2012-01-01T00:00:00Z","source":"by hand"}"#;
    let events: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(file, format!("{header}\n{events}")).unwrap();
}

/// A folder with recordings of these names.
fn folder(recordings: &[(&str, Sessions<'_>)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, sessions) in recordings {
        record(&folder.path().join(name), sessions);
    }
    let path = folder.path().to_owned();
    (folder, path)
}
