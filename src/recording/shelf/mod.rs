//! Recorded sessions, each to be taken by itself: in memory as long as they are few, else in a file that
//! has no name.

mod form;

use super::Sink;
use crate::transcript::account::Account;
use crate::transcript::event::{Event, Header, Open, What};
use anyhow::Context;
use form::Events;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

/// How many bytes of sessions are kept in memory.
const MOST: usize = 32 << 20;

/// Decides by its number, its beginning and how it was asked for whether a session is kept.
pub(crate) type Choose = Box<dyn Fn(u64, u64, &Open) -> bool + Send + Sync>;

/// The sessions of one recording.
pub(crate) struct Shelf {
    choose: Choose,
    header: Header,
    account: Account,
    sessions: Vec<Kept>,
    /// Those that have not ended, by their numbers.
    open: HashMap<u64, usize>,
    in_memory: usize,
    file: Option<File>,
    written: u64,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Kept {
    /// When it began and ended, in nanoseconds since the start of the recording.
    pub(crate) at: u64,
    pub(crate) end: u64,
    /// How many events it has.
    count: usize,
    /// Where its events stand in the file, in order.
    written: Vec<(u64, usize)>,
    /// Those behind them.
    events: Vec<u8>,
}

impl Shelf {
    /// An empty one for what is chosen.
    pub(crate) fn new(choose: Choose) -> Self {
        Self {
            choose,
            header: Header::default(),
            account: Account::default(),
            sessions: Vec::new(),
            open: HashMap::new(),
            in_memory: 0,
            file: None,
            written: 0,
        }
    }

    /// Where the recording comes from.
    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }

    /// What was in the recording beside them.
    pub(crate) const fn account(&self) -> &Account {
        &self.account
    }

    /// The sessions, in the order in which they began.
    pub(crate) fn sessions(&self) -> &[Kept] {
        &self.sessions
    }

    /// The events of a session.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn events(&self, session: usize) -> anyhow::Result<Vec<Event>> {
        let Some(kept) = self.sessions.get(session) else { return Ok(Vec::new()) };
        let bytes = match kept.written.is_empty() {
            true => Cow::from(&kept.events),
            false => Cow::from(self.read(kept)?),
        };
        let mut events = Vec::with_capacity(kept.count);
        for event in Events(&bytes) {
            events.push(event.context("the file of the sessions has been changed")?);
        }
        Ok(events)
    }

    /// The events of a session of which some are in the file.
    fn read(&self, kept: &Kept) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for (at, length) in &kept.written {
            let Some(file) = &self.file else { continue };
            let before = bytes.len();
            bytes.resize(before + length, 0);
            file.read_exact_at(bytes.get_mut(before..).unwrap_or_default(), *at)?;
        }
        bytes.extend_from_slice(&kept.events);
        Ok(bytes)
    }

    /// Writes all that is in memory to the file.
    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        for kept in &mut self.sessions {
            if kept.events.is_empty() {
                continue;
            }
            file.write_all(&kept.events)?;
            kept.written.push((self.written, kept.events.len()));
            self.written += kept.events.len() as u64;
            kept.events = Vec::new();
        }
        self.in_memory = 0;
        Ok(())
    }
}

impl Sink for Shelf {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.header = header.clone();
        Ok(())
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        let Event { session, at, .. } = *event;
        if let What::Open(open) = &event.what
            && (self.choose)(session, at, open)
        {
            self.open.insert(session, self.sessions.len());
            self.sessions.push(Kept {
                at,
                end: at,
                count: 0,
                written: Vec::new(),
                events: Vec::new(),
            });
        }
        let Some(index) = self.open.get(&session) else { return Ok(()) };
        let Some(kept) = self.sessions.get_mut(*index) else { return Ok(()) };
        kept.end = kept.end.max(at);
        kept.count += 1;
        let before = kept.events.len();
        form::write(event, &mut kept.events);
        self.in_memory += kept.events.len() - before;
        if matches!(event.what, What::End(_)) {
            kept.events.shrink_to_fit();
            self.open.remove(&session);
        }
        if self.in_memory > MOST { self.spill() } else { Ok(()) }
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        self.account = account.clone();
        self.open = HashMap::new();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, Side};
    use crate::transcript::event::{End, How, Message};

    fn event(session: u64, at: u64, what: What) -> Event {
        Event { session, at, packet: None, what }
    }

    #[test]
    fn gives_back_what_it_was_given() {
        let mut shelf = Shelf::new(Box::new(|session, _, _| session != 2));
        let open = || {
            What::Open(Open {
                dialect: "hixie-76".parse().unwrap(),
                client: String::new(),
                server: String::new(),
                target: "/".to_owned(),
                fields: Vec::new(),
            })
        };
        let message = || {
            let data = vec![b'x'; 1 << 20];
            What::Message(Message { from: Side::Client, kind: Kind::Text, data, seen: 0 })
        };
        let mut all: Vec<Event> = (1..=3).map(|session| event(session, session, open())).collect();
        // More than is kept in memory, twice.
        all.extend((0..70).map(|number| event(1 + number % 3, 10 + number, message())));
        let end = || What::End(End { by: None, how: How::Fin, clean: true });
        all.extend((1..=3).map(|session| event(session, 100, end())));
        all.iter().for_each(|event| shelf.take(event).unwrap());
        assert!(shelf.file.is_some() && shelf.in_memory <= MOST);
        assert_eq!(
            shelf.sessions().iter().map(|kept| (kept.at, kept.end)).collect::<Vec<_>>(),
            [(1, 100), (3, 100)]
        );
        for (index, session) in [(0, 1), (1, 3)] {
            let due: Vec<_> =
                all.iter().filter(|event| event.session == session).cloned().collect();
            assert_eq!(shelf.events(index).unwrap(), due);
        }
    }
}
