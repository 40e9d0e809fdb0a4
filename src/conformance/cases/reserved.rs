//! What is reserved and what is malformed in a frame: bits and opcodes (Autobahn sections 3 and 4), masks,
//! lengths.

use super::{
    Case, Course, Cut, Dialect, Frame, Message, Opcode, PROTOCOL, Side, binary, case, close, echo,
    ping, text,
};
use crate::conformance::case::{Grade, Length};
use crate::conformance::wire::{Masks, has_old_opcodes, masks};
use crate::dialect::hybi::Version;

const HELLO: &str = "Hello, world!";

/// Lengths that no peer can mean. Whether the length or the size is at fault is open.
const PROTOCOL_OR_SIZE: &[u16] = &[1002, 1009, 1004];

pub(super) fn add(version: Version, cases: &mut Vec<Case>) {
    bits(version, cases);
    opcodes(version, cases);
    malformed(version, cases);
}

fn fails(case: Case, before: bool) -> Case {
    let before = if before { vec![Message::text(HELLO)] } else { Vec::new() };
    case.comes(Course::failed(before, PROTOCOL)).since(Version::V13)
}

fn bits(version: Version, cases: &mut Vec<Case>) {
    let dialect = Dialect::Hybi(version);
    let hello = || text(dialect, HELLO);
    let rows: [(u8, &str, Vec<Frame>, Cut, bool); 7] = [
        (1, "A text", vec![hello().reserving(1)], Cut::Whole, false),
        (
            2,
            "After a text, another",
            vec![hello(), hello().reserving(2), ping("")],
            Cut::Whole,
            true,
        ),
        (
            3,
            "After a text, another",
            vec![hello(), hello().reserving(3), ping("")],
            Cut::Frames,
            true,
        ),
        (
            4,
            "After a text, another",
            vec![hello(), hello().reserving(4), ping("")],
            Cut::Pieces(1),
            true,
        ),
        (
            5,
            "A binary message",
            vec![binary(&b"\0\xff\xfe\xfd"[..]).reserving(5)],
            Cut::Whole,
            false,
        ),
        (6, "A ping", vec![ping(HELLO).reserving(6)], Cut::Whole, false),
        (7, "A close", vec![close(1000, b"").reserving(7)], Cut::Whole, false),
    ];
    for (bits, what, frames, cut, before) in rows {
        let about = format!("{what} with the reserved bits {bits:03b}.");
        let case = case(dialect, &format!("reserved/3.{bits}"), "§5.2", about).autobahn();
        cases.push(fails(case.says_cut(frames, cut), before));
    }
}

fn opcodes(version: Version, cases: &mut Vec<Case>) {
    let dialect = Dialect::Hybi(version);
    // Up to draft-ietf-hybi-06 all from 6 on were reserved.
    let first = if has_old_opcodes(dialect) { [6, 11] } else { [3, 11] };
    for (section, first) in [1, 2].into_iter().zip(first) {
        for at in 0..5 {
            let number = first + at;
            let payload = if at == 0 { "" } else { "reserved opcode payload" };
            let odd = Frame::new(Opcode::Number(number), payload);
            let before = at >= 2;
            let frames = match before {
                true => vec![text(dialect, HELLO), odd, ping("")],
                false => vec![odd],
            };
            let cut = if at == 4 { Cut::Pieces(1) } else { Cut::Whole };
            let about = format!("A frame of the opcode {number:x}, which is reserved.");
            let name = format!("opcodes/4.{section}.{}", at + 1);
            let case = case(dialect, &name, "§5.2", about).autobahn();
            cases.push(fails(case.says_cut(frames, cut), before));
        }
    }
}

fn malformed(version: Version, cases: &mut Vec<Case>) {
    let dialect = Dialect::Hybi(version);
    if masks(dialect) == Masks::Payload {
        for (name, about, side) in [
            ("masks/unmasked", "A frame of a client without a mask.", Side::Backend),
            ("masks/masked", "A frame of a server with a mask.", Side::Client),
        ] {
            cases.push(
                case(dialect, name, "§5.1", about)
                    .says(vec![text(dialect, HELLO).masked_wrongly()])
                    .comes(Course::failed(Vec::new(), PROTOCOL))
                    .since(Version::V13)
                    .only_for(side),
            );
        }
    }
    for (name, about, length, size) in [
        ("lengths/two-bytes", "A text of 13 bytes with a length of two bytes.", Length::Two, 13),
        ("lengths/eight-bytes", "A text of 13 bytes with a length of eight.", Length::Eight, 13),
        (
            "lengths/eight-bytes-126",
            "A text of 126 bytes with a length of eight.",
            Length::Eight,
            126,
        ),
    ] {
        let body = super::Body::of(HELLO.as_bytes(), size);
        // "The minimal number of bytes MUST be used" is said to who writes.
        cases.push(
            case(dialect, name, "§5.2", about)
                .says(vec![text(dialect, body.clone()).long(length)])
                .comes(Course::failed(Vec::new(), PROTOCOL))
                .comes(echo(vec![Message::text(body)]).graded(Grade::Informational)),
        );
    }
    // "The most significant bit MUST be 0" (RFC 6455 section 5.2).
    let odd = text(dialect, "").long(Length::Claimed(1 << 63));
    cases.push(
        case(dialect, "lengths/first-bit", "§5.2", "A length whose first bit is set.")
            .says(vec![odd])
            .comes(Course::failed(Vec::new(), PROTOCOL_OR_SIZE))
            .since(Version::V13),
    );
}
