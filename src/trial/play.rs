//! One case on one connection.

use super::Bounds;
use crate::conformance::run::{Next, Run};
use crate::net::stream::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::{Instant, sleep_until};

/// How much is read at once.
const READ: usize = 64 << 10;

/// A case as a whole may take so many times what a peer may be silent: some have a thousand messages.
const WHOLE: u32 = 20;

/// A part of the time that a peer may be silent, for those that have an occasion to be quick.
const LULL: u32 = 4;

struct Line {
    read: ReadHalf<Stream>,
    write: WriteHalf<Stream>,
    buffer: Vec<u8>,
    /// Whether our stream is of no more use.
    is_broken: bool,
    has_ended: bool,
}

/// Plays a case to its end.
pub(super) async fn play(stream: Stream, run: &mut Run, bounds: Bounds) {
    let (read, write) = split(stream);
    let (is_broken, has_ended) = (false, false);
    let mut line = Line { read, write, buffer: vec![0; READ], is_broken, has_ended };
    let end = Instant::now() + bounds.silence * WHOLE;
    loop {
        let silence = end.min(Instant::now() + bounds.silence);
        match run.proceed() {
            Next::Write(bytes) => line.write(&bytes, run, silence).await,
            Next::Finish => {
                // Who has gone need not be told.
                line.write.shutdown().await.ok();
                line.is_broken = true;
            }
            Next::Read => line.read(run, silence).await,
            Next::Lull => line.read(run, Instant::now() + bounds.silence / LULL).await,
            Next::Done => return,
        }
    }
}

impl Line {
    /// Writes, and reads meanwhile: a peer that echoes does not read on before it is heard.
    async fn write(&mut self, bytes: &[u8], run: &mut Run, until: Instant) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.is_broken {
            let Self { read, write, buffer, has_ended, .. } = self;
            tokio::select! {
                written = write.write(rest) => match written {
                    Ok(count) if count > 0 => rest = rest.get(count..).unwrap_or_default(),
                    // What it has said before it went is still to be read.
                    Ok(_) | Err(_) => self.is_broken = true,
                },
                result = read.read(buffer), if !*has_ended => self.take(run, result),
                () = sleep_until(until) => {
                    run.time_is_up();
                    return;
                }
            }
        }
        if !self.is_broken {
            self.is_broken = self.write.flush().await.is_err();
        }
    }

    async fn read(&mut self, run: &mut Run, until: Instant) {
        let Self { read, buffer, .. } = self;
        tokio::select! {
            result = read.read(buffer) => self.take(run, result),
            () = sleep_until(until) => run.time_is_up(),
        }
    }

    fn take(&mut self, run: &mut Run, result: std::io::Result<usize>) {
        match result {
            Ok(count) if count > 0 => run.heard(self.buffer.get(..count).unwrap_or_default()),
            result => {
                self.has_ended = true;
                run.ended(result.is_ok());
            }
        }
    }
}
