//! A sink before a view: passes on one session or all, and knows afterwards what went wrong.

use crate::recording::Sink;
use crate::transcript::account::Account;
use crate::transcript::event::{Event, Header, What};
use std::io;

pub(in crate::cli) struct Watch<S> {
    pub(in crate::cli) sink: S,
    /// The only session that is passed on.
    session: Option<u64>,
    /// Whether that one was there.
    pub(in crate::cli) session_found: bool,
    /// Whether something is missing or wrong.
    pub(in crate::cli) damaged: bool,
    /// Why the view could not be written, which is not the fault of what is read.
    pub(in crate::cli) failed: Option<io::Error>,
}

impl<S: Sink> Watch<S> {
    pub(in crate::cli) const fn new(session: Option<u64>, sink: S) -> Self {
        Self { sink, session, session_found: false, damaged: false, failed: None }
    }

    fn keep(&mut self, result: io::Result<()>) -> io::Result<()> {
        result.map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            kind.into()
        })
    }
}

impl<S: Sink> Sink for Watch<S> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        let result = self.sink.begin(header);
        self.keep(result)
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        self.damaged |= matches!(event.what, What::Gap { .. } | What::Fault { .. });
        if self.session.is_some_and(|session| session != event.session) {
            return Ok(());
        }
        self.session_found = true;
        let result = self.sink.take(event);
        self.keep(result)
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        let Account { truncated_packets, conflicts, gap_bytes, forgotten_flows, .. } = *account;
        let Account { lost_fragments, cut_flows, .. } = *account;
        let counts = [truncated_packets, conflicts, gap_bytes, forgotten_flows, lost_fragments]
            .into_iter()
            .chain([cut_flows]);
        self.damaged |= account.damage.is_some() || { counts }.any(|count| count > 0);
        let result = self.sink.end(account);
        self.keep(result)
    }
}
