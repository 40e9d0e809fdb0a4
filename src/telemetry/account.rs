//! The account of a session: what its line and the metrics tell of it when it has ended.

use crate::event::{Side, Sides};
use crate::quirk::Quirks;
use crate::session::fact::{Cause, Fact, Loss, Observer};

/// The account of one session, made of its facts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    pub(super) messages: Sides<u64>,
    pub(super) bytes: Sides<u64>,
    /// What each side said when it closed.
    pub(super) closes: Sides<Said>,
    ended: Option<(Option<Side>, Cause)>,
    /// Binary messages that became something else, or nothing; the policy says which.
    pub(super) binary_lost: u32,
    pub(super) messages_cut: u8,
    /// Those that were used.
    pub(super) quirks: Quirks,
}

/// How a side closed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Said {
    #[default]
    Nothing,
    Close,
    Code(u16),
}

impl Said {
    /// The word in the log: the code, `none` for a close without one, `-` for no close.
    pub(super) fn word(self) -> String {
        match self {
            Self::Nothing => "-".to_owned(),
            Self::Close => "none".to_owned(),
            Self::Code(code) => code.to_string(),
        }
    }

    /// The code, where there was one.
    pub(super) const fn code(self) -> Option<u16> {
        match self {
            Self::Nothing | Self::Close => None,
            Self::Code(code) => Some(code),
        }
    }
}

impl Account {
    /// The whole messages that came from a side.
    pub(crate) fn messages(&self, from: Side) -> u64 {
        self.messages[from]
    }

    /// Who ended the session, and how; a session that never told has been lost.
    pub(super) fn ended(&self) -> (Option<Side>, Cause) {
        self.ended.unwrap_or((None, Cause::Lost))
    }

    /// How many binary messages could not be told as they were.
    pub(crate) const fn binary_lost(&self) -> u32 {
        self.binary_lost
    }

    fn lost(&mut self, loss: Loss) {
        match loss {
            Loss::BinaryFrame | Loss::BinaryAsText | Loss::BinaryDropped => {
                self.binary_lost = self.binary_lost.saturating_add(1);
            }
            Loss::MessageCut => self.messages_cut = self.messages_cut.saturating_add(1),
            // Every close with a code that reaches a Hixie peer loses it; both codes are in the line.
            Loss::CloseReason => {}
        }
    }
}

impl Observer for Account {
    #[inline]
    fn observe(&mut self, fact: &Fact) {
        match fact {
            Fact::Message { from, bytes, .. } => {
                self.messages[*from] += 1;
                self.bytes[*from] += bytes;
            }
            Fact::Passed { from, bytes } => self.bytes[*from] += bytes,
            Fact::Heard { from, code } => {
                self.closes[*from] = code.map_or(Said::Close, Said::Code);
            }
            Fact::Loss(loss) => self.lost(*loss),
            Fact::Quirk(quirk) => self.quirks.insert(*quirk),
            Fact::Ended { by, cause } => self.ended = Some((*by, *cause)),
            Fact::Ping { .. } | Fact::Pong { .. } | Fact::Told { .. } => {}
        }
    }
}
