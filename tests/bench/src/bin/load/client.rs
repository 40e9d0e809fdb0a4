//! A client of the proxy: it opens, then sends bursts of numbered messages and waits for each burst
//! to come back.

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
}

/// What a client has to do beside answering its socket.
pub struct Work<'load> {
    pub payload: &'load Payload,
    /// Messages of one burst; none when the client is only to open and be silent.
    pub burst: u64,
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
        }
    }

    /// Asks `proxy` for a WebSocket.
    pub fn open(&mut self, proxy: SocketAddr) {
        let opening = Opening::new(self.framing.dialect, proxy, self.connection);
        self.stream.outbox().extend_from_slice(&opening.request);
        self.opening = Some(Box::new(opening));
    }

    pub fn is_quiet(&self) -> bool {
        self.opening.is_none() && self.sent > 0 && self.sent == self.returned
    }

    /// Takes what has come, sends what is due, and says how many messages came back.
    pub fn advance(&mut self, work: &mut Work) -> Result<u64> {
        self.stream.flush()?;
        self.stream.receive(work.buffer)?;
        ensure!(!self.stream.ended, "connection {} was closed", self.connection);
        if let Some(opening) = &self.opening {
            let Some(length) = opening.check(self.stream.unread())? else { return Ok(0) };
            self.stream.consume(length);
            self.opening = None;
            // One round trip belongs to the opening: a raw connection has no other sign of life.
            self.send(1, work)?;
        }
        let before = self.returned;
        let incoming = Framing { sender: Role::Server, ..self.framing };
        let (connection, returned) = (self.connection, &mut self.returned);
        self.stream.messages(incoming, |text| {
            work.payload.check(connection, *returned, text)?;
            *returned += 1;
            Ok(())
        })?;
        let count = self.returned - before;
        if self.sent == self.returned && work.burst > 0 {
            self.send(work.burst, work)?;
        } else if self.is_quiet() {
            self.stream.shrink();
        }
        Ok(count)
    }

    fn send(&mut self, burst: u64, work: &mut Work) -> Result<()> {
        for number in self.sent..self.sent + burst {
            work.payload.write(self.connection, number, work.text);
            let seed = number ^ u64::from(self.connection) << 16 ^ 0x5bd1_e995;
            let [_, _, _, _, mask @ ..] = seed.to_be_bytes();
            self.framing.encode(work.text, mask, self.stream.outbox());
        }
        self.sent += burst;
        self.stream.flush()
    }
}
