//! The watcher of one server: of each connection the anatomies of its four directions.

use super::event::{Event, Way};
use super::feed::Feed;
use super::pairs::Pairs;
use crate::anatomy::{Anatomy, Frame};
use crate::dialect::Dialect;
use crate::event::{Side, Sides};
use crate::net::Peer;
use crate::session::fact::{Cause, Fact, Loss};
use crate::watch::{ConnectionId, Watcher};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What is kept of a client whose dialect is not known yet, in bytes. The proxy reads no more than
/// this of a head.
const HELD: usize = 32 * 1024;

#[derive(Debug)]
pub(super) struct Eye {
    server: &'static str,
    feed: Arc<Feed>,
    connections: Mutex<HashMap<ConnectionId, Connection>>,
}

#[derive(Debug)]
struct Connection {
    session: u64,
    legs: Sides<Leg>,
    /// By who spoke first.
    pairs: Sides<Pairs>,
    /// Who sent the last whole message.
    speaker: Side,
}

/// One leg; both directions are known at once.
#[derive(Debug, Default)]
struct Leg {
    directions: Option<Directions>,
    /// What was read before that.
    held: Vec<u8>,
}

#[derive(Debug)]
struct Directions {
    read: Anatomy,
    written: Anatomy,
}

impl Eye {
    pub(super) fn new(server: &'static str, feed: Arc<Feed>) -> Self {
        Self { server, feed, connections: Mutex::default() }
    }

    fn with(&self, id: ConnectionId, act: impl FnOnce(&mut Connection, &Feed)) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = connections.get_mut(&id) {
            act(connection, &self.feed);
        }
    }
}

impl Watcher for Eye {
    fn opened(&self, id: ConnectionId, peer: Peer) {
        let connection = Connection {
            session: self.feed.new_session(),
            legs: Sides::default(),
            pairs: Sides::default(),
            speaker: Side::Client,
        };
        self.feed.tell(connection.session, Event::Opened { server: self.server, peer });
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.insert(id, connection);
    }

    fn speaks(&self, id: ConnectionId, side: Side, dialect: Dialect) {
        self.with(id, |connection, feed| connection.speaks(side, Some(dialect), feed));
    }

    fn read(&self, id: ConnectionId, side: Side, bytes: &[u8]) {
        self.with(id, |connection, feed| connection.bytes(side, Way::Read, bytes, feed));
    }

    fn written(&self, id: ConnectionId, side: Side, bytes: &[u8]) {
        self.with(id, |connection, feed| connection.bytes(side, Way::Written, bytes, feed));
    }

    fn observed(&self, id: ConnectionId, fact: &Fact) {
        self.with(id, |connection, feed| connection.fact(fact, feed));
    }

    fn ended(&self, id: ConnectionId) {
        self.with(id, Connection::end);
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.remove(&id);
    }
}

impl Connection {
    /// A leg begins anew, with a dialect or without one.
    fn speaks(&mut self, side: Side, dialect: Option<Dialect>, feed: &Feed) {
        self.end_leg(side, feed);
        if let Some(dialect) = dialect {
            feed.tell(self.session, Event::Speaks { side, dialect: dialect.name() });
        }
        let of = |way: Way| Anatomy::new(dialect, way.speaker(side));
        let directions = Directions { read: of(Way::Read), written: of(Way::Written) };
        self.legs[side].directions = Some(directions);
        let held = std::mem::take(&mut self.legs[side].held);
        self.bytes(side, Way::Read, &held, feed);
    }

    fn bytes(&mut self, side: Side, way: Way, bytes: &[u8], feed: &Feed) {
        let leg = &mut self.legs[side];
        let Some(directions) = &mut leg.directions else {
            if way == Way::Read {
                let room = HELD.saturating_sub(leg.held.len()).min(bytes.len());
                leg.held.extend_from_slice(bytes.get(..room).unwrap_or_default());
                return;
            }
            // A client that is refused before its dialect is known.
            self.speaks(side, None, feed);
            return self.bytes(side, way, bytes, feed);
        };
        let mut frames = Vec::new();
        match way {
            Way::Read => directions.read.feed(bytes, &mut frames),
            Way::Written => directions.written.feed(bytes, &mut frames),
        }
        for frame in frames {
            self.frame(side, way, frame, feed);
        }
    }

    fn frame(&mut self, side: Side, way: Way, frame: Frame, feed: &Feed) {
        let (kind, last) = (frame.kind, frame.last);
        let of = match way {
            Way::Read => None,
            Way::Written => self.pairs[side.other()].written(&frame),
        };
        let number = feed.tell(self.session, Event::Frame { side, way, of, frame });
        if way == Way::Read {
            self.pairs[side].read(number, kind, last);
        }
    }

    fn fact(&mut self, fact: &Fact, feed: &Feed) {
        match fact {
            Fact::Loss(loss) => {
                if *loss == Loss::BinaryDropped {
                    self.pairs[self.speaker].end_message();
                }
                feed.tell(self.session, Event::Loss { what: lost(*loss) });
            }
            Fact::Ended { by, cause } => {
                let by = by.map_or("the proxy", Side::name);
                let how = match cause {
                    Cause::Close => format!("{by} closes"),
                    Cause::Fin => format!("{by} ends its stream"),
                    Cause::Lost => format!("the connection to the {by} is lost"),
                    Cause::Fault(fault) => format!("{by} broke a rule: {fault}"),
                    Cause::Silent => format!("{by} does not answer any more"),
                    Cause::Idle => "nothing has moved for too long".to_owned(),
                    Cause::Shutdown => "the proxy shuts down".to_owned(),
                };
                feed.tell(self.session, Event::Ending { how });
            }
            Fact::Message { from, .. } => self.speaker = *from,
            Fact::Quirk(_)
            | Fact::Passed { .. }
            | Fact::Ping { .. }
            | Fact::Pong { .. }
            | Fact::Heard { .. }
            | Fact::Told { .. } => {}
        }
    }

    fn end(&mut self, feed: &Feed) {
        for side in Side::BOTH {
            if !self.legs[side].held.is_empty() {
                self.speaks(side, None, feed);
            }
            self.end_leg(side, feed);
        }
        feed.tell(self.session, Event::Ended);
    }

    fn end_leg(&mut self, side: Side, feed: &Feed) {
        if let Some(mut directions) = self.legs[side].directions.take() {
            let cut = [
                (Way::Read, directions.read.finish()),
                (Way::Written, directions.written.finish()),
            ];
            for (way, frame) in cut {
                if let Some(frame) = frame {
                    self.frame(side, way, frame, feed);
                }
            }
        }
    }
}

const fn lost(loss: Loss) -> &'static str {
    match loss {
        Loss::BinaryFrame => {
            "a binary message became a length frame, which draft 76 tells browsers to discard"
        }
        Loss::BinaryAsText => "a binary message became text in base64",
        Loss::BinaryDropped => "a binary message was dropped",
        Loss::CloseReason => "the close code and its reason: the other side has no word for them",
        Loss::MessageCut => "the rest of a message that was on its way",
    }
}
