//! The files of the recorder: which is written to, and for how long; how many are kept.

use super::super::Sink;
use super::super::lines::Writer;
use super::super::pcapng::Leg;
use super::super::redact::{Key, Redact, Stand};
use super::packets::Packets;
use super::spool::Spool;
use crate::config::operation::Record;
use crate::telemetry;
use crate::transcript::account::Account;
use crate::transcript::event::{Event, Header};
use anyhow::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{read_dir, remove_file};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// With what the names of our files begin, and only theirs.
const PREFIX: &str = "hybridge-";

/// Their ending.
const ENDING: &str = "wsrec";

/// The ending of those that hold the same as packets.
const PACKETS: &str = "pcapng";

/// The files of now, and those of before whose sessions have not ended.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    settings: Record,
    header: Header,
    /// What secrets are replaced with.
    key: Key,
    /// By their numbers; new sessions go to the last.
    open: BTreeMap<u64, Recording>,
    /// The number of the next.
    next: u64,
    /// Whether it is known already that there cannot be a next one.
    failing: bool,
}

/// Where a session is filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u64);

/// One of them.
struct Recording {
    sink: Box<dyn Sink + Send>,
    /// What the sink writes to.
    spool: Spool,
    /// The same as packets, and the backend leg.
    packets: Option<Packets>,
    /// When it began, in nanoseconds since the recorder did.
    since: u64,
    sessions: usize,
}

impl Files {
    /// Opens the first of them.
    ///
    /// # Errors
    /// When there cannot be one.
    pub(super) fn open(folder: &Path, settings: &Record) -> anyhow::Result<Self> {
        let since_1970 = telemetry::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX);
        let source = concat!("hybridge ", env!("CARGO_PKG_VERSION")).to_owned();
        let mut files = Self {
            folder: folder.to_owned(),
            settings: settings.clone(),
            header: Header { start, source },
            key: Key::random(),
            open: BTreeMap::new(),
            next: 1,
            failing: false,
        };
        files.begin(0)?;
        Ok(files)
    }

    /// A place for a new session; `None` where there is no file to write it to, which is in the log.
    pub(super) fn slot(&mut self, at: u64) -> Option<Slot> {
        let is_full = |recording: &Recording| recording.is_full(&self.settings, at);
        if self.open.last_key_value().is_none_or(|(_, recording)| is_full(recording))
            && let Err(error) = self.begin(at)
            && !std::mem::replace(&mut self.failing, true)
        {
            tracing::warn!("cannot begin the next recording: {error:#}");
        }
        let mut last = self.open.last_entry()?;
        last.get_mut().sessions += 1;
        Some(Slot(*last.key()))
    }

    /// Writes an event of a session; whether that has worked.
    pub(super) fn take(&mut self, slot: Slot, leg: Leg, event: &Event) -> bool {
        let Some(recording) = self.open.get_mut(&slot.0) else { return false };
        let taken = recording.take(leg, event);
        if let Err(error) = &taken {
            tracing::warn!(%error, "recording given up");
            self.open.remove(&slot.0);
        }
        taken.is_ok()
    }

    /// A session has ended.
    pub(super) fn leave(&mut self, slot: Slot) {
        let is_last = self.open.last_key_value().is_some_and(|(number, _)| *number == slot.0);
        if let Some(recording) = self.open.get_mut(&slot.0) {
            recording.sessions -= 1;
            if recording.sessions == 0 && !is_last {
                self.close_one(slot.0);
            }
        }
    }

    /// Hands all to the system.
    pub(super) fn flush(&mut self) {
        let failed = self.open.iter().filter(|(_, recording)| recording.flush().is_err());
        let failed: Vec<_> = failed.map(|(number, _)| *number).collect();
        for number in failed {
            tracing::warn!("recording given up: it cannot be written");
            self.open.remove(&number);
        }
    }

    /// Brings all of them to their end.
    pub(super) fn close(&mut self) {
        while let Some((number, _)) = self.open.first_key_value() {
            self.close_one(*number);
        }
    }

    fn close_one(&mut self, number: u64) {
        if let Some(mut recording) = self.open.remove(&number)
            && let Err(error) = recording.end()
        {
            tracing::warn!(%error, "recording not written to its end");
        }
    }

    /// Begins the next.
    fn begin(&mut self, at: u64) -> anyhow::Result<()> {
        let time = UNIX_EPOCH + Duration::from_nanos(self.header.start.saturating_add(at));
        let time = humantime::format_rfc3339_seconds(time).to_string().replace(':', "-");
        let name = format!("{PREFIX}{time}-{}-{:06}.{ENDING}", std::process::id(), self.next);
        let path = self.folder.join(name);
        let recording = Recording::create(&path, &self.settings, &self.key, at);
        let mut recording =
            recording.with_context(|| format!("cannot create {}", path.display()))?;
        let begun = recording.begin(&self.header);
        begun.with_context(|| format!("cannot write {}", path.display()))?;
        let before =
            self.open.last_key_value().map(|(number, recording)| (*number, recording.sessions));
        if let Some((number, 0)) = before {
            self.close_one(number);
        }
        self.open.insert(self.next, recording);
        (self.next, self.failing) = (self.next + 1, false);
        // Old ones that are still written to count too: what their sessions say from now on is lost.
        while self.open.len() > self.settings.keep.get()
            && let Some((oldest, _)) = self.open.first_key_value()
        {
            self.close_one(*oldest);
        }
        self.remove_oldest();
        Ok(())
    }

    /// Removes what is beyond the number of recordings that are kept; their names are in the order of
    /// their times.
    fn remove_oldest(&self) {
        let Ok(entries) = read_dir(&self.folder) else { return };
        let ours = entries.flatten().map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(PREFIX) && path.extension().is_some_and(|ending| ending == ENDING)
        });
        let ours: BTreeSet<_> = ours.collect();
        let surplus = ours.len().saturating_sub(self.settings.keep.get());
        for path in ours.iter().take(surplus) {
            let packets = path.with_extension(PACKETS);
            let removed = match packets.try_exists() {
                Ok(true) => remove_file(&packets).and_then(|()| remove_file(path)),
                _ => remove_file(path),
            };
            if let Err(error) = removed {
                tracing::warn!(path = %path.display(), %error, "cannot remove an old recording");
            }
        }
    }
}

impl Recording {
    fn create(path: &Path, settings: &Record, key: &Key, since: u64) -> io::Result<Self> {
        let spool = Spool::create(path)?;
        let lines = Writer::new(spool.clone());
        let sink: Box<dyn Sink + Send> = if settings.secrets {
            Box::new(lines)
        } else {
            Box::new(Redact::new(Stand::Pseudonym(key.clone()), lines))
        };
        let packets = match settings.pcapng {
            true => {
                let packets = Packets::create(&path.with_extension(PACKETS), settings, key);
                // Without the other, this one is not to be left either.
                Some(packets.inspect_err(|_| drop(remove_file(path)))?)
            }
            false => None,
        };
        Ok(Self { sink, spool, packets, since, sessions: 0 })
    }

    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.sink.begin(header)?;
        self.packets.as_mut().map_or(Ok(()), |packets| packets.begin(header))
    }

    fn take(&mut self, leg: Leg, event: &Event) -> io::Result<()> {
        if leg == Leg::Client {
            self.sink.take(event)?;
        }
        self.packets.as_mut().map_or(Ok(()), |packets| packets.take(leg, event))
    }

    fn flush(&self) -> io::Result<()> {
        self.spool.flush()?;
        self.packets.as_ref().map_or(Ok(()), Packets::flush)
    }

    fn end(&mut self) -> io::Result<()> {
        self.sink.end(&Account::default())?;
        self.flush()
    }

    fn is_full(&self, settings: &Record, now: u64) -> bool {
        let age = Duration::from_nanos(now.saturating_sub(self.since));
        let packets = self.packets.as_ref().map_or(0, Packets::written);
        let written = self.spool.written().max(packets);
        age >= settings.max_age.0 || written >= settings.max_file.0
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}
