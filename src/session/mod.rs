//! A session: two peers of any dialects, what one says translated for the other.
//!
//! Pure: bytes, the time and randomness come in as arguments; bytes, deadlines and facts come out.
//! Methods that take a [`Turn`] may write into the outboxes, and what is there must be sent before
//! the next turn.

pub mod closing;
pub mod fact;
mod gather;
pub mod translate;

use crate::dialect::Dialect;
use crate::dialect::reader::Reader;
use crate::dialect::writer::{Farewell, Writer};
use crate::event::{Chunk, Event, FinMeans, Reason, Side, Sides, close_code};
use crate::fault::Fault;
use crate::limits::{Limits, Millis};
use crate::wire::entropy::Entropy;
use crate::wire::outbox::Outbox;
use crate::wire::spare::Spare;
use closing::{Closing, Ending, Phase};
use fact::{Cause, Fact, Loss, Observer};
use translate::{BinaryPolicy, Translator};

/// What a peer is told when the proxy itself ends the session.
const GOING_AWAY: Reason = Reason::code(close_code::GOING_AWAY);

/// What a turn of a session works with.
#[expect(missing_debug_implementations, reason = "made of borrowed traits, and gone at once")]
pub struct Turn<'t> {
    /// The time.
    pub now: Millis,
    /// Mask keys.
    pub entropy: &'t mut dyn Entropy,
    /// Buffers for what cannot leave yet.
    pub spare: &'t mut Spare,
    /// The bounds.
    pub limits: &'t Limits,
    /// What to do with binary messages that a side cannot be told.
    pub binary: BinaryPolicy,
    /// Who listens to the facts.
    pub observer: &'t mut dyn Observer,
}

/// Two peers behind their opening handshakes.
#[derive(Debug)]
pub struct Session {
    legs: Sides<Leg>,
    /// Whether bytes pass as they come, unread.
    tunnel: bool,
    closing: Closing,
    /// A farewell to both sides that waits for the ends of their messages.
    leaving: bool,
    /// What the peers had not taken of all that was written, once the closing has begun.
    unsent: usize,
    deadline: Millis,
    /// What no deadline of the closing goes beyond.
    latest: Millis,
}

/// One side: how it speaks, and the way of its messages to the other side.
#[derive(Debug)]
struct Leg {
    dialect: Dialect,
    reader: Reader,
    writer: Writer,
    translator: Translator,
    /// Whether the stream to this peer is to end behind what is written.
    fin: bool,
}

impl Leg {
    fn new(dialect: Dialect, side: Side) -> Self {
        Self {
            dialect,
            reader: Reader::new(dialect, side),
            writer: Writer::new(dialect, side),
            translator: Translator::default(),
            fin: false,
        }
    }
}

impl Session {
    /// A session whose handshakes are done.
    pub fn new(client: Dialect, backend: Dialect, now: Millis, limits: &Limits) -> Self {
        Self {
            legs: Sides {
                client: Leg::new(client, Side::Client),
                backend: Leg::new(backend, Side::Backend),
            },
            tunnel: false,
            closing: Closing::default(),
            leaving: false,
            unsent: 0,
            deadline: now + limits.idle,
            latest: Millis::MAX,
        }
    }

    /// A session between two peers of one dialect that passes their bytes on as they come: nothing
    /// is checked, translated or told but the bytes and the end of each stream.
    pub fn tunnel(dialect: Dialect, now: Millis, limits: &Limits) -> Self {
        Self { tunnel: true, ..Self::new(dialect, dialect, now, limits) }
    }

    /// The dialect of a side.
    pub const fn dialect(&self, side: Side) -> Dialect {
        match side {
            Side::Client => self.legs.client.dialect,
            Side::Backend => self.legs.backend.dialect,
        }
    }

    /// When [`Self::tick`] has something to do.
    pub const fn deadline(&self) -> Millis {
        self.deadline
    }

    /// Whether the stream to a peer is to end behind what was written.
    pub fn wants_fin(&self, to: Side) -> bool {
        self.legs[to].fin
    }

    /// Whether both sides have been closed; what they still send is of no concern.
    pub fn is_closed(&self) -> bool {
        self.closing.phases == Sides { client: Phase::Closed, backend: Phase::Closed }
    }

    /// Whether both sides have been closed and the time to wait for their ends is over.
    pub fn is_over(&self, now: Millis) -> bool {
        self.is_closed() && now >= self.deadline
    }

    /// Takes how many written bytes the peers have not taken yet, after each turn and each write.
    ///
    /// The deadlines of the closing begin when all is taken, so that they cut no message that is on
    /// its way to a slow peer.
    pub fn unsent(&mut self, unsent: usize, now: Millis, limits: &Limits) {
        if self.closing.is_open() && !self.leaving {
            return;
        }
        let was = std::mem::replace(&mut self.unsent, unsent);
        if (was == 0) != (unsent == 0) {
            self.await_peers(now, limits);
        }
    }

    /// Sets the deadline by which the peers are to do what is theirs in this state of the closing.
    fn await_peers(&mut self, now: Millis, limits: &Limits) {
        let unfinished = |side| self.closing.phases[side] == Phase::Open;
        let patience = if self.is_closed() {
            limits.linger
        } else if unfinished(Side::Client) || unfinished(Side::Backend) {
            // A message is on its way that is to be finished first.
            limits.shutdown
        } else {
            limits.close
        };
        let due = if self.unsent > 0 { Millis::MAX } else { now + patience };
        self.deadline = due.min(self.bound(limits));
    }

    /// What no deadline goes beyond.
    fn bound(&self, limits: &Limits) -> Millis {
        if self.is_closed() { self.latest.saturating_add(limits.linger) } else { self.latest }
    }

    /// Takes bytes that a peer sent.
    pub fn receive<'a>(
        &mut self,
        from: Side,
        mut input: &'a mut [u8],
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'a>>,
    ) {
        if self.closing.is_open() && !self.leaving {
            self.deadline = turn.now + turn.limits.idle;
        }
        if self.tunnel {
            if self.hears(from.other()) {
                turn.observer.observe(&Fact::Passed { from, bytes: input.len() as u64 });
                out[from.other()].payload(input, None);
            }
            return;
        }
        // After its close a peer says nothing that counts (RFC 6455 section 5.5.1).
        while matches!(self.closing.phases[from], Phase::Open | Phase::Told) {
            match self.legs[from].reader.read(&mut input) {
                Ok(Some(Event::Chunk(chunk))) => {
                    if let Err(fault) = self.chunk(from, chunk, turn, out) {
                        self.fail(from, fault, turn, out);
                    }
                }
                Ok(Some(Event::Close(reason))) => {
                    let code = reason.as_ref().map(|reason| reason.code);
                    turn.observer.observe(&Fact::Heard { from, code });
                    self.end(from, Ending::Close, Cause::Close, reason.as_ref(), turn, out);
                }
                Ok(Some(event)) => self.control(from, event, turn, out),
                Ok(None) => return,
                Err(fault) => self.fail(from, fault, turn, out),
            }
        }
    }

    /// Takes the end of a peer's stream: in order, or lost with an error.
    pub fn stream_ended(
        &mut self,
        from: Side,
        in_order: bool,
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'_>>,
    ) {
        if in_order && self.closing.phases[from] == Phase::Heard {
            // It has closed and only says so again; what it is still sent, it may read.
            return;
        }
        let leg = &self.legs[from];
        let (ending, cause, code) = match leg.dialect.able().fin {
            // A message that was cut is never presented as a clean end.
            _ if !in_order || leg.reader.in_message() => (Ending::Lost, Cause::Lost, None),
            _ if self.tunnel => (Ending::Close, Cause::Fin, None),
            FinMeans::Close => (Ending::Close, Cause::Fin, None),
            // Once it has been told, the end of its stream is its answer.
            FinMeans::GoingAway if self.closing.phases[from] == Phase::Told => {
                (Ending::Close, Cause::Fin, None)
            }
            FinMeans::GoingAway => (Ending::Close, Cause::Fin, Some(close_code::GOING_AWAY)),
            FinMeans::Nothing => (Ending::Lost, Cause::Fin, None),
        };
        let reason = code.map(Reason::code);
        self.end(from, ending, cause, reason.as_ref(), turn, out);
        // No one has to wait for the other any more.
        self.legs[from].fin |= self.closing.phases[from] == Phase::Closed;
    }

    /// Says farewell to both sides, each at the end of the message that is on its way to it, all
    /// within the shutdown deadline.
    pub fn leave(&mut self, turn: &mut Turn<'_>, out: &mut Sides<Outbox<'_>>) {
        if !self.leaving {
            let within = turn.limits.shutdown.saturating_sub(turn.limits.linger);
            self.begin_leave(Cause::Shutdown, within, turn, out);
        }
    }

    /// Does what is due at the deadline.
    pub fn tick(&mut self, turn: &mut Turn<'_>, out: &mut Sides<Outbox<'_>>) {
        if turn.now < self.deadline || self.is_closed() {
            return;
        }
        if self.closing.is_open() && !self.leaving {
            return self.begin_leave(Cause::Idle, turn.limits.close, turn, out);
        }
        // Whoever has not answered by now will not.
        for side in Side::BOTH {
            match self.closing.phases[side] {
                Phase::Open => self.tell(side, Some(&GOING_AWAY), turn, out),
                Phase::Heard => {
                    let answer = self.closing.answer(None);
                    self.tell(side, answer.as_ref(), turn, out);
                }
                Phase::Told | Phase::Closed => {}
            }
            self.closing.phases[side] = Phase::Closed;
            self.legs[side].fin = true;
        }
        // What is still unsent will not be waited for again.
        self.deadline = turn.now + turn.limits.linger;
    }

    fn begin_leave(
        &mut self,
        cause: Cause,
        within: Millis,
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'_>>,
    ) {
        self.leaving = true;
        self.latest = self.latest.min(turn.now + within.min(turn.limits.drain));
        if self.closing.is_open() {
            turn.observer.observe(&Fact::Ended { by: None, cause });
            self.take_leave(turn, out);
            self.await_peers(turn.now, turn.limits);
        } else {
            // It is on its way, and is only not to take longer.
            self.deadline = self.deadline.min(self.bound(turn.limits));
        }
    }

    fn chunk<'a>(
        &mut self,
        from: Side,
        chunk: Chunk<'a>,
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'a>>,
    ) -> Result<(), Fault> {
        let to = from.other();
        let hears = self.hears(to);
        let (speaker, listener) = match from {
            Side::Client => (&mut self.legs.client, &mut self.legs.backend),
            Side::Backend => (&mut self.legs.backend, &mut self.legs.client),
        };
        let ends = chunk.last;
        let mut link = translate::Link {
            from: speaker.dialect.able(),
            to: listener.dialect.able(),
            side: from,
            writer: hears.then_some(&mut listener.writer),
            out: &mut out[to],
        };
        speaker.translator.chunk(chunk, &mut link, turn)?;
        if ends && self.leaving {
            self.take_leave(turn, out);
        }
        Ok(())
    }

    /// Ping and pong go to the other side if it has them; else a ping is answered here.
    fn control(
        &self,
        from: Side,
        event: Event<'_>,
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'_>>,
    ) {
        let to = from.other();
        let pings = self.legs[to].dialect.able().ping;
        match event {
            Event::Ping(payload) => {
                turn.observer.observe(&Fact::Ping { from });
                if pings && self.hears(to) {
                    self.legs[to].writer.ping(&payload, turn.entropy, &mut out[to]);
                } else if !pings && self.hears(from) {
                    self.legs[from].writer.pong(&payload, turn.entropy, &mut out[from]);
                }
            }
            Event::Pong(payload) => {
                turn.observer.observe(&Fact::Pong { from });
                if pings && self.hears(to) {
                    self.legs[to].writer.pong(&payload, turn.entropy, &mut out[to]);
                }
            }
            Event::Chunk(_) | Event::Close(_) => {}
        }
    }

    /// Whether a side can still be told something: nothing follows our close.
    fn hears(&self, side: Side) -> bool {
        matches!(self.closing.phases[side], Phase::Open | Phase::Heard)
    }

    /// Ends the session because a peer broke the rules: the code tells both sides.
    fn fail(&mut self, from: Side, fault: Fault, turn: &mut Turn<'_>, out: &mut Sides<Outbox<'_>>) {
        let reason = Reason::code(fault.close_code());
        self.end(from, Ending::Fault, Cause::Fault(fault), Some(&reason), turn, out);
    }

    /// One side has ended; the table of [`closing`] says who is to be told.
    fn end(
        &mut self,
        from: Side,
        ending: Ending,
        cause: Cause,
        reason: Option<&Reason>,
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'_>>,
    ) {
        let to = from.other();
        if self.closing.is_open() {
            if !self.leaving {
                turn.observer.observe(&Fact::Ended { by: Some(from), cause });
            }
            self.closing.asked = reason.map(|reason| reason.code);
            self.latest = self.latest.min(turn.now + turn.limits.drain);
        }
        // It will not get the rest of what was on its way to it.
        if ending == Ending::Lost && self.hears(from) && self.in_message(from) {
            turn.observer.observe(&Fact::Loss(Loss::MessageCut));
        }
        let due = self.closing.ended(from, ending);
        if due.speaker {
            self.tell(from, reason, turn, out);
            self.legs[from].fin = true;
        }
        match due.other {
            closing::Due::Nothing => {}
            closing::Due::Farewell => {
                let reason = self.closing.answer(reason);
                self.tell(to, reason.as_ref(), turn, out);
            }
            closing::Due::Fin => {
                self.legs[to].fin = true;
                if self.in_message(to) {
                    turn.observer.observe(&Fact::Loss(Loss::MessageCut));
                }
            }
        }
        // The server closes TCP first and the client waits (RFC 6455 section 7.1.1); towards the
        // backend we are the client.
        if self.closing.phases.client == Phase::Closed {
            self.legs.client.fin = true;
        }
        self.await_peers(turn.now, turn.limits);
    }

    /// Whether a message is on its way to a side, be it that nothing of it has left yet.
    fn in_message(&self, to: Side) -> bool {
        self.legs[to].writer.in_message() || self.legs[to.other()].translator.in_message()
    }

    /// Says farewell to each side whose message is at its end.
    fn take_leave(&mut self, turn: &mut Turn<'_>, out: &mut Sides<Outbox<'_>>) {
        for side in Side::BOTH {
            if !self.in_message(side) && self.closing.phases[side] == Phase::Open {
                self.tell(side, Some(&GOING_AWAY), turn, out);
                self.closing.told(side);
                self.await_peers(turn.now, turn.limits);
            }
        }
    }

    fn tell(
        &mut self,
        to: Side,
        reason: Option<&Reason>,
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'_>>,
    ) {
        if self.tunnel {
            // Where a frame ends is not known, so that none can be added.
            self.legs[to].fin = true;
            return;
        }
        if self.in_message(to) {
            turn.observer.observe(&Fact::Loss(Loss::MessageCut));
        }
        let leg = &mut self.legs[to];
        let farewell = leg.writer.close(reason, turn.entropy, &mut out[to]);
        let code = reason.map(|reason| reason.code).filter(|_| leg.dialect.able().close_code);
        turn.observer.observe(&Fact::Told { to, code });
        leg.fin |= farewell == Farewell::Fin;
        if reason.is_some() && code.is_none() {
            turn.observer.observe(&Fact::Loss(Loss::CloseReason));
        }
    }
}
