//! Our own form: what is written is read again, version 1 stays as it is, and damage is named.

use crate::any::recording;
use crate::{GOLDEN, Told};
use hybridge::event::{Kind, Side};
use hybridge::recording::lines::{Writer, read};
use hybridge::transcript::event::{End, How, Message, What};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;

fn written(told: &Told) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    told.tell(&mut writer);
    writer.into_inner()
}

fn reading(bytes: &[u8]) -> anyhow::Result<Told> {
    let mut told = Told::default();
    let account = read(bytes, &mut told)?;
    assert_eq!(told.account, Some(account));
    Ok(told)
}

fn damage(text: &str) -> String {
    reading(text.as_bytes()).unwrap().account.unwrap().damage.unwrap()
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(told in recording()) {
        let bytes = written(&told);
        prop_assert_eq!(reading(&bytes).unwrap(), told);
    }

    /// Cut anywhere, a recording tells a part of what it told whole, and says that it was cut.
    #[test]
    fn a_cut_is_named(told in recording(), place: prop::sample::Index) {
        let bytes = written(&told);
        let cut = &bytes[..place.index(bytes.len() - 1)];
        match reading(cut) {
            Err(_) => prop_assert!(!cut.contains(&b'\n')),
            Ok(part) => {
                let ends = |what: &What| matches!(what, What::End(End { how: How::Cut, .. }));
                let same = part.events.iter().zip(&told.events).take_while(|(a, b)| a == b).count();
                prop_assert!(part.events[same..].iter().all(|event| ends(&event.what)));
                // Nothing is lost but the end of the last line.
                prop_assert!(part.account.unwrap().damage.is_some() || same == told.events.len());
            }
        }
    }

    #[test]
    fn anything_else_is_no_panic(before in 0..20_usize, bytes: Vec<u8>, word in "[\\[{}\":,a-z0-9]{0,40}") {
        let lines: String = GOLDEN.split_inclusive('\n').take(before).collect();
        for more in [&bytes, word.as_bytes()] {
            reading(&[lines.as_bytes(), more].concat()).ok();
        }
    }
}

/// Holds the form of version 1: these bytes mean these events, and are written so.
#[test]
fn version_1_is_frozen() {
    let told = reading(GOLDEN.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(written(&told)).unwrap(), GOLDEN);
    let header = told.header.as_ref().unwrap();
    assert_eq!((header.start, &*header.source), (1_795_186_931_123_456_789, "old.pcap"));
    assert_eq!(told.events.len(), 18);
    let What::Open(open) = &told.events[0].what else { panic!("{:?}", told.events[0]) };
    assert_eq!((open.dialect.name(), &*open.client), ("hixie-76", "10.0.0.7:39088"));
    assert_eq!(open.fields[0], ("Host".to_owned(), "old.example".to_owned()));
    let messages = told.events.iter().filter_map(|event| match &event.what {
        What::Message(Message { from, kind, data, seen }) => {
            Some((event.session, event.at, event.packet, *from, *kind, &data[..], *seen))
        }
        _ => None,
    });
    let messages: Vec<_> = messages.collect();
    let text = "{\"op\":\"login\",\"name\":\"Zoë 🎉\"}".as_bytes();
    let (up, down) = (Side::Client, Side::Backend);
    assert_eq!(messages[0], (1, 4_721_000, Some(8), up, Kind::Text, text, 0));
    assert_eq!(messages[1].5, b"welcome\0\x1b[2J");
    assert_eq!(messages[2], (2, 5_100_000, Some(11), up, Kind::Binary, &b"\0\xff\xfe"[..], 0));
    assert_eq!(messages[3], (2, 5_200_000, Some(12), down, Kind::Text, &b"not\xffutf8"[..], 1));
    let end = What::End(End { by: Some(Side::Backend), how: How::Fin, clean: true });
    assert_eq!(told.events[16].what, end);
    let account = told.account.unwrap();
    assert_eq!((account.packets, account.forgotten_flows), (21, 1));
    assert_eq!(account.damage.as_deref(), Some("record 22 is cut"));
}

#[test]
fn what_is_new_is_passed_over() {
    let lines: Vec<_> = GOLDEN.lines().collect();
    let later = format!(
        "{}\n\n{}\r\n{}\n{}\n{}",
        lines[0].replace('}', ",\"redacted\":[\"header:cookie\"]}"),
        lines[2].replace("\"at\":1500", "\"leg\":{\"of\":[2]},\"at\":1500"),
        "{\"event\":\"mood\",\"session\":2,\"at\":1600,\"from\":7,\"how\":[]}",
        "{\"event\":\"end\",\"session\":2,\"at\":1700,\"how\":\"fin\",\"clean\":true,\"text\":3}",
        lines[19].replace(",\"damage\":\"record 22 is cut\"", ",\"moods\":1"),
    );
    let told = reading(later.as_bytes()).unwrap();
    assert_eq!(told.events.len(), 2);
    let account = told.account.unwrap();
    assert_eq!((account.unknown_events, account.damage), (1, None));
}

#[test]
fn a_count_ends_where_it_has_no_room() {
    let lines: Vec<_> = GOLDEN.lines().collect();
    let account = format!("{{\"event\":\"account\",\"unknown_events\":{}}}", u64::MAX);
    let told = reading([lines[0], "{\"event\":\"mood\"}", &account].join("\n").as_bytes()).unwrap();
    assert_eq!(told.account.unwrap().unknown_events, u64::MAX);
}

#[test]
fn damage_has_its_line() {
    let lines: Vec<_> = GOLDEN.lines().collect();
    let begin = format!("{}\n{}\n", lines[0], lines[1]);
    for (line, due) in [
        ("nonsense", "line 3: "),
        (lines[1], "session 1 is open already"),
        (lines[4], "session 2 is not open"),
        (r#"{"session":1,"at":1}"#, "missing field `event`"),
        (r#"{"event":"ping","at":1,"from":"client","text":""}"#, "`session` is missing"),
        (r#"{"event":"ping","session":1,"from":"client","text":""}"#, "`at` is missing"),
        (r#"{"event":"ping","session":1,"at":1,"from":"proxy","text":""}"#, "unknown variant"),
        (r#"{"event":"ping","session":1,"at":1,"from":"client"}"#, "`text` or `base64`"),
        (r#"{"event":"ping","session":1,"at":1,"from":"client","base64":"%"}"#, "is not base64"),
        (r#"{"event":"accept","session":1,"at":1,"status":70000,"fields":[]}"#, "invalid value"),
        (r#"{"event":"ping","event":"pong","session":1,"at":1}"#, "duplicate field"),
        (lines[0], "missing field `event`"),
    ] {
        let damage = damage(&format!("{begin}{line}\n{}\n", lines[19]));
        assert!(damage.starts_with("line 3: ") && damage.contains(due), "{line}: {damage}");
    }
    assert_eq!(damage(&format!("{begin}{{\"event\":\"pi")), "line 3: is cut");
    assert!(damage(&begin).contains("no account behind line 2"));
    let twice = format!(
        "{begin}{}\n{}\n",
        lines[18],
        lines[19].replace(",\"damage\":\"record 22 is cut\"", "")
    );
    assert!(
        damage(&format!("{twice}{}\n", lines[1])).contains("line 5: stands behind the account")
    );
    for (text, due) in [
        ("", "empty"),
        ("{}\n", "line 1: is no header"),
        ("{\"wsrec\":2,\"start\":\"2026-11-20T15:02:11Z\"}\n", "version 2"),
        ("{\"wsrec\":1,\"start\":\"1969-11-20T15:02:11Z\"}\n", "`start`"),
        ("{\"wsrec\":1,\"start\":\"yesterday\"}\n", "`start`"),
    ] {
        let error = format!("{:#}", reading(text.as_bytes()).unwrap_err());
        assert!(error.contains(due), "{text}: {error}");
    }
}

#[test]
fn a_session_that_was_cut_has_an_end() {
    let begin: String = GOLDEN.split_inclusive('\n').take(7).collect();
    let told = reading(begin.as_bytes()).unwrap();
    let ends: Vec<_> = told.events[6..].iter().map(|event| (event.session, &event.what)).collect();
    let cut = What::End(End { by: None, how: How::Cut, clean: false });
    assert_eq!(ends, [(1, &cut), (2, &cut)]);
    assert_eq!(told.account.unwrap().sessions, 2);
}

/// A line without an end takes no more memory than its bound.
#[test]
fn an_endless_line() {
    let header = GOLDEN.lines().next().unwrap();
    let start = std::io::Cursor::new(format!("{header}\n{{\"event\":\""));
    let endless = std::io::Read::chain(start, std::io::repeat(b'a'));
    let mut told = Told::default();
    let account = read(std::io::BufReader::new(endless), &mut told).unwrap();
    assert!(account.damage.unwrap().contains("line 2: is longer than"));
}

/// The schema names the keys that are written, and demands no others. (`tests/interop/recording.py`
/// has a foreign validator hold it against the same lines.)
#[test]
fn the_schema_has_the_keys_that_are_written() {
    let schema = include_str!("../../docs/reference/recording.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let mut kinds = BTreeSet::new();
    for line in GOLDEN.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let kind = line["event"].as_str().unwrap_or("header");
        let of = &schema["$defs"][kind];
        let mut known: BTreeSet<&str> = keys(of).collect();
        let parts = of["allOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        for part in parts.iter().chain([of]) {
            let name = part["$ref"].as_str().and_then(|path| path.rsplit('/').next());
            known.extend(name.into_iter().flat_map(|name| keys(&schema["$defs"][name])));
        }
        for key in line.as_object().unwrap().keys() {
            assert!(known.contains(&**key), "{kind} has no {key} in the schema");
        }
        for key in of["required"].as_array().unwrap() {
            assert!(line.get(key.as_str().unwrap()).is_some(), "{kind} is written without {key}");
        }
        kinds.insert(kind.to_owned());
    }
    let listed = schema["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned());
    let mut listed: BTreeSet<_> = listed.collect();
    assert!(listed.remove("later"));
    assert_eq!(kinds, listed, "the file has an event of each kind");
}

fn keys(of: &Value) -> impl Iterator<Item = &str> {
    of["properties"].as_object().into_iter().flat_map(|keys| keys.keys().map(|key| &**key))
}
