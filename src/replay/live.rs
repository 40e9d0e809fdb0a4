//! What is said and heard in a session that is in progress, kept as a script that another session can be
//! compared with.

use super::player::Ended;
use super::script::{Body, Closing, Heard, Said, Script};
use crate::event::{Side, close_code};
use crate::transcript::event::Accept;

/// How many bytes of messages are kept of a session: as many as a long one has, and not all that a server
/// without an end has to say.
const MOST: usize = 64 << 20;

/// A session in progress.
#[derive(Debug)]
pub(super) struct Live {
    script: Script,
    bytes: usize,
}

impl Live {
    /// One that is asked for as in this script.
    pub(super) fn new(script: &Script) -> Self {
        let script = Script {
            session: script.session,
            at: script.at,
            open: script.open.clone(),
            accept: None,
            said: Vec::new(),
            heard: Vec::new(),
            closing: Closing::default(),
            damage: None,
        };
        Self { script, bytes: 0 }
    }

    /// The server has answered.
    pub(super) fn opened(&mut self, at: u64, status: u16, fields: &[(String, String)]) {
        self.script.accept = Some((at, Accept { status, fields: fields.to_vec() }));
    }

    /// The client says a message.
    pub(super) fn said(&mut self, at: u64, body: &Body) {
        if self.has_room(body) {
            let seen = self.script.heard.len();
            self.script.said.push(Said { at, packet: None, seen, body: body.clone() });
        }
    }

    /// The server has said one.
    pub(super) fn heard(&mut self, at: u64, body: &Body) {
        if self.has_room(body) {
            let after = self.script.said.len();
            self.script.heard.push(Heard { at, packet: None, after, body: body.clone() });
        }
    }

    /// The client ends the session.
    pub(super) fn left(&mut self, at: u64) {
        self.script.closing = Closing { by: Some(Side::Client), at, ..Closing::default() };
    }

    /// The server has ended it.
    pub(super) fn ended(&mut self, how: &Ended) {
        let (code, reason) = match how {
            Ended::Closed(code) => (*code, String::new()),
            Ended::Fault(fault) => (Some(close_code::PROTOCOL_ERROR), fault.clone()),
            // RFC 6455 section 7.1.5: the code of a connection that ends without a close.
            Ended::Lost => (Some(1006), String::new()),
        };
        self.script.closing = Closing { by: Some(Side::Backend), at: 0, code, reason };
    }

    /// All of it.
    pub(super) fn finish(self) -> Script {
        self.script
    }

    fn has_room(&mut self, body: &Body) -> bool {
        self.bytes = self.bytes.saturating_add(body.data.len());
        let has_room = self.bytes <= MOST && self.script.damage.is_none();
        if !has_room {
            self.script.damage = Some(format!("it has more than {MOST} bytes, which are left out"));
        }
        has_room
    }
}
