//! One TCP connection: the streams of both sides, from where they begin to where they end.
//!
//! A connection whose beginning was not captured, or that lost bytes before it became a session, is
//! listened to from a segment on that begins with a request: there the stream of the client begins, and
//! that of the server where the client acknowledges it.

use super::ip::Segment;
use super::stream::{Each, Stamp, Stream, Verdict};
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
    /// Which of them has sent anything.
    seen: Sides<bool>,
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
            seen: Sides::default(),
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
        self.seen[from] = true;
        if !fits {
            telling.account.stray_segments += 1;
        } else if !self.talk.is_over() {
            self.listen(from, segment, telling);
        } else if self.talk.session().is_some() {
            // What comes again of a session that has ended is counted.
            self.put(from, segment, telling);
            self.let_go();
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
        account.one_way_flows += u64::from(!(self.seen.client && self.seen.backend));
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
        let Self { addresses, streams, seen, .. } = self;
        std::mem::swap(&mut addresses.client, &mut addresses.backend);
        std::mem::swap(&mut streams.client, &mut streams.backend);
        std::mem::swap(&mut seen.client, &mut seen.backend);
    }

    fn listen(&mut self, from: Side, segment: &Segment<'_>, telling: &mut Telling<'_>) {
        self.put(from, segment, telling);
        let from = self.seek(from, segment.data);
        if let Some(number) = segment.acknowledges.filter(|_| !segment.rst) {
            self.streams[from.other()].acknowledge(number);
        }
        for side in [from, from.other()] {
            self.drive(side, telling, Stream::settle);
        }
        if segment.rst && self.streams[from].is_near(segment.sequence) {
            self.flush(telling);
            self.talk.end(from, true, &self.addresses, telling);
        }
        if self.talk.is_over() {
            self.let_go();
        }
    }

    /// Puts what a segment brings to its stream.
    fn put(&mut self, from: Side, segment: &Segment<'_>, telling: &mut Telling<'_>) {
        let Segment { data, missing, acknowledges, .. } = *segment;
        let sequence = segment.sequence.wrapping_add(u32::from(segment.syn));
        let length = data.len() as u64 + u64::from(missing);
        if segment.fin {
            self.streams[from].finish(sequence, length);
        }
        if length == 0 {
            return;
        }
        let stamp = Stamp { packet: telling.packet, acknowledges };
        let mut conflicts = 0;
        let verdict = self.drive(from, telling, |stream, each| {
            stream.take(sequence, data, missing, stamp, &mut conflicts, each)
        });
        telling.account.conflicts += conflicts;
        match verdict {
            Verdict::New => {}
            Verdict::Duplicate => telling.account.duplicates += 1,
            Verdict::Stray => telling.account.stray_segments += 1,
        }
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

    /// Tells all that there is; what is missing will not come any more. The client's goes first: what
    /// it says comes before what it is answered.
    fn flush(&mut self, telling: &mut Telling<'_>) {
        for side in Side::BOTH {
            self.drive(side, telling, Stream::flush);
        }
    }

    /// Has a stream move on, and what it brings be heard.
    fn drive<R>(
        &mut self,
        from: Side,
        telling: &mut Telling<'_>,
        step: impl FnOnce(&mut Stream, Each<'_>) -> R,
    ) -> R {
        let Self { talk, addresses, streams: Sides { client, backend }, .. } = self;
        let (stream, other) = match from {
            Side::Client => (&mut *client, &mut *backend),
            Side::Backend => (&mut *backend, &mut *client),
        };
        let result = step(stream, &mut |part| {
            talk.hear(from, part, other, addresses, telling);
        });
        if talk.resume(self.has_syn) {
            client.restart();
            backend.restart();
        }
        result
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
