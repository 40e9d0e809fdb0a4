//! The server behind the proxy: it checks every message and sends it back.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use hybridge_bench::{
    payload::Payload,
    wire::{self, Dialect, Framing, Role},
};

use crate::stream::Stream;

/// One connection that the proxy has opened.
pub struct Echo {
    stream: Stream,
    dialect: Dialect,
    open: bool,
    /// Who the client is and what it says next, known from its first message on.
    expected: Option<(u32, u64)>,
}

impl Echo {
    pub fn new(socket: OwnedFd, dialect: Dialect) -> Self {
        Self { stream: Stream::new(socket), dialect, open: false, expected: None }
    }

    /// Answers what has come; false once the connection is over.
    pub fn advance(&mut self, payload: &Payload, buffer: &mut Vec<u8>) -> Result<bool> {
        self.stream.receive(buffer)?;
        if !self.open {
            let Some((answer, length)) = wire::answer(self.dialect, self.stream.unread())? else {
                return Ok(!self.stream.ended);
            };
            self.stream.consume(length);
            self.stream.outbox().extend_from_slice(&answer);
            self.open = true;
        }
        let mut echoes = std::mem::take(self.stream.outbox());
        let expected = &mut self.expected;
        let (dialect, size) = (self.dialect, payload.size());
        let answers = Framing { dialect, sender: Role::Server, size };
        let closes = self.stream.messages(Framing { sender: Role::Client, ..answers }, |text| {
            let from = Payload::connection(text).context("a message without a label")?;
            let (connection, number) = expected.unwrap_or((from, 0));
            payload.check(connection, number, text)?;
            *expected = Some((connection, number + 1));
            answers.encode(text, [0; 4], &mut echoes);
            Ok(())
        })?;
        if closes {
            answers.encode_close([0; 4], &mut echoes);
        }
        *self.stream.outbox() = echoes;
        self.stream.flush()?;
        // Who closes has heard all that was sent, so that the answer is taken at once.
        Ok(!self.stream.ended && !closes)
    }
}
