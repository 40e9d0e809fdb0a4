//! A connection of TCP that is made up for one session: who says what, and what of it the other side
//! acknowledges, so that it is seen who had received what.

use super::Leg;
use super::address::Ends;
use super::blocks::packet;
use super::frames::{self, Sign};
use super::opening::{self, Proof};
use super::packet::{ACK, FIN, MOST, PSH, RST, SYN, Segment};
use crate::dialect::hixie::frames::TEXT_END;
use crate::dialect::{Agreement, Dialect};
use crate::event::{Side, Sides};
use crate::transcript::event::{Accept, End, How, Message, Open, What};
use std::collections::VecDeque;
use std::io::{self, Write};

/// How many messages of a side are remembered that the other one has not received. Of more the older
/// half counts as received, and is acknowledged: on a real connection fewer are on their way.
const ON_THEIR_WAY: usize = 1024;

/// How many bytes may be on their way, beside a gap: more than on real connections.
const IN_FLIGHT: u64 = 64 << 20;

/// How large a gap is at most, in bytes: within the window, and far from where sequence numbers would
/// begin anew.
const GAP: u64 = 256 << 20;

/// How many comments wait for a packet at most: a session has a fault and a gap of each side, or
/// few more.
const COMMENTS: usize = 16;

/// The first sequence numbers.
const FIRST: Sides<u32> = Sides { client: 0x1000_0000, backend: 0x2000_0000 };

/// How much memory is kept for packets and messages, in bytes.
const KEPT: usize = 64 * 1024;

/// Writes packets.
#[derive(Debug)]
pub(super) struct Packets<W> {
    pub(super) out: W,
    /// In nanoseconds since 1970.
    pub(super) start: u64,
    /// The headers of a packet.
    head: Vec<u8>,
    /// What is said.
    said: Vec<u8>,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    leg: Leg,
    number: u64,
    ends: Ends,
    agreed: Agreement,
    proof: Proof,
    flows: Sides<Flow>,
    /// Whether the server has answered, or its answer is missing.
    answered: bool,
    /// They stand at the next packet.
    comments: Vec<String>,
}

/// What one side sends. Places are counted from its SYN, which is the first.
#[derive(Debug, Default)]
struct Flow {
    /// The place of its next byte.
    next: u64,
    /// How many bytes are missing before that.
    gap: u64,
    /// Up to where it has received the other flow, and up to where it has said so.
    received: u64,
    acked: u64,
    /// How many messages it has, and how many of them the other side has received.
    messages: u64,
    delivered: u64,
    /// Where the others end.
    ends: VecDeque<u64>,
}

impl<W: Write> Packets<W> {
    pub(super) const fn new(out: W) -> Self {
        Self { out, start: 0, head: Vec::new(), said: Vec::new() }
    }

    fn write(
        &mut self,
        leg: Leg,
        at: u64,
        segment: &Segment<'_>,
        comments: &[String],
    ) -> io::Result<()> {
        self.head.clear();
        segment.write_head(&mut self.head);
        let at = self.start.saturating_add(at);
        packet(leg.number(), at, &self.head, segment.data, comments, &mut self.out)
    }
}

impl Connection {
    /// Opens it, and says the request of the client.
    pub(super) fn open(
        leg: Leg,
        number: u64,
        ends: Ends,
        at: u64,
        open: &Open,
        packets: &mut Packets<impl Write>,
    ) -> io::Result<Self> {
        let asked = opening::request(open);
        let mut connection = Self {
            leg,
            number,
            ends,
            agreed: open.dialect.into(),
            proof: asked.proof,
            flows: Sides::default(),
            answered: false,
            comments: Vec::new(),
        };
        let (client, server) = (Side::Client, Side::Backend);
        connection.send(client, at, SYN, &[], packets)?;
        connection.receive_all(server);
        connection.send(server, at, SYN | ACK, &[], packets)?;
        connection.receive_all(client);
        connection.send(client, at, ACK, &[], packets)?;
        connection.comment(format!("session {number}, request of {}", open.dialect));
        connection.say(client, at, &asked.bytes, packets)?;
        connection.receive_all(server);
        Ok(connection)
    }

    /// Takes what was said.
    pub(super) fn take(
        &mut self,
        at: u64,
        what: &What,
        packets: &mut Packets<impl Write>,
    ) -> io::Result<()> {
        let mut said = std::mem::take(&mut packets.said);
        let (from, name, note) = match what {
            What::Message(message) => {
                let note = frames::message(self.agreed, message, &mut said);
                let number = self.flows[message.from].messages + 1;
                (message.from, format!("message {number}"), note)
            }
            What::Ping { from, data } => {
                let note = frames::sign(self.agreed, *from, Sign::Ping, data, &mut said);
                (*from, "ping".to_owned(), note)
            }
            What::Pong { from, data } => {
                let note = frames::sign(self.agreed, *from, Sign::Pong, data, &mut said);
                (*from, "pong".to_owned(), note)
            }
            What::Close { from, code, reason } => {
                let note = frames::close(self.agreed, *from, *code, reason, &mut said);
                (*from, "close".to_owned(), note)
            }
            What::Accept(accept) => return self.answer(at, accept, packets),
            What::Gap { from, bytes } => {
                self.gap(*from, *bytes);
                return Ok(());
            }
            What::Fault { from, fault } => {
                let (number, party) = (self.number, party(*from));
                self.comment(format!("session {number}, fault of the {party}: {fault}"));
                return Ok(());
            }
            What::Open(_) | What::End(_) => return Ok(()),
        };
        if from == Side::Backend && !self.answered {
            self.comment("the answer was not recorded, and is made up".to_owned());
            self.answer(at, &Accept { status: 101, fields: Vec::new() }, packets)?;
        }
        if let What::Message(Message { seen, .. }) = what {
            self.deliver(from.other(), *seen);
        }
        let mut comment = format!("session {}, {name} of the {}", self.number, party(from));
        if let Some(note) = note {
            comment.extend([": ", note]);
        }
        self.comment(comment);
        if !said.is_empty() {
            self.say(from, at, &said, packets)?;
        }
        if let What::Message(_) = what {
            self.count(from, at, packets)?;
        }
        // One large message does not take its memory to the end.
        said.shrink_to(KEPT);
        packets.said = said;
        Ok(())
    }

    /// Ends it.
    pub(super) fn end(
        &mut self,
        at: u64,
        end: End,
        packets: &mut Packets<impl Write>,
    ) -> io::Result<()> {
        let by = end.by.unwrap_or(Side::Client);
        match end.how {
            How::Fin => {
                for side in [by, by.other()] {
                    self.receive_all(side);
                    self.skip_gap(side);
                    self.send(side, at, FIN | ACK, &[], packets)?;
                }
                self.receive_all(by);
                self.send(by, at, ACK, &[], packets)
            }
            How::Reset => {
                self.receive_all(by);
                self.skip_gap(by);
                self.send(by, at, RST | ACK, &[], packets)
            }
            How::Cut if self.comments.is_empty() => Ok(()),
            How::Cut => {
                // They need a packet, and an acknowledgement must be one of something new.
                let new = |side: &Side| self.flows[*side].acked < self.flows[side.other()].next;
                let Some(side) = Side::BOTH.into_iter().find(new) else { return Ok(()) };
                self.receive_all(side);
                self.send(side, at, ACK, &[], packets)
            }
        }
    }

    fn answer(
        &mut self,
        at: u64,
        accept: &Accept,
        packets: &mut Packets<impl Write>,
    ) -> io::Result<()> {
        let bytes = opening::response(self.agreed.dialect, &self.proof, accept);
        self.agreed.connection_key = self.proof.connection_key(&bytes);
        self.answered = true;
        self.comment(format!("session {}, answer", self.number));
        self.say(Side::Backend, at, &bytes, packets)?;
        let answered = self.flows.backend.next;
        if self.flows.backend.messages == 0 {
            self.flows.client.received = answered;
        }
        Ok(())
    }

    /// Notes that bytes are missing before what comes next.
    fn gap(&mut self, from: Side, bytes: u64) {
        let (number, party) = (self.number, party(from));
        self.comment(format!("session {number}: {bytes} bytes of the {party} are missing"));
        let gap = &mut self.flows[from].gap;
        *gap = gap.saturating_add(bytes).min(GAP);
        self.answered |= from == Side::Backend;
    }

    /// Says something, behind what is missing before it.
    fn say(
        &mut self,
        from: Side,
        at: u64,
        bytes: &[u8],
        packets: &mut Packets<impl Write>,
    ) -> io::Result<()> {
        let on_their_way = self.flows[from].next.saturating_sub(self.flows[from.other()].acked);
        if on_their_way + self.flows[from].gap + bytes.len() as u64 > IN_FLIGHT {
            self.receive_all(from.other());
            self.acknowledge(from.other(), at, packets)?;
        }
        let mut missed = (self.flows[from].gap > 0).then(|| self.skip_gap(from));
        let end: &[u8] = match self.agreed.dialect {
            // That of the frame that is missing, without which the next one is not found.
            Dialect::Hixie(_) if missed.is_some() => &[TEXT_END],
            _ => &[],
        };
        for piece in end.chunks(MOST).chain(bytes.chunks(MOST)) {
            let push = if piece.len() < MOST { PSH } else { 0 };
            self.send(from, at, push | ACK, piece, packets)?;
            // The other side has received what the recording misses.
            if let Some(missed) = missed.take() {
                self.deliver(from, u64::MAX);
                self.flows[from.other()].received = missed;
                self.send(from.other(), at, ACK, &[], packets)?;
            }
        }
        Ok(())
    }

    /// One side acknowledges what it has received, where that is more than it has said.
    fn acknowledge(
        &mut self,
        side: Side,
        at: u64,
        packets: &mut Packets<impl Write>,
    ) -> io::Result<()> {
        if self.flows[side].received == self.flows[side].acked {
            return Ok(());
        }
        // They are of what is said next.
        let comments = std::mem::take(&mut self.comments);
        self.send(side, at, ACK, &[], packets)?;
        self.comments = comments;
        Ok(())
    }

    fn send(
        &mut self,
        from: Side,
        at: u64,
        flags: u8,
        data: &[u8],
        packets: &mut Packets<impl Write>,
    ) -> io::Result<()> {
        let flow = &mut self.flows[from];
        let seq = FIRST[from].wrapping_add(low(flow.next));
        flow.next += data.len() as u64 + u64::from(flags & (SYN | FIN) != 0);
        let ack = match flags & ACK {
            0 => 0,
            _ => {
                flow.acked = flow.received;
                FIRST[from.other()].wrapping_add(low(flow.acked))
            }
        };
        let segment = Segment { ends: &self.ends, from, seq, ack, flags, data };
        let comments = std::mem::take(&mut self.comments);
        packets.write(self.leg, at, &segment, &comments)
    }

    /// A side has received all that was sent to it.
    fn receive_all(&mut self, side: Side) {
        self.deliver(side.other(), u64::MAX);
        self.flows[side].received = self.flows[side.other()].next;
    }

    /// So many messages of a side have been received.
    fn deliver(&mut self, of: Side, messages: u64) {
        let flow = &mut self.flows[of];
        let mut received = None;
        while flow.delivered < messages
            && let Some(end) = flow.ends.pop_front()
        {
            flow.delivered += 1;
            received = Some(end);
        }
        let place = &mut self.flows[of.other()].received;
        *place = received.unwrap_or_default().max(*place);
    }

    /// What a side has just said was a message.
    fn count(&mut self, of: Side, at: u64, packets: &mut Packets<impl Write>) -> io::Result<()> {
        let flow = &mut self.flows[of];
        flow.messages += 1;
        flow.ends.push_back(flow.next);
        if flow.ends.len() <= ON_THEIR_WAY {
            return Ok(());
        }
        let older = flow.messages - ON_THEIR_WAY as u64 / 2;
        self.deliver(of, older);
        self.acknowledge(of.other(), at, packets)
    }

    /// Goes on behind what is missing, and tells where that ends.
    fn skip_gap(&mut self, of: Side) -> u64 {
        let flow = &mut self.flows[of];
        flow.next += std::mem::take(&mut flow.gap);
        flow.next
    }

    fn comment(&mut self, comment: String) {
        if self.comments.len() < COMMENTS {
            self.comments.push(comment);
        }
    }
}

const fn party(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Backend => "server",
    }
}

/// The lower half, from which sequence numbers go on behind the last one.
const fn low(place: u64) -> u32 {
    let [.., a, b, c, d] = place.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}
