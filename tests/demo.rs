//! `hybridge demo` as its user meets it: what the script prints, the page and its event stream, and
//! how it ends.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

/// What a socket waits for at most; nothing here takes as long.
const DEADLINE: Duration = Duration::from_secs(60);

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hybridge"));
    command.arg("demo").args(arguments).env_remove("NO_COLOR");
    command
}

fn run(arguments: &[&str]) -> Output {
    demo(arguments).output().unwrap()
}

/// The lines of a row of the table, each as its two columns.
fn columns(printed: &str) -> Vec<(&str, &str)> {
    let split = |line| str::split_once(line, '│');
    printed.lines().filter_map(split).map(|(left, right)| (left.trim(), right.trim())).collect()
}

/// The hexadecimal bytes that begin the lines of one column below a title, up to the next title.
fn bytes_below(column: &[&str], title: &str, nth: usize) -> Vec<String> {
    let at = column.iter().enumerate().filter(|(_, line)| **line == title).nth(nth);
    let (at, _) = at.unwrap_or_else(|| panic!("no {title} in {column:#?}"));
    let is_hex = |word: &&str| word.len() == 2 && u8::from_str_radix(word, 16).is_ok();
    let bytes = |line: &&str| line.split(' ').take_while(is_hex).collect::<Vec<_>>().join(" ");
    column[at + 1..]
        .iter()
        .take_while(|line| !line.starts_with('─') && !line.starts_with('◀'))
        .map(bytes)
        .filter(|bytes| !bytes.is_empty())
        .collect()
}

#[test]
fn the_script_shows_both_translations() {
    let output = run(&["--once"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}{log}");
    assert_eq!(log, "", "a demo that goes well has nothing to log");
    assert!(!printed.contains('\x1b'), "escape codes without a terminal: {printed}");
    assert!(printed.lines().all(|line| line.chars().count() <= 100), "too wide: {printed}");

    let (first, second) = printed.split_once("A client of today talks").unwrap();
    let (old, modern): (Vec<_>, Vec<_>) = columns(first).into_iter().unzip();
    assert!(old.contains(&"client ⇄ hybridge  hixie-76"), "{old:#?}");
    assert!(modern.contains(&"hybridge ⇄ server  rfc6455"), "{modern:#?}");
    assert_eq!(bytes_below(&old, "──▶ text “Hello”", 0), ["00", "48 65 6c 6c 6f", "ff"]);
    let masked = bytes_below(&modern, "──▶ text “Hello”", 0);
    assert_eq!(masked[..2], ["81", "85"]);
    assert_eq!(unmasked(&masked[2], &masked[3]), b"Hello");
    assert_eq!(bytes_below(&modern, "◀── text “Hello”", 0), ["81", "05", "48 65 6c 6c 6f"]);
    assert_eq!(bytes_below(&old, "◀── text “Hello”", 0), ["00", "48 65 6c 6c 6f", "ff"]);
    let emoji = ["00", "c3 a9 e2 82 ac f0 9f 98", "80", "ff"];
    assert_eq!(bytes_below(&old, "──▶ text “é€😀”", 0), emoji);
    assert_eq!(bytes_below(&old, "──▶ close", 0), ["ff", "00"]);
    assert_eq!(bytes_below(&modern, "◀── close", 0), ["88", "00"]);

    let (modern, old): (Vec<_>, Vec<_>) = columns(second).into_iter().unzip();
    assert_eq!(bytes_below(&old, "──▶ text “Hello”", 0), ["00", "48 65 6c 6c 6f", "ff"]);
    assert_eq!(bytes_below(&modern, "◀── text “Hello”", 0), ["81", "05", "48 65 6c 6c 6f"]);
    assert_eq!(bytes_below(&old, "──▶ close", 0), ["ff", "00"]);
    assert_eq!(bytes_below(&modern, "◀── close", 0), ["88", "02", "03 e8"]);
    assert!(second.contains("lost in translation: the close code"), "{second}");
}

/// RFC 6455 section 5.3.
fn unmasked(key: &str, payload: &str) -> Vec<u8> {
    let bytes = |hex: &str| {
        hex.split(' ').map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect::<Vec<_>>()
    };
    bytes(payload).iter().zip(bytes(key).iter().cycle()).map(|(byte, key)| byte ^ key).collect()
}

/// A reader that leaves early is no failure.
#[test]
fn its_reader_may_leave() {
    let mut child =
        demo(&["--once"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_address_in_use_is_told() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = run(&["--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "nothing is shown before");
    let error = String::from_utf8(output.stderr).unwrap();
    for part in [&address, "--listen", "in use"] {
        assert!(error.contains(part), "no {part} in {error}");
    }
    assert_eq!(run(&["--once", "--listen", &address]).status.code(), Some(2));
}

/// A demo that serves its page.
struct Demo {
    child: Child,
    out: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Demo {
    fn start() -> Self {
        let mut child = demo(&[]).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(out.read_line(&mut line).unwrap() > 0, "it ended without an address");
            let address =
                line.trim().strip_prefix("http://127.").and_then(|url| url.strip_suffix('/'));
            if let Some(rest) = address {
                break format!("127.{rest}").parse().unwrap();
            }
        };
        Self { child, out, address }
    }

    /// Sends a request and returns the stream with its whole answer ahead.
    fn ask(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn answer(&self, method: &str, target: &str, host: &str) -> String {
        let mut stream = self.ask(&format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        ));
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended where the test went well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn field<'a>(head: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| {
        let (field, value) = line.split_once(": ")?;
        field.eq_ignore_ascii_case(name).then_some(value)
    };
    head.lines().find_map(value).unwrap_or_else(|| panic!("no {name} in {head}"))
}

#[test]
fn the_page_is_one_file_for_its_own_host() {
    let demo = Demo::start();
    let port = demo.address.port();
    let own = demo.address.to_string();
    let page = demo.answer("GET", "/", &own);
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    let policy = field(head, "content-security-policy");
    let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(policy.matches("ws://127.0.0.1:").count(), 2, "{policy}");
    assert_eq!(
        body.matches("<script").count(),
        body.matches(&format!("<script nonce=\"{nonce}\">")).count()
    );
    assert!(!body.contains("{{") && body.contains("<frame-view "), "a place was not filled");
    for outside in ["src=\"http", "href=\"http", "@import", "url("] {
        assert!(!body.contains(outside), "an outside resource: {outside}");
    }
    assert_ne!(page, demo.answer("GET", "/", &own), "a nonce is for one answer");

    let status = |method, target, host: &str| {
        demo.answer(method, target, host).split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(status("GET", "/", &format!("LocalHost:{port}")), "200");
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "127.0.0.1",
        "127.0.0.1:1",
        &format!("10.0.0.1:{port}"),
        &format!("127.0.0.1.evil.example:{port}"),
        "",
    ] {
        assert_eq!(status("GET", "/", host), "421", "{host}");
        assert_eq!(status("GET", "/frames", host), "421", "{host}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = demo.answer(method, "/", &own);
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        assert_eq!(field(&answer, "allow"), "GET, HEAD");
    }
    assert_eq!(status("GET", "/other", &own), "404");
    let head = demo.answer("HEAD", "/", &own);
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    let head = demo.answer("HEAD", "/frames", &own);
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn the_event_stream_tells_all_and_ends_with_the_demo() {
    let mut demo = Demo::start();
    let host = demo.address;
    let request = |last: &str| format!("GET /frames HTTP/1.1\r\nHost: {host}\r\n{last}\r\n");
    let mut stream = BufReader::new(demo.ask(&request("")));
    let mut until = |word: &str| {
        let mut seen = String::new();
        while !seen.contains(word) {
            assert!(stream.read_line(&mut seen).unwrap() > 0, "no {word} in {seen}");
        }
        seen
    };
    let head = until("\r\n\r\n");
    assert_eq!(field(&head, "content-type"), "text/event-stream");
    assert!(until("\"event\":\"begin\"").contains("data: "));
    // The two conversations of the script, from their first byte on.
    let first = until("\"event\":\"ended\"");
    assert!(
        first.contains("\"bytes\":\"48656c6c6f\"") && first.contains("\"text\":\"é€😀\""),
        "{first}"
    );
    let second = until("\"event\":\"ended\"");
    assert!(second.contains("\"event\":\"loss\""), "{second}");

    // Who comes again hears what is new to it, and only that.
    let id = second.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let (run, number) = id.split_once('-').unwrap();
    let before = format!("{run}-{}", number.parse::<u64>().unwrap() - 1);
    let mut again = BufReader::new(demo.ask(&request(&format!("Last-Event-ID: {before}\r\n"))));
    let ids = |again: &mut dyn BufRead| {
        let mut lines = again.lines().map(Result::unwrap);
        lines.find_map(|line| line.strip_prefix("id: ").map(str::to_owned)).unwrap()
    };
    assert_eq!(ids(&mut again), id);
    // A number of another process means nothing.
    let mut other = BufReader::new(demo.ask(&request("Last-Event-ID: 0-5\r\n")));
    assert_eq!(ids(&mut other), format!("{run}-1"));

    let pid = Pid::from_raw(i32::try_from(demo.child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    until("\"event\":\"over\"");
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    demo.out.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("Ctrl-C"), "{rest}");
}
