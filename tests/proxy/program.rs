//! The real program, started and watched. Shared by the tests of the binary.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

/// A `hybridge serve` that listens.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    log: BufReader<ChildStderr>,
    pub(crate) address: SocketAddr,
    /// The lines that were read so far.
    pub(crate) lines: Vec<String>,
}

impl Program {
    /// Starts it with JSON logs and waits until it listens.
    pub(crate) fn serve(backend: SocketAddr, arguments: &[&str]) -> Self {
        let backend = format!("ws://{backend}");
        let mut child = Command::new(env!("CARGO_BIN_EXE_hybridge"))
            .args(["--log-format", "json", "serve", "--listen", "127.0.0.1:0"])
            .args(["--backend", &backend])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut program = Self { child, log, address, lines: Vec::new() };
        let line = program.line_with("listening");
        let (_, rest) = line.split_once("\"address\":\"").unwrap();
        program.address = rest.split('"').next().unwrap().parse().unwrap();
        program
    }

    /// Reads the log up to a line that holds `word`.
    pub(crate) fn line_with(&mut self, word: &str) -> String {
        loop {
            let mut line = String::new();
            let count = self.log.read_line(&mut line).unwrap();
            assert!(count > 0, "the log ended without {word:?}: {:#?}", self.lines);
            self.lines.push(line.trim_end().to_owned());
            if line.contains(word) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        let id = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits for its end; with the rest of its log.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let rest = self.log.by_ref().lines().map(Result::unwrap);
        self.lines.extend(rest);
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
