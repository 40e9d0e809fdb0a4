//! The thread that reads the inbox, finds out what is said, and has it filed.

use super::super::pcapng::Leg;
use super::files::{Files, Slot};
use super::inbox::{Inbox, Kind, Note};
use crate::event::Side;
use crate::telemetry::Telemetry;
use crate::transcript::conversation::{Conversation, Found, Mark};
use crate::transcript::event::{Event, What};
use std::collections::HashMap;
use std::sync::Arc;
use std::thread::park_timeout;
use std::time::Duration;

/// How long the thread waits for more where little waits for it.
const ROUND: Duration = Duration::from_millis(50);

/// The thread.
#[derive(Debug)]
pub(super) struct Clerk {
    inbox: Arc<Inbox>,
    files: Files,
    /// With what the targets begin that are wanted.
    paths: Vec<String>,
    telemetry: Arc<Telemetry>,
    connections: HashMap<u32, Connection>,
    /// The number of the next session.
    next: u64,
    /// What was said last; here for its memory.
    told: Vec<What>,
}

/// A connection of a client.
#[derive(Debug)]
struct Connection {
    conversation: Conversation,
    /// That with the backend, once there is one that is wanted.
    backend: Option<Conversation>,
    peer: String,
    /// Where its session is filed and under which number, once it is one that is wanted.
    filed: Option<(Slot, u64)>,
}

impl Clerk {
    pub(super) fn new(
        inbox: Arc<Inbox>,
        files: Files,
        paths: Vec<String>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        Self {
            inbox,
            files,
            paths,
            telemetry,
            connections: HashMap::new(),
            next: 1,
            told: Vec::new(),
        }
    }

    /// Works until the inbox is closed.
    pub(super) fn work(mut self) {
        let (inbox, mut buffer) = (Arc::clone(&self.inbox), Vec::new());
        let mut ending = false;
        loop {
            inbox.read(&mut buffer, |note| self.take(note));
            self.files.flush();
            if ending {
                break;
            }
            // What was left before it was closed is read once more.
            ending = inbox.is_closed();
            if !ending {
                park_timeout(ROUND);
            }
        }
        let at = inbox.now();
        let rest = std::mem::take(&mut self.connections).into_values();
        for connection in rest.filter(|connection| connection.filed.is_some()) {
            self.give_up(connection, at);
        }
        self.files.close();
    }

    fn take(&mut self, note: Note<'_>) {
        let Note { id, kind, at, bytes } = note;
        if kind == Kind::Opened {
            let peer = String::from_utf8_lossy(bytes).into_owned();
            self.connections.insert(id, Connection::new(peer));
            return;
        }
        let Some(mut connection) = self.connections.remove(&id) else {
            match kind {
                // It was muted, and perhaps behind this.
                Kind::Ended => self.inbox.forget(id),
                // It might have become a session.
                Kind::Lost => self.telemetry.recorded(false),
                _ => {}
            }
            return;
        };
        match kind {
            Kind::Ended => return self.finish(connection, at),
            Kind::Lost => return self.give_up(connection, at),
            _ => {}
        }
        if kind == Kind::Dialled {
            self.hang_up(&mut connection, at);
            connection.backend = connection.filed.map(|_| Conversation::default());
        }
        self.hear(&mut connection, Leg::Client, at, |conversation, mark, tell| match kind {
            Kind::Said => conversation.feed(Side::Client, bytes, mark, tell),
            Kind::Told => conversation.feed(Side::Backend, bytes, mark, tell),
            Kind::Left => conversation.end(Side::Client, false, mark, tell),
            Kind::Broken => conversation.end(Side::Client, true, mark, tell),
            Kind::Dismissed | Kind::Failed | Kind::Stopped => {
                conversation.end(Side::Backend, false, mark, tell);
            }
            _ => {}
        });
        // There the proxy is the client.
        self.hear(&mut connection, Leg::Backend, at, |conversation, mark, tell| match kind {
            Kind::Asked => conversation.feed(Side::Client, bytes, mark, tell),
            Kind::Answered => conversation.feed(Side::Backend, bytes, mark, tell),
            Kind::Dismissed => conversation.end(Side::Backend, false, mark, tell),
            Kind::Failed => conversation.end(Side::Backend, true, mark, tell),
            Kind::Left | Kind::Broken | Kind::Stopped => {
                conversation.end(Side::Client, false, mark, tell);
            }
            _ => {}
        });
        if connection.is_wanted() {
            self.connections.insert(id, connection);
        } else {
            self.inbox.mute(id);
        }
    }

    /// The connection has ended; who has ended it first is known by now.
    fn finish(&mut self, mut connection: Connection, at: u64) {
        self.hang_up(&mut connection, at);
        self.hear(&mut connection, Leg::Client, at, end);
        if let Some((slot, _)) = connection.filed {
            self.files.leave(slot);
            self.telemetry.recorded(true);
        }
    }

    /// What follows of the connection is not known.
    fn give_up(&mut self, mut connection: Connection, at: u64) {
        for leg in [Leg::Backend, Leg::Client] {
            self.hear(&mut connection, leg, at, Conversation::cut);
        }
        if let Some((slot, _)) = connection.filed {
            self.files.leave(slot);
        }
        self.telemetry.recorded(false);
    }

    /// The connection to the backend has ended, if there was one.
    fn hang_up(&mut self, connection: &mut Connection, at: u64) {
        self.hear(connection, Leg::Backend, at, end);
    }

    /// Has what the conversation tells filed, once there is a session.
    fn hear(
        &mut self,
        connection: &mut Connection,
        leg: Leg,
        at: u64,
        listen: impl FnOnce(&mut Conversation, Mark, &mut dyn FnMut(Mark, What)),
    ) {
        let conversation = match leg {
            Leg::Client => &mut connection.conversation,
            Leg::Backend => match &mut connection.backend {
                Some(conversation) => conversation,
                None => return,
            },
        };
        let mut told = std::mem::take(&mut self.told);
        let mark = Mark { at, packet: None, acked: None };
        listen(conversation, mark, &mut |_, what| told.push(what));
        for mut what in told.drain(..) {
            if let (Leg::Client, What::Open(open)) = (leg, &mut what) {
                open.client.clone_from(&connection.peer);
                connection.filed = self.file(&open.target, at);
            }
            let Some((slot, session)) = connection.filed else { continue };
            if !self.files.take(slot, leg, &Event { session, at, packet: None, what }) {
                connection.filed = None;
                self.telemetry.recorded(false);
            }
        }
        self.told = told;
    }

    /// Where a new session is filed and under which number, if it is wanted.
    fn file(&mut self, target: &str, at: u64) -> Option<(Slot, u64)> {
        if !self.paths.is_empty() && !self.paths.iter().any(|path| target.starts_with(path)) {
            return None;
        }
        let Some(slot) = self.files.slot(at) else {
            self.telemetry.recorded(false);
            return None;
        };
        let session = self.next;
        self.next += 1;
        Some((slot, session))
    }
}

impl Connection {
    fn new(peer: String) -> Self {
        let conversation = Conversation::default();
        Self { conversation, backend: None, peer, filed: None }
    }

    /// Whether more of it can be of use: it may still become a session, or is one that is filed.
    fn is_wanted(&self) -> bool {
        match self.conversation.found() {
            Found::Nothing => true,
            Found::WebSocket => self.filed.is_some(),
            Found::Tls | Found::Other => false,
        }
    }
}

/// Both sides have ended it; who has done so first is known by now.
fn end(conversation: &mut Conversation, mark: Mark, tell: &mut dyn FnMut(Mark, What)) {
    for side in Side::BOTH {
        conversation.end(side, false, mark, tell);
    }
}
