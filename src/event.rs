//! The vocabulary that every dialect is translated through: one instead of N × N translators.
//!
//! It speaks of runs of bytes, not of messages and not of frames. Whole messages would have to be
//! buffered, and frames would carry RFC 6455 into dialects that have no lengths.

use arrayvec::ArrayVec;

/// One thing a peer said.
#[derive(Debug)]
pub enum Event<'a> {
    /// A run of bytes of a message.
    Chunk(Chunk<'a>),
    /// A ping that wants its payload back (RFC 6455 section 5.5.2).
    Ping(Control),
    /// The answer to a ping, or an unasked sign of life (RFC 6455 section 5.5.3).
    Pong(Control),
    /// The start or the answer of a closing handshake; nothing follows it.
    Close(Option<Reason>),
}

/// A run of bytes of one message. `first` opens the message, `last` ends it; a message that came
/// whole has both. A chunk of text is valid UTF-8 but for a code point that its end may cut; the
/// last one never ends inside a code point.
#[derive(Debug)]
pub struct Chunk<'a> {
    /// What the message is made of.
    pub kind: Kind,
    /// Whether this run opens the message.
    pub first: bool,
    /// Whether this run ends the message.
    pub last: bool,
    /// The length of the whole message in bytes, where its sender announced it. Only the first
    /// chunk has it.
    pub total: Option<u64>,
    /// The bytes; empty only in a first or a last chunk.
    pub data: &'a mut [u8],
}

/// What a message is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

/// The payload of a control frame: at most 125 bytes (RFC 6455 section 5.5), kept by value so that
/// it outlives the buffer it came in.
pub type Control = ArrayVec<u8, 125>;

/// Why a connection is closed (RFC 6455 section 7.1.6). The absence of a code is the absence of
/// the whole reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The close code.
    pub code: u16,
    /// UTF-8 for a person, at most 123 bytes.
    pub text: ArrayVec<u8, 123>,
}

impl Reason {
    /// A reason without text.
    pub const fn code(code: u16) -> Self {
        Self { code, text: ArrayVec::new_const() }
    }
}

/// The close codes that have a name here (RFC 6455 section 7.4.1).
pub mod close_code {
    /// All has been said; only what peers say.
    pub const NORMAL: u16 = 1000;
    /// The proxy or the peer goes away.
    pub const GOING_AWAY: u16 = 1001;
    /// A protocol error.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// Data of a kind that is not accepted.
    pub const UNSUPPORTED_DATA: u16 = 1003;
    /// Text that is not UTF-8.
    pub const INVALID_DATA: u16 = 1007;
    /// A message too big to process.
    pub const TOO_BIG: u16 = 1009;
}

/// What a dialect is able to say, beyond text and the end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Able {
    /// Binary messages: that its peers are told to deliver, and of a length that need not be known
    /// when they begin.
    pub binary: bool,
    /// Messages in several frames.
    pub fragments: bool,
    /// Ping and pong.
    pub ping: bool,
    /// Close codes and reasons.
    pub close_code: bool,
    /// What the end of a peer's stream means, where no closing handshake came before it.
    pub fin: FinMeans,
}

/// What the end of a stream means that comes without a closing handshake, between two messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinMeans {
    /// The regular close.
    Close,
    /// A peer that went away; many of its kind never close in another way.
    GoingAway,
    /// Nothing regular: the connection was lost.
    Nothing,
}

/// The two sides of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who connected to the proxy.
    Client,
    /// Whom the proxy connected to.
    Backend,
}

impl Side {
    /// The two of them.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Backend];

    /// The name in logs and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Backend => "backend",
        }
    }

    /// The other side.
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Backend,
            Self::Backend => Self::Client,
        }
    }
}

/// One of something for each side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Sides<T> {
    /// The client's.
    pub client: T,
    /// The backend's.
    pub backend: T,
}

impl<T> std::ops::Index<Side> for Sides<T> {
    type Output = T;

    #[inline]
    fn index(&self, side: Side) -> &T {
        match side {
            Side::Client => &self.client,
            Side::Backend => &self.backend,
        }
    }
}

impl<T> std::ops::IndexMut<Side> for Sides<T> {
    #[inline]
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Client => &mut self.client,
            Side::Backend => &mut self.backend,
        }
    }
}
