//! RFC 6455 and its interim versions: one framing, and a small table of what a version changes.

pub mod deflate;
pub mod frame_mask;
pub mod frames;
pub mod opening;

use crate::fault::Fault;

/// A version of draft-ietf-hybi-thewebsocketprotocol that was given a number of its own, or the RFC.
/// Version 00 is draft-hixie-76 under another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// draft-ietf-hybi-01.
    V1,
    /// draft-ietf-hybi-02.
    V2,
    /// draft-ietf-hybi-03.
    V3,
    /// draft-ietf-hybi-04.
    V4,
    /// draft-ietf-hybi-05.
    V5,
    /// draft-ietf-hybi-06.
    V6,
    /// draft-ietf-hybi-07.
    V7,
    /// draft-ietf-hybi-08 to 12.
    V8,
    /// draft-ietf-hybi-13 to 17 and RFC 6455.
    V13,
}

/// What the versions write alike and number differently: the bits and opcodes of a frame header.
#[derive(Debug)]
pub(crate) struct Framing {
    /// The first bit in a frame that ends its message: FIN, or up to 03 the absence of MORE.
    pub(crate) last: u8,
    /// The numbers of the opcodes, in the order of [`Opcode`].
    numbers: [u8; 6],
    /// What each number means.
    opcodes: [Opcode; 16],
    /// Whether a header says that its payload is masked; the bit was RSV4 up to 06.
    pub(crate) payload_masked: bool,
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
    /// Not defined.
    Reserved,
}

/// What a close frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseBody {
    /// Anything, or nothing; the answer has to hold the same.
    Echoed,
    /// The letter C from a client and S from a server.
    Letter,
    /// A code and a reason.
    Code,
}

/// How a client masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Masking {
    /// Not at all.
    Nothing,
    /// Its frames, header and all.
    Frames,
    /// The payload of its frames.
    Payload,
}

/// Up to 06: what the numbers 0 to 5 mean.
const OLD: [Opcode; 16] = {
    use Opcode::{Binary, Close, Continuation, Ping, Pong, Reserved as R, Text};
    [Continuation, Close, Ping, Pong, Text, Binary, R, R, R, R, R, R, R, R, R, R]
};
/// From 07 on: what the numbers 0 to A mean.
const NEW: [Opcode; 16] = {
    use Opcode::{Binary, Close, Continuation, Ping, Pong, Reserved as R, Text};
    [Continuation, Text, Binary, R, R, R, R, R, Close, Ping, Pong, R, R, R, R, R]
};

static MORE: Framing =
    Framing { last: 0x00, numbers: [0, 4, 5, 1, 2, 3], opcodes: OLD, payload_masked: false };
static FIN: Framing =
    Framing { last: 0x80, numbers: [0, 4, 5, 1, 2, 3], opcodes: OLD, payload_masked: false };
static RFC: Framing =
    Framing { last: 0x80, numbers: [0, 1, 2, 8, 9, 10], opcodes: NEW, payload_masked: true };

impl Version {
    /// The number in `Sec-WebSocket-Version`, or up to 03 in `Sec-WebSocket-Draft`.
    pub const fn number(self) -> &'static str {
        match self {
            Self::V1 => "1",
            // 03 kept the number of 02.
            Self::V2 | Self::V3 => "2",
            Self::V4 => "4",
            Self::V5 => "5",
            Self::V6 => "6",
            Self::V7 => "7",
            Self::V8 => "8",
            Self::V13 => "13",
        }
    }

    /// Whether the opening handshake is that of draft-hixie-76, key3 included.
    pub const fn opens_as_hixie(self) -> bool {
        matches!(self, Self::V1 | Self::V2 | Self::V3)
    }

    #[inline]
    pub(crate) const fn framing(self) -> &'static Framing {
        match self {
            Self::V1 | Self::V2 | Self::V3 => &MORE,
            Self::V4 | Self::V5 | Self::V6 => &FIN,
            Self::V7 | Self::V8 | Self::V13 => &RFC,
        }
    }

    pub(crate) const fn masking(self) -> Masking {
        match self {
            Self::V1 | Self::V2 | Self::V3 => Masking::Nothing,
            Self::V4 | Self::V5 | Self::V6 => Masking::Frames,
            Self::V7 | Self::V8 | Self::V13 => Masking::Payload,
        }
    }

    pub(crate) const fn close_body(self) -> CloseBody {
        match self {
            Self::V1 | Self::V2 | Self::V3 | Self::V4 => CloseBody::Echoed,
            Self::V5 => CloseBody::Letter,
            Self::V6 | Self::V7 | Self::V8 | Self::V13 => CloseBody::Code,
        }
    }

    /// The meaning of a close code that came in, as RFC 6455 numbers it.
    ///
    /// # Errors
    /// For the codes that must not be on the wire: reserved, unassigned, or only for use inside a
    /// program (RFC 6455 section 7.4 and the registry of section 11.7).
    pub const fn code_from_wire(self, code: u16) -> Result<u16, Fault> {
        match (self, code) {
            // "Too large" had this number from draft-ietf-hybi-06 to 12.
            (Self::V6 | Self::V7 | Self::V8, 1004) => Ok(1009),
            (_, 1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(code),
            _ => Err(Fault::CloseCode),
        }
    }

    /// The number that says a close code of RFC 6455 to a peer of this version. Codes that came
    /// later than the version become the nearest one that it has.
    pub const fn code_to_wire(self, code: u16) -> u16 {
        match (self, code) {
            (Self::V6 | Self::V7 | Self::V8, 1009) => 1004,
            // 1007 came with draft-ietf-hybi-10; 1008 and 1010 with 13.
            (Self::V6 | Self::V7, 1007) | (Self::V6 | Self::V7 | Self::V8, 1008 | 1010) => 1002,
            // 1011 came with the RFC, 1012 to 1014 with its registry.
            (Self::V6 | Self::V7 | Self::V8, 1011..=1014) => 1001,
            _ => code,
        }
    }
}

impl Framing {
    /// The number that says this.
    #[inline]
    pub(crate) fn number(&self, opcode: Opcode) -> u8 {
        self.numbers.get(opcode as usize).copied().unwrap_or_default()
    }

    /// What the number in the low half of a byte says.
    #[inline]
    pub(crate) fn opcode(&self, start: u8) -> Opcode {
        self.opcodes.get(usize::from(start & 0x0f)).copied().unwrap_or(Opcode::Reserved)
    }
}

impl Opcode {
    /// Whether it carries no data (RFC 6455 section 5.5).
    #[inline]
    pub(crate) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_opcode_has_its_number() {
        let numbers = |version: Version| {
            use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
            [Continuation, Text, Binary, Close, Ping, Pong].map(|op| version.framing().number(op))
        };
        assert_eq!(numbers(Version::V1), [0, 4, 5, 1, 2, 3]);
        assert_eq!(numbers(Version::V6), [0, 4, 5, 1, 2, 3]);
        assert_eq!(numbers(Version::V13), [0, 1, 2, 8, 9, 10]);
    }
}
