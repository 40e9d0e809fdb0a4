//! What each client message had seen of the server: which messages had reached its sender, and which
//! were on their way, so that it cannot have waited for them.

use super::shown::{packet, payload, safe, seconds};
use crate::event::{Kind, Side};
use crate::recording::Sink;
use crate::transcript::account::Account;
use crate::transcript::event::{Event, Header, Message, What};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

/// How many server messages of a session are remembered with their text; of those before them only
/// the number is told.
const REMEMBERED: usize = 16;

/// How many characters of a server message are remembered, unless all.
const PREVIEW: usize = 60;

pub(super) struct Deps<W> {
    out: W,
    full: bool,
    /// What the servers of open sessions have said.
    sessions: BTreeMap<u64, Session>,
}

#[derive(Default)]
struct Session {
    dialect: &'static str,
    start: u64,
    /// How many messages the client has sent, and the server.
    client: u64,
    server: u64,
    last: VecDeque<Said>,
}

/// A message of a server.
struct Said {
    number: u64,
    packet: Option<u64>,
    preview: String,
}

impl<W: Write> Deps<W> {
    pub(super) const fn new(out: W, full: bool) -> Self {
        Self { out, full, sessions: BTreeMap::new() }
    }

    fn client(&mut self, event: &Event, message: &Message) -> io::Result<()> {
        let Some(session) = self.sessions.get_mut(&event.session) else { return Ok(()) };
        session.client += 1;
        let (number, dialect, client) = (event.session, session.dialect, session.client);
        let at = seconds(event.at.saturating_sub(session.start));
        let packet = packet(event.packet);
        let said = payload(message.kind, &message.data, self.full);
        writeln!(self.out, "session {number} ({dialect})  {at}  {packet}  > {client}  {said}")?;
        match message.seen {
            0 => writeln!(self.out, "    had seen nothing of the server")?,
            seen => {
                let what = session.named(seen);
                writeln!(self.out, "    had seen < 1 to {seen}, the last was {what}")?;
            }
        }
        // What came before it in the recording and had not reached its sender.
        match session.server.saturating_sub(message.seen) {
            0 => Ok(()),
            1 => writeln!(self.out, "    had not seen {}", session.named(session.server)),
            _ => {
                let (first, last) = (message.seen + 1, session.server);
                let what = session.named(first);
                writeln!(self.out, "    had not seen < {first} to {last}, the first is {what}")
            }
        }
    }
}

impl<W: Write> Sink for Deps<W> {
    fn begin(&mut self, _header: &Header) -> io::Result<()> {
        Ok(())
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        match &event.what {
            What::Open(open) => {
                let dialect = open.dialect.name();
                let session = Session { dialect, start: event.at, ..Session::default() };
                self.sessions.insert(event.session, session);
            }
            What::Message(message) if message.from == Side::Client => {
                self.client(event, message)?;
            }
            What::Message(message) => {
                if let Some(session) = self.sessions.get_mut(&event.session) {
                    session.server(event.packet, message);
                }
            }
            What::End(_) => drop(self.sessions.remove(&event.session)),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        if let Some(damage) = &account.damage {
            writeln!(self.out, "damage of the recording: {}", safe(damage))?;
        }
        self.out.flush()
    }
}

impl Session {
    fn server(&mut self, packet: Option<u64>, message: &Message) {
        self.server += 1;
        if self.last.len() == REMEMBERED {
            self.last.pop_front();
        }
        let preview = match message.kind {
            Kind::Text => payload(Kind::Text, &message.data, false),
            Kind::Binary => format!("binary {}", message.data.len()),
        };
        let preview = preview.chars().take(PREVIEW).collect();
        self.last.push_back(Said { number: self.server, packet, preview });
    }

    /// The number of a server message with what is remembered of it.
    fn named(&self, number: u64) -> String {
        match self.last.iter().find(|said| said.number == number) {
            Some(said) => format!("< {number} {} {}", packet(said.packet), said.preview),
            None => format!("< {number}"),
        }
    }
}
