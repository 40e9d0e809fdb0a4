//! The real program, started and watched. Shared by the tests of the binary.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How long a line is waited for; nothing here takes as long.
const DEADLINE: Duration = Duration::from_secs(120);

/// A `hybridge serve` that listens.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    pub(crate) log: Lines,
    pub(crate) access_log: Lines,
    pub(crate) address: SocketAddr,
}

/// What it writes, line by line.
#[derive(Debug)]
pub(crate) struct Lines {
    coming: Receiver<String>,
    /// Those that were read so far.
    pub(crate) read: Vec<String>,
}

impl Lines {
    fn of(output: impl Read + Send + 'static) -> Self {
        let lines = BufReader::new(output).lines();
        let (sender, coming) = channel();
        // It ends with the output, or with the first line that nobody waits for any more.
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { coming, read: Vec::new() }
    }

    /// The next line; none at the end.
    fn next(&mut self) -> Option<String> {
        match self.coming.recv_timeout(DEADLINE) {
            Ok(line) => {
                self.read.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no more lines: {:#?}", self.read),
        }
    }

    /// Reads up to a line that holds `word`.
    pub(crate) fn with(&mut self, word: &str) -> String {
        loop {
            match self.next() {
                Some(line) if line.contains(word) => return line,
                Some(_) => {}
                None => panic!("it ended without {word:?}: {:#?}", self.read),
            }
        }
    }
}

impl Program {
    /// Starts it with JSON logs and waits until it listens.
    pub(crate) fn serve(backend: SocketAddr, arguments: &[&str]) -> Self {
        let mut command = Self::command();
        command.args(["--listen", "127.0.0.1:0", "--backend", &format!("ws://{backend}")]);
        command.args(arguments);
        Self::start(command)
    }

    /// Starts it with a configuration file and waits until it listens on its first address.
    pub(crate) fn with(file: &Path) -> Self {
        let mut command = Self::command();
        command.arg("-c").arg(file);
        Self::start(command)
    }

    fn command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hybridge"));
        command.args(["--log-format", "json", "serve"]);
        command
    }

    /// Starts a command that serves, and waits until it listens.
    pub(crate) fn start(command: Command) -> Self {
        let mut program = Self::launch(command);
        let line = program.log.with("listening");
        let (_, rest) = line.split_once("address").unwrap();
        let rest = rest.trim_start_matches(['"', ':', '=']);
        program.address = rest.split(['"', ' ']).next().unwrap().parse().unwrap();
        program
    }

    /// Starts a command that tells on its standard output where it listens.
    pub(crate) fn telling(command: Command) -> Self {
        let mut program = Self::launch(command);
        let line = program.access_log.with("listening on ");
        program.address = line.strip_prefix("listening on ").unwrap().parse().unwrap();
        program
    }

    fn launch(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Lines::of(child.stderr.take().unwrap());
        let access_log = Lines::of(child.stdout.take().unwrap());
        Self { child, log, access_log, address: SocketAddr::from(([0, 0, 0, 0], 0)) }
    }

    /// Reads the log up to a line that holds `word`.
    pub(crate) fn line_with(&mut self, word: &str) -> String {
        self.log.with(word)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        let id = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Has the system give it one open file more, and no other.
    pub(crate) fn has_one_file_left(&self) {
        let taken = |number: &u64| {
            std::fs::symlink_metadata(format!("/proc/{}/fd/{number}", self.child.id())).is_ok()
        };
        let next = (0..).find(|number| !taken(number)).unwrap();
        self.limit_files(Some(next + 1));
    }

    /// Limits its open files, by their numbers.
    pub(crate) fn limit_files(&self, current: Option<u64>) {
        use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: current.or(maximum), maximum };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).unwrap();
    }

    /// Waits for its end; with the rest of its logs.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        while self.log.next().is_some() {}
        while self.access_log.next().is_some() {}
        self.child.wait().unwrap()
    }

    /// The most memory it ever had resident, in bytes.
    pub(crate) fn peak_memory(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended where the test went well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
