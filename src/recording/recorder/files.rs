//! The files of the recorder: which is written to, and for how long; how many are kept.

use super::super::pcapng::Leg;
use super::super::redact::Key;
use super::single::{ENDING, Recording, remove};
use super::spool::{Create, create};
use crate::config::operation::Record;
use crate::telemetry::{self, Telemetry};
use crate::transcript::event::{Event, Header};
use anyhow::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_dir;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// With what the names of our files begin, and only theirs.
const PREFIX: &str = "hybridge-";

/// How long none is begun after one could not be written, in nanoseconds: a full disk stays full for
/// a while, and each new recording may have an old one removed.
const RETRY: u64 = 10_000_000_000;

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
    /// Before when there is to be none, in nanoseconds since the recorder began.
    retry_at: u64,
    create: Create,
    telemetry: Arc<Telemetry>,
}

/// Where a session is filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u64);

impl Files {
    /// Opens the first of them.
    ///
    /// # Errors
    /// When there cannot be one.
    pub(super) fn open(
        folder: &Path,
        settings: &Record,
        telemetry: Arc<Telemetry>,
    ) -> anyhow::Result<Self> {
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
            retry_at: 0,
            create,
            telemetry,
        };
        files.begin(0)?;
        Ok(files)
    }

    /// A place for a new session; `None` where there is no file to write it to, which is in the log.
    pub(super) fn slot(&mut self, at: u64) -> Option<Slot> {
        let is_full = |recording: &Recording| recording.is_full(&self.settings, at);
        let is_due = self.open.last_key_value().is_none_or(|(_, recording)| is_full(recording));
        if is_due && !self.renew(at) {
            return None;
        }
        let mut last = self.open.last_entry()?;
        last.get_mut().enter();
        Some(Slot(*last.key()))
    }

    /// Writes an event of a session; whether that has worked.
    pub(super) fn take(&mut self, slot: Slot, leg: Leg, event: &Event) -> bool {
        let Some(recording) = self.open.get_mut(&slot.0) else { return false };
        let Err(error) = recording.take(leg, event) else { return true };
        self.give_up(slot.0, &error, event.at);
        false
    }

    /// A session has ended, and counts: as recorded if it is `whole` here, and can be written.
    pub(super) fn leave(&mut self, slot: Slot, whole: bool) {
        let is_last = self.open.last_key_value().is_some_and(|(number, _)| *number == slot.0);
        let Some(recording) = self.open.get_mut(&slot.0) else {
            return self.telemetry.recorded(false);
        };
        let rest = recording.leave();
        if whole {
            recording.whole += 1;
        } else {
            self.telemetry.recorded(false);
        }
        if rest == 0 && !is_last {
            self.close_one(slot.0);
        }
    }

    /// Hands all to the system.
    pub(super) fn flush(&mut self, at: u64) {
        let mut failed = Vec::new();
        for (number, recording) in &mut self.open {
            match recording.flush() {
                Ok(()) => recording.count(true, &self.telemetry),
                Err(error) => failed.push((*number, error)),
            }
        }
        for (number, error) in failed {
            self.give_up(number, &error, at);
        }
    }

    /// Brings all of them to their end.
    pub(super) fn close(&mut self) {
        while let Some((number, _)) = self.open.first_key_value() {
            self.close_one(*number);
        }
    }

    fn close_one(&mut self, number: u64) {
        let Some(mut recording) = self.open.remove(&number) else { return };
        let ended = recording.end();
        recording.count(ended.is_ok(), &self.telemetry);
        if let Err(error) = ended {
            let path = recording.path().display();
            tracing::warn!(%path, %error, "recording not written to its end");
        }
    }

    /// It cannot be written.
    fn give_up(&mut self, number: u64, error: &io::Error, at: u64) {
        let Some(mut recording) = self.open.remove(&number) else { return };
        tracing::warn!(path = %recording.path().display(), %error, "recording given up");
        recording.count(false, &self.telemetry);
        if !recording.holds_sessions() {
            // It would stand in the place of one that does.
            recording.discard();
        }
        self.retry_at = at.saturating_add(RETRY);
    }

    /// Begins the next, unless it is too soon after a failure; whether there is one.
    fn renew(&mut self, at: u64) -> bool {
        if at < self.retry_at {
            return false;
        }
        let Err(error) = self.begin(at) else { return true };
        self.retry_at = at.saturating_add(RETRY);
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!("cannot begin the next recording: {error:#}");
        }
        false
    }

    /// Begins the next.
    fn begin(&mut self, at: u64) -> anyhow::Result<()> {
        let time = UNIX_EPOCH + Duration::from_nanos(self.header.start.saturating_add(at));
        let time = humantime::format_rfc3339_seconds(time).to_string().replace(':', "-");
        let name = format!("{PREFIX}{time}-{}-{:06}.{ENDING}", std::process::id(), self.next);
        let path = self.folder.join(name);
        let recording = Recording::create(&path, &self.settings, &self.key, at, self.create);
        let mut recording =
            recording.with_context(|| format!("cannot create {}", path.display()))?;
        if let Err(error) = recording.begin(&self.header) {
            recording.discard();
            return Err(error).with_context(|| format!("cannot write {}", path.display()));
        }
        let before =
            self.open.last_key_value().map(|(number, recording)| (*number, recording.sessions()));
        if let Some((number, 0)) = before {
            self.close_one(number);
        }
        self.open.insert(self.next, recording);
        (self.next, self.failing) = (self.next + 1, false);
        self.remove_oldest(&path);
        // Where files vanish in another way, there are to be no more open ones either.
        while self.open.len() > self.settings.keep.get()
            && let Some((oldest, _)) = self.open.first_key_value()
        {
            self.close_one(*oldest);
        }
        Ok(())
    }

    /// Removes what is beyond the number of recordings that are kept; their names are in the order of
    /// their times. What the sessions of those that are still written to say from now on is lost.
    fn remove_oldest(&mut self, newest: &Path) {
        let Ok(entries) = read_dir(&self.folder) else { return };
        let others = entries.flatten().map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_ours =
                name.starts_with(PREFIX) && path.extension().is_some_and(|ending| ending == ENDING);
            is_ours && path != newest
        });
        let others: BTreeSet<_> = others.collect();
        let surplus = (others.len() + 1).saturating_sub(self.settings.keep.get());
        for path in others.iter().take(surplus) {
            let open = self.open.iter().find(|(_, recording)| recording.path() == path);
            if let Some((number, _)) = open {
                self.close_one(*number);
            }
            if let Err(error) = remove(path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove an old recording");
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::operation::AccessLog;
    use crate::config::values::Size;
    use crate::telemetry::Output;
    use crate::transcript::event::{End, How, What};
    use prometheus_client::registry::Registry;
    use std::fs::{self, File};
    use std::num::NonZeroUsize;
    use tempfile::TempDir;

    pub(in super::super) fn telemetry() -> Arc<Telemetry> {
        let off = AccessLog { enabled: false, ..AccessLog::default() };
        Arc::new(Telemetry::start(Output::open(&off).unwrap()).unwrap())
    }

    /// How many sessions were recorded and dropped.
    pub(in super::super) fn counted(telemetry: &Telemetry) -> (u64, u64) {
        let text = telemetry.metrics(&Registry::default()).unwrap();
        let of = |result| {
            let name = format!("hybridge_recorded_sessions_total{{result=\"{result}\"}} ");
            let count = text.lines().find_map(|line| line.strip_prefix(&name));
            count.map_or(0, |count| count.parse().unwrap())
        };
        (of("ok"), of("dropped"))
    }

    /// With a file for each session, where `max_file` is 1.
    fn files(keep: usize, max_file: u64) -> (TempDir, Files) {
        let folder = tempfile::tempdir().unwrap();
        let keep = NonZeroUsize::new(keep).unwrap();
        let settings = Record { keep, max_file: Size(max_file), pcapng: true, ..Record::default() };
        let files = Files::open(folder.path(), &settings, telemetry()).unwrap();
        (folder, files)
    }

    /// The names in the folder, by the number in them; two of each recording.
    fn numbers(folder: &TempDir) -> Vec<u64> {
        let entries = read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let number = |path: PathBuf| {
            path.file_stem().unwrap().to_str().unwrap().rsplit_once('-').unwrap().1.parse().unwrap()
        };
        let mut numbers: Vec<_> = entries.map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    fn end(session: u64, at: u64) -> Event {
        let what = What::End(End { by: None, how: How::Fin, clean: true });
        Event { session, at, packet: None, what }
    }

    /// Writes a whole session, if there is a place for it.
    fn session(files: &mut Files, number: u64, at: u64) -> bool {
        let Some(slot) = files.slot(at) else { return false };
        let taken = files.take(slot, Leg::Client, &end(number, at));
        files.leave(slot, true);
        taken
    }

    fn full(path: &Path) -> io::Result<File> {
        create(path)?;
        File::options().write(true).open("/dev/full")
    }

    /// The first session is still in progress when its recording is removed; it has no file then.
    #[test]
    fn what_is_removed_is_closed() {
        let (folder, mut files) = files(2, 1);
        let slots: Vec<_> = (0..3).map(|_| files.slot(0).unwrap()).collect();
        assert_eq!(numbers(&folder), [2, 2, 3, 3]);
        assert_eq!(files.open.keys().copied().collect::<Vec<_>>(), [2, 3]);
        assert!(!files.take(slots[0], Leg::Client, &end(1, 0)));
        assert!(files.take(slots[1], Leg::Client, &end(2, 0)));
        // One in the middle has ended before.
        files.leave(slots[1], true);
        files.slot(0).unwrap();
        assert_eq!(numbers(&folder), [3, 3, 4, 4]);
        files.slot(0).unwrap();
        assert_eq!(numbers(&folder), [4, 4, 5, 5]);
        assert_eq!(files.open.keys().copied().collect::<Vec<_>>(), [4, 5]);
    }

    /// Names that are later than ours, such as of a clock that was wrong, do not make us remove what
    /// is written now.
    #[test]
    fn the_newest_is_never_removed() {
        let (folder, mut files) = files(1, 1);
        let later = folder.path().join("hybridge-9999-01-01T00-00-00Z-1-000009.wsrec");
        fs::write(&later, "").unwrap();
        assert!(session(&mut files, 1, 0));
        assert!(session(&mut files, 2, 0));
        assert_eq!(numbers(&folder), [2, 2]);
    }

    #[test]
    fn a_full_disk_costs_no_old_recordings() {
        let (folder, mut files) = files(2, 1);
        assert!(session(&mut files, 1, 0));
        assert!(session(&mut files, 2, 0));
        files.create = full;
        for at in 1..100 {
            assert!(!session(&mut files, 3, at * RETRY));
            assert!(!session(&mut files, 3, at * RETRY + RETRY / 2));
        }
        assert_eq!(numbers(&folder), [1, 1, 2, 2]);
        files.create = create;
        assert!(session(&mut files, 3, 100 * RETRY));
        assert_eq!(numbers(&folder), [2, 2, 3, 3]);
        files.close();
        assert_eq!(counted(&files.telemetry), (3, 0));
    }

    /// What was handed over before stays; what cannot be is not counted as recorded.
    #[test]
    fn a_disk_that_becomes_full_is_left_alone_for_a_while() {
        let (folder, mut files) = files(2, 1 << 20);
        assert!(session(&mut files, 1, 0));
        files.flush(0);
        files.open.last_entry().unwrap().get_mut().fill();
        assert!(session(&mut files, 2, 0));
        files.flush(0);
        assert_eq!(counted(&files.telemetry), (1, 1));
        assert!(!session(&mut files, 3, RETRY - 1));
        assert!(session(&mut files, 4, RETRY));
        assert_eq!(numbers(&folder), [1, 1, 2, 2]);
        // One without sessions is not kept.
        files.open.last_entry().unwrap().get_mut().fill();
        assert!(session(&mut files, 5, RETRY));
        files.flush(RETRY);
        assert_eq!(numbers(&folder), [1, 1]);
        assert_eq!(counted(&files.telemetry), (1, 3));
    }
}
