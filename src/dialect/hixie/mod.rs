//! draft-hixie-75 ("Web Socket protocol") and draft-hixie-76 (also draft-ietf-hybi-00), which is
//! 75 with keys, a closing handshake and other names.

pub mod frames;
pub mod keys;
pub mod opening;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Draft {
    /// draft-hixie-thewebsocketprotocol-75, February 2010.
    H75,
    /// draft-hixie-thewebsocketprotocol-76, May 2010; draft-ietf-hybi-00 is the same on the wire.
    H76,
}
