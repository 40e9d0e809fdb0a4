//! Large messages and many of them (Autobahn section 9).

use super::{Body, Case, Cut, Dialect, Frame, Kind, Message, Step, binary, case, echo, text};
use crate::conformance::wire::length_frame;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Those of 9.1 and 9.2.
const SIZES: [usize; 6] = [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB];

/// The fragments of 9.3 and 9.4.
const FRAGMENTS: [usize; 9] = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB];

/// The segments of 9.5 and 9.6.
const SEGMENTS: [usize; 6] = [64, 128, 256, 512, 1024, 2048];

/// The messages of 9.7 and 9.8.
const MESSAGES: [usize; 6] = [0, 16, 64, 256, 1024, 4096];

/// How many there are of them.
const MANY: usize = 1000;

/// The kinds, and the numbers of what is said in them.
const KINDS: [(Kind, [u8; 4]); 2] = [(Kind::Text, [1, 3, 5, 7]), (Kind::Binary, [2, 4, 6, 8])];

pub(super) fn add(dialect: Dialect, largest: usize, cases: &mut Vec<Case>) {
    let is_hixie = matches!(dialect, Dialect::Hixie(_));
    for (kind, [whole, fragments, segments, many]) in KINDS {
        if is_hixie && kind == Kind::Binary {
            continue;
        }
        let new = |section: u8, number: usize, about: String| {
            let name = format!("limits/9.{section}.{}", number + 1);
            case(dialect, &name, "§10.4", about).autobahn()
        };
        let message = |body: &Body| Message { kind, body: body.clone() };
        for (at, size) in SIZES.into_iter().enumerate().filter(|(_, size)| *size <= largest) {
            let body = Body::of(b"*", size);
            let about = format!("A message of {size} bytes.");
            let frame = whole_frame(dialect, kind, body.clone());
            cases.push(new(whole, at, about).says(vec![frame]).comes(echo(vec![message(&body)])));
        }
        // Autobahn has 4 MiB here.
        let body = Body::of(b"*", largest.min(4 * MIB));
        for (at, size) in FRAGMENTS.into_iter().enumerate() {
            if is_hixie || size > largest {
                continue;
            }
            let about = format!("A message of {} bytes in fragments of {size}.", body.len());
            let case = new(fragments, at, about).does(Step::Fragments(kind, body.clone(), size));
            cases.push(case.comes(echo(vec![message(&body)])));
        }
        let body = Body::of(b"*", largest.min(MIB));
        for (at, size) in SEGMENTS.into_iter().enumerate() {
            let about = format!("A message of {} bytes in segments of {size}.", body.len());
            let frame = whole_frame(dialect, kind, body.clone());
            let case = new(segments, at, about).says_cut(vec![frame], Cut::Pieces(size));
            cases.push(case.comes(echo(vec![message(&body)])));
        }
        for (at, size) in MESSAGES.into_iter().enumerate() {
            let body = Body::of(b"*", size);
            let about =
                format!("{MANY} messages of {size} bytes, each when the one before has come back.");
            let mut case = new(many, at, about);
            for count in 1..=MANY {
                let frame = whole_frame(dialect, kind, body.clone());
                case = case.says(vec![frame]).does(Step::Await(count));
            }
            cases.push(case.comes(echo(vec![message(&body); MANY])));
        }
    }
}

fn whole_frame(dialect: Dialect, kind: Kind, body: Body) -> Frame {
    match (dialect, kind) {
        (Dialect::Hixie(_), Kind::Binary) => Frame::raw(length_frame(0x80, &body.bytes())),
        (_, Kind::Text) => text(dialect, body),
        (_, Kind::Binary) => binary(body),
    }
}
