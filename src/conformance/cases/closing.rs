//! How a session ends, in the dialects without close codes: the end of the stream (75), `FF 00` (76), a
//! frame whose body comes back (01 to 04), the letters of 05.

use super::{
    Body, Case, Course, Cut, Dialect, Frame, Message, Opcode, Step, answered, case, echo, text,
};
use crate::conformance::case::{Grade, Tests};
use crate::conformance::wire::{self, Close};
use crate::event::Side;

pub(super) fn add(dialect: Dialect, cases: &mut Vec<Case>) {
    match wire::close(dialect) {
        Close::Fin => fin(dialect, cases),
        Close::Ff00 => ff00(dialect, cases),
        Close::Echo => echoes(dialect, cases),
        Close::Letter => letters(dialect, cases),
        Close::Code => {}
    }
}

const SECTION: &str = "closing handshake";

fn fin(dialect: Dialect, cases: &mut Vec<Case>) {
    cases.push(
        case(dialect, "closing/fin", SECTION, "The stream ends; so does the other.")
            .does(Step::Finish)
            .comes(answered(Vec::new(), Vec::new())),
    );
    // The draft gives no promise that a peer reads on or says what it still has.
    cases.push(
        case(
            dialect,
            "closing/fin-behind-a-text",
            SECTION,
            "A text, and at once the end of the stream.",
        )
        .says(vec![text(dialect, "last words")])
        .does(Step::Finish)
        .comes(answered(vec![Message::text("last words")], Vec::new()))
        .comes(answered(Vec::new(), Vec::new()).graded(Grade::Informational)),
    );
    cases.push(
        case(
            dialect,
            "closing/fin-inside-a-text",
            SECTION,
            "The stream ends inside a text, which is lost.",
        )
        .says(vec![Frame::raw("\0last wor")])
        .does(Step::Finish)
        .comes(answered(Vec::new(), Vec::new())),
    );
}

fn ff00(dialect: Dialect, cases: &mut Vec<Case>) {
    let close = || Frame::raw(&b"\xff\x00"[..]);
    let done = || answered(Vec::new(), Vec::new());
    let new = |name: &str, about: &str| case(dialect, &format!("closing/{name}"), SECTION, about);
    cases.push(new("ff-00", "FF 00 is answered by FF 00.").says(vec![close()]).comes(done()));
    let about = "FF 00, one byte a segment.";
    cases.push(new("ff-00-cut", about).says_cut(vec![close()], Cut::Pieces(1)).comes(done()));
    let frames = vec![text(dialect, "last words"), close()];
    cases.push(
        new("ff-00-behind-a-text", "A text and FF 00 in one segment.")
            .says(frames)
            .comes(answered(vec![Message::text("last words")], Vec::new()))
            .comes(done().graded(Grade::Informational)),
    );
    let frames = vec![close(), text(dialect, "not to be heard")];
    cases.push(
        new("text-behind-ff-00", "What comes behind FF 00 does not count.")
            .says(frames)
            .comes(done()),
    );
    // "If the length is not zero" the draft says of a frame of type FF with more than one byte of length.
    let frames = vec![Frame::raw(&b"\xff\x80\x00"[..])];
    cases.push(
        new("ff-80-00", "FF 80 00 is a length of zero too.")
            .says(frames)
            .comes(done().graded(Grade::Informational))
            .comes(Course::any()),
    );
    let about = "The stream ends without FF 00, as WebKit of 2010 does it.";
    cases.push(new("fin", about).does(Step::Finish).comes(done()));
    let about = "The stream ends right behind FF 00, as the Flash client of 2010 does it.";
    cases.push(new("ff-00-and-fin", about).says(vec![close()]).does(Step::Finish).comes(done()));
}

fn echoes(dialect: Dialect, cases: &mut Vec<Case>) {
    let rows: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("one-byte", b"x".to_vec()),
        ("body", b"bye, bye".to_vec()),
        ("no-text", b"\x00\xff\xfe".to_vec()),
        ("longest", vec![b'b'; 125]),
    ];
    for (name, body) in rows {
        let about = format!("A close of {} bytes comes back as it is.", body.len());
        cases.push(
            case(dialect, &format!("closing/{name}"), SECTION, about)
                .says(vec![Frame::new(Opcode::Close, body.clone())])
                .comes(answered(Vec::new(), vec![body])),
        );
    }
    behind(dialect, &Body::from("bye"), vec![b"bye".to_vec()], cases, Tests::Both);
}

fn letters(dialect: Dialect, cases: &mut Vec<Case>) {
    // Who is under test decides who says which.
    for (side, own) in [(Side::Backend, Side::Client), (Side::Client, Side::Backend)] {
        let (said, right) = (wire::letter(own), wire::letter(side));
        let who = if side == Side::Client { "client" } else { "server" };
        let new = |name: &str, about: &str| {
            case(dialect, &format!("closing/{who}-{name}"), SECTION, about).only_for(side)
        };
        let close = |rest: &[u8]| Frame::new(Opcode::Close, [&[said], rest].concat());
        cases.push(
            new("letter", "The letter of a side is answered with that of the other.")
                .says(vec![close(b"")])
                .comes(answered(Vec::new(), vec![vec![right]])),
        );
        let text = [&[right], &b"bye"[..]].concat();
        cases.push(
            new("letter-and-text", "The letter and a text.")
                .says(vec![close(b"bye")])
                .comes(answered(Vec::new(), vec![vec![right], text])),
        );
        for (name, about, body) in [
            ("no-letter", "A close without a letter.", Vec::new()),
            ("other-letter", "A close with the letter of the other side.", vec![right]),
        ] {
            cases.push(
                new(name, about)
                    .says(vec![Frame::new(Opcode::Close, body)])
                    .comes(answered(Vec::new(), Vec::new()).graded(Grade::Informational))
                    .comes(Course::any()),
            );
        }
        let body = Body::from(vec![said]);
        behind(dialect, &body, vec![vec![right]], cases, Tests::One(side));
    }
}

/// What is said before a close counts, and what is said behind it does not.
fn behind(
    dialect: Dialect,
    body: &Body,
    bodies: Vec<Vec<u8>>,
    cases: &mut Vec<Case>,
    tests: Tests,
) {
    let close = || Frame::new(Opcode::Close, body.clone());
    let who = match tests {
        Tests::Both => "",
        Tests::One(Side::Client) => "client-",
        Tests::One(Side::Backend) => "server-",
    };
    let new = |name: &str, about: &str| {
        let mut case = case(dialect, &format!("closing/{who}{name}"), SECTION, about);
        case.tests = tests;
        case
    };
    cases.push(
        new("text-and-close", "A text comes back, then a close is answered.")
            .says(vec![text(dialect, "Hello")])
            .does(Step::Await(1))
            .says(vec![close()])
            .comes(answered(vec![Message::text("Hello")], bodies.clone())),
    );
    cases.push(
        new("text-behind-close", "What comes behind a close does not count.")
            .says(vec![close(), text(dialect, "not to be heard")])
            .comes(answered(Vec::new(), bodies)),
    );
    cases.push(new("in-order", "The session is closed in order.").comes(echo(Vec::new())));
}
