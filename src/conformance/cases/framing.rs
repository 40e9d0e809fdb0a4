//! Messages in one frame: every form of length, any cut, several in one segment (Autobahn section 1).

use super::{Body, Case, Cut, Dialect, Message, Side, Step, binary, case, echo, text};
use crate::conformance::case::Counts;

/// Lengths on both sides of where the form of a length changes, in hybi (RFC 6455 section 5.2) and in
/// base 128.
const LENGTHS: [usize; 11] = [0, 125, 126, 127, 128, 65_535, 65_536, 1, 255, 16_383, 16_384];

/// How many of them Autobahn has.
const OF_AUTOBAHN: usize = 7;

/// A cut that meets no boundary.
const ODD: usize = 997;

pub(super) fn add(dialect: Dialect, cases: &mut Vec<Case>) {
    let is_hixie = matches!(dialect, Dialect::Hixie(_));
    for (at, length) in LENGTHS.into_iter().enumerate() {
        let body = Body::of(b"*", length);
        for (number, is_text) in [(1, true), (2, false)] {
            let (name, is_known) = match at < OF_AUTOBAHN {
                true => (format!("framing/1.{number}.{}", at + 1), true),
                false => {
                    let kind = if is_text { "text" } else { "binary" };
                    (format!("framing/{kind}-{length}"), false)
                }
            };
            if is_hixie && !is_text {
                continue;
            }
            let what = if is_text { "A text" } else { "A binary message" };
            let case = case(dialect, &name, "§5.2", format!("{what} of {length} bytes."));
            let case = if is_known { case.autobahn() } else { case };
            cases.push(one(case, is_text, &body, Cut::Whole));
        }
    }
    for (name, is_text) in [("framing/1.1.8", true), ("framing/1.2.8", false)] {
        if !is_hixie || is_text {
            let case = case(dialect, name, "§5.2", "65536 bytes in pieces of 997.").autobahn();
            cases.push(one(case, is_text, &Body::of(b"*", 65_536), Cut::Pieces(ODD)));
        }
    }
    let hello = Body::from("Hello, \u{20ac} \u{1f434}");
    cases.push(one(
        case(dialect, "framing/byte-by-byte", "§5.2", "A text, one byte a segment."),
        true,
        &hello,
        Cut::Pieces(1),
    ));
    cases.push(one(
        case(dialect, "framing/nul", "§5.6", "A text with NUL, CR, LF and DEL in it."),
        true,
        &Body::from("a\0b\r\n\r\n\u{7f}\0"),
        Cut::Whole,
    ));
    for (name, body, places) in [
        ("framing/every-cut", hello, 30),
        ("framing/every-cut-126", Body::of(b"abcdefg", 126), 14),
        ("framing/every-cut-65536", Body::of(b"abcdefg", 65_536), 20),
    ] {
        let about = "The same text again and again, cut in two at one place after the other.";
        cases.push(every_cut(case(dialect, name, "§5.2", about), &body, places));
    }
    let all: Vec<_> = (0..20).map(|at| Body::of(b"0123456789", at * at)).collect();
    let frames = all.iter().map(|body| text(dialect, body.clone())).collect();
    let about = "20 texts of 0 to 361 bytes in one segment.";
    cases.push(
        case(dialect, "framing/burst", "§5.2", about)
            .says(frames)
            .comes(echo(all.into_iter().map(Message::text).collect())),
    );
    if !is_hixie {
        let mut masks = case(
            dialect,
            "masks/fresh",
            "§5.3",
            "Five echoes: each frame of a client has another mask.",
        );
        let words = ["one", "two", "three", "four", "five"];
        masks = masks.says(words.iter().map(|word| text(dialect, *word)).collect());
        let words = words.iter().map(|word| Message::text(*word)).collect();
        cases.push(masks.comes(echo(words)).only_for(Side::Client).counting(Counts::Masks));
    }
}

fn one(case: Case, is_text: bool, body: &Body, cut: Cut) -> Case {
    let dialect = case.dialect;
    let (frame, message) = match is_text {
        true => (text(dialect, body.clone()), Message::text(body.clone())),
        false => (binary(body.clone()), Message::binary(body.clone())),
    };
    case.says_cut(vec![frame], cut).comes(echo(vec![message]))
}

fn every_cut(mut case: Case, body: &Body, places: usize) -> Case {
    for at in 1..=places {
        let frame = text(case.dialect, body.clone());
        case = case.says_cut(vec![frame], Cut::At(at)).does(Step::Await(at));
    }
    let messages = vec![Message::text(body.clone()); places];
    case.comes(echo(messages))
}
