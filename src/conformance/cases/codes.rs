//! Closes with codes and reasons (Autobahn section 7), from draft-ietf-hybi-06 on.

use super::{
    Body, Case, Course, Dialect, Frame, INVALID_THEN, Message, Opcode, PROTOCOL, Step, answered,
    case, close, more, ping, text,
};
use crate::conformance::case::Grade;
use crate::conformance::wire::{self, Close};
use crate::dialect::hybi::Version;

/// Codes that may be said, in the order of 7.7.
const LEGAL: [u16; 13] =
    [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];

/// Codes that may not, in the order of 7.9.
const ILLEGAL: [u16; 9] = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];

/// Codes of which the RFC says nothing, in the order of 7.13.
const UNKNOWN: [u16; 2] = [5000, 65_535];

/// An answer to an illegal code, or to a reason that is no UTF-8.
const WRONG: &[u16] = PROTOCOL;

pub(super) fn add(version: Version, cases: &mut Vec<Case>) {
    let dialect = Dialect::Hybi(version);
    if wire::close(dialect) != Close::Code {
        return;
    }
    order(dialect, cases);
    bodies(dialect, cases);
    for (at, code) in LEGAL.into_iter().enumerate() {
        let about = format!("A close with the code {code}.");
        let name = format!("closing/7.7.{}", at + 1);
        let case = case(dialect, &name, "§7.4", about).autobahn().says(vec![close(code, b"")]);
        let case = case.comes(answered(Vec::new(), vec![code.to_be_bytes().to_vec()]));
        // 1004 and less came with draft-ietf-hybi-06, the rest with later ones.
        cases.push(if code <= 1003 { case } else { case.since(Version::V13) });
    }
    for (at, code) in ILLEGAL.into_iter().enumerate() {
        let about = format!("A close with the code {code}, which may not be said.");
        let name = format!("closing/7.9.{}", at + 1);
        let case = case(dialect, &name, "§7.4", about).autobahn().says(vec![close(code, b"")]);
        cases.push(case.comes(Course::failed(Vec::new(), WRONG)).since(Version::V13));
    }
    for (at, code) in UNKNOWN.into_iter().enumerate() {
        let about = format!("A close with the code {code}, of which nothing is said.");
        let name = format!("closing/7.13.{}", at + 1);
        let case = case(dialect, &name, "§7.4.2", about).autobahn().says(vec![close(code, b"")]);
        cases.push(case.comes(Course::any()));
    }
}

/// What comes before, between and behind closes.
fn order(dialect: Dialect, cases: &mut Vec<Case>) {
    let new = |number: usize, about: &str| {
        case(dialect, &format!("closing/7.1.{number}"), "§5.5.1", about).autobahn()
    };
    let normal = || close(1000, b"");
    let bodies = || vec![1000_u16.to_be_bytes().to_vec()];
    let done = || answered(Vec::new(), bodies());
    let hello = "Hello World!";
    cases.push(
        new(1, "A text, and when it has come back a close.")
            .says(vec![text(dialect, hello)])
            .does(Step::Await(1))
            .says(vec![normal()])
            .comes(answered(vec![Message::text(hello)], bodies())),
    );
    cases.push(new(2, "Two closes.").says(vec![normal(), normal()]).comes(done()));
    cases.push(new(3, "A ping behind a close.").says(vec![normal(), ping("")]).comes(done()));
    let frames = vec![normal(), text(dialect, hello)];
    cases.push(new(4, "A text behind a close.").says(frames).comes(done()));
    let frames = vec![text(dialect, "fragment1").more(), normal(), more("fragment2")];
    cases.push(new(5, "A close between two fragments of a text.").says(frames).comes(done()));
    let long = Body::of(b"BAsd7&jh23", 256 * 1024);
    let messages = vec![Message::text(long.clone()), Message::text(hello)];
    cases.push(
        new(6, "A text of 256 KiB, another and a close at once: how much comes back is open.")
            .says(vec![text(dialect, long.clone()), text(dialect, hello), normal(), ping("")])
            .comes(answered(messages, bodies()).graded(Grade::Informational))
            .comes(answered(vec![Message::text(long)], bodies()).graded(Grade::Informational))
            .comes(Course::any()),
    );
}

/// What a close holds.
fn bodies(dialect: Dialect, cases: &mut Vec<Case>) {
    let new = |name: &str, about: &str| {
        case(dialect, &format!("closing/7.{name}"), "§5.5.1", about).autobahn()
    };
    let frame = |body: Vec<u8>| vec![Frame::new(Opcode::Close, body)];
    let normal = |reason: &[u8]| [&[0x03, 0xe8], reason].concat();
    let longest = "*".repeat(123).into_bytes();
    let fails =
        |case: Case, codes| case.comes(Course::failed(Vec::new(), codes)).since(Version::V13);
    cases.push(
        new("3.1", "A close without a code.")
            .says(frame(Vec::new()))
            .comes(answered(Vec::new(), vec![Vec::new(), normal(b"")])),
    );
    cases.push(fails(new("3.2", "A close of one byte.").says(frame(vec![b'a'])), PROTOCOL));
    for (name, about, reason) in [
        ("3.3", "A close with a code.", &b""[..]),
        ("3.4", "A close with a code and a reason.", b"Hello World!"),
        ("3.5", "A close with the longest reason, of 123 bytes.", &longest),
    ] {
        // The reason is the speaker's: it need not come back.
        cases.push(
            new(name, about)
                .says(frame(normal(reason)))
                .comes(answered(Vec::new(), vec![normal(b""), normal(reason)])),
        );
    }
    let longer = normal(&[longest.as_slice(), b"*"].concat());
    let about = "A close of 126 bytes, which is one too many.";
    cases.push(fails(new("3.6", about).says(frame(longer)), PROTOCOL));
    let broken = normal(b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited");
    let about = "A close whose reason is no UTF-8.";
    cases.push(fails(new("5.1", about).says(frame(broken)), INVALID_THEN));
}
