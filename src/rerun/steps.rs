//! A person who has each message said by a line on standard input.

use std::io::stdin;
use tokio::sync::mpsc;

/// The lines that come.
#[derive(Debug)]
pub(super) struct Steps(mpsc::Receiver<()>);

impl Steps {
    /// Begins to read standard input, on a thread of its own: it may block, and ends with the program.
    pub(super) fn start() -> Self {
        let (lines, taken) = mpsc::channel(1);
        std::thread::spawn(move || {
            for line in stdin().lines() {
                if line.is_err() || lines.blocking_send(()).is_err() {
                    break;
                }
            }
        });
        Self(taken)
    }

    /// Waits for the next line; none is waited for where there are no more.
    pub(super) async fn next(&mut self) {
        self.0.recv().await;
    }
}
