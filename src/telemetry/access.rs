//! The access log: lines go through a bounded channel to a thread that alone writes, so that no
//! session ever waits for a disk. What does not fit is dropped and counted.

use super::line::Line;
use crate::config::operation::{AccessLog, LogFormat};
use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::{self, Write, stdout};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many lines wait for the disk at most: some megabytes, and as many as there are when a
/// backend with thousands of sessions dies.
const WAITING: usize = 8192;

/// How many bytes are gathered for one write.
const GATHERED: usize = 64 * 1024;

/// How long the end of the process waits for lines that have not been written.
const PARTING: Duration = Duration::from_secs(2);

/// The access log.
#[derive(Debug)]
pub(crate) struct Access {
    lines: SyncSender<Order>,
    desk: Arc<Desk>,
    /// Told when the writer has ended.
    ended: Mutex<Receiver<()>>,
}

/// Where lines go and how they look, ready to be written to.
#[derive(Debug)]
pub(crate) struct Output {
    settings: AccessLog,
    /// `None` where nothing is written.
    file: Option<File>,
}

/// What the writer is told.
#[derive(Debug)]
enum Order {
    Write(Box<Line>),
    /// To look at its desk.
    Look,
}

/// What the writer and those who write to it share.
#[derive(Debug)]
struct Desk {
    /// What the writer is to write to from now on.
    next: Mutex<Option<Output>>,
    /// The settings of the newest output.
    settings: Mutex<AccessLog>,
    enabled: AtomicBool,
    /// Whether the writer is to end once there is no line left.
    ending: AtomicBool,
    /// How many lines were lost.
    dropped: AtomicU64,
    /// Whether lines are being lost, which is warned of once each time it begins.
    dropping: AtomicBool,
}

impl Output {
    /// Opens what the settings name.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn open(settings: &AccessLog) -> anyhow::Result<Self> {
        let file = match &settings.file {
            _ if !settings.enabled => None,
            // Not by way of `Stdout`, which would write each line by itself.
            None => Some(stdout().as_fd().try_clone_to_owned().map(File::from)),
            // Addresses of people are in it; who may read it beside us is for the operator to say.
            Some(path) => Some(OpenOptions::new().append(true).create(true).mode(0o640).open(path)),
        };
        let file = file.transpose().with_context(|| match &settings.file {
            Some(path) => format!("cannot open the access log {}", path.display()),
            None => "cannot write the access log to standard output".to_owned(),
        })?;
        Ok(Self { settings: settings.clone(), file })
    }
}

impl Access {
    /// Starts the writer.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(output: Output) -> anyhow::Result<Self> {
        let (lines, orders) = sync_channel(WAITING);
        let (end, ended) = sync_channel(1);
        let desk = Arc::new(Desk {
            next: Mutex::new(None),
            settings: Mutex::new(output.settings.clone()),
            enabled: AtomicBool::new(output.file.is_some()),
            ending: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            dropping: AtomicBool::new(false),
        });
        let writer = Writer {
            format: output.settings.format,
            file: output.file,
            gathered: Vec::new(),
            lines: 0,
            torn: false,
            failing: false,
            desk: Arc::clone(&desk),
        };
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                writer.run(&orders);
                // Nobody waits for it where the server was never run.
                end.send(()).ok();
            })
            .context("cannot start the writer of the access log")?;
        Ok(Self { lines, desk, ended: Mutex::new(ended) })
    }

    /// Whether lines are written at all.
    pub(super) fn is_enabled(&self) -> bool {
        self.desk.enabled.load(Ordering::Relaxed)
    }

    /// Writes a line, or drops it where the disk is too far behind.
    pub(super) fn write(&self, line: Line) {
        if self.lines.try_send(Order::Write(Box::new(line))).is_err() {
            self.desk.drop_lines(1, "it is too slow");
        }
    }

    /// Writes to another output from now on.
    pub(crate) fn switch(&self, output: Output) {
        self.desk.enabled.store(output.file.is_some(), Ordering::Relaxed);
        lock(&self.desk.settings).clone_from(&output.settings);
        *lock(&self.desk.next) = Some(output);
        self.nudge();
    }

    /// Opens the file again, which somebody has moved away; goes on with the old one where that
    /// fails.
    pub(crate) fn reopen(&self) {
        let settings = lock(&self.desk.settings).clone();
        match Output::open(&settings) {
            Ok(output) => {
                self.switch(output);
                tracing::info!("access log opened again");
            }
            Err(error) => tracing::error!("{error:#}"),
        }
    }

    /// Ends the writer, and waits until all lines are written, though not for ever.
    pub(crate) fn close(&self) {
        self.desk.ending.store(true, Ordering::Release);
        self.nudge();
        if lock(&self.ended).recv_timeout(PARTING).is_err() {
            tracing::warn!("access log not written to its end");
        }
    }

    /// How many lines were lost.
    pub(super) fn dropped(&self) -> u64 {
        self.desk.dropped.load(Ordering::Relaxed)
    }

    /// Makes the writer look at its desk. Where the channel is full it is awake, and looks anyway.
    fn nudge(&self) {
        self.lines.try_send(Order::Look).ok();
    }
}

impl Desk {
    fn drop_lines(&self, lines: u64, reason: impl std::fmt::Display) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
        if !self.dropping.swap(true, Ordering::Relaxed) {
            tracing::warn!(%reason, "access log loses lines");
        }
    }
}

/// The thread that writes.
#[derive(Debug)]
struct Writer {
    format: LogFormat,
    file: Option<File>,
    /// Lines on their way to the file, and how many they are.
    gathered: Vec<u8>,
    lines: u64,
    /// Whether the file may end inside a line.
    torn: bool,
    /// Whether the last write failed.
    failing: bool,
    desk: Arc<Desk>,
}

impl Writer {
    /// Writes until it is told to end, or nobody is left who could tell it.
    fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            self.follow(order);
            // What has come meanwhile goes out in the same write.
            while let Ok(order) = orders.try_recv() {
                self.follow(order);
                if self.gathered.len() >= GATHERED {
                    self.flush();
                    self.look();
                }
            }
            self.flush();
            self.look();
            if !self.failing {
                self.desk.dropping.store(false, Ordering::Relaxed);
            }
            // Read behind the lines: those that were sent before the order are written.
            if self.desk.ending.load(Ordering::Acquire) {
                while let Ok(order) = orders.try_recv() {
                    self.follow(order);
                }
                self.flush();
                return;
            }
        }
    }

    fn follow(&mut self, order: Order) {
        match order {
            Order::Write(line) if self.file.is_some() => {
                line.write(self.format, &mut self.gathered);
                self.lines += 1;
            }
            Order::Write(_) => {}
            // What came before it belongs to the old output.
            Order::Look => {
                self.flush();
                self.look();
            }
        }
    }

    /// Takes what lies on the desk.
    fn look(&mut self) {
        let next = lock(&self.desk.next).take();
        if let Some(Output { settings, file }) = next {
            (self.file, self.format, self.torn) = (file, settings.format, false);
        }
    }

    fn flush(&mut self) {
        if let Some(file) = &mut self.file
            && !self.gathered.is_empty()
        {
            let written = write(file, self.torn, &self.gathered);
            if let Err(error) = &written {
                self.desk.drop_lines(self.lines, error);
            }
            // An error may come behind a part of what was to be written.
            (self.torn, self.failing) = (written.is_err(), written.is_err());
        }
        self.gathered.clear();
        self.lines = 0;
    }
}

fn write(file: &mut File, torn: bool, lines: &[u8]) -> io::Result<()> {
    if torn {
        file.write_all(b"\n")?;
    }
    file.write_all(lines)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::identity::{Details, Identity, tests::hop};
    use super::super::line::{Refused, What};
    use super::*;
    use rustix::pipe::pipe;
    use std::fs;
    use std::io::{BufRead, BufReader, Read};
    use std::time::SystemTime;

    fn line(reason: &str) -> Line {
        let identity = Identity::new(&hop(), Details::default());
        let refused = Refused { dialect: None, status: None, reason: reason.to_owned() };
        Line { at: SystemTime::UNIX_EPOCH, identity, what: What::Refused(refused) }
    }

    /// A pipe as the output of an access log.
    fn into_pipe() -> (File, Output) {
        let (read, write) = pipe().unwrap();
        let output = Output { settings: AccessLog::default(), file: Some(File::from(write)) };
        (File::from(read), output)
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let (reader, output) = into_pipe();
        let access = Access::start(output).unwrap();
        // Nobody reads: the pipe, what is gathered and the channel fill up.
        let sent = 3 * WAITING;
        (0..sent).for_each(|number| access.write(line(&number.to_string())));
        let dropped = access.dropped();
        assert!(dropped > 0, "all of {sent} lines fit");
        // All others arrive, in order.
        let reading = std::thread::spawn(move || {
            let lines = BufReader::new(reader).lines().map(Result::unwrap);
            let numbers = lines.map(|line| line.split("reason=").nth(1).unwrap().parse().unwrap());
            numbers.collect::<Vec<u64>>()
        });
        access.close();
        drop(access);
        let arrived = reading.join().unwrap();
        assert_eq!(arrived.len() as u64 + dropped, sent as u64);
        assert!(arrived.is_sorted(), "out of order");
    }

    #[test]
    fn a_close_waits_for_the_lines() {
        let (mut reader, output) = into_pipe();
        let access = Access::start(output).unwrap();
        (0..100).for_each(|_| access.write(line("x")));
        access.close();
        assert_eq!(access.dropped(), 0);
        drop(access);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text.lines().count(), 100);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_the_next_begins_anew() {
        // "always full": every write to it fails (full(4)).
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Output { settings: AccessLog::default(), file: Some(full) };
        let access = Access::start(output).unwrap();
        access.write(line("lost"));
        access.close();
        assert_eq!(access.dropped(), 1);
        // A part of a line may have been written before the fault.
        let folder = std::env::temp_dir().join(format!("hybridge-torn-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("access.log");
        fs::write(&path, "2010-").unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        write(&mut file, true, b"whole\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "2010-\nwhole\n");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_was_moved_is_opened_again() {
        let folder = std::env::temp_dir().join(format!("hybridge-access-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (path, moved) = (folder.join("access.log"), folder.join("access.log.1"));
        let settings = AccessLog { file: Some(path.clone()), ..AccessLog::default() };
        let access = Access::start(Output::open(&settings).unwrap()).unwrap();
        fs::rename(&path, &moved).unwrap();
        access.write(line("before"));
        access.reopen();
        access.write(line("after"));
        // Where the file cannot be opened, the old one stays.
        fs::rename(&folder, folder.with_extension("gone")).unwrap();
        access.reopen();
        access.write(line("last"));
        access.close();
        let folder = folder.with_extension("gone");
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let reasons = |name: &str| {
            let text = read(name);
            let reasons = text.lines().map(|line| line.split("reason=").nth(1).unwrap().to_owned());
            reasons.collect::<Vec<_>>()
        };
        assert_eq!(reasons("access.log.1"), ["before"]);
        assert_eq!(reasons("access.log"), ["after", "last"]);
        assert_eq!(access.dropped(), 0);
        fs::remove_dir_all(&folder).unwrap();
    }
}
