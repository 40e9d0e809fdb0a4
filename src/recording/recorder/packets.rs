//! A recording as packets, of both legs, beside the other one.

use super::super::Sink;
use super::super::pcapng::{Leg, Writer};
use super::super::redact::{Key, Redact, Stand};
use super::spool::Spool;
use crate::config::operation::Record;
use crate::transcript::event::{Event, Header};
use std::fs::File;
use std::io;

#[derive(Debug)]
pub(super) struct Packets {
    writer: Writer<Spool>,
    spool: Spool,
    /// What stands in the place of secrets, unless they are kept.
    stand: Option<Stand>,
}

impl Packets {
    pub(super) fn new(file: File, settings: &Record, key: &Key) -> Self {
        let spool = Spool::new(file);
        let writer = Writer::of_both_legs(spool.clone());
        let stand = (!settings.secrets).then(|| Stand::Pseudonym(key.clone()));
        Self { writer, spool, stand }
    }

    pub(super) fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.writer.begin(header)
    }

    pub(super) fn take(&mut self, leg: Leg, event: &Event) -> io::Result<()> {
        self.writer.on(leg);
        match &self.stand {
            Some(stand) => Redact::new(stand.clone(), &mut self.writer).take(event),
            None => self.writer.take(event),
        }
    }

    /// How many bytes were written.
    pub(super) fn written(&self) -> u64 {
        self.spool.written()
    }

    /// Hands all to the system.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.spool.flush()
    }
}
