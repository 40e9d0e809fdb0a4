//! What a session tells about itself, to the one observer that log, metrics and inspectors hang on.

use crate::event::{Kind, Side};
use crate::fault::Fault;
use crate::quirk::Quirk;

/// Something that happened in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A whole message came in.
    Message {
        /// Who sent it.
        from: Side,
        /// What it is made of.
        kind: Kind,
        /// Its payload, in bytes.
        bytes: u64,
    },
    /// Bytes passed through a tunnel.
    Passed {
        /// Who sent them.
        from: Side,
        /// How many.
        bytes: u64,
    },
    /// A ping came in.
    Ping {
        /// Who sent it.
        from: Side,
    },
    /// A pong came in.
    Pong {
        /// Who sent it.
        from: Side,
    },
    /// A closing handshake, or its answer, came in.
    Heard {
        /// Who sent it.
        from: Side,
        /// Its close code.
        code: Option<u16>,
    },
    /// A closing handshake, or its answer, went out.
    Told {
        /// To whom.
        to: Side,
        /// The close code, where the dialect has any.
        code: Option<u16>,
    },
    /// Something could not be said on the other side.
    Loss(Loss),
    /// A fault of a peer was made up for.
    Quirk(Quirk),
    /// The session began to end; told once, and first of all that follows.
    Ended {
        /// Whose doing it was; `None` for the proxy.
        by: Option<Side>,
        /// How it came.
        cause: Cause,
    },
}

/// What was lost in translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// A binary message went out as a Hixie length frame, which draft 76 tells browsers to discard.
    BinaryFrame,
    /// A binary message went out as base64 text.
    BinaryAsText,
    /// A binary message was dropped.
    BinaryDropped,
    /// A close code and its text.
    CloseReason,
    /// The rest of a message that was on its way when the session ended.
    MessageCut,
}

/// How a session came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A closing handshake.
    Close,
    /// The stream ended in order, without a closing handshake.
    Fin,
    /// The stream broke off, or ended inside a message.
    Lost,
    /// The peer broke a rule.
    Fault(Fault),
    /// The peer was asked whether it is still there, and said nothing.
    Silent,
    /// Nothing moved for too long.
    Idle,
    /// The proxy shuts down.
    Shutdown,
}

/// Who listens to a session.
pub trait Observer {
    /// Takes a fact; called on the data path, so it has to be quick.
    fn observe(&mut self, fact: &Fact);
}
