//! Who watches the connections of a server: every byte of both legs as it is on the wire, and the
//! facts of the session. An inspector or a recorder hangs here.
//!
//! A connection keeps nothing for its watcher but its number; what a watcher wants to remember of a
//! connection it keeps itself, by that number.

use crate::dialect::Dialect;
use crate::event::Side;
use crate::net::Peer;
use crate::session::fact::Fact;
use std::fmt;

/// The number of a connection. A server counts its connections from 1, and begins anew only after
/// four thousand million of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u32);

/// Watches all connections of a server.
///
/// The methods are called on the data path, by all workers: they have to be quick, and what they
/// wait for, the connections wait for. Of one connection they come in order.
pub trait Watcher: fmt::Debug + Send + Sync {
    /// A client has connected.
    fn opened(&self, id: ConnectionId, peer: Peer);

    /// What a side speaks. Of the client it is known behind the head of its request. Of the backend
    /// it is told before each attempt, which is a new connection to it.
    fn speaks(&self, id: ConnectionId, side: Side, dialect: Dialect);

    /// A side has sent bytes, its opening handshake included.
    fn read(&self, id: ConnectionId, side: Side, bytes: &[u8]);

    /// A side is sent bytes, our opening handshake included. Its socket may still hold them back,
    /// and takes them in this order.
    fn written(&self, id: ConnectionId, side: Side, bytes: &[u8]);

    /// Something happened in the session.
    fn observed(&self, id: ConnectionId, fact: &Fact);

    /// The connection has ended; with or without a session.
    fn ended(&self, id: ConnectionId);
}

/// A connection, and who watches it, if anyone does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched<'w> {
    pub(crate) id: ConnectionId,
    pub(crate) watcher: Option<&'w dyn Watcher>,
}

impl Watched<'_> {
    pub(crate) fn opened(self, peer: Peer) {
        if let Some(watcher) = self.watcher {
            watcher.opened(self.id, peer);
        }
    }

    pub(crate) fn speaks(self, side: Side, dialect: Dialect) {
        if let Some(watcher) = self.watcher {
            watcher.speaks(self.id, side, dialect);
        }
    }

    #[inline]
    pub(crate) fn read(self, side: Side, bytes: &[u8]) {
        if let Some(watcher) = self.watcher {
            watcher.read(self.id, side, bytes);
        }
    }

    #[inline]
    pub(crate) fn written(self, side: Side, bytes: &[u8]) {
        if let Some(watcher) = self.watcher {
            watcher.written(self.id, side, bytes);
        }
    }

    #[inline]
    pub(crate) fn observed(self, fact: &Fact) {
        if let Some(watcher) = self.watcher {
            watcher.observed(self.id, fact);
        }
    }

    pub(crate) fn ended(self) {
        if let Some(watcher) = self.watcher {
            watcher.ended(self.id);
        }
    }
}
