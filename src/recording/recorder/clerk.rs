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

/// How much memory all connections take at most, in bytes: a message in progress takes up to
/// [`MAX_MESSAGE`] on each side, and of connections there may be many.
///
/// [`MAX_MESSAGE`]: crate::transcript::conversation::MAX_MESSAGE
const MOST_KEPT: usize = 256 << 20;

/// The thread.
#[derive(Debug)]
pub(super) struct Clerk {
    inbox: Arc<Inbox>,
    files: Files,
    /// With what the targets begin that are wanted.
    paths: Vec<String>,
    telemetry: Arc<Telemetry>,
    connections: HashMap<u32, Connection>,
    /// How much memory they take beside themselves, in bytes, and how much they may.
    kept: usize,
    most_kept: usize,
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
    /// How much memory it is known to take beside itself, in bytes.
    kept: usize,
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
            kept: 0,
            most_kept: MOST_KEPT,
            next: 1,
            told: Vec::new(),
        }
    }

    /// Works until the inbox is closed.
    pub(super) fn work(mut self) {
        let inbox = Arc::clone(&self.inbox);
        let mut ending = false;
        loop {
            let unseen = inbox.read(|note| self.take(note));
            for _ in 0..unseen {
                // It might have become a session.
                self.telemetry.recorded(false);
            }
            self.files.flush(inbox.now());
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
            // It was muted, and perhaps behind this: what was lost may have been its end.
            if matches!(kind, Kind::Ended | Kind::Lost) {
                self.inbox.forget(id);
            }
            return;
        };
        let before = std::mem::take(&mut connection.kept);
        self.kept -= before;
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
        if !connection.is_wanted() {
            self.inbox.mute(id);
            return;
        }
        let kept = connection.takes();
        if kept > before && self.kept + kept > self.most_kept {
            self.inbox.mute(id);
            self.give_up(connection, at);
            return;
        }
        connection.kept = kept;
        self.kept += kept;
        self.connections.insert(id, connection);
    }

    /// The connection has ended; who has ended it first is known by now.
    fn finish(&mut self, mut connection: Connection, at: u64) {
        self.hang_up(&mut connection, at);
        self.hear(&mut connection, Leg::Client, at, end);
        if let Some((slot, _)) = connection.filed {
            self.files.leave(slot, true);
        }
    }

    /// What follows of the connection is not known.
    fn give_up(&mut self, mut connection: Connection, at: u64) {
        let was_filed = connection.filed.is_some();
        for leg in [Leg::Backend, Leg::Client] {
            self.hear(&mut connection, leg, at, Conversation::cut);
        }
        match connection.filed {
            Some((slot, _)) => self.files.leave(slot, false),
            // It was counted when it could not be written to its end.
            None if was_filed => {}
            // It might have become a session.
            None => self.telemetry.recorded(false),
        }
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
        Self { conversation, backend: None, peer, filed: None, kept: 0 }
    }

    /// How much memory it takes beside itself, in bytes.
    fn takes(&self) -> usize {
        self.conversation.kept() + self.backend.as_ref().map_or(0, Conversation::kept)
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

#[cfg(test)]
mod tests {
    use super::super::files::tests::{counted, telemetry};
    use super::*;
    use crate::config::operation::Record;
    use tempfile::TempDir;

    const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";

    const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    fn clerk() -> (TempDir, Clerk) {
        let folder = tempfile::tempdir().unwrap();
        let telemetry = telemetry();
        let files = Files::open(folder.path(), &Record::default(), Arc::clone(&telemetry));
        let inbox = Arc::new(Inbox::new());
        (folder, Clerk::new(inbox, files.unwrap(), Vec::new(), telemetry))
    }

    impl Clerk {
        fn tell(&mut self, id: u32, notes: &[(Kind, &[u8])]) {
            for (kind, bytes) in notes {
                self.take(Note { id, kind: *kind, at: 0, bytes });
            }
        }

        /// Whether the inbox takes what is left of a connection.
        fn hears(&self, id: u32) -> bool {
            self.inbox.put(id, Kind::Said, b"heard");
            let mut heard = false;
            self.inbox.read(|note| heard |= note.id == id);
            heard
        }
    }

    /// Whoever adds to what is too much is given up, and the others stay.
    #[test]
    fn messages_in_progress_take_so_much_memory_together() {
        let (_folder, mut clerk) = clerk();
        // A text of 60,000 bytes from the server of which the last is missing.
        let mut message = vec![b'a'; 60_000 + 3];
        message[..4].copy_from_slice(&[0x81, 0x7E, 0xEA, 0x60]);
        clerk.most_kept = 150_000;
        for id in 1..=4 {
            clerk.tell(id, &[(Kind::Opened, b"peer"), (Kind::Said, REQUEST), (Kind::Told, ANSWER)]);
        }
        for id in 1..=4 {
            clerk.tell(id, &[(Kind::Told, &message)]);
            assert!(clerk.kept <= clerk.most_kept);
        }
        let mut rest: Vec<_> = clerk.connections.keys().copied().collect();
        rest.sort_unstable();
        assert_eq!(rest[..1], [1]);
        assert!(rest.len() < 4, "{rest:?}");
        let lost = (1..=4).filter(|id| !rest.contains(id)).inspect(|id| assert!(!clerk.hears(*id)));
        let lost = lost.count() as u64;
        // Its end makes room.
        for id in rest {
            clerk.tell(id, &[(Kind::Told, b"a"), (Kind::Left, b""), (Kind::Ended, b"")]);
        }
        assert_eq!(clerk.kept, 0);
        clerk.files.flush(0);
        assert_eq!(counted(&clerk.telemetry), (4 - lost, lost));
    }

    /// What is lost of a connection that nobody wanted is no loss, and its number can be used again.
    #[test]
    fn who_was_muted_is_heard_again() {
        let (_folder, mut clerk) = clerk();
        clerk.tell(7, &[(Kind::Opened, b"peer"), (Kind::Said, b"\x16\x03\x01\x02\x00\x01")]);
        assert!(!clerk.hears(7));
        clerk.tell(7, &[(Kind::Lost, b"")]);
        assert!(clerk.hears(7));
        assert_eq!(counted(&clerk.telemetry), (0, 0));
    }

    /// A session whose end cannot be written is counted once.
    #[test]
    fn who_is_given_up_is_counted_once() {
        let (_folder, mut clerk) = clerk();
        clerk.tell(1, &[(Kind::Opened, b"peer"), (Kind::Said, REQUEST)]);
        clerk.files.close();
        clerk.tell(1, &[(Kind::Lost, b"")]);
        assert_eq!(counted(&clerk.telemetry), (0, 1));
        // Of which nothing is known it may have been one.
        clerk.tell(2, &[(Kind::Opened, b"peer"), (Kind::Lost, b"")]);
        assert_eq!(counted(&clerk.telemetry), (0, 2));
    }
}
