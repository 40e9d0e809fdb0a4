//! The forms of recordings, and `hybridge inspect` that shows them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic"
)]

mod any;
mod export;
mod har;
mod lines;
mod packets;
mod pcapng;
mod program;
mod redact;
mod source;

use hybridge::recording::Sink;
use hybridge::transcript::account::Account;
use hybridge::transcript::event::{Event, Header};
use std::io;
use std::path::{Path, PathBuf};

/// A recording of version 1 that has an event of each kind.
const GOLDEN: &str = include_str!("../../testdata/recordings/version-1.wsrec");

fn golden_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/recordings/version-1.wsrec")
}

/// Keeps what it is told.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Told {
    header: Option<Header>,
    events: Vec<Event>,
    account: Option<Account>,
}

impl Sink for Told {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        assert_eq!(self.header.replace(header.clone()), None, "it begins once");
        Ok(())
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        assert!(self.header.is_some() && self.account.is_none());
        self.events.push(event.clone());
        Ok(())
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        assert_eq!(self.account.replace(account.clone()), None, "it ends once");
        Ok(())
    }
}

impl Told {
    /// Tells another sink the same.
    fn tell(&self, sink: &mut dyn Sink) {
        sink.begin(self.header.as_ref().unwrap()).unwrap();
        self.events.iter().for_each(|event| sink.take(event).unwrap());
        sink.end(self.account.as_ref().unwrap()).unwrap();
    }
}
