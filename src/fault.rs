//! What a peer can do wrong once its handshake is done, with the close code each fault gets.

use crate::event::close_code;
use crate::wire::utf8::InvalidUtf8;

/// A peer broke the rules of its dialect, or a limit or policy of the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A client's frame without a mask, or a server's with one (RFC 6455 section 5.1).
    #[error("wrong masking")]
    Masking,
    /// RSV1, RSV2 or RSV3 without an extension (RFC 6455 section 5.2).
    #[error("reserved bit set")]
    ReservedBit,
    /// An opcode that no one has defined (RFC 6455 section 5.2).
    #[error("unknown opcode")]
    Opcode,
    /// A length in more bytes than it needs, or of 2^63 and more (RFC 6455 section 5.2).
    #[error("malformed frame length")]
    Length,
    /// A control frame in fragments or of more than 125 bytes (RFC 6455 section 5.5).
    #[error("malformed control frame")]
    ControlFrame,
    /// A continuation of nothing, or a message inside another (RFC 6455 section 5.4).
    #[error("misplaced fragment")]
    Fragment,
    /// A close frame of one byte (RFC 6455 section 5.5.1).
    #[error("malformed close frame")]
    CloseFrame,
    /// A close code that must not be on the wire (RFC 6455 section 7.4).
    #[error("illegal close code")]
    CloseCode,
    /// Text that is not UTF-8 (RFC 6455 section 8.1).
    #[error("invalid UTF-8")]
    Utf8,
    /// A Hixie frame of a reserved type, 01 to 7F or 81 to FE, or FF with a length (draft-hixie-76,
    /// "Data framing": a server may disconnect).
    #[error("reserved frame type")]
    FrameType,
    /// The length of a Hixie frame in more bytes than any real one has.
    #[error("frame length overflow")]
    LengthOverflow,
    /// A message beyond the limit.
    #[error("message too big")]
    TooBig,
    /// A compressed message that cannot be inflated (RFC 7692 section 7.2.2). No document says a code for
    /// it: the message is not what it says it is, as text that is not UTF-8.
    #[error("malformed compressed message")]
    Compression,
    /// A binary message where the policy refuses them.
    #[error("binary message refused")]
    BinaryRefused,
}

impl Fault {
    /// The close code that tells the peer (RFC 6455 section 7.4.1).
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Utf8 | Self::Compression => close_code::INVALID_DATA,
            Self::TooBig | Self::LengthOverflow => close_code::TOO_BIG,
            Self::BinaryRefused => close_code::UNSUPPORTED_DATA,
            Self::Masking
            | Self::ReservedBit
            | Self::Opcode
            | Self::Length
            | Self::ControlFrame
            | Self::Fragment
            | Self::CloseFrame
            | Self::CloseCode
            | Self::FrameType => close_code::PROTOCOL_ERROR,
        }
    }
}

impl From<InvalidUtf8> for Fault {
    fn from(InvalidUtf8: InvalidUtf8) -> Self {
        Self::Utf8
    }
}
