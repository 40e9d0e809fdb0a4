//! A file that is written in large pieces, and how much of it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How much is written at once, in bytes.
const PIECE: usize = 256 << 10;

/// Makes a file at a path.
pub(super) type Create = fn(&Path) -> io::Result<File>;

/// Makes the file, which must not be there yet. What people say is for its owner only.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The file.
#[derive(Debug)]
pub(super) struct Spool {
    file: BufWriter<File>,
    written: u64,
}

impl Spool {
    pub(super) fn new(file: File) -> Self {
        Self { file: BufWriter::with_capacity(PIECE, file), written: 0 }
    }

    /// How many bytes were written.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// From now on the disk is full.
    #[cfg(test)]
    pub(super) fn fill(&mut self) {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        self.file = BufWriter::with_capacity(PIECE, full);
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.written += count as u64;
        Ok(count)
    }

    /// Hands all to the system.
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
