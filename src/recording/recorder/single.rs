//! One recording of the recorder: its file of lines, and that of packets where there is one.

use super::super::redact::{Key, Stand};
use super::super::{Sink, lines, pcapng};
use super::spool::{Create, Spool};
use crate::config::operation::Record;
use crate::telemetry::Telemetry;
use crate::transcript::account::Account;
use crate::transcript::event::{Event, Header};
use pcapng::Leg;
use std::borrow::Cow;
use std::fs::remove_file;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The ending of the files of lines.
pub(super) const ENDING: &str = "wsrec";

/// The ending of those that hold the same as packets.
const PACKETS: &str = "pcapng";

#[derive(Debug)]
pub(super) struct Recording {
    path: PathBuf,
    lines: lines::Writer<Spool>,
    /// The same as packets, and the backend leg.
    packets: Option<pcapng::Writer<Spool>>,
    /// What stands in the place of secrets, unless they are kept.
    stand: Option<Stand>,
    /// When it began, in nanoseconds since the recorder did.
    since: u64,
    /// How many bytes its head has, and how many the system has.
    head: u64,
    flushed: u64,
    /// How many sessions have begun here, and how many are in progress.
    begun: u64,
    sessions: usize,
    /// How many have ended, and are not counted yet.
    pub(super) whole: u64,
}

impl Recording {
    pub(super) fn create(
        path: &Path,
        settings: &Record,
        key: &Key,
        since: u64,
        create: Create,
    ) -> io::Result<Self> {
        let lines = lines::Writer::new(Spool::new(create(path)?));
        let packets = match settings.pcapng {
            true => {
                let file = create(&path.with_extension(PACKETS));
                // Without the other, this one is not to be left either.
                let file = file.inspect_err(|_| drop(remove_file(path)))?;
                Some(pcapng::Writer::of_both_legs(Spool::new(file)))
            }
            false => None,
        };
        Ok(Self {
            path: path.to_owned(),
            lines,
            packets,
            stand: (!settings.secrets).then(|| Stand::Pseudonym(key.clone())),
            since,
            head: 0,
            flushed: 0,
            begun: 0,
            sessions: 0,
            whole: 0,
        })
    }

    /// Writes the head, and hands it to the system: whether there is room for it is to be known.
    pub(super) fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.lines.begin(header)?;
        self.packets.as_mut().map_or(Ok(()), |packets| packets.begin(header))?;
        self.head = self.lines.get_ref().written();
        self.flush()
    }

    pub(super) fn take(&mut self, leg: Leg, event: &Event) -> io::Result<()> {
        let event = match &self.stand {
            Some(stand) => stand.redacted(event),
            None => Cow::Borrowed(event),
        };
        if leg == Leg::Client {
            self.lines.take(&event)?;
        }
        let Some(packets) = &mut self.packets else { return Ok(()) };
        packets.on(leg);
        packets.take(&event)
    }

    /// Hands all to the system.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.lines.get_mut().flush()?;
        self.packets.as_mut().map_or(Ok(()), |packets| packets.get_mut().flush())?;
        self.flushed = self.lines.get_ref().written();
        Ok(())
    }

    pub(super) fn end(&mut self) -> io::Result<()> {
        let account = Account { flows: self.begun, sessions: self.begun, ..Account::default() };
        self.lines.end(&account)?;
        self.flush()
    }

    /// Counts the sessions that have ended, now that it is known whether they could be written.
    pub(super) fn count(&mut self, written: bool, telemetry: &Telemetry) {
        for _ in 0..std::mem::take(&mut self.whole) {
            telemetry.recorded(written);
        }
    }

    /// Removes its files.
    pub(super) fn discard(self) {
        if let Err(error) = remove(&self.path) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "cannot remove a recording without sessions");
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A session begins here.
    pub(super) const fn enter(&mut self) {
        self.begun += 1;
        self.sessions += 1;
    }

    /// A session has ended here; returns how many are in progress.
    pub(super) const fn leave(&mut self) -> usize {
        self.sessions -= 1;
        self.sessions
    }

    /// How many sessions are in progress here.
    pub(super) const fn sessions(&self) -> usize {
        self.sessions
    }

    /// Whether new sessions are to go to another, which they do not before there was one.
    pub(super) fn is_full(&self, settings: &Record, now: u64) -> bool {
        let age = Duration::from_nanos(now.saturating_sub(self.since));
        let packets = self.packets.as_ref().map_or(0, |packets| packets.get_ref().written());
        let written = self.lines.get_ref().written().max(packets);
        self.begun > 0 && (age >= settings.max_age.0 || written >= settings.max_file.0)
    }

    /// Whether the system has more of it than its head.
    pub(super) const fn holds_sessions(&self) -> bool {
        self.flushed > self.head
    }

    /// From now on the disk is full.
    #[cfg(test)]
    pub(super) fn fill(&mut self) {
        self.lines.get_mut().fill();
    }
}

/// Removes the files of a recording, that of packets first: it is found by the other.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let packets = path.with_extension(PACKETS);
    if packets.try_exists().unwrap_or(false) {
        remove_file(&packets)?;
    }
    remove_file(path)
}
