//! The closing handshake of both sides: one table over both states, blind to dialects and roles.
//!
//! Each side is in one of four phases. *Heard*: it has closed, and waits for our answer. *Told*: we
//! have closed towards it, and wait for its answer. The close of one side is handed to the other,
//! and the other's answer is handed back, so that a closing handshake goes from end to end:
//!
//! ```text
//!   client      proxy      backend          client   backend
//!     │ close ───►│                          Open     Open
//!     │           │ close ───►│              Heard    Told
//!     │           │◄─── close │              Heard    Closed
//!     │◄─── close │           │              Closed   Closed
//! ```
//!
//! What ends a side (rows), by the phases of that side and of the other before; what is due, and the
//! phases after. `f` tells the other side a farewell, `F` tells it to the side itself, `x` ends the
//! stream of the other side without one.
//!
//! | speaker, other | close             | fault              | lost              |
//! |----------------|-------------------|--------------------|-------------------|
//! | Open, Open     | f, Heard Told     | F f, Closed Told   | x, Closed Closed  |
//! | Told, Open     | f, Closed Told    | f, Closed Told     | x, Closed Closed  |
//! | Open, Told     | F, Closed Told    | F, Closed Told     | Closed Told       |
//! | Open, Closed   | F, Closed Closed  | F, Closed Closed   | Closed Closed     |
//! | Told, Heard    | f, Closed Closed  | f, Closed Closed   | f, Closed Closed  |
//! | Told, Told     | Closed Told       | Closed Told        | Closed Told       |
//! | Told, Closed   | Closed Closed     | Closed Closed      | Closed Closed     |
//! | Heard, any     | no change         | no change          | Closed, no change |
//! | Closed, any    | no change         | no change          | no change         |
//!
//! One side is *Open* beside another that is not only while the proxy takes leave of both and a
//! message is still on its way to the one.

use crate::event::{Reason, Side, Sides};

/// How far the closing of one side has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// No close in either direction.
    #[default]
    Open,
    /// The peer has closed and we have not.
    Heard,
    /// We have closed and the peer has not.
    Told,
    /// Both have, or nothing is to be expected any more.
    Closed,
}

/// How a side ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With the close of its dialect.
    Close,
    /// By breaking the rules; nothing more is read from it.
    Fault,
    /// Without a word.
    Lost,
}

/// What is due to the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It has been told.
    Nothing,
    /// The close of its dialect.
    Farewell,
    /// The end of its stream without one, as that of the speaker ended.
    Fin,
}

/// What is due after a side has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dues {
    /// Whether the speaker is to be told.
    pub speaker: bool,
    /// What is due to the other side.
    pub other: Due,
}

/// The closing handshakes of a session.
#[derive(Debug, Default)]
pub struct Closing {
    /// The phases of both sides.
    pub phases: Sides<Phase>,
    /// The code of the side that closed first.
    pub asked: Option<u16>,
}

impl Closing {
    /// Whether neither side has begun to close.
    pub fn is_open(&self) -> bool {
        self.phases == Sides { client: Phase::Open, backend: Phase::Open }
    }

    /// A side has been told a close that it did not ask for.
    pub fn told(&mut self, side: Side) {
        let phase = &mut self.phases[side];
        *phase = if *phase == Phase::Open { Phase::Told } else { Phase::Closed };
    }

    /// A side has ended: what is due now, which the caller is to carry out.
    pub fn ended(&mut self, speaker: Side, ending: Ending) -> Dues {
        let other = speaker.other();
        let (was, beside) = (self.phases[speaker], self.phases[other]);
        self.phases[speaker] = match (was, beside, ending) {
            (Phase::Closed, ..) | (Phase::Heard, _, Ending::Lost) => Phase::Closed,
            (Phase::Heard, ..) | (Phase::Open, Phase::Open, Ending::Close) => Phase::Heard,
            (Phase::Open | Phase::Told, ..) => Phase::Closed,
        };
        if matches!(was, Phase::Heard | Phase::Closed) {
            return Dues { speaker: false, other: Due::Nothing };
        }
        let due = match (beside, ending) {
            (Phase::Told | Phase::Closed, _) => Due::Nothing,
            (Phase::Open, Ending::Lost) => Due::Fin,
            (Phase::Open | Phase::Heard, _) => Due::Farewell,
        };
        match due {
            Due::Nothing => {}
            Due::Farewell => self.told(other),
            Due::Fin => self.phases[other] = Phase::Closed,
        }
        let now_closed = self.phases[speaker] == Phase::Closed;
        let speaker = was == Phase::Open && now_closed && ending != Ending::Lost;
        Dues { speaker, other: due }
    }

    /// The reason to tell the second side: that of the answer, or of the question where the
    /// answering dialect has none (RFC 6455 section 5.5.1: an endpoint echoes the code it received).
    pub fn answer(&self, reason: Option<&Reason>) -> Option<Reason> {
        reason.cloned().or_else(|| self.asked.map(Reason::code))
    }
}

#[cfg(test)]
mod tests {
    use super::Ending::{Close, Fault, Lost};
    use super::Phase::{Closed, Heard, Open, Told};
    use super::*;

    #[test]
    fn follows_the_table() {
        let (f, x, none) = (Due::Farewell, Due::Fin, Due::Nothing);
        let table = [
            ((Open, Open), Close, (false, f), (Heard, Told)),
            ((Open, Open), Fault, (true, f), (Closed, Told)),
            ((Open, Open), Lost, (false, x), (Closed, Closed)),
            ((Told, Open), Close, (false, f), (Closed, Told)),
            ((Told, Open), Fault, (false, f), (Closed, Told)),
            ((Told, Open), Lost, (false, x), (Closed, Closed)),
            ((Open, Told), Close, (true, none), (Closed, Told)),
            ((Open, Told), Fault, (true, none), (Closed, Told)),
            ((Open, Told), Lost, (false, none), (Closed, Told)),
            ((Open, Closed), Close, (true, none), (Closed, Closed)),
            ((Open, Closed), Fault, (true, none), (Closed, Closed)),
            ((Open, Closed), Lost, (false, none), (Closed, Closed)),
            ((Told, Heard), Close, (false, f), (Closed, Closed)),
            ((Told, Heard), Fault, (false, f), (Closed, Closed)),
            ((Told, Heard), Lost, (false, f), (Closed, Closed)),
            ((Told, Told), Close, (false, none), (Closed, Told)),
            ((Told, Told), Fault, (false, none), (Closed, Told)),
            ((Told, Told), Lost, (false, none), (Closed, Told)),
            ((Told, Closed), Close, (false, none), (Closed, Closed)),
            ((Told, Closed), Fault, (false, none), (Closed, Closed)),
            ((Told, Closed), Lost, (false, none), (Closed, Closed)),
            ((Heard, Told), Close, (false, none), (Heard, Told)),
            ((Heard, Told), Fault, (false, none), (Heard, Told)),
            ((Heard, Told), Lost, (false, none), (Closed, Told)),
            ((Closed, Told), Close, (false, none), (Closed, Told)),
            ((Closed, Told), Lost, (false, none), (Closed, Told)),
        ];
        for ((speaker, other), ending, (tell_speaker, tell_other), after) in table {
            for side in Side::BOTH {
                let mut closing = Closing::default();
                closing.phases[side] = speaker;
                closing.phases[side.other()] = other;
                let dues = closing.ended(side, ending);
                let case = format!("{speaker:?}, {other:?}: {ending:?}");
                assert_eq!(dues, Dues { speaker: tell_speaker, other: tell_other }, "{case}");
                assert_eq!((closing.phases[side], closing.phases[side.other()]), after, "{case}");
            }
        }
    }
}
