//! What is told of a recording: each session from its opening to its end, and an account behind all.

use crate::memory;
use hybridge::recording::{Sink, lines, source};
use hybridge::transcript::account::Account;
use hybridge::transcript::event::{Event, Header, What};
use std::collections::BTreeSet;
use std::io::{self, Read};

/// Keeps what it is told.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) header: Option<Header>,
    pub(crate) events: Vec<Event>,
    pub(crate) account: Option<Account>,
}

impl Sink for Told {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        assert_eq!(self.header.replace(header.clone()), None, "it begins once");
        Ok(())
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        assert!(self.header.is_some() && self.account.is_none(), "an event outside: {event:?}");
        self.events.push(event.clone());
        Ok(())
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        assert!(self.header.is_some(), "an end without a beginning");
        assert_eq!(self.account.replace(account.clone()), None, "it ends once");
        Ok(())
    }
}

/// Keeps nothing but how much memory was in use.
#[derive(Debug, Default)]
struct Peak(usize);

impl Sink for Peak {
    fn begin(&mut self, _: &Header) -> io::Result<()> {
        Ok(())
    }

    fn take(&mut self, _: &Event) -> io::Result<()> {
        self.0 = self.0.max(memory::live());
        Ok(())
    }

    fn end(&mut self, _: &Account) -> io::Result<()> {
        self.0 = self.0.max(memory::live());
        Ok(())
    }
}

/// Bytes that come so many at a time.
struct Pieces<'b>(&'b [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(self.1);
        self.0.read(&mut buffer[..room])
    }
}

impl Told {
    /// Reads a file, whole and in pieces; `None` where it is none.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let told = Self::read_pieces(bytes, usize::MAX);
        for every in [1, 7] {
            let again = Self::read_pieces(bytes, every);
            assert_eq!(again, told, "what is told depends on the pieces of {every} bytes");
        }
        told.ok()
    }

    /// Reads a file whole.
    pub(crate) fn read_whole(bytes: &[u8]) -> Option<Self> {
        Self::read_pieces(bytes, usize::MAX).ok()
    }

    fn read_pieces(bytes: &[u8], every: usize) -> Result<Self, String> {
        let mut told = Self::default();
        let account = source::read(Pieces(bytes, every), &mut told);
        let account = account.map_err(|error| format!("{error:#}"))?;
        assert_eq!(told.account.as_ref(), Some(&account), "the sink has another account");
        told.check();
        Ok(told)
    }

    fn check(&self) {
        let mut open = BTreeSet::new();
        for Event { session, what, .. } in &self.events {
            match what {
                What::Open(_) => assert!(open.insert(*session), "session {session} opens twice"),
                What::End(_) => assert!(open.remove(session), "session {session} is not open"),
                _ => assert!(open.contains(session), "session {session} is not open"),
            }
        }
        assert!(open.is_empty(), "without an end: {open:?}");
        let damage = self.account.as_ref().and_then(|account| account.damage.as_ref());
        assert!(damage.is_none_or(|damage| !damage.is_empty()), "damage without words");
    }

    /// Whether all of it was read.
    pub(crate) fn is_whole(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.damage.is_none())
    }

    /// The numbers of the sessions, as they open.
    pub(crate) fn opened(&self) -> impl Iterator<Item = u64> {
        let opens = self.events.iter().filter(|event| matches!(event.what, What::Open(_)));
        opens.map(|event| event.session)
    }

    /// What is written of it in our own form says the same.
    pub(crate) fn check_written(&self) {
        let mut writer = lines::Writer::new(Vec::new());
        let written = writer.begin(self.header.as_ref().expect("it has begun"));
        let events = self.events.iter().try_for_each(|event| writer.take(event));
        let account = writer.end(self.account.as_ref().expect("it has ended"));
        written.and(events).and(account).expect("what was read can be written");
        let bytes = writer.into_inner();
        assert_eq!(Self::read(&bytes).as_ref(), Some(self), "it is another one when read again");
    }
}

/// How much memory was in use at most while a file was read, as far as events show it.
pub(crate) fn peak(bytes: &[u8]) -> usize {
    let before = memory::live();
    let mut peak = Peak(before);
    // What it is has been seen.
    let _ = source::read(bytes, &mut peak);
    peak.0 - before
}
