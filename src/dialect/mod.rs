//! The dialects: each a handshake, a reader (bytes to events) and a writer (events to bytes).
//!
//! All of them are sans-IO: they see bytes and randomness as arguments and know no socket and no
//! clock. A new dialect is a folder here and a variant of [`Dialect`].

pub mod detect;
pub mod hixie;
pub mod hybi;
pub mod opening;
pub mod reader;
pub mod writer;

use crate::event::{Able, FinMeans};
use hixie::Draft;
use hybi::frame_mask::ConnectionKey;
use hybi::{CloseBody, Version, deflate};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use std::fmt;
use std::str::FromStr;

/// A version of the WebSocket protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, DeserializeFromStr, SerializeDisplay)]
pub enum Dialect {
    /// Draft 75 or 76, with delimited frames.
    Hixie(Draft),
    /// RFC 6455 or an interim version that shares its framing.
    Hybi(Version),
}

/// Every dialect, newest first.
pub const ALL: [Dialect; 11] = [
    Dialect::Hybi(Version::V13),
    Dialect::Hybi(Version::V8),
    Dialect::Hybi(Version::V7),
    Dialect::Hybi(Version::V6),
    Dialect::Hybi(Version::V5),
    Dialect::Hybi(Version::V4),
    Dialect::Hybi(Version::V3),
    Dialect::Hybi(Version::V2),
    Dialect::Hybi(Version::V1),
    Dialect::Hixie(Draft::H76),
    Dialect::Hixie(Draft::H75),
];

/// The dialects that a backend is asked in one after the other where it is not known what it speaks.
/// A server of a draft between also spoke one of these, and each try is a connection.
pub const TRIED: [Dialect; 5] = [
    Dialect::Hybi(Version::V13),
    Dialect::Hybi(Version::V8),
    Dialect::Hybi(Version::V7),
    Dialect::Hixie(Draft::H76),
    Dialect::Hixie(Draft::H75),
];

/// What the two ends of a connection have agreed on in its opening handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// What they speak.
    pub dialect: Dialect,
    /// With what the client masks, in draft-ietf-hybi-04.
    pub connection_key: Option<ConnectionKey>,
    /// How each side compresses its messages, where that was negotiated.
    pub deflate: Option<deflate::Agreed>,
}

impl From<Dialect> for Agreement {
    fn from(dialect: Dialect) -> Self {
        Self { dialect, connection_key: None, deflate: None }
    }
}

impl Dialect {
    /// RFC 6455 itself.
    pub const RFC6455: Self = Self::Hybi(Version::V13);

    /// The name in options, logs and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hixie(Draft::H75) => "hixie-75",
            Self::Hixie(Draft::H76) => "hixie-76",
            Self::Hybi(Version::V1) => "hybi-01",
            Self::Hybi(Version::V2) => "hybi-02",
            Self::Hybi(Version::V3) => "hybi-03",
            Self::Hybi(Version::V4) => "hybi-04",
            Self::Hybi(Version::V5) => "hybi-05",
            Self::Hybi(Version::V6) => "hybi-06",
            Self::Hybi(Version::V7) => "hybi-07",
            Self::Hybi(Version::V8) => "hybi-08",
            Self::Hybi(Version::V13) => "rfc6455",
        }
    }

    /// The number in `Sec-WebSocket-Version`, where the dialect has one.
    pub const fn version(self) -> Option<&'static str> {
        match self {
            Self::Hybi(version) if !version.opens_as_hixie() => Some(version.number()),
            _ => None,
        }
    }

    /// Whether a client masks with a key that its opening handshake made, which is another on each
    /// connection (draft-ietf-hybi-04 section 5.2.2).
    pub const fn has_connection_key(self) -> bool {
        matches!(self, Self::Hybi(Version::V4))
    }

    /// Whether key3 follows the head of the request and 16 bytes that of the answer (draft-hixie-76,
    /// "Opening handshake").
    pub const fn has_key3(self) -> bool {
        match self {
            Self::Hixie(draft) => matches!(draft, Draft::H76),
            Self::Hybi(version) => version.opens_as_hixie(),
        }
    }

    /// What a peer of this dialect can be told.
    pub const fn able(self) -> Able {
        let hybi = matches!(self, Self::Hybi(_));
        let fin = match self {
            // "Either side closes the TCP/IP connection" is all the closing that 75 has.
            Self::Hixie(Draft::H75) => FinMeans::Close,
            // WebKit of 2010 and 2011 closes so, without `FF 00`, whenever a page is left.
            Self::Hixie(Draft::H76) => FinMeans::GoingAway,
            Self::Hybi(_) => FinMeans::Nothing,
        };
        let close_code = match self {
            Self::Hixie(_) => false,
            Self::Hybi(version) => matches!(version.close_body(), CloseBody::Code),
        };
        Able { binary: hybi, fragments: hybi, ping: hybi, close_code, fin }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no dialect has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown dialect; the dialects are rfc6455, hybi-08 to hybi-01, hixie-76 and hixie-75")]
pub struct UnknownDialect;

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, UnknownDialect> {
        ALL.into_iter().find(|dialect| dialect.name() == name).ok_or(UnknownDialect)
    }
}
