//! One session, a packet or two at a time.

use std::io::Write;

use anyhow::Result;
use hybridge_bench::payload::Payload;
use hybridge_bench::wire::{Dialect, Framing, Opening, Role, answer};
use rand::{RngExt, rngs::StdRng};

use crate::packet::{Head, Packets};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

const SERVER: ([u8; 4], u16) = ([192, 0, 2, 1], 80);

/// The lengths of messages, in bytes.
const SIZES: [usize; 6] = [300, 420, 560, 800, 1100, 1400];

/// One segment of data in so many comes again: 0.5 %.
const AGAIN: u32 = 200;

/// One message in so many comes in front of the one before it.
const SWAPPED: u32 = 300;

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Syn,
    SynAck,
    Request,
    Answer,
    Messages,
    CloseOf(Role),
    FinOf(Role),
    LastAck,
    Over,
}

/// A session.
pub struct Session {
    number: u32,
    dialect: Dialect,
    opening: Opening,
    stage: Stage,
    /// Messages yet to come.
    messages: u32,
    client: ([u8; 4], u16),
    /// The next sequence numbers of the client and of the server.
    next: [u32; 2],
}

impl Session {
    pub fn new(number: u32, messages: u32) -> Self {
        let dialect = if number.is_multiple_of(2) { Dialect::Hixie76 } else { Dialect::Rfc6455 };
        // Each has addresses of its own: 50,000 ports a client.
        let [_, high, middle, low] = (number / 50_000).to_be_bytes();
        let port = u16::try_from(10_000 + number % 50_000).unwrap_or(u16::MAX);
        let opening = Opening::new(dialect, ([192, 0, 2, 1], 80).into(), number % 9000);
        let next = [number.wrapping_mul(0x9e37_79b9), number.wrapping_mul(0x85eb_ca6b)];
        let client = ([10, high, middle, low], port);
        Self { number, dialect, opening, stage: Stage::Syn, messages, client, next }
    }

    /// Has it come to its end soon.
    pub fn hurry(&mut self) {
        self.messages = 0;
    }

    /// Writes what comes next; whether something comes behind that.
    pub fn step(&mut self, random: &mut StdRng, packets: &mut Packets<impl Write>) -> Result<bool> {
        self.stage = match self.stage {
            Stage::Syn => {
                self.send(Role::Client, SYN, &[], None, packets)?;
                self.next[0] = self.next[0].wrapping_add(1);
                Stage::SynAck
            }
            Stage::SynAck => {
                self.send(Role::Server, SYN | ACK, &[], None, packets)?;
                self.next[1] = self.next[1].wrapping_add(1);
                Stage::Request
            }
            Stage::Request => {
                self.send(Role::Client, ACK, &[], None, packets)?;
                let request = self.opening.request.clone();
                self.send(Role::Client, PSH | ACK, &request, None, packets)?;
                Stage::Answer
            }
            Stage::Answer => {
                let answer = answer(self.dialect, &self.opening.request)?;
                let (answer, _) = answer.unwrap_or_default();
                self.send(Role::Server, PSH | ACK, &answer, None, packets)?;
                Stage::Messages
            }
            Stage::Messages if self.messages > 0 => {
                self.message(random, packets)?;
                Stage::Messages
            }
            Stage::Messages => Stage::CloseOf(Role::Client),
            Stage::CloseOf(role) => {
                let mut frame = Vec::new();
                self.framing(role).encode_close(random.random(), &mut frame);
                self.send(role, PSH | ACK, &frame, None, packets)?;
                if role == Role::Client { Stage::CloseOf(Role::Server) } else { Stage::FinOf(role) }
            }
            Stage::FinOf(role) => {
                self.send(role, FIN | ACK, &[], None, packets)?;
                let next = &mut self.next[usize::from(role == Role::Server)];
                *next = next.wrapping_add(1);
                if role == Role::Server { Stage::FinOf(Role::Client) } else { Stage::LastAck }
            }
            Stage::LastAck => {
                self.send(Role::Server, ACK, &[], None, packets)?;
                Stage::Over
            }
            Stage::Over => Stage::Over,
        };
        Ok(self.stage != Stage::Over)
    }

    /// A message of either side, or two in the wrong order, and now and then an acknowledgement.
    fn message(&mut self, random: &mut StdRng, packets: &mut Packets<impl Write>) -> Result<()> {
        let role = if random.random_range(0..3) == 0 { Role::Client } else { Role::Server };
        let again = (random.random_range(0..AGAIN) == 0).then(|| random.random_range(0..40));
        let frame = self.frame(role, random)?;
        self.messages -= 1;
        if self.messages > 0 && random.random_range(0..SWAPPED) == 0 {
            let later = self.frame(role, random)?;
            self.messages -= 1;
            let side = usize::from(role == Role::Server);
            let first = self.next[side];
            self.next[side] = first.wrapping_add(u32::try_from(frame.len())?);
            self.send(role, PSH | ACK, &later, None, packets)?;
            let end = std::mem::replace(&mut self.next[side], first);
            self.send(role, PSH | ACK, &frame, again, packets)?;
            self.next[side] = end;
        } else {
            self.send(role, PSH | ACK, &frame, again, packets)?;
        }
        if random.random_range(0..4) == 0 {
            let other = if role == Role::Client { Role::Server } else { Role::Client };
            self.send(other, ACK, &[], None, packets)?;
        }
        Ok(())
    }

    fn frame(&self, role: Role, random: &mut StdRng) -> Result<Vec<u8>> {
        let size = SIZES[random.random_range(0..SIZES.len())];
        let (mut text, mut frame) = (Vec::new(), Vec::with_capacity(size + 14));
        Payload::new(size)?.write(self.number, self.messages.into(), &mut text);
        self.framing(role).encode(&text, random.random(), &mut frame);
        Ok(frame)
    }

    fn framing(&self, sender: Role) -> Framing {
        Framing { dialect: self.dialect, sender, size: 0 }
    }

    fn send(
        &mut self,
        role: Role,
        flags: u8,
        data: &[u8],
        again: Option<u32>,
        packets: &mut Packets<impl Write>,
    ) -> Result<()> {
        let side = usize::from(role == Role::Server);
        let (from, to) =
            if role == Role::Client { (self.client, SERVER) } else { (SERVER, self.client) };
        let ack = if flags & ACK == 0 { 0 } else { self.next[1 - side] };
        let head = Head { from, to, seq: self.next[side], ack, flags };
        packets.write(head, data, again)?;
        self.next[side] = self.next[side].wrapping_add(u32::try_from(data.len())?);
        Ok(())
    }
}
