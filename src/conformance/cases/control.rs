//! Pings and pongs (Autobahn section 2), in the dialects that have them.

use super::{Body, Case, Course, Cut, Dialect, Frame, Message, Opcode, PROTOCOL, case, ping, text};
use crate::dialect::hybi::Version;

pub(super) fn add(version: Version, cases: &mut Vec<Case>) {
    let dialect = Dialect::Hybi(version);
    let section = "§5.5.2";
    let one = |name: &str, about: &str, body: Body, cut: Cut| {
        case(dialect, name, section, about)
            .autobahn()
            .says_cut(vec![ping(body.clone())], cut)
            .comes(Course::open(Vec::new(), vec![body]))
    };
    let whole = Cut::Whole;
    cases.push(one("pings/2.1", "A ping without a payload.", Body::from(""), whole));
    cases.push(one("pings/2.2", "A ping with a payload.", Body::from("Hello, world!"), whole));
    let bytes = Body::from(&b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"[..]);
    cases.push(one("pings/2.3", "A ping whose payload is no text.", bytes, whole));
    let longest = Body::of(b"\xfe", 125);
    cases.push(one("pings/2.4", "A ping of 125 bytes.", longest.clone(), whole));
    cases.push(
        case(dialect, "pings/2.5", "§5.5", "A ping of 126 bytes, which is one too many.")
            .autobahn()
            .says(vec![ping(Body::of(b"\xfe", 126))])
            .comes(Course::failed(Vec::new(), PROTOCOL))
            .since(Version::V13),
    );
    let about = "A ping of 125 bytes, one byte a segment.";
    cases.push(one("pings/2.6", about, longest, Cut::Pieces(1)));
    let pong = |body: &'static str| Frame::new(Opcode::Pong, body);
    for (name, about, body) in [
        ("pings/2.7", "A pong that nobody asked for, without a payload.", ""),
        ("pings/2.8", "A pong that nobody asked for.", "unsolicited pong payload"),
    ] {
        cases.push(
            case(dialect, name, "§5.5.3", about)
                .autobahn()
                .says(vec![pong(body)])
                .comes(Course::open(Vec::new(), Vec::new())),
        );
    }
    cases.push(
        case(dialect, "pings/2.9", "§5.5.3", "A pong that nobody asked for, and a ping.")
            .autobahn()
            .says(vec![pong("unsolicited pong payload"), ping("ping payload")])
            .comes(Course::open(Vec::new(), vec![Body::from("ping payload")])),
    );
    let bodies: Vec<_> =
        (0..10).map(|at| Body::from(format!("payload-{at}").into_bytes())).collect();
    for (name, about, cut) in [
        ("pings/2.10", "Ten pings in one segment.", Cut::Whole),
        ("pings/2.11", "Ten pings, one byte a segment.", Cut::Pieces(1)),
    ] {
        cases.push(
            case(dialect, name, section, about)
                .autobahn()
                .says_cut(bodies.iter().map(|body| ping(body.clone())).collect(), cut)
                .comes(Course::open(Vec::new(), bodies.clone())),
        );
    }
    cases.push(
        case(dialect, "pings/between", section, "Pings between texts, all in one segment.")
            .says(vec![text(dialect, "one"), ping("1"), text(dialect, "two"), ping("2")])
            .comes(Course::open(
                vec![Message::text("one"), Message::text("two")],
                vec![Body::from("1"), Body::from("2")],
            )),
    );
}
