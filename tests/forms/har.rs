//! HAR: what Chrome and mitmproxy write is read, what is written is HAR, and damage is named.

use crate::any::recording;
use crate::{GOLDEN, Told};
use hybridge::event::{Kind, Side};
use hybridge::recording::har::{Writer, read};
use hybridge::recording::lines;
use hybridge::transcript::event::{Accept, End, How, Message, Open, What};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

fn reading(text: &[u8]) -> anyhow::Result<Told> {
    let mut told = Told::default();
    let account = read(text, &mut told)?;
    assert_eq!(told.account, Some(account));
    Ok(told)
}

fn written(told: &Told) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    told.tell(&mut writer);
    writer.into_inner()
}

fn messages(told: &Told) -> Vec<(u64, Message)> {
    let messages = told.events.iter().filter_map(|event| match &event.what {
        What::Message(message) => Some((event.session, message.clone())),
        _ => None,
    });
    messages.collect()
}

/// A HAR as Chrome writes it: a page, a session with a bad end, and one that overlaps it.
fn chrome() -> Value {
    let head = |url: &str, at: &str| {
        json!({
            "_connectionId": "11", "_resourceType": "websocket", "startedDateTime": at, "time": 9.5,
            "request": { "method": "GET", "url": url, "httpVersion": "HTTP/1.1", "headers": [
                { "name": "Host", "value": "quotes.example:8080" },
                { "name": "Connection", "value": "Upgrade" },
                { "name": "Upgrade", "value": "websocket" },
                { "name": "Sec-WebSocket-Version", "value": "8" },
            ], "cookies": [], "queryString": [], "headersSize": -1, "bodySize": 0 },
            "response": { "status": 101, "statusText": "Switching Protocols",
                "headers": [{ "name": "Upgrade", "value": "websocket" }],
                "content": { "size": 0, "mimeType": "x-unknown" }, "_error": null },
            "cache": {}, "timings": { "blocked": 1.5, "dns": -1, "connect": -1, "send": 0.25,
                "wait": 2.0, "receive": 1.0, "_blocked_queueing": -1 },
        })
    };
    let mut first =
        head("ws://quotes.example:8080/quotes?id=7#top", "2026-11-20T16:02:11.000+01:00");
    first["_webSocketMessages"] = json!([
        { "type": "send", "time": 1_795_186_931.5, "opcode": 1, "data": "grüße" },
        { "type": "receive", "time": 1_795_186_933.25, "opcode": 2, "data": "AP8=" },
        { "type": "receive", "time": 1_795_186_933.0, "opcode": 1, "data": "clock went back" },
        { "type": "send", "time": 1_795_186_934.0, "opcode": 1, "data": "bye" },
        { "type": "error", "time": 1_795_186_935.0, "opcode": -1, "data": "Invalid frame header" },
    ]);
    let mut second = head("wss://quotes.example", "2026-11-20T15:02:12Z");
    second["serverIPAddress"] = json!("[::1]");
    second["_webSocketMessages"] =
        json!([{ "type": "receive", "time": 1_795_186_932.125, "opcode": 1, "data": "" }]);
    let page = json!({
        "startedDateTime": "2026-11-20T15:02:10.000Z", "time": 3,
        "request": { "method": "GET", "url": "http://quotes.example/", "headers": [] },
        "response": { "status": 200, "headers": [], "content": { "text": "\u{1f600}".repeat(1000) } },
    });
    json!({ "log": {
        "version": "1.2", "creator": { "name": "WebInspector", "version": "537.36" },
        "pages": [{ "id": "page_1" }], "entries": [page, first, second],
    } })
}

#[test]
fn reads_what_chrome_writes() {
    let told = reading(chrome().to_string().as_bytes()).unwrap();
    let header = told.header.as_ref().unwrap();
    assert_eq!((header.start, &*header.source), (1_795_186_931_000_000_000, "HAR by WebInspector"));
    let account = told.account.as_ref().unwrap();
    assert_eq!((account.flows, account.sessions, account.other_flows), (3, 2, 1));
    assert_eq!(account.damage, None);
    let at: Vec<_> = told.events.iter().map(|event| (event.session, event.at / 1_000)).collect();
    // The order of times, over both sessions.
    let due = [
        (1, 0),
        (1, 3_750),
        (1, 500_000),
        (2, 1_000_000),
        (2, 1_003_750),
        (2, 1_125_000),
        (2, 1_125_000),
        (1, 2_250_000),
        (1, 2_250_000),
        (1, 3_000_000),
        (1, 4_000_000),
        (1, 4_000_000),
    ];
    assert_eq!(at, due);
    let What::Open(Open { dialect, target, server, .. }) = &told.events[0].what else { panic!() };
    assert_eq!((dialect.name(), &**target), ("hybi-08", "/quotes?id=7"));
    assert_eq!(server, "quotes.example:8080");
    let What::Open(Open { target, server, .. }) = &told.events[3].what else { panic!() };
    assert_eq!((&**target, &**server), ("/", "[::1]:443"));
    let message =
        |from, kind, data: &[u8], seen| (1, Message { from, kind, data: data.to_vec(), seen });
    let mut said = messages(&told);
    said.retain(|(session, _)| *session == 1);
    let due = [
        message(Side::Client, Kind::Text, "grüße".as_bytes(), 0),
        message(Side::Backend, Kind::Binary, b"\0\xff", 1),
        message(Side::Backend, Kind::Text, b"clock went back", 1),
        message(Side::Client, Kind::Text, b"bye", 2),
    ];
    assert_eq!(said, due);
    let fault = "Invalid frame header".to_owned();
    assert_eq!(told.events[10].what, What::Fault { from: Side::Backend, fault });
    let end = What::End(End { by: None, how: How::Cut, clean: false });
    assert_eq!(told.events[11].what, end);
}

#[test]
fn reads_what_mitmproxy_writes() {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures/mitmproxy-websocket.har");
    let Ok(text) = fs::read(&file) else {
        writeln!(io::stderr(), "skipped: there is no {}", file.display()).unwrap();
        return;
    };
    let told = reading(&text).unwrap();
    let said: Vec<_> = messages(&told)
        .into_iter()
        .map(|(session, said)| {
            (session, said.from, String::from_utf8(said.data).unwrap(), said.seen)
        })
        .collect();
    let (up, down) = (Side::Client, Side::Backend);
    let due = [
        (1, down, r#"{"error":"Unknown api key"}"#.to_owned(), 0),
        (2, down, r#"{"error":"Missing apiKey"}"#.to_owned(), 0),
        (3, down, r#"{"error":"Unknown api key"}"#.to_owned(), 0),
        (3, up, "foo".to_owned(), 1),
        (3, up, "bar".to_owned(), 1),
    ];
    assert_eq!(said, due);
}

#[test]
fn damage_is_named_and_the_rest_is_told() {
    let whole = chrome().to_string();
    // Behind the first session.
    let place = whole.find("wss://").unwrap();
    let told = reading(&whole.as_bytes()[..place]).unwrap();
    assert_eq!(messages(&told).len(), 4);
    let account = told.account.unwrap();
    assert_eq!(account.sessions, 1);
    assert!(account.damage.unwrap().contains("EOF"));
    for (from, to, due) in [
        ("\"AP8=\"", "\"AP8\"", "entry 2: message 2: its data is not base64"),
        ("\"bye\",\"opcode\":1", "\"bye\",\"opcode\":3", "entry 2: message 4: the opcode 3"),
        ("2026-11-20T15:02:12Z", "yesterday", "entry 3: startedDateTime \"yesterday\""),
        ("2026-11-20T15:02:12Z", "2026-11-20T15:02:12+é", "entry 3: startedDateTime"),
        ("\"type\":\"send\"", "\"type\":\"think\"", "entry 2: message 1: the type \"think\""),
    ] {
        let account = reading(whole.replacen(from, to, 1).as_bytes()).unwrap().account.unwrap();
        let damage = account.damage.unwrap_or_default();
        assert!(damage.contains(due), "{from} as {to}: {damage}");
    }
    for (text, due) in [
        ("{}", "no `log.entries`"),
        ("{\"log\":{}}", "no `log.entries`"),
        ("{\"log\":[]}", "is no HAR"),
        ("{\"lo", "is no HAR"),
    ] {
        let error = reading(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(due), "{text}: {error}");
    }
}

/// An entry that never ends takes no more memory than its bound.
#[test]
fn an_endless_entry() {
    let begin = io::Cursor::new(b"{\"log\":{\"entries\":[{\"startedDateTime\":\"");
    let endless = io::Read::chain(begin, io::repeat(b'a'));
    let account = read(endless, &mut Told::default()).unwrap();
    assert!(account.damage.unwrap().contains("larger than 256 MiB"));
}

proptest! {
    /// Only HAR's own loss: the kind of text that is none, and `seen`, which is the order there.
    #[test]
    fn messages_survive(told in recording()) {
        let mut told = told;
        told.header.as_mut().unwrap().start %= 4_000_000_000_000_000_000;
        let text = written(&told);
        let har: Value = serde_json::from_slice(&text).unwrap();
        prop_assert_eq!(&har["log"]["version"], "1.2");
        let again = reading(&text).unwrap();
        for session in 1..=4 {
            // Entries stand in the order of ends, which is that of the numbers here.
            let of = |told: &Told| {
                let mut said = messages(told);
                said.retain(|(number, _)| *number == session);
                said.into_iter().map(|(_, Message { from, kind, data, .. })| {
                    let kind = if str::from_utf8(&data).is_ok() { kind } else { Kind::Binary };
                    (from, kind, data)
                }).collect::<Vec<_>>()
            };
            prop_assert_eq!(of(&told), of(&again));
        }
    }

    #[test]
    fn anything_else_is_no_panic(place: prop::sample::Index, length in 0..40_usize, more: Vec<u8>) {
        let mut text = chrome().to_string().into_bytes();
        let start = place.index(text.len());
        let end = (start + length).min(text.len());
        text.splice(start..end, more);
        reading(&text).ok();
    }
}

/// What a HAR can hold of a recording, it holds.
#[test]
fn a_recording_becomes_a_har() {
    let mut told = Told::default();
    lines::read(GOLDEN.as_bytes(), &mut told).unwrap();
    let text = written(&told);
    let har: Value = serde_json::from_slice(&text).unwrap();
    let entries = har["log"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    // The one that ended last.
    let quotes = &entries[1];
    assert_eq!(quotes["request"]["url"], "ws://old.example/quotes?user=alice&token=t0p");
    assert_eq!(quotes["serverIPAddress"], "10.0.0.1");
    assert_eq!(quotes["startedDateTime"], "2026-11-20T15:02:11.123456Z");
    assert_eq!(entries[0]["serverIPAddress"], "::1");
    let frames = &entries[0]["_webSocketMessages"];
    assert_eq!(
        frames[0],
        json!({
            "type": "send", "time": 1_795_186_931.128_556, "opcode": 2, "data": "AP/+",
        })
    );
    let opcodes: Vec<_> = frames.as_array().unwrap().iter().map(|frame| &frame["opcode"]).collect();
    assert_eq!(opcodes, [2, 2, 9, 10, 8, 8]);
    let again = reading(&text).unwrap();
    let of = |told: &Told| {
        let whats = told.events.iter().map(|event| event.what.clone());
        whats
            .filter(|what| {
                matches!(what, What::Ping { .. } | What::Pong { .. } | What::Close { .. })
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&again), of(&told));
    let accept = |told: &Told| {
        told.events.iter().find_map(|event| match &event.what {
            What::Accept(Accept { status, fields }) if !fields.is_empty() => {
                Some((*status, fields.clone()))
            }
            _ => None,
        })
    };
    assert_eq!(accept(&again), accept(&told));
}
