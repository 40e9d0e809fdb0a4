//! The access log: lines go through a bounded channel to a thread that alone writes, so that no
//! session ever waits for a disk. What does not fit is dropped and counted. A line goes where lines
//! went when it was told, so that none is lost when that changes.

use super::line::Line;
use crate::config::operation::AccessLog;
use anyhow::Context;
use rustix::io::ioctl_fionbio;
use rustix::pipe::PipeFlags;
use std::fs::{File, OpenOptions};
use std::io::{self, Write, stdout};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
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
    Write(Box<Line>, Arc<Output>),
    /// To look at its desk.
    Look,
}

/// What the writer and those who write to it share.
#[derive(Debug)]
struct Desk {
    /// Where new lines go.
    output: RwLock<Arc<Output>>,
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
            Some(path) => Some(open(path)),
        };
        let file = file.transpose().with_context(|| match &settings.file {
            Some(path) => format!("cannot open the access log {}", path.display()),
            None => "cannot write the access log to standard output".to_owned(),
        })?;
        Ok(Self { settings: settings.clone(), file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Addresses of people are in it; who may read it beside us is for the operator to say.
    options.append(true).create(true).mode(0o640);
    // A pipe that nobody reads is a fault: to wait for a reader would be to hang.
    let nonblocking = i32::try_from(PipeFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    let file = options.custom_flags(nonblocking).open(path)?;
    // It is the writer that waits, for a reader that is slow.
    ioctl_fionbio(&file, false)?;
    Ok(file)
}

impl Access {
    /// Starts the writer.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(output: Output) -> anyhow::Result<Self> {
        let (lines, orders) = sync_channel(WAITING);
        let (end, ended) = sync_channel(1);
        let output = Arc::new(output);
        let desk = Arc::new(Desk {
            output: RwLock::new(Arc::clone(&output)),
            ending: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            dropping: AtomicBool::new(false),
        });
        let writer = Writer {
            output,
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
        self.desk.output().file.is_some()
    }

    /// Writes a line, or drops it where the disk is too far behind.
    pub(super) fn write(&self, line: Line) {
        if self.lines.try_send(Order::Write(Box::new(line), self.desk.output())).is_err() {
            self.desk.drop_lines(1, "it is too slow");
        }
    }

    /// Writes new lines to another output from now on.
    pub(crate) fn switch(&self, output: Output) {
        *self.desk.output.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(output);
        // It may have no more lines to write for a long time, and is to let go of the old one.
        self.nudge();
    }

    /// Opens the file again, which somebody has moved away; goes on with the old one where that
    /// fails.
    pub(crate) fn reopen(&self) {
        match Output::open(&self.desk.output().settings) {
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
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(PARTING).is_err() {
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
    fn output(&self) -> Arc<Output> {
        Arc::clone(&self.output.read().unwrap_or_else(PoisonError::into_inner))
    }

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
    /// Where the last line went.
    output: Arc<Output>,
    /// Lines on their way there, and how many they are.
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
            Order::Write(line, output) => {
                self.turn_to(output);
                if self.output.file.is_some() {
                    line.write(self.output.settings.format, &mut self.gathered);
                    self.lines += 1;
                }
            }
            // There is nothing to do but what follows each order.
            Order::Look => {}
        }
    }

    /// Lets go of an output that gets no more lines.
    fn look(&mut self) {
        self.turn_to(self.desk.output());
    }

    fn turn_to(&mut self, output: Arc<Output>) {
        if !Arc::ptr_eq(&self.output, &output) {
            self.flush();
            (self.output, self.torn, self.failing) = (output, false, false);
        }
    }

    fn flush(&mut self) {
        if let Some(file) = &self.output.file
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

fn write(mut file: &File, torn: bool, lines: &[u8]) -> io::Result<()> {
    if torn {
        file.write_all(b"\n")?;
    }
    file.write_all(lines)
}

#[cfg(test)]
mod tests {
    use super::super::identity::{Details, Identity, tests::hop};
    use super::super::line::{Refused, What};
    use super::*;
    use rustix::pipe::pipe;
    use std::fs;
    use std::io::{BufRead, BufReader, Read};
    use std::process::Command;
    use std::thread;
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
        let reading = thread::spawn(move || {
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
    fn lines_before_a_switch_go_where_lines_went_then() {
        let (mut reader, output) = into_pipe();
        let access = Access::start(output).unwrap();
        // More than a pipe takes and than is gathered: most of them wait when it is switched off.
        let sent = 4000;
        (0..sent).for_each(|number| access.write(line(&number.to_string())));
        access.switch(Output::open(&AccessLog { enabled: false, ..AccessLog::default() }).unwrap());
        assert!(!access.is_enabled());
        // The old output ends when the writer has let go of it.
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let reasons = text.lines().map(|line| line.split("reason=").nth(1).unwrap().to_owned());
        assert!(reasons.eq((0..sent).map(|number| number.to_string())), "lines are missing");
        assert_eq!(access.dropped(), 0);
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
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        write(&file, true, b"whole\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "2010-\nwhole\n");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let settings = AccessLog { file: Some(path.clone()), ..AccessLog::default() };
        Output::open(&settings).unwrap_err();
        // With a reader it is written to like a file: a line that does not fit waits.
        let reading = thread::spawn(move || fs::read_to_string(path).unwrap());
        let output = loop {
            if let Ok(output) = Output::open(&settings) {
                break output;
            }
        };
        let access = Access::start(output).unwrap();
        (0..4000).for_each(|_| access.write(line("x")));
        access.close();
        assert_eq!(access.dropped(), 0);
        drop(access);
        assert_eq!(reading.join().unwrap().lines().count(), 4000);
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
