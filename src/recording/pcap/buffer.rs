//! The bytes of a capture that were read and not yet used.

use std::io::{self, Read};

/// How much is read at once, in bytes.
const READ: usize = 256 << 10;

/// A window on the input, which grows to what is asked for.
#[derive(Debug)]
pub(super) struct Buffer<R> {
    input: R,
    bytes: Vec<u8>,
    /// Which of them are not used.
    start: usize,
    end: usize,
    /// Where the first of those stands in the input.
    position: u64,
}

impl<R: Read> Buffer<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, bytes: vec![0; READ], start: 0, end: 0, position: 0 }
    }

    /// Reads until there are so many bytes; returns how many there are, which is less only at the end
    /// of the input. It waits for no more than that: a capture may be going on.
    pub(super) fn fill(&mut self, wanted: usize) -> io::Result<usize> {
        while self.end - self.start < wanted {
            if self.bytes.len() - self.start < wanted.max(READ / 2) {
                self.bytes.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
                if self.bytes.len() < wanted {
                    self.bytes.resize(wanted, 0);
                }
            }
            match self.input.read(self.bytes.get_mut(self.end..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.end - self.start)
    }

    /// The bytes that are not used.
    pub(super) fn data(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Uses bytes, of those that there are.
    pub(super) const fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.position += bytes as u64;
    }

    /// Where the first of the unused bytes stands in the input.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }
}
