//! Buffers that wait for a connection with something to keep.
//!
//! A connection owns a buffer only while a part of its bytes cannot move on: a message that is not
//! whole, or bytes that the socket refused. Then it takes one from here, so that the steady state
//! allocates nothing.

/// How many buffers wait at most.
const KEPT: usize = 64;

/// The largest buffer that is kept, in bytes; larger ones are freed when they come back.
const LARGEST: usize = 256 * 1024;

/// A bounded store of empty buffers.
#[derive(Debug, Default)]
pub struct Spare(Vec<Vec<u8>>);

impl Spare {
    /// An empty buffer.
    pub fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub fn give(&mut self, mut buffer: Vec<u8>) {
        if self.0.len() < KEPT && (1..=LARGEST).contains(&buffer.capacity()) {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}
