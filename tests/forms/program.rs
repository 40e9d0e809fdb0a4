//! `hybridge inspect` as its user meets it: what it shows, and how it ends.

use crate::{GOLDEN, golden_file};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn inspect(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hybridge"))
        .arg("inspect")
        .args(arguments)
        .stdin(File::open(golden_file()).unwrap())
        .output()
        .unwrap()
}

fn shown(arguments: &[&str]) -> String {
    let output = inspect(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    assert!(output.stderr.is_empty(), "{arguments:?}: {output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.lines().all(|line| !line.chars().any(char::is_control)), "{shown}");
    shown
}

fn file(name: &str, text: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn the_table() {
    let shown = shown(&["-"]);
    let lines: Vec<_> = shown.lines().collect();
    let rows: Vec<Vec<_>> = lines[1..4]
        .iter()
        .map(|line| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect())
        .collect();
    assert_eq!(lines[0], "standard input: old.pcap, from 2026-11-20T15:02:11.123456Z");
    assert_eq!(rows[0][..4], ["session", "draft", "client", "server"]);
    let due = [
        "1",
        "hixie-76",
        "10.0.0.7:39088",
        "10.0.0.1:80",
        "/quotes?user=alice&token=•••",
        "0.000000",
        "0.368000",
        "2 msg, 42 B",
        "2 msg, 12 B",
        "cut",
        "< 1460 bytes are missing, and 1 more",
    ];
    assert_eq!(rows[1], due);
    let due = [
        "2",
        "rfc6455",
        "[::1]:39090",
        "[::1]:80",
        "/echo",
        "0.000001",
        "0.006198",
        "1 msg, 3 B",
        "1 msg, 8 B",
        "server fin, clean",
    ];
    assert_eq!(rows[2], due);
    assert_eq!(
        lines[4..],
        [
            "flows 10: 2 WebSocket (1 rfc6455, 1 hixie-76), 2 other, 1 TLS, 1 from their middle, \
             1 cut; 2 one-way, 1 forgotten",
            "packets 21: 1 not TCP over IP, 2 truncated, 3 duplicate, 4 in conflict, 1 stray, \
             1 lost fragments",
            "missing: 1460 bytes, in 1 sessions",
            "note: session 2: the server masks (RFC 6455 section 5.1)",
            "damage: record 22 is cut",
        ]
    );
}

#[test]
fn a_transcript() {
    let golden = golden_file();
    let golden = golden.to_str().unwrap();
    let text = shown(&[golden, "--session", "1"]);
    for due in [
        "session 1: hixie-76, 10.0.0.7:39088 > 10.0.0.1:80, 2026-11-20T15:02:11.123456Z\n",
        "    0.000000        #4  >  open           /quotes?user=alice&token=•••\n",
        "Cookie: sid=•••; lang=•••\n",
        "    0.004721        #8  >  text 33        {\"op\":\"login\",\"name\":\"Zoë 🎉\"}\n",
        "    0.005010       #10  <  text 12        welcome\\0\\u{1b}[2J\n",
        "    0.005600       #18  <  gap            1460 bytes are missing\n",
        "    0.368000               end            cut\n",
    ] {
        assert!(text.contains(due), "no {due:?} in\n{text}");
    }
    assert!(!text.contains("/echo"), "{text}");
    let text = shown(&[golden, "--session", "1", "--show-secrets"]);
    assert!(text.contains("token=t0p") && text.contains("sid=31d4d96e407aad42"), "{text}");
    let text = shown(&[golden, "--session", "2"]);
    for due in
        ["binary 3       00 ff fe\n", "text 8         not\\xffutf8\n", "close          1000 bye\n"]
    {
        assert!(text.contains(due), "no {due:?} in\n{text}");
    }
}

#[test]
fn what_is_long_is_clipped() {
    let long = "x".repeat(5000);
    let file = file("long.wsrec", &GOLDEN.replace("subscribe", &long));
    let file = file.to_str().unwrap();
    let clipped = shown(&[file, "--session", "1"]);
    assert!(clipped.contains("text 5000      xxx") && !clipped.contains(&long), "{clipped}");
    assert!(shown(&[file, "--session", "1", "--full"]).contains(&long));
}

#[test]
fn deps() {
    let due = "session 1 (hixie-76)  0.004721  #8  > 1  {\"op\":\"login\",\"name\":\"Zoë 🎉\"}\n    \
               had seen nothing of the server\n\
               session 2 (rfc6455)  0.005098  #11  > 1  00 ff fe\n    \
               had seen nothing of the server\n\
               session 1 (hixie-76)  0.005500  #16  > 2  subscribe\n    \
               had seen < 1 to 1, the last was < 1 #10 welcome\\0\\u{1b}[2J\n    \
               had not seen < 2 #15\n\
               damage of the recording: record 22 is cut\n";
    let text = shown(&["-", "--deps"]);
    let text: Vec<_> = text.lines().map(str::trim_end).collect();
    assert_eq!(text, due.lines().collect::<Vec<_>>());
}

/// It is a recording again.
#[test]
fn json() {
    let whole = inspect(&["-", "--json", "--show-secrets"]);
    assert_eq!(String::from_utf8(whole.stdout).unwrap(), GOLDEN);
    let one = String::from_utf8(inspect(&["-", "--json", "--session", "2"]).stdout).unwrap();
    let due: String =
        GOLDEN.split_inclusive('\n').filter(|line| !line.contains("\"session\":1,")).collect();
    assert_eq!(one, due);
    assert!(!shown(&["-", "--json"]).contains("31d4d96e407aad42"));
}

#[test]
fn exit_codes() {
    let golden = golden_file();
    let golden = golden.to_str().unwrap();
    let lines: Vec<_> = GOLDEN.lines().collect();
    let head = format!("{}\n", lines[0]);
    let (flows, tls) = (r#"{"event":"account","flows":3}"#, r#"{"event":"account","tls_flows":3}"#);
    let none = file("none.wsrec", &(head.clone() + flows));
    let tls = file("tls.wsrec", &(head + tls));
    let sound = [lines[0], lines[2], lines[17], r#"{"event":"account","sessions":1}"#].join("\n");
    let sound = file("sound.wsrec", &sound);
    let path = |file: &'static str| Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    let (absent, text) = (path("absent.wsrec"), file("some.txt", "some text"));
    let [none, tls, sound, absent, text] =
        [&none, &tls, &sound, &absent, &text].map(|path| path.to_str().unwrap());
    for (arguments, code, due) in [
        (vec![golden], 0, ""),
        (vec![sound, "--strict"], 0, ""),
        (vec![golden, "--strict"], 5, ""),
        (vec![sound, golden, "--strict", "--json"], 5, ""),
        (vec![], 2, "FILE"),
        (vec![golden, "--json", "--deps"], 2, "cannot be used with"),
        (vec![golden, golden, "--session", "1"], 2, "several"),
        (vec![golden, "--session", "one"], 2, "invalid value"),
        (vec![golden, "--session", "3"], 3, "there is no session 3, there are 2"),
        (vec![none], 3, "no WebSocket is in it"),
        (vec![tls], 3, "3 flows hold TLS"),
        (vec![absent], 3, "absent.wsrec"),
        (vec![text], 3, "it begins with \"some text\""),
        (vec![text, golden, "--strict"], 3, "some.txt"),
    ] {
        let output = inspect(&arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(due) && said.is_empty() == due.is_empty(), "{arguments:?}: {said}");
    }
}

/// Who reads has seen enough.
#[test]
fn a_closed_pipe() {
    // More than a pipe holds, so that the program has to write to one that is closed.
    let lines: Vec<_> = GOLDEN.lines().collect();
    let text = [lines[0], lines[2], &format!("{}\n", lines[7]).repeat(4000), lines[17], lines[19]];
    let file = file("closed.wsrec", &text.join("\n"));
    for view in ["--json", "--deps"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hybridge"))
            .args(["inspect", view])
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{view}");
    }
}

/// A disk that is full is not the fault of what is read.
#[test]
fn an_output_that_fails() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_hybridge"))
        .args(["inspect", "--json"])
        .arg(golden_file())
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("No space left"));
}
