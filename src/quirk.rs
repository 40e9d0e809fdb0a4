//! What certain real peers get wrong, by a name each. A route says which of them it meets; what costs
//! nothing is done for all and has no name here.

use serde::{Deserialize, Serialize};

/// A fault of peers that a route makes up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quirk {
    /// Clients leave `Connection: Upgrade` out of their request, as charge points do and some front
    /// proxies take it away.
    MissingConnection,
    /// A backend demands an `Origin`, which programs that are no browser do not send: they are given
    /// that of a page from the host they ask for. Backends of Hixie and of hybi-01 to hybi-03
    /// see one in any case.
    MissingOrigin,
    /// Clients give up where the subprotocol they ask for does not come back, and a backend names
    /// none: LG television sets of 2012, and all that hold to draft-hixie-76.
    EchoSubprotocol,
    /// A backend cannot read an empty text: Autobahn up to 0.10 takes what follows for a part of it,
    /// others drop it.
    NoEmptyText,
    /// A backend takes U+FFFD for the end of a frame: Socket.IO up to 0.9 on Hixie. It gets `?`.
    NoReplacementCharacter,
}

impl Quirk {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::MissingConnection,
        Self::MissingOrigin,
        Self::EchoSubprotocol,
        Self::NoEmptyText,
        Self::NoReplacementCharacter,
    ];

    /// The name in settings, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MissingConnection => "missing-connection",
            Self::MissingOrigin => "missing-origin",
            Self::EchoSubprotocol => "echo-subprotocol",
            Self::NoEmptyText => "no-empty-text",
            Self::NoReplacementCharacter => "no-replacement-character",
        }
    }
}

/// Some of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quirks(u8);

impl Quirks {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Whether this is one of them.
    #[inline]
    pub const fn contains(self, quirk: Quirk) -> bool {
        self.0 & 1 << quirk as u8 != 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds one.
    pub const fn insert(&mut self, quirk: Quirk) {
        self.0 |= 1 << quirk as u8;
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Quirk> {
        Quirk::ALL.into_iter().filter(move |quirk| self.contains(*quirk))
    }
}

impl FromIterator<Quirk> for Quirks {
    fn from_iter<I: IntoIterator<Item = Quirk>>(quirks: I) -> Self {
        let mut all = Self::default();
        quirks.into_iter().for_each(|quirk| all.insert(quirk));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_named_as_it_is_written() {
        for quirk in Quirk::ALL {
            assert_eq!(serde_json::to_value(quirk).unwrap(), quirk.name());
            let one = Quirks::from_iter([quirk]);
            assert!(one.iter().eq([quirk]) && !one.is_empty());
        }
    }
}
