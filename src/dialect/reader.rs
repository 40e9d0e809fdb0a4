//! The reader of any dialect: bytes of one peer to events.

use super::hixie::{self, Draft};
use super::hybi::frame_mask::MaskedReader;
use super::hybi::{self, Masking};
use super::{Agreement, Dialect};
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
    /// The frames of RFC 6455 and of the drafts before it.
    Hybi(hybi::frames::Reader),
    /// The same, masked whole. In a box, for few connections have it.
    HybiMasked(Box<MaskedReader>),
}

impl Reader {
    /// A reader for what `speaker` sends behind its part of the opening handshake.
    pub fn new(agreement: impl Into<Agreement>, speaker: Side) -> Self {
        let Agreement { dialect, connection_key, deflate } = agreement.into();
        match dialect {
            Dialect::Hixie(draft) => Self::Hixie(hixie::frames::Reader::new(draft == Draft::H76)),
            Dialect::Hybi(version) => match (version.masking(), speaker) {
                (Masking::Frames, Side::Client) => {
                    Self::HybiMasked(Box::new(MaskedReader::new(version, connection_key)))
                }
                _ => {
                    let mut reader = hybi::frames::Reader::new(version, speaker);
                    reader.allow_compression(deflate.is_some());
                    Self::Hybi(reader)
                }
            },
        }
    }

    /// A reader of what was captured: it reads what can be read without doubt though it breaks a rule,
    /// which is frames whose masking is wrong.
    pub fn lenient(agreement: impl Into<Agreement>, speaker: Side) -> Self {
        let agreement = agreement.into();
        match agreement.dialect {
            Dialect::Hybi(version) if version.masking() == Masking::Payload => {
                Self::Hybi(hybi::frames::Reader::lenient(version, speaker))
            }
            _ => Self::new(agreement, speaker),
        }
    }

    /// Allows messages that are compressed, or forbids them; the dialects of Hixie have none.
    pub const fn allow_compression(&mut self, allowed: bool) {
        match self {
            Self::Hixie(_) | Self::HybiMasked(_) => {}
            Self::Hybi(reader) => reader.allow_compression(allowed),
        }
    }

    /// Whether the last message that began is compressed.
    pub const fn is_compressed(&self) -> bool {
        match self {
            Self::Hixie(_) | Self::HybiMasked(_) => false,
            Self::Hybi(reader) => reader.is_compressed(),
        }
    }

    /// Whether a frame was masked that should not be, or was not and should be.
    pub const fn masks_wrongly(&self) -> bool {
        match self {
            Self::Hixie(_) | Self::HybiMasked(_) => false,
            Self::Hybi(reader) => reader.masks_wrongly(),
        }
    }

    /// Whether the peer is in the middle of a message or a frame.
    pub const fn in_message(&self) -> bool {
        match self {
            Self::Hixie(reader) => reader.in_message(),
            Self::Hybi(reader) => reader.in_message(),
            Self::HybiMasked(reader) => reader.in_message(),
        }
    }

    /// The body of the close frame that came last, where it is to be echoed.
    pub(crate) fn close_body(&self) -> &[u8] {
        match self {
            Self::Hixie(_) => &[],
            Self::Hybi(reader) => reader.close_body(),
            Self::HybiMasked(reader) => reader.close_body(),
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
            Self::HybiMasked(reader) => reader.read(input),
        }
    }
}
