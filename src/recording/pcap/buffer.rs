//! The bytes of a capture that were read and not yet used.

use std::io::{self, Read};

/// How much is read at once, in bytes.
const READ: usize = 256 << 10;

/// A window on the input, which grows up to what is asked for as that comes.
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
            if self.start > 0 && self.bytes.len() - self.start < wanted.max(READ / 2) {
                self.bytes.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.end == self.bytes.len() {
                // What is announced need not come, so that room is made as it does.
                self.bytes.resize(wanted.min(2 * self.end), 0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_no_room_for_what_does_not_come() {
        let mut buffer = Buffer::new(&[7; 1000][..]);
        assert_eq!(buffer.fill(16 << 20).unwrap(), 1000);
        assert_eq!((buffer.data(), buffer.bytes.len()), (&[7; 1000][..], READ));
    }

    #[test]
    fn grows_to_what_comes() {
        let input: Vec<u8> = (0..=u8::MAX).cycle().take(6 * READ).collect();
        let mut buffer = Buffer::new(&input[..]);
        let mut used = 0;
        for wanted in [10, READ, 3 * READ, 100, READ + 1] {
            assert!(buffer.fill(wanted).unwrap() >= wanted);
            assert!(input[used..].starts_with(buffer.data()));
            assert!(buffer.bytes.len() <= 3 * READ);
            buffer.consume(wanted - 1);
            used += wanted - 1;
        }
        assert_eq!(buffer.fill(input.len()).unwrap(), input.len() - used);
        assert_eq!(buffer.data(), &input[used..]);
        assert_eq!(buffer.position(), used as u64);
    }
}
