//! The dialects, as the tests name them, and what tells one from another in an opening handshake.

use hybridge::dialect::Dialect;

/// A dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Hixie75,
    Hixie76,
    Hybi01,
    Hybi02,
    Hybi03,
    Hybi04,
    Hybi05,
    Hybi06,
    Hybi07,
    Hybi08,
    Rfc6455,
}

impl Kind {
    pub(crate) const ALL: [Self; 11] = [
        Self::Hixie75,
        Self::Hixie76,
        Self::Hybi01,
        Self::Hybi02,
        Self::Hybi03,
        Self::Hybi04,
        Self::Hybi05,
        Self::Hybi06,
        Self::Hybi07,
        Self::Hybi08,
        Self::Rfc6455,
    ];

    /// What the settings of the proxy call it.
    pub(crate) fn dialect(self) -> Dialect {
        let name = match self {
            Self::Hixie75 => "hixie-75",
            Self::Hixie76 => "hixie-76",
            Self::Hybi01 => "hybi-01",
            Self::Hybi02 => "hybi-02",
            Self::Hybi03 => "hybi-03",
            Self::Hybi04 => "hybi-04",
            Self::Hybi05 => "hybi-05",
            Self::Hybi06 => "hybi-06",
            Self::Hybi07 => "hybi-07",
            Self::Hybi08 => "hybi-08",
            Self::Rfc6455 => "rfc6455",
        };
        name.parse().unwrap()
    }

    pub(crate) fn is_hixie(self) -> bool {
        matches!(self, Self::Hixie75 | Self::Hixie76)
    }

    /// Whether it opens with the keys of draft-hixie-76, or with none.
    pub(crate) fn opens_as_hixie(self) -> bool {
        self.is_hixie() || self.mark().is_some()
    }

    /// `Sec-WebSocket-Draft`, in the drafts that have it.
    pub(crate) fn mark(self) -> Option<&'static str> {
        match self {
            Self::Hybi01 => Some("1"),
            Self::Hybi02 | Self::Hybi03 => Some("2"),
            _ => None,
        }
    }

    /// `Sec-WebSocket-Version`, in the drafts that have it.
    pub(crate) fn version(self) -> Option<&'static str> {
        match self {
            Self::Hybi04 => Some("4"),
            Self::Hybi05 => Some("5"),
            Self::Hybi06 => Some("6"),
            Self::Hybi07 => Some("7"),
            Self::Hybi08 => Some("8"),
            Self::Rfc6455 => Some("13"),
            _ => None,
        }
    }

    /// Whether a close says a code, which it does from 06 on.
    pub(crate) fn has_codes(self) -> bool {
        matches!(self, Self::Hybi06 | Self::Hybi07 | Self::Hybi08 | Self::Rfc6455)
    }

    /// The name of the field that carries the subprotocol.
    pub(crate) fn subprotocol_field(self) -> &'static str {
        if self == Self::Hixie75 { "WebSocket-Protocol" } else { "Sec-WebSocket-Protocol" }
    }

    /// The name of the field that carries the origin of a page; some say it in both.
    pub(crate) fn origin_field(self) -> &'static str {
        match self {
            Self::Hybi04 | Self::Hybi05 | Self::Hybi06 | Self::Hybi07 => "Sec-WebSocket-Origin",
            _ => "Origin",
        }
    }
}
