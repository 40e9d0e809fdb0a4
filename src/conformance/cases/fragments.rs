//! Messages in fragments, with control frames between them and where none may be (Autobahn sections 5
//! and 10).

use super::{
    Body, Case, Course, Cut, Dialect, Frame, Kind, Message, Opcode, PROTOCOL, Step, case, echo,
    more, ping, text,
};
use crate::dialect::hybi::Version;

const PARTS: [&str; 5] = ["fragment1", "fragment2", "fragment3", "fragment4", "fragment5"];

/// The three ways in which Autobahn says the same.
const CUTS: [Cut; 3] = [Cut::Whole, Cut::Frames, Cut::Pieces(1)];

pub(super) fn add(version: Version, cases: &mut Vec<Case>) {
    let dialect = Dialect::Hybi(version);
    let new = |number: usize, about: &str| {
        case(dialect, &format!("fragments/5.{number}"), "§5.4", about).autobahn()
    };
    let [one, two, ..] = PARTS;
    let first = || text(dialect, one).more();
    let both = || vec![Message::text("fragment1fragment2")];
    let fails = |case: Case, before: Vec<Message>| {
        case.comes(Course::failed(before, PROTOCOL)).since(Version::V13)
    };

    let about = "A ping in two fragments.";
    cases.push(fails(new(1, about).says(vec![ping(one).more(), more(two)]), Vec::new()));
    let about = "A pong in two fragments.";
    let pong = Frame::new(Opcode::Pong, one).more();
    cases.push(fails(new(2, about).says(vec![pong, more(two)]), Vec::new()));
    for (at, cut) in CUTS.into_iter().enumerate() {
        let frames = vec![first(), more(two)];
        let about = "A text in two fragments.";
        cases.push(new(3 + at, about).says_cut(frames, cut).comes(echo(both())));
    }
    for (at, cut) in CUTS.into_iter().enumerate() {
        let frames = vec![first(), ping("ping payload"), more(two)];
        let course = Course::open(both(), vec![Body::from("ping payload")]);
        let about = "A text in two fragments with a ping between them.";
        cases.push(new(6 + at, about).says_cut(frames, cut).comes(course));
    }
    let alone = || more("non-continuation payload");
    for (at, cut) in CUTS.into_iter().enumerate() {
        let frames = vec![alone(), text(dialect, "Hello, world!")];
        let about = "A last fragment that continues nothing, and a text.";
        cases.push(fails(new(9 + at, about).says_cut(frames, cut), Vec::new()));
    }
    for (at, cut) in CUTS.into_iter().enumerate() {
        let frames = vec![alone().more(), text(dialect, "Hello, world!")];
        let about = "A fragment that continues nothing, and a text.";
        cases.push(fails(new(12 + at, about).says_cut(frames, cut), Vec::new()));
    }
    let frames =
        vec![first(), more("fragment2"), more("fragment3").more(), text(dialect, "fragment4")];
    let about = "A text in two fragments, one that continues nothing, and a text.";
    cases.push(fails(new(15, about).says(frames), both()));
    for (number, is_last) in [(16, false), (17, true)] {
        let alone = || if is_last { more("fragment1") } else { more("fragment1").more() };
        let round = || [alone(), text(dialect, "fragment2").more(), more("fragment3")];
        let frames = round().into_iter().chain(round()).collect();
        let about = "Twice: a fragment that continues nothing, then a text in two.";
        cases.push(fails(new(number, about).says(frames), Vec::new()));
    }
    let about = "A text in two fragments, of which the second says text too.";
    cases.push(fails(new(18, about).says(vec![first(), text(dialect, two)]), Vec::new()));
    for (number, cut) in [(19, Cut::Whole), (20, Cut::Frames)] {
        let [one, two, three, four, five] = PARTS;
        let before = vec![text(dialect, one).more(), more(two).more(), ping("pongme 1!")];
        let behind = vec![more(three).more(), more(four).more(), ping("pongme 2!"), more(five)];
        let pongs = vec![Body::from("pongme 1!"), Body::from("pongme 2!")];
        let about = "A text in five fragments with a ping behind the second, which is waited for, and \
                     one behind the fourth.";
        cases.push(
            new(number, about)
                .says_cut(before, cut)
                .does(Step::Await(1))
                .says_cut(behind, cut)
                .comes(Course::open(vec![Message::text(PARTS.concat().into_bytes())], pongs)),
        );
    }
    let body = Body::of(b"*", 65_536);
    cases.push(
        case(dialect, "misc/10.1.1", "§5.4", "A text of 65536 bytes in fragments of 1300.")
            .autobahn()
            .does(Step::Fragments(Kind::Text, body.clone(), 1300))
            .comes(echo(vec![Message::text(body)])),
    );
}
