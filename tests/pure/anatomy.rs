//! The anatomy: every byte of the input is in a part, once and in order; the frames are the same
//! however the input is cut; and what it says of a vector is what the vector says.

use crate::cuts;
use crate::form::{self, Case};
use crate::said::Said;
use crate::vectors::cases;
use hybridge::anatomy::{Anatomy, Frame, Kind, Role, SHOWN};
use hybridge::dialect::{ALL, Dialect};
use hybridge::event::{self, Side};
use proptest::prelude::*;
use proptest::sample::select;

/// A head that is accepted, so that what follows are frames.
fn head(dialect: Dialect, speaker: Side) -> Vec<u8> {
    let has_keys = ["hixie-76", "hybi-01", "hybi-02", "hybi-03"].contains(&dialect.name());
    let (start, tail): (&str, &[u8]) = match speaker {
        Side::Client => ("GET / HTTP/1.1", b"^n:ds[4U"),
        Side::Backend => ("HTTP/1.1 101 Switching Protocols", b"8jKS'y:G*Co,Wxa-"),
    };
    let tail = if has_keys { tail } else { b"" };
    [start.as_bytes(), b"\r\nUpgrade: websocket\r\n\r\n", tail].concat()
}

/// All frames of a stream that comes in pieces, the cut one at its end too.
fn frames(dialect: Option<Dialect>, speaker: Side, pieces: &[&[u8]]) -> Vec<Frame> {
    let mut anatomy = Anatomy::new(dialect, speaker);
    let mut frames = Vec::new();
    for piece in pieces {
        anatomy.feed(piece, &mut frames);
    }
    frames.extend(anatomy.finish());
    frames
}

/// Every byte is there: shown or counted, in order.
fn check_whole(input: &[u8], frames: &[Frame]) {
    let mut rest = input;
    for part in frames.iter().flat_map(|frame| &frame.parts) {
        assert!(
            rest.starts_with(&part.bytes),
            "{part:?} is not what comes: {}",
            rest.escape_ascii()
        );
        assert!(part.bytes.len() <= 2 * SHOWN, "too much is kept: {part:?}");
        rest = &rest[part.bytes.len() + usize::try_from(part.omitted).unwrap()..];
    }
    assert!(rest.is_empty(), "left out: {}", rest.escape_ascii());
}

fn directions(case: &Case) -> Vec<(Side, Vec<u8>)> {
    let marked =
        [(Side::Client, ">"), (Side::Backend, "<"), (Side::Client, "<>"), (Side::Backend, "<>")];
    marked.into_iter().filter_map(|(side, marker)| Some((side, case.bytes(marker)?))).collect()
}

#[test]
fn the_vectors_of_frames() {
    let mut compared = 0;
    for case in cases().into_iter().filter(|case| case.kind == "read") {
        let due: Vec<Said> =
            case.all("=").filter(|line| !line.starts_with("part ")).map(Said::parse).collect();
        let dialects = case.get("dialect").unwrap();
        for dialect in dialects.split(' ').map(|name| name.parse().unwrap()) {
            for (speaker, bytes) in directions(&case) {
                let input = [head(dialect, speaker), bytes].concat();
                let whole = frames(Some(dialect), speaker, &[&input]);
                check_whole(&input, &whole);
                for cuts in cuts::ways(input.len()) {
                    let cut = frames(Some(dialect), speaker, &cuts::pieces(&input, &cuts));
                    assert!(
                        cut == whole,
                        "{} {}: {}",
                        case.place,
                        case.name,
                        cuts::describe(&cuts)
                    );
                }
                // The head is the first; behind a fault or a close the reader has heard no more.
                let messages = whole[1..].iter().filter(|frame| frame.kind != Kind::Other);
                if messages.clone().all(|frame| frame.last) {
                    for (due, frame) in due.iter().zip(messages) {
                        compared += usize::from(compare(&case, due, frame));
                    }
                }
            }
        }
    }
    assert!(compared > 100, "only {compared} frames were compared");
}

/// Whether a frame says what it is due to say; false where there is nothing to compare.
fn compare(case: &Case, due: &Said, frame: &Frame) -> bool {
    let place = format!("{} {}: {frame:?}", case.place, case.name);
    let payload = || {
        let part = frame.parts.iter().find(|part| part.role == Role::Payload);
        part.map_or_else(Vec::new, |part| {
            part.unmasked.clone().unwrap_or_else(|| part.bytes.clone())
        })
    };
    match due {
        Said::Message(event::Kind::Text, text) => {
            let shown = frame.text.as_deref().unwrap_or_else(|| panic!("no text: {place}"));
            if text.len() <= SHOWN {
                assert_eq!(shown.as_bytes(), text, "{place}");
            } else {
                assert!(text.starts_with(shown.as_bytes()) && shown.len() > SHOWN - 4, "{place}");
            }
        }
        Said::Message(event::Kind::Binary, data) => {
            assert_eq!(payload(), data[..data.len().min(SHOWN)], "{place}");
        }
        Said::Ping(data) | Said::Pong(data) => {
            assert_eq!(payload(), *data, "{place}");
            let kind = if matches!(due, Said::Ping(_)) { Kind::Ping } else { Kind::Pong };
            assert_eq!(frame.kind, kind, "{place}");
        }
        Said::Close(reason) => {
            assert_eq!(frame.kind, Kind::Close, "{place}");
            let Some((code, text)) = reason else { return false };
            // The older versions have another number for this one.
            let code = if *code == 1009 { "1004".to_owned() } else { code.to_string() };
            let named = frame.parts.iter().any(|part| {
                part.note.contains(&format!("close code {code}"))
                    || part.note.contains("close code 1009")
            });
            assert!(named, "{place}");
            assert_eq!(frame.text.as_deref().unwrap_or_default().as_bytes(), text, "{place}");
        }
    }
    true
}

#[test]
fn the_vectors_of_keys() {
    let dialect: Dialect = "hixie-76".parse().unwrap();
    for case in cases().into_iter().filter(|case| case.kind == "key") {
        let (Some(key1), Some(key2), Some(key3)) =
            (case.get("key1"), case.get("key2"), case.get("key3"))
        else {
            continue;
        };
        let mut input = b"GET / HTTP/1.1\r\n".to_vec();
        for (name, key) in [("Sec-WebSocket-Key1", key1), ("Sec-WebSocket-Key2", key2)] {
            input.extend([name.as_bytes(), b": ", &form::bytes(key), b"\r\n"].concat());
        }
        input.extend([b"\r\n".to_vec(), form::bytes(key3)].concat());
        let seen = frames(Some(dialect), Side::Client, &[&input]);
        check_whole(&input, &seen);
        let notes: Vec<_> = seen[0].parts.iter().map(|part| part.note.as_ref()).collect();
        let due = case.bytes("<").unwrap();
        let due: String = due.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(notes.last().unwrap().ends_with(&due), "{}: {notes:?}", case.place);
        for number in case.get("=").iter().flat_map(|numbers| numbers.split(' ')) {
            let named = notes.iter().any(|note| note.ends_with(&format!(" = {number}")));
            assert!(named, "{}: {notes:?}", case.place);
        }
    }
}

#[test]
fn names_what_breaks_the_rules() {
    let names = |dialect: &str, speaker, bytes: &[u8]| {
        let dialect = dialect.parse().unwrap();
        let input = [head(dialect, speaker), bytes.to_vec()].concat();
        let seen = frames(Some(dialect), speaker, &[&input]);
        check_whole(&input, &seen);
        let notes =
            seen[1..].iter().flat_map(|frame| &frame.parts).map(|part| part.note.to_string());
        let names = seen[1..].iter().map(|frame| frame.name.to_string());
        names.chain(notes).collect::<Vec<_>>().join(" | ")
    };
    for (dialect, speaker, bytes, due) in [
        ("rfc6455", Side::Client, &b"\x81\x01a"[..], "a client must do"),
        ("rfc6455", Side::Backend, b"\x81\x81\0\0\0\0a", "a server must not do"),
        ("rfc6455", Side::Backend, b"\xc1\x01a", "RSV1"),
        ("rfc6455", Side::Backend, b"\x83\x00", "unknown opcode 3"),
        ("rfc6455", Side::Backend, b"\x80\x00", "continuation of nothing"),
        ("rfc6455", Side::Backend, b"\x81\x7e\x00\x01a", "more bytes than it needs"),
        ("rfc6455", Side::Backend, b"\x81\x7f\xff\0\0\0\0\0\0\0", "beyond 63 bits"),
        ("rfc6455", Side::Backend, b"\x09\x00", "a control frame must be"),
        ("rfc6455", Side::Backend, b"\x88\x02\x03\xed", "1005, which must not be on the wire"),
        ("rfc6455", Side::Backend, b"\x88\x01\x03", "half of a close code"),
        ("rfc6455", Side::Backend, b"\x81\x05Hel", "text"),
        ("hixie-76", Side::Client, b"\x01abc\xff", "reserved frame"),
        ("hixie-76", Side::Client, b"\xff\x01a", "reserved frame"),
        ("hixie-76", Side::Client, b"\xff\x00", "close"),
        ("hixie-75", Side::Client, b"\xff\x00", "reserved frame"),
        ("hixie-76", Side::Client, &[&[0x80][..], &[0xff; 20]].concat(), "a length that goes on"),
    ] {
        let said = names(dialect, speaker, bytes);
        assert!(said.contains(due), "no {due:?} in {said}");
    }
    let tls = frames(None, Side::Client, &[b"\x16\x03\x01\x02\x00"]);
    assert_eq!(tls[0].name, "no HTTP");
}

#[test]
fn secrets_are_counted_and_not_kept() {
    let input =
        b"GET / HTTP/1.1\r\nCookie: id=hunter2\r\nauthorization: Basic aHVudGVyMg==\r\n\r\n";
    let seen = frames(None, Side::Client, &[input]);
    assert_eq!(seen[0].size(), input.len() as u64);
    assert!(!format!("{seen:?}").contains("hunter2"));
    let json = serde_json::to_string(&seen[0]).unwrap();
    assert!(!json.contains("68756e74657232"), "{json}");
    assert!(json.contains("436f6f6b6965"), "the name is kept: {json}");
}

/// Bytes that look like something often enough.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let frames: Vec<&[u8]> =
        vec![b"\x81\x05Hello", b"\0Hello\xff", b"\xff\0", b"\x80\x03abc", b"\x88\x02\x03\xe8"];
    let long_frame =
        |len: u16| [&b"\x82\x7e"[..], &len.to_be_bytes(), &vec![7; usize::from(len)]].concat();
    let long_line = |len: usize| [&b"A: "[..], &vec![b'x'; len], b"\r\n"].concat();
    let piece = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..12),
        2 => select(frames).prop_map(<[u8]>::to_vec),
        1 => (0_u16..700).prop_map(long_frame),
        1 => (0_usize..700).prop_map(long_line),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same_frames(
        dialect in proptest::option::of(select(&ALL[..])),
        speaker in select(&[Side::Client, Side::Backend][..]),
        headed: bool,
        garbage in garbage(),
        places in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        let head = match (headed, dialect) {
            (true, Some(dialect)) => head(dialect, speaker),
            _ => Vec::new(),
        };
        let input = [head, garbage].concat();
        let mut cuts: Vec<_> = places.iter().map(|place| place.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = frames(dialect, speaker, &[&input]);
        check_whole(&input, &whole);
        prop_assert_eq!(&frames(dialect, speaker, &cuts::pieces(&input, &cuts)), &whole);
        let bytes: Vec<_> = input.chunks(1).collect();
        prop_assert_eq!(&frames(dialect, speaker, &bytes), &whole);
    }
}
