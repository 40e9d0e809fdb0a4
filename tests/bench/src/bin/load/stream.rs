//! One socket with the bytes that are not yet a message and those that are not yet taken.

use std::{ops::Range, os::fd::OwnedFd};

use anyhow::Result;
use hybridge_bench::{socket::unless_blocked, wire::Framing};

const READ_SIZE: usize = 64 * 1024;

pub struct Stream {
    socket: OwnedFd,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// The peer will send nothing more.
    pub ended: bool,
}

impl Stream {
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, inbox: Vec::new(), outbox: Vec::new(), ended: false }
    }

    /// Reads all that has come, by way of `buffer`.
    pub fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<()> {
        buffer.resize(READ_SIZE, 0);
        while !self.ended {
            match unless_blocked(rustix::io::read(&self.socket, &mut buffer[..]))? {
                None => break,
                Some(0) => self.ended = true,
                Some(length) => {
                    self.inbox.extend_from_slice(&buffer[..length]);
                    if length < READ_SIZE {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    pub fn unread(&self) -> &[u8] {
        &self.inbox
    }

    pub fn consume(&mut self, length: usize) {
        self.inbox.drain(..length);
    }

    /// Takes out every complete message.
    pub fn messages(
        &mut self,
        framing: Framing,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut start = 0;
        while let Some((place, length)) = framing.decode(&mut self.inbox[start..])? {
            let Range { start: from, end: to } = place;
            take(&self.inbox[start + from..start + to])?;
            start += length;
        }
        self.inbox.drain(..start);
        Ok(())
    }

    /// Where to put what is to be sent next.
    pub fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    /// Sends as much as is taken, in one write if it is taken at once.
    pub fn flush(&mut self) -> Result<()> {
        let mut sent = 0;
        while sent < self.outbox.len() {
            match unless_blocked(rustix::io::write(&self.socket, &self.outbox[sent..]))? {
                None => break,
                Some(length) => sent += length,
            }
        }
        self.outbox.drain(..sent);
        Ok(())
    }

    /// Gives back the memory of an empty inbox and outbox.
    pub fn shrink(&mut self) {
        self.inbox.shrink_to_fit();
        self.outbox.shrink_to_fit();
    }
}
