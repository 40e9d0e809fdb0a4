//! Which frame of one leg is said again by which frame of the other.
//!
//! A session says messages in order, and the control frames in order among themselves, so that the
//! oldest of a kind that waits is the one. One message may be several frames on either leg.

use crate::anatomy::{Frame, Kind};
use std::collections::VecDeque;

/// How many frames of a direction wait for the other leg. More stand for no one: what a session
/// holds back that long is not on the screen any more.
const WAITING: usize = 256;

/// The frames of one direction that the proxy has read and not written yet.
#[derive(Debug, Default)]
pub(super) struct Pairs(VecDeque<Waiting>);

#[derive(Debug, Clone, Copy)]
struct Waiting {
    number: u64,
    kind: Kind,
    last: bool,
}

impl Pairs {
    /// A frame was read.
    pub(super) fn read(&mut self, number: u64, kind: Kind, last: bool) {
        if self.0.len() == WAITING {
            self.0.pop_front();
        }
        self.0.push_back(Waiting { number, kind, last });
    }

    /// A frame is written; the number of the one that it says again.
    pub(super) fn written(&mut self, frame: &Frame) -> Option<u64> {
        let at = self.0.iter().position(|waiting| waiting.kind == frame.kind)?;
        let number = self.0.get(at)?.number;
        match frame.kind {
            Kind::Message if frame.last => self.end_message(),
            // More of this message is to come.
            Kind::Message => {}
            _ => drop(self.0.remove(at)),
        }
        Some(number)
    }

    /// The oldest message is said, or will never be.
    pub(super) fn end_message(&mut self) {
        let mut ended = false;
        self.0.retain(|waiting| {
            let of_it = waiting.kind == Kind::Message && !ended;
            ended |= of_it && waiting.last;
            !of_it
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: Kind, last: bool) -> Frame {
        let (name, parts) = ("".into(), Vec::new());
        Frame { name, kind, last, parts, text: None, whole: true }
    }

    #[test]
    fn a_message_of_any_frames_is_one_message() {
        let mut pairs = Pairs::default();
        for (number, kind, last) in [
            (1, Kind::Message, false),
            (2, Kind::Ping, true),
            (3, Kind::Message, true),
            (4, Kind::Message, true),
            (5, Kind::Message, true),
            (6, Kind::Close, true),
        ] {
            pairs.read(number, kind, last);
        }
        let said = [
            (Kind::Ping, true, Some(2)),
            (Kind::Message, true, Some(1)),
            (Kind::Message, false, Some(4)),
            (Kind::Message, true, Some(4)),
            (Kind::Pong, true, None),
            (Kind::Close, true, Some(6)),
            (Kind::Message, true, Some(5)),
            (Kind::Message, true, None),
        ];
        for (kind, last, due) in said {
            assert_eq!(pairs.written(&frame(kind, last)), due, "{kind:?}");
        }
    }
}
