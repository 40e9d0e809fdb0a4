//! What a peer must survive: frames without an end, lengths beyond all bounds, messages that only grow.

use super::{Body, Case, Course, Dialect, Ending, Frame, Message, Step, case, echo, more, text};
use crate::conformance::case::{Grade, Length};

/// How large a frame claims to be: beyond what any peer has room for, and below the sign of 64 bits.
const HUGE: u64 = 1 << 62;

/// Too large (RFC 6455 section 7.4.1; 1004 up to draft-ietf-hybi-12), or just wrong.
const TOO_LARGE: &[u16] = &[1009, 1004, 1002];

pub(super) fn add(dialect: Dialect, largest: usize, cases: &mut Vec<Case>) {
    let section = "§10.4";
    let new = |name: &str, about: &str| case(dialect, &format!("abuse/{name}"), section, about);
    // A peer without a bound is no fault that one frame of modest size could show.
    let bounded =
        |case: Case| case.comes(Course::failed(Vec::new(), TOO_LARGE)).comes(Course::any());
    match dialect {
        Dialect::Hixie(_) => {
            let about = "A length of ten digits, all ones, in front of a text. Who reckons in 64 bits finds \
                         the text.";
            let frames = vec![
                Frame::raw([&[0x80], &[0xff; 10][..], &[0x7f]].concat()),
                text(dialect, "Hello"),
            ];
            cases.push(
                new("endless-length", about)
                    .says(frames)
                    .comes(Course::failed(Vec::new(), &[]))
                    .comes(waits()),
            );
            let about = "A text that grows and grows, and then ends.";
            let start = Frame::raw("\0");
            let frames = vec![start, Frame::Raw(Body::of(b"x", largest))];
            let body = Body::of(b"x", largest);
            cases.push(
                new("endless-text", about)
                    .says(frames)
                    .does(Step::Lull)
                    .says(vec![Frame::raw(&b"\xff"[..])])
                    .comes(Course::failed(Vec::new(), &[]))
                    .comes(echo(vec![Message::text(body)]).graded(Grade::Informational)),
            );
        }
        Dialect::Hybi(_) => {
            let about = "A frame that claims to have 2^62 bytes.";
            let frames = vec![text(dialect, "x").long(Length::Claimed(HUGE))];
            cases.push(bounded(new("huge-length", about).says(frames)));
            let about = "A message of fragments without an end, then one that ends it.";
            let mut frames = vec![text(dialect, "").more()];
            frames.extend((0..64).map(|_| more(Body::of(b"x", largest / 64)).more()));
            let whole = Body::of(b"x", largest / 64 * 64);
            cases.push(
                new("endless-fragments", about)
                    .says(frames)
                    .does(Step::Lull)
                    .says(vec![more("")])
                    .comes(Course::failed(Vec::new(), TOO_LARGE))
                    .comes(echo(vec![Message::text(whole)]).graded(Grade::Informational)),
            );
            let about =
                "A thousand fragments without a byte in them, and one that ends the message.";
            let mut frames = vec![text(dialect, "").more()];
            frames.extend((0..1000).map(|_| more("").more()));
            frames.push(more("end"));
            cases.push(
                new("empty-fragments", about)
                    .says(frames)
                    .comes(echo(vec![Message::text("end")]))
                    .comes(Course::failed(Vec::new(), &[]).graded(Grade::Informational)),
            );
        }
    }
}

/// It waits for the rest, and takes nothing for it.
fn waits() -> Course {
    Course { end: Ending::Waits, ..Course::any() }
}
