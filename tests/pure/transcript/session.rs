//! What is said in a session, and what each message had seen.

use super::{Listener, binary, end, fault, heard, heard_in_any_cutting, opening, text, voice};
use super::{request, response};
use crate::cuts;
use crate::peer::{DIALECTS, Line};
use hybridge::dialect::Dialect;
use hybridge::dialect::hixie::Draft;
use hybridge::event::{Kind, Side, Sides};
use hybridge::transcript::conversation::Found;
use hybridge::transcript::event::{How, Message, What};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const RFC: Dialect = Dialect::RFC6455;
const H75: Dialect = Dialect::Hixie(Draft::H75);
const H76: Dialect = Dialect::Hixie(Draft::H76);

/// The frames of RFC 6455 section 5.7, and of draft 76.
#[test]
fn says_the_examples_of_the_drafts() {
    let mut script = opening(RFC);
    script.extend([
        (Side::Backend, b"\x81\x05Hello\x01\x03Hel\x89\x05Hello\x80\x02lo".to_vec()),
        (Side::Client, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec()),
        (Side::Client, b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec()),
        (Side::Backend, [b"\x82\x7e\x01\x00", &[7; 256][..]].concat()),
        (Side::Backend, b"\x88\x07\x03\xe8ended".to_vec()),
        (Side::Client, b"\x88\x80\0\0\0\0".to_vec()),
    ]);
    let mut told = heard_in_any_cutting(&script);
    let (client, backend) = (Side::Client, Side::Backend);
    let said = [
        text(backend, "Hello", 0),
        What::Ping { from: backend, data: b"Hello".to_vec() },
        text(backend, "Hello", 0),
        text(client, "Hello", 2),
        What::Pong { from: client, data: b"Hello".to_vec() },
        binary(backend, &[7; 256], 1),
        What::Close { from: backend, code: Some(1000), reason: "ended".to_owned() },
        What::Close { from: client, code: None, reason: String::new() },
    ];
    assert_eq!(told.take()[2..], said);
    told.end(backend, false);
    told.end(client, true);
    assert_eq!(told.take(), [end(Some(backend), How::Reset, true)]);

    let mut script = opening(H76);
    script.extend([
        (Side::Client, b"\0Hello\xff\0\xff\x80\x03\0\xff\0".to_vec()),
        (Side::Backend, b"\0h\xc3\xa9\xff\xff\0".to_vec()),
    ]);
    let mut told = heard_in_any_cutting(&script);
    let said = [
        text(client, "Hello", 0),
        text(client, "", 0),
        binary(client, &[0, 0xff, 0], 0),
        text(backend, "h\u{e9}", 3),
        What::Close { from: backend, code: None, reason: String::new() },
    ];
    assert_eq!(told.take()[2..], said);
}

/// The same, whoever masks: some old peers did not, and their captures are to be read.
#[test]
fn reads_frames_whose_masking_is_wrong() {
    let mut told = Listener::behind_opening(RFC);
    told.feed(Side::Client, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    told.feed(Side::Backend, b"\x81\x05Hello");
    let masks = |told: &Listener| Side::BOTH.map(|side| told.conversation.masks_wrongly(side));
    assert_eq!(masks(&told), [false, false]);
    told.feed(Side::Client, b"\x81\x05Hello");
    assert_eq!(masks(&told), [true, false]);
    told.feed(Side::Backend, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    assert_eq!(masks(&told), [true, true]);
    let said = [
        text(Side::Client, "Hello", 0),
        text(Side::Backend, "Hello", 1),
        text(Side::Client, "Hello", 1),
        text(Side::Backend, "Hello", 2),
    ];
    assert_eq!(told.take(), said);
    told.cut();
    assert_eq!(masks(&told), [true, true]);
}

/// The examples of RFC 7692 section 7.2.3, both ways: the second message refers to the first, so that
/// each direction has a context of its own.
#[test]
fn inflates_where_it_was_negotiated() {
    let extension = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let offer = (Side::Client, request(RFC, extension));
    let frames = |side| {
        let says = |start, payload: &[u8]| voice(RFC, side).frame(start, payload, [1, 2, 3, 4]);
        [
            says(0xc1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
            says(0x81, b"plain"),
            // In fragments, with a ping between them.
            says(0x41, &[0xf2, 0x00]),
            says(0x89, b""),
            says(0x80, &[0x11, 0x00, 0x00]),
            // "Hello" as a stored block, and binary that is nothing.
            says(0xc2, &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]),
            says(0xc2, &[0x00]),
        ]
        .concat()
    };
    let said = |from, seen| {
        [
            text(from, "Hello", seen),
            text(from, "plain", seen),
            What::Ping { from, data: Vec::new() },
            text(from, "Hello", seen),
            binary(from, b"Hello", seen),
            binary(from, b"", seen),
        ]
    };
    let script = [
        offer.clone(),
        (Side::Backend, response(extension)),
        (Side::Client, frames(Side::Client)),
        (Side::Backend, frames(Side::Backend)),
    ];
    let both = [said(Side::Client, 0), said(Side::Backend, 5)].concat();
    assert_eq!(heard_in_any_cutting(&script).told[2..], both);
    // Where only the client was seen, what it offered is what holds.
    let script = [offer.clone(), (Side::Client, frames(Side::Client))];
    assert_eq!(heard_in_any_cutting(&script).told[1..], said(Side::Client, 0));
    // Where it was not negotiated.
    let reserved = fault(Side::Backend, "reserved bit set");
    let script = [offer, (Side::Backend, response("")), (Side::Backend, frames(Side::Backend))];
    assert_eq!(heard_in_any_cutting(&script).told[2..], [reserved]);
}

#[test]
fn a_message_has_seen_what_its_sender_had_acknowledged() {
    let mut told = Listener::default();
    let open = opening(H76);
    told.feed(Side::Client, &open[0].1);
    told.feed(Side::Backend, &open[1].1);
    told.take();
    let start = open[1].1.len() as u64;
    let seen = |told: &mut Listener| match &told.take()[..] {
        [What::Message(Message { seen, .. })] => *seen,
        other => panic!("{other:?}"),
    };
    // Ends at 3, 6 and 9 behind the opening.
    told.feed_acked(Side::Backend, b"\0a\xff\0b\xff\0c\xff", None);
    told.take();
    for (acked, expected) in [(0, 0), (2, 0), (3, 1), (5, 1), (6, 2), (4, 2), (9, 3), (99, 3)] {
        told.feed_acked(Side::Client, b"\0x\xff", Some(start + acked));
        assert_eq!(seen(&mut told), expected, "acknowledged {acked}");
    }
    // It is the segment of the first byte that counts.
    told.feed_acked(Side::Client, b"\0", Some(start + 9));
    told.feed_acked(Side::Backend, b"\0d\xff", None);
    told.take();
    told.feed_acked(Side::Client, b"x\xff", Some(start + 12));
    assert_eq!(seen(&mut told), 3);
    told.feed_acked(Side::Client, b"\0x\xff", Some(start + 12));
    assert_eq!(seen(&mut told), 4);
}

/// Messages nobody acknowledges are not remembered for ever.
#[test]
fn what_was_seen_is_bounded() {
    let mut told = Listener::behind_opening(H76);
    for _ in 0..20_000 {
        told.feed(Side::Backend, b"\0a\xff");
    }
    told.take();
    told.feed_acked(Side::Client, b"\0x\xff", Some(0));
    assert_eq!(told.take(), [text(Side::Client, "x", 20_000 - 8192)]);
}

fn line() -> impl Strategy<Value = Line> {
    let parts = vec(vec(any::<u8>(), 0..12), 1..4);
    prop_oneof![
        4 => vec("[a\0\u{e9}\u{20ac}\u{1f600}]{0,6}", 1..4).prop_map(|parts| {
            Line::Message(Kind::Text, parts.into_iter().map(String::into_bytes).collect())
        }),
        2 => parts.prop_map(|parts| Line::Message(Kind::Binary, parts)),
        1 => vec(any::<u8>(), 0..6).prop_map(Line::Ping),
        1 => vec(any::<u8>(), 0..6).prop_map(Line::Pong),
        1 => Just(Line::Close(None)),
        1 => (select(&[1000_u16, 1001, 4000][..]), "[a\u{e9}]{0,6}")
            .prop_map(|(code, text)| Line::Close(Some((code, text.into_bytes())))),
    ]
}

/// What is to be told of a line.
fn expected(dialect: Dialect, from: Side, line: &Line, seen: u64) -> Option<What> {
    let hybi = voice(dialect, from).is_hybi();
    Some(match line.clone() {
        Line::Message(kind, parts) => {
            What::Message(Message { from, kind, data: parts.concat(), seen })
        }
        Line::Ping(data) if hybi => What::Ping { from, data },
        Line::Pong(data) if hybi => What::Pong { from, data },
        Line::Close(Some((code, reason))) if voice(dialect, from).has_codes() => {
            let reason = String::from_utf8(reason).unwrap();
            What::Close { from, code: Some(code), reason }
        }
        Line::Close(_) if dialect != H75 => What::Close { from, code: None, reason: String::new() },
        _ => return None,
    })
}

proptest! {
    /// Whatever is said in turn is told, however each turn is cut, and each message has seen those
    /// that came before it.
    #[test]
    fn what_is_said_is_told(
        dialect in select(&DIALECTS[..]),
        lines in vec((select(&Side::BOTH[..]), line()), 0..12),
        cuts in vec(vec(any::<Index>(), 0..4), 20),
        acknowledges: bool,
        key: [u8; 4],
    ) {
        let mut told = Listener::default();
        let mut script = opening(dialect);
        script.extend(lines.iter().map(|(from, line)| (*from, voice(dialect, *from).say(line, key))));
        let mut lengths = Sides::<u64>::default();
        for ((from, bytes), at) in script.iter().zip(&cuts) {
            let mut at: Vec<_> = at.iter().map(|at| at.index(bytes.len() + 1)).collect();
            at.sort_unstable();
            let acked = acknowledges.then_some(lengths[from.other()]);
            for piece in cuts::pieces(bytes, &at) {
                told.feed_acked(*from, piece, acked);
            }
            lengths[*from] += bytes.len() as u64;
        }
        let mut seen = Sides::<u64>::default();
        let mut due = Vec::new();
        for (from, line) in &lines {
            due.extend(expected(dialect, *from, line, seen[from.other()]));
            seen[*from] += u64::from(matches!(line, Line::Message(..)));
        }
        prop_assert_eq!(&told.take()[2..], &due[..]);
        prop_assert_eq!(told.found(), Found::WebSocket);
    }

    /// Any bytes in any cutting: the same is told, and every session ends once.
    #[test]
    fn any_bytes_are_told_alike(
        dialect in proptest::option::of(select(&DIALECTS[..])),
        speeches in vec((select(&Side::BOTH[..]), vec(prop_oneof![
            any::<u8>(), select(&[0_u8, 0x01, 0x41, 0x80, 0x81, 0x82, 0xc1, 0xfe, 0xff][..]),
        ], 0..24)), 0..8),
        cuts in vec(vec(any::<Index>(), 0..5), 10),
    ) {
        let mut script = dialect.map_or_else(Vec::new, opening);
        script.extend(speeches);
        let places: Vec<Vec<usize>> = script.iter().zip(&cuts).map(|((_, bytes), at)| {
            let mut at: Vec<_> = at.iter().map(|at| at.index(bytes.len() + 1)).collect();
            at.sort_unstable();
            at
        }).collect();
        let (mut whole, mut cut) = (heard(&script, &[]), heard(&script, &places));
        for told in [&mut whole, &mut cut] {
            told.end(Side::Client, false);
            told.end(Side::Backend, false);
            told.cut();
        }
        prop_assert_eq!(&whole.told, &cut.told);
        let ends = whole.told.iter().filter(|what| matches!(what, What::End(_))).count();
        prop_assert_eq!(ends, usize::from(dialect.is_some()));
    }
}
