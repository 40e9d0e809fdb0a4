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
use hybi::Version;
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

/// Every dialect, newest first: the order in which a backend is tried.
pub const ALL: [Dialect; 5] = [
    Dialect::Hybi(Version::V13),
    Dialect::Hybi(Version::V8),
    Dialect::Hybi(Version::V7),
    Dialect::Hixie(Draft::H76),
    Dialect::Hixie(Draft::H75),
];

impl Dialect {
    /// RFC 6455 itself.
    pub const RFC6455: Self = Self::Hybi(Version::V13);

    /// The name in options, logs and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hixie(Draft::H75) => "hixie-75",
            Self::Hixie(Draft::H76) => "hixie-76",
            Self::Hybi(Version::V7) => "hybi-07",
            Self::Hybi(Version::V8) => "hybi-08",
            Self::Hybi(Version::V13) => "rfc6455",
        }
    }

    /// The number in `Sec-WebSocket-Version`, where the dialect has one.
    pub const fn version(self) -> Option<&'static str> {
        match self {
            Self::Hixie(_) => None,
            Self::Hybi(version) => Some(version.number()),
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
        Able { binary: hybi, fragments: hybi, ping: hybi, close_code: hybi, fin }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no dialect has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown dialect; the dialects are rfc6455, hybi-08, hybi-07, hixie-76 and hixie-75")]
pub struct UnknownDialect;

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, UnknownDialect> {
        ALL.into_iter().find(|dialect| dialect.name() == name).ok_or(UnknownDialect)
    }
}
