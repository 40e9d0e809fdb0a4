//! RFC 6455 and its interim versions: one framing, and a small table of what a version changes.

pub mod frames;
pub mod opening;

use crate::fault::Fault;

/// `Sec-WebSocket-Version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// draft-ietf-hybi-07.
    V7,
    /// draft-ietf-hybi-08 to 12.
    V8,
    /// draft-ietf-hybi-13 to 17 and RFC 6455.
    V13,
}

impl Version {
    /// The number in `Sec-WebSocket-Version`.
    pub const fn number(self) -> &'static str {
        match self {
            Self::V7 => "7",
            Self::V8 => "8",
            Self::V13 => "13",
        }
    }

    /// The meaning of a close code that came in, as RFC 6455 numbers it.
    ///
    /// # Errors
    /// For the codes that must not be on the wire: reserved, unassigned, or only for use inside a
    /// program (RFC 6455 section 7.4 and the registry of section 11.7).
    pub const fn code_from_wire(self, code: u16) -> Result<u16, Fault> {
        match (self, code) {
            // "Too large" had this number up to draft-ietf-hybi-12.
            (Self::V7 | Self::V8, 1004) => Ok(1009),
            (_, 1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(code),
            _ => Err(Fault::CloseCode),
        }
    }

    /// The number that says a close code of RFC 6455 to a peer of this version. Codes that came
    /// later than the version become the nearest one that it has.
    pub const fn code_to_wire(self, code: u16) -> u16 {
        match (self, code) {
            (Self::V7 | Self::V8, 1009) => 1004,
            // 1007 came with draft-ietf-hybi-10; 1008 and 1010 with 13.
            (Self::V7, 1007) | (Self::V7 | Self::V8, 1008 | 1010) => 1002,
            // 1011 came with the RFC, 1012 to 1014 with its registry.
            (Self::V7 | Self::V8, 1011..=1014) => 1001,
            _ => code,
        }
    }
}
