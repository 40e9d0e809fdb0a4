//! A client of the proxy: it opens, sends one message, and then does what the run is about once all
//! that it has sent has come back.

use std::{net::SocketAddr, os::fd::OwnedFd};

use anyhow::{Result, ensure};
use hybridge_bench::{
    payload::Payload,
    wire::{Dialect, Framing, Opening, Role},
};

use crate::stream::Stream;

pub struct Client {
    stream: Stream,
    connection: u32,
    framing: Framing,
    opening: Option<Box<Opening>>,
    sent: u64,
    returned: u64,
    /// Whether this client and whether its peer has said that it closes.
    closes: bool,
    closed: bool,
}

/// What a client does once all that it has sent has come back.
#[derive(Clone, Copy)]
pub enum Next {
    Rest,
    /// Sends so many messages in one write.
    Burst(u64),
    Close,
}

/// What a client has to do beside answering its socket.
pub struct Work<'load> {
    pub payload: &'load Payload,
    pub next: Next,
    /// Room to build one message in.
    pub text: &'load mut Vec<u8>,
    pub buffer: &'load mut Vec<u8>,
}

impl Client {
    pub fn new(socket: OwnedFd, dialect: Dialect, size: usize, connection: u32) -> Self {
        Self {
            stream: Stream::new(socket),
            connection,
            framing: Framing { dialect, sender: Role::Client, size },
            opening: None,
            sent: 0,
            returned: 0,
            closes: false,
            closed: false,
        }
    }

    /// Asks `proxy` for a WebSocket.
    pub fn open(&mut self, proxy: SocketAddr) {
        let opening = Opening::new(self.framing.dialect, proxy, self.connection);
        self.stream.outbox().extend_from_slice(&opening.request);
        self.opening = Some(Box::new(opening));
    }

    /// How many messages have been sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    pub fn is_quiet(&self) -> bool {
        self.opening.is_none() && self.sent > 0 && self.sent == self.returned
    }

    /// Both have said that they close, and the server has closed.
    pub fn is_over(&self) -> bool {
        self.closes && self.closed && self.stream.ended
    }

    /// Takes what has come, sends what is due, and says how many messages came back.
    pub fn advance(&mut self, work: &mut Work) -> Result<u64> {
        self.stream.flush()?;
        self.stream.receive(work.buffer)?;
        if let Some(opening) = &self.opening {
            let Some(length) = opening.check(self.stream.unread())? else {
                return self.check_end().map(|()| 0);
            };
            self.stream.consume(length);
            self.opening = None;
            self.send(1, work)?;
        }
        let before = self.returned;
        let incoming = Framing { sender: Role::Server, ..self.framing };
        let (connection, returned) = (self.connection, &mut self.returned);
        self.closed |= self.stream.messages(incoming, |text| {
            work.payload.check(connection, *returned, text)?;
            *returned += 1;
            Ok(())
        })?;
        if self.closed {
            // The end may have come with the close, and then nothing tells of it again.
            self.stream.receive(work.buffer)?;
        }
        self.check_end()?;
        let count = self.returned - before;
        if self.is_quiet() && !self.closes {
            match work.next {
                Next::Rest => self.stream.shrink(),
                Next::Burst(count) => self.send(count, work)?,
                Next::Close => self.close()?,
            }
        }
        Ok(count)
    }

    /// Fails if the peer has ended what this client has not.
    fn check_end(&self) -> Result<()> {
        ensure!(self.closes || !self.closed, "connection {} was closed", self.connection);
        ensure!(self.closed || !self.stream.ended, "connection {} was cut", self.connection);
        Ok(())
    }

    fn send(&mut self, count: u64, work: &mut Work) -> Result<()> {
        for number in self.sent..self.sent + count {
            work.payload.write(self.connection, number, work.text);
            let mask = self.mask(number);
            self.framing.encode(work.text, mask, self.stream.outbox());
        }
        self.sent += count;
        self.stream.flush()
    }

    fn close(&mut self) -> Result<()> {
        self.closes = true;
        let mask = self.mask(self.sent);
        self.framing.encode_close(mask, self.stream.outbox());
        self.stream.flush()
    }

    fn mask(&self, number: u64) -> [u8; 4] {
        let seed = number ^ u64::from(self.connection) << 16 ^ 0x5bd1_e995;
        let [_, _, _, _, mask @ ..] = seed.to_be_bytes();
        mask
    }
}
