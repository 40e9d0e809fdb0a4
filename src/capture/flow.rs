//! One TCP connection: the streams of both sides, from where they begin to where they end.
//!
//! A connection whose beginning was not captured, or that lost bytes before it became a session, is
//! listened to from a segment on that begins with a request: there the stream of the client begins, and
//! that of the server where the client acknowledges it.

use super::ip::Segment;
use super::stream::{Part, Patience, Stamp, Stream, Verdict};
use super::talk::{Talk, Telling};
use crate::event::{Side, Sides};
use crate::transcript::conversation::Found;
use core::net::SocketAddr;

/// A connection.
#[derive(Debug)]
pub(super) struct Flow {
    /// Where the sides are. Until it is certain, who was seen first is taken for the client.
    addresses: Sides<SocketAddr>,
    is_certain: bool,
    /// Whether its beginning was seen.
    has_syn: bool,
    /// What each side sends.
    streams: Sides<Stream>,
    talk: Talk,
    /// The number of its last packet.
    pub(super) last: u64,
    /// How much memory it takes beside itself, in bytes.
    pub(super) kept: usize,
}

/// Whether a segment was of the connection that it was given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs {
    Here,
    /// It begins another one between the same addresses.
    ToTheNext,
}

impl Flow {
    /// The connection of which this is the first segment that is seen.
    pub(super) fn new(segment: &Segment<'_>) -> Self {
        Self {
            addresses: Sides { client: segment.from, backend: segment.to },
            is_certain: false,
            has_syn: false,
            streams: Sides::default(),
            talk: Talk::default(),
            last: 0,
            kept: 0,
        }
    }

    /// Takes a segment.
    pub(super) fn take(&mut self, segment: &Segment<'_>, telling: &mut Telling<'_>) -> Belongs {
        let fits = !segment.syn || self.synchronize(segment);
        if !fits && segment.acknowledges.is_none() {
            return Belongs::ToTheNext;
        }
        self.last = telling.packet;
        let from = self.side(segment.from);
        self.streams[from].appear();
        if !fits {
            telling.account.stray_segments += 1;
        } else if !self.talk.is_over() {
            self.listen(from, segment, telling);
        } else if !self.streams[from].is_near(segment.sequence) {
            // The beginning of the next was not seen, or comes later.
            return Belongs::ToTheNext;
        } else if self.talk.session().is_some() {
            // What comes again of a session that has ended is counted.
            self.put(from, segment, telling);
            self.let_go();
        } else {
            self.streams[from].follow(segment.sequence);
        }
        let Self { talk, streams, .. } = &*self;
        self.kept = talk.kept() + streams.client.kept() + streams.backend.kept();
        Belongs::Here
    }

    /// Takes note that no more will come, and counts what it was.
    pub(super) fn close(mut self, telling: &mut Telling<'_>) {
        self.flush(telling);
        self.talk.cut(&self.addresses, telling);
        let account = &mut *telling.account;
        account.flows += 1;
        let Sides { client, backend } = &self.streams;
        account.one_way_flows += u64::from(!(client.is_seen() && backend.is_seen()));
        if let Some(count) = self.talk.kind(self.has_syn, account) {
            *count += 1;
        }
    }

    /// Takes note that there is no room for it.
    pub(super) fn forget(&mut self, telling: &mut Telling<'_>) {
        telling.account.forgotten_flows += 1;
        self.talk.cut(&self.addresses, telling);
        if !self.talk.is_over() {
            self.talk.leave(Found::Other);
        }
        self.let_go();
        self.kept = 0;
    }

    /// The number of its session, if it is one that has not ended.
    pub(super) fn session(&self) -> Option<u64> {
        self.talk.session().filter(|_| !self.talk.is_over())
    }

    /// Whether more can be heard of it.
    pub(super) const fn is_over(&self) -> bool {
        self.talk.is_over()
    }

    fn side(&self, address: SocketAddr) -> Side {
        if address == self.addresses.client { Side::Client } else { Side::Backend }
    }

    /// Takes note of a SYN; whether it is of this connection.
    fn synchronize(&mut self, segment: &Segment<'_>) -> bool {
        let from = self.side(segment.from);
        if self.talk.is_over() {
            return self.streams[from].is_synchronized_by(segment.sequence);
        }
        if !self.streams[from].synchronize(segment.sequence) {
            return false;
        }
        self.has_syn = true;
        let is_client = segment.acknowledges.is_none();
        if !self.is_certain && is_client != (from == Side::Client) {
            self.turn_round();
        }
        self.is_certain = true;
        // The SYN that it answers need not have been captured.
        if let Some(number) = segment.acknowledges {
            self.streams.client.begin_at(number);
        }
        true
    }

    fn turn_round(&mut self) {
        let Self { addresses, streams, .. } = self;
        std::mem::swap(&mut addresses.client, &mut addresses.backend);
        std::mem::swap(&mut streams.client, &mut streams.backend);
    }

    fn listen(&mut self, from: Side, segment: &Segment<'_>, telling: &mut Telling<'_>) {
        let verdict = self.put(from, segment, telling);
        let from = self.seek(from, segment.data);
        let is_near = match verdict {
            Some(verdict) => verdict != Verdict::Stray,
            None => self.streams[from].is_near(segment.sequence),
        };
        if let Some(number) = segment.acknowledges.filter(|_| is_near && !segment.rst) {
            self.streams[from.other()].acknowledge(number);
        }
        self.streams.client.tick();
        self.streams.backend.tick();
        self.move_on(Patience::Usual, telling);
        if segment.rst {
            if is_near {
                self.flush(telling);
                self.talk.end(from, true, &self.addresses, telling);
                self.resume();
            } else {
                telling.account.stray_segments += 1;
            }
        }
        if self.talk.is_over() {
            self.let_go();
        }
    }

    /// Puts what a segment brings to its stream, if it brings something.
    fn put(
        &mut self,
        from: Side,
        segment: &Segment<'_>,
        telling: &mut Telling<'_>,
    ) -> Option<Verdict> {
        let Segment { data, missing, acknowledges, .. } = *segment;
        let sequence = segment.sequence.wrapping_add(u32::from(segment.syn));
        let length = data.len() as u64 + u64::from(missing);
        let [stream, other] = self.pair(from);
        if segment.fin {
            stream.finish(sequence, length);
        }
        if length == 0 {
            return None;
        }
        let stamp = Stamp { packet: telling.packet, acknowledges };
        let conflicts = &mut telling.account.conflicts;
        let (verdict, now) = stream.take(sequence, data, missing, stamp, other, conflicts);
        match verdict {
            Verdict::New => {}
            Verdict::Duplicate => telling.account.duplicates += 1,
            Verdict::Stray => telling.account.stray_segments += 1,
        }
        if !now.is_empty() {
            self.hear(from, Part::Data(now, stamp), telling);
        }
        Some(verdict)
    }

    /// Looks for a beginning in what a side has sent; returns which side that is.
    fn seek(&mut self, from: Side, data: &[u8]) -> Side {
        let may_ask = !self.is_certain || from == Side::Client;
        if !may_ask || !self.talk.is_seeking() || self.streams[from].has_begun() {
            return from;
        }
        if is_tls(data) {
            self.talk.leave(Found::Tls);
            return from;
        }
        self.streams[from].begin_at_first(is_request);
        if !self.streams[from].has_begun() {
            return from;
        }
        if from == Side::Backend {
            self.turn_round();
        }
        self.is_certain = true;
        Side::Client
    }

    /// Has all be heard that is next of either side.
    fn move_on(&mut self, patience: Patience, telling: &mut Telling<'_>) {
        let mut is_moving = true;
        while std::mem::take(&mut is_moving) {
            for side in Side::BOTH {
                let [stream, other] = self.pair(side);
                if let Some(part) = stream.next(other, patience) {
                    is_moving = true;
                    match part {
                        Part::Data(data, stamp) => {
                            self.hear(side, Part::Data(&*data, stamp), telling);
                        }
                        Part::Gap(bytes) => self.hear(side, Part::Gap(bytes), telling),
                        Part::End => self.hear(side, Part::End, telling),
                    }
                }
            }
        }
    }

    /// Has all be heard that there is: what is missing will not come any more.
    fn flush(&mut self, telling: &mut Telling<'_>) {
        self.move_on(Patience::Short, telling);
        self.move_on(Patience::None, telling);
    }

    fn hear(&mut self, from: Side, part: Part<&[u8]>, telling: &mut Telling<'_>) {
        let other = &mut self.streams[from.other()];
        self.talk.hear(from, part, other, &self.addresses, telling);
        self.resume();
    }

    /// Goes on behind what could not be understood.
    fn resume(&mut self) {
        if self.talk.resume(self.has_syn) {
            self.streams.client.restart();
            self.streams.backend.restart();
            // Another beginning may be in what is held.
            self.streams.client.begin_at_first(is_request);
        }
    }

    /// What a side says, and what the other one does.
    const fn pair(&mut self, from: Side) -> [&mut Stream; 2] {
        let Sides { client, backend } = &mut self.streams;
        match from {
            Side::Client => [client, backend],
            Side::Backend => [backend, client],
        }
    }

    fn let_go(&mut self) {
        self.streams.client.forget();
        self.streams.backend.forget();
    }
}

/// Whether bytes can be the beginning of an opening handshake.
fn is_request(bytes: &[u8]) -> bool {
    let method = b"GET ";
    !bytes.is_empty() && bytes.iter().zip(method).all(|(byte, expected)| byte == expected)
}

/// Whether bytes are the beginning of a record of TLS (RFC 8446 section 5.1).
const fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x14..=0x17, 0x03, 0x00..=0x04, ..])
}
