//! The reader of any dialect: bytes of one peer to events.

use super::Dialect;
use super::hixie::{self, Draft};
use super::hybi;
use crate::event::{Event, Side};
use crate::fault::Fault;

/// Reads the frames of one peer, however they are cut.
///
/// It keeps no payload but that of a control frame that was cut; data is handed out as it comes, in
/// the buffer it came in.
#[derive(Debug)]
pub enum Reader {
    /// Delimited frames.
    Hixie(hixie::frames::Reader),
    /// The frames of RFC 6455.
    Hybi(hybi::frames::Reader),
}

impl Reader {
    /// A reader for what `speaker` sends behind its part of the opening handshake.
    pub fn new(dialect: Dialect, speaker: Side) -> Self {
        match dialect {
            Dialect::Hixie(draft) => Self::Hixie(hixie::frames::Reader::new(draft == Draft::H76)),
            Dialect::Hybi(version) => Self::Hybi(hybi::frames::Reader::new(version, speaker)),
        }
    }

    /// A reader of what was captured: it reads what can be read without doubt though it breaks a rule,
    /// which is frames whose masking is wrong.
    pub fn lenient(dialect: Dialect, speaker: Side) -> Self {
        match dialect {
            Dialect::Hixie(_) => Self::new(dialect, speaker),
            Dialect::Hybi(version) => Self::Hybi(hybi::frames::Reader::lenient(version, speaker)),
        }
    }

    /// Allows messages that are compressed, or forbids them; the dialects of Hixie have none.
    pub const fn allow_compression(&mut self, allowed: bool) {
        match self {
            Self::Hixie(_) => {}
            Self::Hybi(reader) => reader.allow_compression(allowed),
        }
    }

    /// Whether the last message that began is compressed.
    pub const fn is_compressed(&self) -> bool {
        match self {
            Self::Hixie(_) => false,
            Self::Hybi(reader) => reader.is_compressed(),
        }
    }

    /// Whether a frame was masked that should not be, or was not and should be.
    pub const fn masks_wrongly(&self) -> bool {
        match self {
            Self::Hixie(_) => false,
            Self::Hybi(reader) => reader.masks_wrongly(),
        }
    }

    /// Whether the peer is in the middle of a message or a frame.
    pub const fn in_message(&self) -> bool {
        match self {
            Self::Hixie(reader) => reader.in_message(),
            Self::Hybi(reader) => reader.in_message(),
        }
    }

    /// Reads the next event from the front of `input`; `None` when all of it is used up.
    ///
    /// # Errors
    /// The peer's [`Fault`]; the reader must not be used after it.
    #[inline]
    pub fn read<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Event<'a>>, Fault> {
        match self {
            Self::Hixie(reader) => reader.read(input),
            Self::Hybi(reader) => reader.read(input),
        }
    }
}
