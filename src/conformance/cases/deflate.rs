//! What a compressed message may look like, what is none, and what must not bring a peer down.

use super::compression::{PLAIN, WHOLE};
use super::{
    Body, Case, Course, Cut, Dialect, Frame, Kind, Message, Opcode, Opening, PROTOCOL, Step,
    binary, close, compressed, echo, more, ping, text,
};
use crate::conformance::agreement::Sender;
use crate::conformance::case::Grade;
use crate::conformance::deflate::Deflater;

/// The bit of compressed messages.
const RSV1: u8 = 4;

/// "Hello" (RFC 7692 section 7.2.3.1).
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

/// The document has no code for data that cannot be inflated.
const MALFORMED: &[u16] = &[1007, 1002];

const INVALID: &[u16] = &[1007];

const TOO_LARGE: &[u16] = &[1009];

/// Who compresses each message for itself within the smallest window is understood whatever was agreed on.
const MODEST: Sender = Sender { forgets: true, window: 9 };

pub(super) fn add(largest: usize, cases: &mut Vec<Case>) {
    examples(cases);
    frames(cases);
    bits(cases);
    malformed(cases);
    abuse(largest, cases);
}

fn new(name: &str, section: &str, about: &str) -> Case {
    compressed(&format!("deflate/{name}"), section, about).opened(Opening::Compressed(&[PLAIN]))
}

/// A text whose payload is given as it is on the wire.
fn squeezed(payload: impl Into<Body>) -> Frame {
    Frame::new(Opcode::Text, payload).reserving(RSV1)
}

/// A message as the kit compresses it.
fn deflated(message: &[u8]) -> Vec<u8> {
    Deflater::new(MODEST).deflate(message)
}

fn hello() -> Message {
    Message::text("Hello")
}

/// RFC 7692 section 7.2.3, and what else DEFLATE allows.
fn examples(cases: &mut Vec<Case>) {
    let rows: [(&str, &str, &str, &[u8]); 7] = [
        ("one-block", "7.2.3.1", "The text \"Hello\" in one block.", HELLO),
        (
            "stored-block",
            "7.2.3.3",
            "A block without compression.",
            b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        ),
        (
            "final-block",
            "7.2.3.4",
            "A block that says that it is the last, and the empty one that ends the message.",
            b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        ),
        (
            "two-blocks",
            "7.2.3.5",
            "Two blocks, with an empty one between them.",
            b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
        ),
        (
            "first-block-empty",
            "7.2.1",
            "An empty block before the one with the text.",
            b"\x00\x00\x00\xff\xff\xf2\x48\xcd\xc9\xc9\x07\x00",
        ),
        (
            "last-block-empty",
            "7.2.1",
            "An empty block more behind the one with the text.",
            b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff\x00",
        ),
        (
            "final-block-empty",
            "7.2.1",
            "A block with the text, an empty one that says that it is the last, and the end.",
            b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff\x03\x00\x00",
        ),
    ];
    for (name, section, about, payload) in rows {
        // Twice: what a final block ends is one message and not the session.
        let frames = vec![squeezed(payload), squeezed(payload)];
        cases.push(new(name, section, about).says(frames).comes(echo(vec![hello(); 2])));
    }
    let about = "The same text three times: from the second on it refers to what was said before, where \
                 contexts are taken over.";
    let mut case = new("takeover", "7.2.3.2", about);
    for count in 1..=3 {
        let said = Step::Deflated(Kind::Text, Body::from("Hello"), WHOLE);
        case = case.does(said).does(Step::Await(count));
    }
    cases.push(case.comes(echo(vec![hello(); 3])));
    let empty = || Message::text("");
    // For the second there may be nothing to flush: zlib makes no byte of it.
    let about = "Two messages without a byte, as empty blocks, between two texts.";
    let nothing = || squeezed(&b"\x00"[..]);
    let frames = vec![squeezed(HELLO), nothing(), nothing(), squeezed(HELLO)];
    let case = new("empty", "7.2.3.6", about).says(frames);
    cases.push(case.comes(echo(vec![hello(), empty(), empty(), hello()])));
}

/// Messages in frames, compressed ones and others.
fn frames(cases: &mut Vec<Case>) {
    let (front, back) = HELLO.split_at(3);
    let first = || squeezed(front).more();
    let about = "A compressed text in two fragments.";
    cases.push(
        new("fragments", "6.1", about).says(vec![first(), more(back)]).comes(echo(vec![hello()])),
    );
    let about = "A compressed text, one byte a segment.";
    cases.push(
        new("byte-by-byte", "6.1", about)
            .says_cut(vec![first(), more(back)], Cut::Pieces(1))
            .comes(echo(vec![hello()])),
    );
    let bytes = HELLO.iter().map(|byte| more(vec![*byte]).more());
    let mut frames = vec![squeezed("").more()];
    frames.extend(bytes.flat_map(|frame| [more("").more(), frame]));
    frames.push(more(""));
    let about =
        "A compressed text in fragments of one byte, with empty ones before, between and behind.";
    cases.push(new("empty-fragments", "6.1", about).says(frames).comes(echo(vec![hello()])));
    let about = "A ping between two fragments of a compressed text.";
    cases.push(
        new("ping-between", "6.1", about)
            .says(vec![first(), ping("in between"), more(back)])
            .comes(Course::open(vec![hello()], vec![Body::from("in between")])),
    );
    let plain = || text(Dialect::RFC6455, "as it is");
    let about = "Texts by turns as they are and compressed. The second compressed one refers to the first, \
                 where contexts are taken over.";
    let squeeze = || Step::Deflated(Kind::Text, Body::from("Hello"), WHOLE);
    let as_it_is = || Message::text("as it is");
    cases.push(
        new("by-turns", "6", about)
            .says(vec![plain()])
            .does(squeeze())
            .says(vec![plain()])
            .does(squeeze())
            .comes(echo(vec![as_it_is(), hello(), as_it_is(), hello()])),
    );
    let about = "A text as it is in two fragments, behind a compressed one.";
    cases.push(
        new("plain-fragments", "6", about)
            .says(vec![squeezed(HELLO), text(Dialect::RFC6455, "as ").more(), more("it is")])
            .comes(echo(vec![hello(), Message::text("as it is")])),
    );
    let odd = b"\x00\xff\xfe\xfd\xff\xfe\xfd\xff\xfe\xfd";
    let about = "A compressed binary message, which is no text.";
    cases.push(
        new("binary", "6", about)
            .says(vec![binary(deflated(odd)).reserving(RSV1)])
            .comes(echo(vec![Message::binary(&odd[..])])),
    );
    let words = "κόσμε – 𝄞";
    let about = "A compressed text that is not ASCII, in fragments of one byte.";
    let payload = Message::text(deflated(words.as_bytes())).body;
    let mut frames: Vec<_> =
        payload.bytes().into_iter().map(|byte| more(vec![byte]).more()).collect();
    frames.insert(0, squeezed("").more());
    frames.push(more(""));
    cases.push(new("utf8", "6", about).says(frames).comes(echo(vec![Message::text(words)])));
}

/// Reserved bits where compression is negotiated.
fn bits(cases: &mut Vec<Case>) {
    let (front, back) = HELLO.split_at(3);
    let plain = || text(Dialect::RFC6455, "as ").more();
    for (name, about, frames) in [
        (
            "bit-on-continuation",
            "The bit of compressed messages on the second fragment too.",
            vec![squeezed(front).more(), more(back).reserving(RSV1)],
        ),
        (
            "bit-on-last",
            "The bit of compressed messages only on the second fragment.",
            vec![plain(), more("it is").reserving(RSV1)],
        ),
        (
            "bit-on-ping",
            "The bit of compressed messages on a ping.",
            vec![ping(HELLO).reserving(RSV1)],
        ),
        (
            "bit-on-pong",
            "The bit of compressed messages on a pong.",
            vec![Frame::new(Opcode::Pong, HELLO).reserving(RSV1)],
        ),
        (
            "bit-on-close",
            "The bit of compressed messages on a close.",
            vec![close(1000, b"").reserving(RSV1)],
        ),
        (
            "bit-2",
            "The second reserved bit beside that of compressed messages.",
            vec![squeezed(HELLO).reserving(6)],
        ),
        ("bit-3", "The third reserved bit alone.", vec![squeezed(HELLO).reserving(1)]),
    ] {
        // RFC 7692 section 6: control frames and later fragments must not have it.
        let case = new(name, "6", about).says(frames);
        cases.push(case.comes(Course::failed(Vec::new(), PROTOCOL)));
    }
}

/// What cannot be inflated, or is no text then.
fn malformed(cases: &mut Vec<Case>) {
    let rows: [(&str, &str, &[u8]); 4] = [
        ("block-type", "A block of the reserved type.", b"\x06\x00"),
        (
            "stored-length",
            "A block without compression whose two lengths differ.",
            b"\x00\x05\x00\x05\x00\x48\x65\x6c\x6c\x6f\x00",
        ),
        (
            "distance",
            "A reference to what was never said, as the first message.",
            b"\xf2\x00\x11\x00\x00",
        ),
        ("no-deflate", "A text that is not compressed, with the bit of those that are.", b"Hello"),
    ];
    for (name, about, payload) in rows {
        let case = new(name, "7.2.2", about).says(vec![squeezed(payload)]);
        cases.push(case.comes(Course::failed(Vec::new(), MALFORMED)));
    }
    let about = "A block of ten bytes of which two come, and the end of the message.";
    let short = binary(&b"\x00\x0a\x00\xf5\xff\x48\x65"[..]).reserving(RSV1);
    cases.push(
        new("cut-block", "7.2.2", about)
            .says(vec![short])
            .comes(Course::failed(Vec::new(), MALFORMED))
            .comes(Course::any()),
    );
    let about =
        "A block that says that it is the last, and not the empty one that ends the message.";
    cases.push(
        new("final-block-alone", "7.2.1", about)
            .says(vec![squeezed(&b"\xf3\x48\xcd\xc9\xc9\x07\x00"[..])])
            .comes(Course::failed(Vec::new(), MALFORMED))
            .comes(Course::any()),
    );
    for (name, message) in [
        ("invalid-utf8", &b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"[..]),
        ("cut-utf8", b"Hello \xce"),
    ] {
        let about = "A compressed text that is not UTF-8 once it is inflated.";
        let case = new(name, "6.2", about).says(vec![squeezed(deflated(message))]);
        cases.push(case.comes(Course::failed(Vec::new(), INVALID)));
    }
}

/// Few bytes that become many, and many that become few.
fn abuse(largest: usize, cases: &mut Vec<Case>) {
    let bounded = |case: Case, body: &Body| {
        let whole = Message { kind: Kind::Binary, body: body.clone() };
        case.comes(echo(vec![whole])).comes(Course::failed(Vec::new(), TOO_LARGE))
    };
    let about = "A message of zeros, a thousandth as long on the wire.";
    let body = Body::of(b"\0", largest);
    let said = Step::Deflated(Kind::Binary, body.clone(), WHOLE);
    cases.push(bounded(new("zeros", "8", about).does(said), &body));
    let about = "A message of zeros, eight times as large as the largest of the list, in fragments of 64 \
                 bytes.";
    let body = Body::of(b"\0", largest * 8);
    let case = new("bomb", "8", about).does(Step::Deflated(Kind::Binary, body.clone(), 64));
    let whole = Message { kind: Kind::Binary, body };
    cases.push(
        case.comes(Course::failed(Vec::new(), TOO_LARGE))
            .comes(echo(vec![whole]).graded(Grade::Informational)),
    );
    let about = "A thousand empty blocks, and a text.";
    let payload = [b"\x00\x00\x00\xff\xff".repeat(1000), HELLO.to_vec()].concat();
    cases.push(
        new("empty-blocks", "7.2.1", about)
            .says(vec![squeezed(payload)])
            .comes(echo(vec![hello()]))
            .comes(Course::failed(Vec::new(), &[]).graded(Grade::Informational)),
    );
}
