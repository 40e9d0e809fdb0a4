//! What is reserved in the frames of draft-hixie-75 and 76, and length frames.

use super::{Case, Course, Dialect, Frame, Message, case, echo, text};
use crate::conformance::wire::length_frame;
use crate::dialect::hixie::Draft;

const SECTION: &str = "data framing";

pub(super) fn add(draft: Draft, cases: &mut Vec<Case>) {
    let dialect = Dialect::Hixie(draft);
    let hello = "Hello";
    // "MAY disconnect" or skip, a server; a client skips.
    let skipped = |name: &str, about: &str, bytes: Vec<u8>| {
        case(dialect, &format!("reserved/{name}"), SECTION, about)
            .says(vec![Frame::raw(bytes), text(dialect, hello)])
            .comes(echo(vec![Message::text(hello)]))
            .comes(Course::failed(Vec::new(), &[]))
    };
    for kind in [0x01_u8, 0x2a, 0x7f] {
        let about = format!("A frame of type {kind:02x}, which is reserved, and a text.");
        let bytes = [&[kind], &b"reserved"[..], &[0xff]].concat();
        cases.push(skipped(&format!("type-{kind:02x}"), &about, bytes));
    }
    for kind in [0x81_u8, 0xfe] {
        let about =
            format!("A frame of type {kind:02x}, which begins with its length, and a text.");
        cases.push(skipped(&format!("type-{kind:02x}"), &about, length_frame(kind, b"reserved")));
    }
    let about = "A frame of type FF with a length, and a text.";
    cases.push(skipped("ff-with-length", about, length_frame(0xff, b"reserved")));
    if draft == Draft::H75 {
        cases.push(skipped(
            "ff-00",
            "FF 00, which is no close here, and a text.",
            vec![0xff, 0x00],
        ));
    }
    let about = "A length frame with FF and 00 in it, and a text.";
    let bytes = length_frame(0x80, b"\x00no text\xff");
    cases.push(binary(dialect, "ff-inside", about, bytes, b"\x00no text\xff"));
    let about = "A length frame of 0 bytes, and a text.";
    cases.push(binary(dialect, "empty", about, vec![0x80, 0x00], b""));
    let about = "A length frame of 64 bytes whose length begins with a zero digit, and a text.";
    let bytes = [&[0x80, 0x80, 0x40], &[b'b'; 64][..]].concat();
    cases.push(binary(dialect, "zero-digit", about, bytes, &[b'b'; 64]));
    for length in [127, 128, 16_383, 16_384] {
        let body = vec![b'b'; length];
        let about = format!("A length frame of {length} bytes, and a text.");
        let bytes = length_frame(0x80, &body);
        cases.push(binary(dialect, &length.to_string(), &about, bytes, &body));
    }
    let text_of = |body: &'static str| text(dialect, body);
    let about = "Three texts with nothing in them.";
    let empty = || Message::text("");
    cases.push(
        case(dialect, "framing/empty-three-times", SECTION, about)
            .says(vec![text_of(""), text_of(""), text_of("")])
            .comes(echo(vec![empty(), empty(), empty()])),
    );
    let about = "FF and the next 00 in two segments.";
    cases.push(
        case(dialect, "framing/cut-between", SECTION, about)
            .says(vec![Frame::raw("\0one")])
            .says(vec![Frame::raw(&b"\xff"[..])])
            .says(vec![Frame::raw("\0")])
            .says(vec![Frame::raw(&b"two\xff"[..])])
            .comes(echo(vec![Message::text("one"), Message::text("two")])),
    );
}

/// The drafts let a peer skip a length frame or disconnect; some peers take it for a binary message.
fn binary(dialect: Dialect, name: &str, about: &str, bytes: Vec<u8>, body: &[u8]) -> Case {
    let hello = || Message::text("Hello");
    let echoed = vec![Message::binary(body.to_vec()), hello()];
    case(dialect, &format!("length-frames/{name}"), SECTION, about)
        .says(vec![Frame::raw(bytes), text(dialect, "Hello")])
        .comes(echo(vec![hello()]))
        .comes(echo(echoed))
        .comes(Course::failed(Vec::new(), &[]))
}
