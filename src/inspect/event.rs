//! What an inspector tells: events, which become JSON.

use crate::anatomy::Frame;
use crate::event::Side;
use crate::net::Peer;
use serde::{Serialize, Serializer};

/// An event of a connection.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Counts all events from 1.
    pub number: u64,
    /// The connection, by a number that is never used again.
    pub session: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that happened in a connection.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A client has connected.
    Opened {
        /// Which server it connected to.
        server: &'static str,
        /// Its address.
        peer: Peer,
    },
    /// What a side speaks is known.
    Speaks {
        /// The side.
        #[serde(serialize_with = "side_name")]
        side: Side,
        /// The name of its dialect.
        dialect: &'static str,
    },
    /// A head or a frame has gone over a leg.
    Frame {
        /// Whose leg.
        #[serde(serialize_with = "side_name")]
        side: Side,
        /// In which direction.
        way: Way,
        /// The number of the frame of the other leg that it says again; none for what the proxy
        /// says itself.
        of: Option<u64>,
        /// Its anatomy.
        #[serde(flatten)]
        frame: Frame,
    },
    /// Something could not be said on the other leg.
    Loss {
        /// What was lost, for a person.
        what: &'static str,
    },
    /// The session begins to end.
    Ending {
        /// Whose doing it was, and how, for a person.
        how: String,
    },
    /// The connection has ended.
    Ended,
}

/// The direction of bytes on a leg, as the proxy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// The proxy has read them from the side.
    Read,
    /// The proxy has written them to the side.
    Written,
}

impl Way {
    /// Who speaks on a leg in this direction: the side, or the proxy in the place of the other.
    pub const fn speaker(self, leg: Side) -> Side {
        match self {
            Self::Read => leg,
            Self::Written => leg.other(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants this signature")]
fn side_name<S: Serializer>(side: &Side, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(side.name())
}
