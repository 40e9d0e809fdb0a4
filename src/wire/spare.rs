//! Buffers, and what inflates and deflates, that wait for a connection with something to keep.
//!
//! A connection owns a buffer only while a part of its bytes cannot move on: a message that is not
//! whole, or bytes that the socket refused. Then it takes one from here, so that the steady state
//! allocates nothing.

use super::deflate::{Deflater, Inflater};

/// How many buffers wait at most.
const KEPT: usize = 64;

/// The largest buffer that is kept, in bytes; larger ones are freed when they come back.
const LARGEST: usize = 256 * 1024;

/// How many inflaters and how many deflaters wait at most: they are large, and most messages are whole,
/// so that one is back before the next is wanted.
const STREAMS: usize = 4;

/// A bounded store of empty buffers, and of inflaters and deflaters that remember nothing.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "the boxes are what is handed out")]
pub struct Spare {
    buffers: Vec<Box<Buffer>>,
    inflaters: Vec<Box<Inflater>>,
    deflaters: Vec<Box<Deflater>>,
}

/// Bytes that are appended at the end and used up from the front. Boxed where it is optional, so
/// that a connection without one pays for a pointer.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    used: usize,
}

impl Spare {
    /// An empty buffer.
    pub fn take(&mut self) -> Box<Buffer> {
        self.buffers.pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub fn give(&mut self, mut buffer: Box<Buffer>) {
        if self.buffers.len() < KEPT && buffer.bytes.capacity() <= LARGEST {
            buffer.bytes.clear();
            buffer.used = 0;
            self.buffers.push(buffer);
        }
    }

    /// An inflater before the first message.
    pub fn inflater(&mut self) -> Box<Inflater> {
        self.inflaters.pop().unwrap_or_default()
    }

    /// Gives an inflater back, which forgets what it knows.
    pub fn give_inflater(&mut self, mut inflater: Box<Inflater>) {
        if self.inflaters.len() < STREAMS {
            inflater.reset();
            self.inflaters.push(inflater);
        }
    }

    /// A deflater before the first message, with a window of at most so many bits.
    pub fn deflater(&mut self, window_bits: u8) -> Box<Deflater> {
        let wanted = Deflater::window(window_bits);
        let found = self.deflaters.iter().position(|kept| kept.window_bits() == wanted);
        match found {
            Some(found) => self.deflaters.swap_remove(found),
            None => Box::new(Deflater::new(wanted)),
        }
    }

    /// Gives a deflater back, which forgets what it knows.
    pub fn give_deflater(&mut self, mut deflater: Box<Deflater>) {
        if self.deflaters.len() < STREAMS {
            deflater.reset();
            self.deflaters.push(deflater);
        }
    }
}

impl Buffer {
    /// The bytes that are not used up.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }

    /// How many bytes are not used up.
    pub const fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    /// Whether all bytes are used up.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends bytes.
    pub fn append(&mut self, bytes: &[u8]) {
        self.compact();
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends zeros, to be written over, and returns them.
    pub fn grow(&mut self, count: usize) -> &mut [u8] {
        self.compact();
        let start = self.bytes.len();
        self.bytes.resize(start + count, 0);
        self.bytes.get_mut(start..).unwrap_or_default()
    }

    /// Takes bytes off the end; at most as many as there are.
    pub fn cut(&mut self, count: usize) {
        self.bytes.truncate(self.bytes.len() - count.min(self.len()));
    }

    /// Gives up the room of what is used up: a buffer that is never quite empty must not grow.
    fn compact(&mut self) {
        self.bytes.drain(..std::mem::take(&mut self.used));
    }

    /// Uses up bytes at the front; at most as many as there are.
    pub fn consume(&mut self, count: usize) {
        self.used += count.min(self.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_is_never_empty_does_not_grow() {
        let mut buffer = Buffer::default();
        buffer.append(&[1; 10]);
        for _ in 0..10_000 {
            buffer.append(&[2; 100]);
            buffer.consume(100);
            assert_eq!(buffer.len(), 10);
        }
        assert!(buffer.bytes.capacity() < 1000, "{}", buffer.bytes.capacity());
    }
}
