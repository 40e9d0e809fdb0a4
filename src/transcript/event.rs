//! The events of recorded sessions.

use crate::dialect::Dialect;
use crate::event::{Kind, Side};

/// Where a recording comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// When it begins, in nanoseconds since 1970, UTC; the times of events count from here.
    pub start: u64,
    /// What it was read from or recorded by, for a person.
    pub source: String,
}

/// Something that happened in a session. The events of one session come in order; those of several
/// come in the order of their times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The number of the session in its recording, from 1.
    pub session: u64,
    /// When, in nanoseconds since the start of the recording. Of a message, when its last byte came.
    pub at: u64,
    /// The number of the packet of a capture in which it ended, from 1.
    pub packet: Option<u64>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A client asked for a session. The first event of each.
    Open(Open),
    /// A server answered, be it that it refused.
    Accept(Accept),
    /// A whole message.
    Message(Message),
    /// A ping.
    Ping {
        /// Who sent it.
        from: Side,
        /// Its payload.
        data: Vec<u8>,
    },
    /// A pong.
    Pong {
        /// Who sent it.
        from: Side,
        /// Its payload.
        data: Vec<u8>,
    },
    /// A closing handshake, or its answer.
    Close {
        /// Who sent it.
        from: Side,
        /// The close code, where there is one.
        code: Option<u16>,
        /// The text behind it.
        reason: String,
    },
    /// Bytes of a side are missing. Of Hixie-76 text what follows is read from the next frame on;
    /// of the others nothing more is known of that side.
    Gap {
        /// Whose bytes.
        from: Side,
        /// How many are missing, at least.
        bytes: u64,
    },
    /// What a side sent is not its dialect; behind it nothing more is known of that side.
    Fault {
        /// Whose bytes.
        from: Side,
        /// What is wrong, for a person.
        fault: String,
    },
    /// The session has ended. The last event of each.
    End(End),
}

/// The opening handshake of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// What the client speaks.
    pub dialect: Dialect,
    /// Its address and that of the server, with ports, as far as they are known.
    pub client: String,
    /// That of the server.
    pub server: String,
    /// The request target.
    pub target: String,
    /// The fields in order, as they were sent; bytes that are not ASCII as in Latin-1.
    pub fields: Vec<(String, String)>,
}

/// The answer of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// The HTTP status; 101 opens the session.
    pub status: u16,
    /// The fields in order, as they were sent.
    pub fields: Vec<(String, String)>,
}

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who sent it.
    pub from: Side,
    /// What it is made of. Hixie length frames are binary.
    pub kind: Kind,
    /// Its payload, without masks and compression; text is UTF-8.
    pub data: Vec<u8>,
    /// How many messages of the other side its sender had received when it sent the first byte, at
    /// most: of a capture by the acknowledgement number of that segment, else by the order.
    pub seen: u64,
}

/// The end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Who ended its stream first, or reset it; `None` where the recording ends before the session.
    pub by: Option<Side>,
    /// How.
    pub how: How,
    /// Whether nothing was lost: a closing handshake or what the dialect takes for one, between two
    /// messages.
    pub clean: bool,
}

/// How a connection came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The stream ended in order.
    Fin,
    /// It was reset, or broke off.
    Reset,
    /// The recording ended before it.
    Cut,
}
