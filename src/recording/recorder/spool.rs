//! A file that is written in large pieces, by a sink that has one end of it, while we have another.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much is written at once, in bytes.
const PIECE: usize = 256 << 10;

/// Makes a file at a path.
pub(super) type Create = fn(&Path) -> io::Result<File>;

/// Makes the file, which must not be there yet. What people say is for its owner only.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// One end of it.
#[derive(Debug, Clone)]
pub(super) struct Spool(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    file: BufWriter<File>,
    written: u64,
}

impl Spool {
    pub(super) fn new(file: File) -> Self {
        let file = BufWriter::with_capacity(PIECE, file);
        Self(Arc::new(Mutex::new(Inner { file, written: 0 })))
    }

    /// How many bytes were written.
    pub(super) fn written(&self) -> u64 {
        self.lock().written
    }

    /// Hands all to the system.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.lock().file.flush()
    }

    /// From now on the disk is full.
    #[cfg(test)]
    pub(super) fn fill(&self) {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        self.lock().file = BufWriter::with_capacity(PIECE, full);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.lock();
        let count = inner.file.write(bytes)?;
        inner.written += count as u64;
        Ok(count)
    }

    /// Does nothing: sinks flush behind each event, and this is to be written in large pieces.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
