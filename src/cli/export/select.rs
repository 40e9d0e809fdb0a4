//! A sink before a form: passes on some sessions or all, and knows which were not there.

use crate::recording::Sink;
use crate::transcript::account::Account;
use crate::transcript::event::{Event, Header};
use std::collections::BTreeMap;
use std::io;

pub(super) struct Select<S> {
    /// Those that are passed on, and whether they were there; all, where none is named.
    wanted: BTreeMap<u64, bool>,
    sink: S,
}

impl<S: Sink> Select<S> {
    pub(super) fn new(sessions: &[u64], sink: S) -> Self {
        Self { wanted: sessions.iter().map(|session| (*session, false)).collect(), sink }
    }

    /// The first that was not there.
    pub(super) fn missing(&self) -> Option<u64> {
        self.wanted.iter().find(|(_, found)| !**found).map(|(session, _)| *session)
    }
}

impl<S: Sink> Sink for Select<S> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.sink.begin(header)
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        let all = self.wanted.is_empty();
        match self.wanted.get_mut(&event.session) {
            Some(found) => *found = true,
            None if all => {}
            None => return Ok(()),
        }
        self.sink.take(event)
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        self.sink.end(account)
    }
}
