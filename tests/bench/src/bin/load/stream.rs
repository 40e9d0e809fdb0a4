//! One socket with the bytes that are not yet a message and those that are not yet taken.

use std::os::fd::OwnedFd;

use anyhow::{Result, ensure};
use hybridge_bench::{
    socket::unless_blocked,
    wire::{Frame, Framing},
};

const READ_SIZE: usize = 64 * 1024;

pub struct Stream {
    socket: OwnedFd,
    inbox: Vec<u8>,
    /// The message that comes in fragments, as far as it has come.
    fragments: Option<Vec<u8>>,
    outbox: Vec<u8>,
    /// How much of the outbox is gone.
    sent: usize,
    /// The peer will send nothing more.
    pub ended: bool,
}

impl Stream {
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            inbox: Vec::new(),
            fragments: None,
            outbox: Vec::new(),
            sent: 0,
            ended: false,
        }
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

    /// Takes out every complete message; whether a closing handshake stands behind them.
    pub fn messages(
        &mut self,
        framing: Framing,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<bool> {
        let mut start = 0;
        let mut closes = false;
        while let Some((frame, length)) = framing.decode(&mut self.inbox[start..])? {
            match frame {
                Frame::Text { place, first, last } => {
                    ensure!(first == self.fragments.is_none(), "fragments of two messages");
                    let text = &self.inbox[start..][place];
                    if first && last {
                        take(text)?;
                    } else {
                        let message = self.fragments.get_or_insert_default();
                        message.extend_from_slice(text);
                        if last {
                            take(message)?;
                            self.fragments = None;
                        }
                    }
                }
                Frame::Close => closes = true,
            }
            start += length;
        }
        self.consume(start);
        Ok(closes)
    }

    /// Where to put what is to be sent next.
    pub fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    /// Sends as much as is taken, in one write if it is taken at once.
    pub fn flush(&mut self) -> Result<()> {
        while self.sent < self.outbox.len() {
            match unless_blocked(rustix::io::write(&self.socket, &self.outbox[self.sent..]))? {
                None => return Ok(()),
                Some(length) => self.sent += length,
            }
        }
        self.outbox.clear();
        self.sent = 0;
        Ok(())
    }

    /// Gives back the memory of an empty inbox and outbox.
    pub fn shrink(&mut self) {
        self.inbox.shrink_to_fit();
        self.outbox.shrink_to_fit();
    }
}
