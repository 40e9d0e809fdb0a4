//! A session: two peers of any dialects, what one says translated for the other.
//!
//! Pure: bytes, the time and randomness come in as arguments; bytes, deadlines and facts come out.
//! Methods that take a [`Turn`] may write into the outboxes, and what is there must be sent before
//! the next turn.

pub mod closing;
mod deflate;
pub mod fact;
mod gather;
mod hearing;
mod pings;
pub mod policy;
mod pulse;
pub mod rate;
pub mod translate;

use crate::dialect::reader::Reader;
use crate::dialect::writer::{Farewell, Writer};
use crate::dialect::{Agreement, Dialect};
use crate::event::{FinMeans, Reason, Side, Sides, close_code};
use crate::fault::Fault;
use crate::limits::{Limits, Millis};
use crate::wire::entropy::Entropy;
use crate::wire::outbox::Outbox;
use crate::wire::spare::Spare;
use closing::{Closing, Ending, Phase};
use deflate::Compressed;
use fact::{Cause, Fact, Loss, Observer};
use policy::Policy;
use pulse::{Pulse, Token};
use translate::Translator;

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
    /// What the session is bound to.
    pub policy: &'t Policy,
    /// Who listens to the facts.
    pub observer: &'t mut dyn Observer,
}

/// Two peers behind their opening handshakes.
#[derive(Debug)]
pub struct Session {
    legs: Sides<Leg>,
    closing: Closing,
    /// A farewell to both sides that waits for the ends of their messages.
    leaving: bool,
    /// Whether the peers had not taken all that was written, once the closing has begun.
    unsent: bool,
    deadline: Millis,
    /// What no deadline goes beyond: the end of the silence that is allowed, and once the session
    /// begins to end, that of the closing.
    latest: Millis,
    token: Token,
    /// The compression of the sides that have negotiated it.
    compressed: Option<Box<Sides<Option<Compressed>>>>,
}

/// One side: how it speaks, and the way of its messages to the other side.
#[derive(Debug)]
struct Leg {
    reader: Reader,
    writer: Writer,
    translator: Translator,
    pulse: Pulse,
}

impl Leg {
    fn new(agreement: Agreement, side: Side, now: Millis) -> Self {
        Self {
            reader: Reader::new(agreement, side),
            writer: Writer::new(agreement, side),
            translator: Translator::default(),
            pulse: Pulse::new(now),
        }
    }
}

impl Session {
    /// A session whose handshakes are done, bound to `policy` in all its turns.
    pub fn new(agreed: Sides<impl Into<Agreement>>, now: Millis, policy: &Policy) -> Self {
        let (client, backend) = (agreed.client.into(), agreed.backend.into());
        let mut session = Self {
            compressed: deflate::of(Sides { client: client.deflate, backend: backend.deflate }),
            legs: Sides {
                client: Leg::new(client, Side::Client, now),
                backend: Leg::new(backend, Side::Backend, now),
            },
            closing: Closing::default(),
            leaving: false,
            unsent: false,
            deadline: 0,
            latest: now + policy.limits.idle,
            token: Token::default(),
        };
        session.deadline = session.due(now, policy);
        session
    }

    /// The dialect of a side.
    pub const fn dialect(&self, side: Side) -> Dialect {
        match side {
            Side::Client => self.legs.client.writer.dialect(),
            Side::Backend => self.legs.backend.writer.dialect(),
        }
    }

    /// When [`Self::tick`] has something to do.
    pub const fn deadline(&self) -> Millis {
        self.deadline
    }

    /// Whether the stream to a peer is to end behind what was written.
    pub fn wants_fin(&self, to: Side) -> bool {
        self.legs[to].writer.has_ended()
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
        if self.is_open() {
            return;
        }
        let unsent = unsent > 0;
        if std::mem::replace(&mut self.unsent, unsent) != unsent {
            self.await_peers(now, limits);
        }
    }

    /// Takes that a side could not be heard until now, or that what asks it has not left: its
    /// silence means nothing.
    pub fn excuse(&mut self, side: Side, now: Millis) {
        self.legs[side].pulse.excuse(now);
    }

    /// Whether the end has not begun in any way.
    fn is_open(&self) -> bool {
        self.closing.is_open() && !self.leaving
    }

    /// Whether bytes pass as they come: nothing is checked, translated or told but the bytes and the
    /// end of each stream.
    pub fn is_tunnel(&self, policy: &Policy) -> bool {
        let client = self.dialect(Side::Client);
        policy.tunnel && client == self.dialect(Side::Backend) && !client.has_connection_key()
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
        let due = if self.unsent { Millis::MAX } else { now + patience };
        self.deadline = due.min(self.bound(limits));
    }

    /// What no deadline goes beyond.
    fn bound(&self, limits: &Limits) -> Millis {
        if self.is_closed() { self.latest.saturating_add(limits.linger) } else { self.latest }
    }

    /// Whether the end of a peer's stream has to be taken for its close though nobody vouches for it,
    /// as with TLS that ended without a `close_notify`: when the peer has closed before, and where its
    /// dialect has no other close.
    pub fn fin_suffices(&self, from: Side) -> bool {
        matches!(self.closing.phases[from], Phase::Heard | Phase::Closed)
            || self.dialect(from).able().fin == FinMeans::Close
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
        let (ending, cause, code) = match self.dialect(from).able().fin {
            // A message that was cut is never presented as a clean end.
            _ if !in_order || leg.reader.in_message() => (Ending::Lost, Cause::Lost, None),
            _ if self.is_tunnel(turn.policy) => (Ending::Close, Cause::Fin, None),
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
        self.let_go(from);
    }

    /// Says farewell to both sides, each at the end of the message that is on its way to it, all
    /// within the shutdown deadline.
    pub fn leave(&mut self, turn: &mut Turn<'_>, out: &mut Sides<Outbox<'_>>) {
        if !self.leaving {
            let limits = &turn.policy.limits;
            let within = limits.shutdown.saturating_sub(limits.linger);
            self.begin_leave(Cause::Shutdown, within, turn, out);
        }
    }

    /// Does what is due at the deadline.
    pub fn tick(&mut self, turn: &mut Turn<'_>, out: &mut Sides<Outbox<'_>>) {
        if turn.now < self.deadline || self.is_closed() {
            return;
        }
        if self.is_open() {
            return self.look_after_peers(turn, out);
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
            self.legs[side].writer.end();
        }
        // What is still unsent will not be waited for again.
        self.deadline = turn.now + turn.policy.limits.linger;
    }

    fn begin_leave(
        &mut self,
        cause: Cause,
        within: Millis,
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'_>>,
    ) {
        self.bound_closing(turn.now + within.min(turn.policy.limits.drain));
        self.leaving = true;
        if self.closing.is_open() {
            turn.observer.observe(&Fact::Ended { by: None, cause });
            self.take_leave(turn, out);
            self.await_peers(turn.now, &turn.policy.limits);
        } else {
            // It is on its way, and is only not to take longer.
            self.deadline = self.deadline.min(self.bound(&turn.policy.limits));
        }
    }

    /// Bounds the closing, before it begins or again; the earlier bound stays.
    fn bound_closing(&mut self, latest: Millis) {
        self.latest = if self.is_open() { latest } else { self.latest.min(latest) };
    }

    /// Ends the stream of a side that will not be heard again: no one has to wait for the other.
    fn let_go(&mut self, side: Side) {
        if self.closing.phases[side] == Phase::Closed {
            self.legs[side].writer.end();
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
            self.bound_closing(turn.now + turn.policy.limits.drain);
            if !self.leaving {
                turn.observer.observe(&Fact::Ended { by: Some(from), cause });
            }
            self.closing.asked = reason.map(|reason| reason.code);
        }
        // It will not get the rest of what was on its way to it.
        if ending == Ending::Lost && self.hears(from) && self.in_message(from) {
            turn.observer.observe(&Fact::Loss(Loss::MessageCut));
        }
        let due = self.closing.ended(from, ending);
        if due.speaker {
            self.tell(from, reason, turn, out);
            self.legs[from].writer.end();
        }
        match due.other {
            closing::Due::Nothing => {}
            closing::Due::Farewell => {
                let reason = self.closing.answer(reason);
                self.tell(to, reason.as_ref(), turn, out);
            }
            closing::Due::Fin => {
                self.legs[to].writer.end();
                if self.in_message(to) {
                    turn.observer.observe(&Fact::Loss(Loss::MessageCut));
                }
            }
        }
        // The server closes TCP first and the client waits (RFC 6455 section 7.1.1); towards the
        // backend we are the client.
        if self.closing.phases.client == Phase::Closed {
            self.legs.client.writer.end();
        }
        self.await_peers(turn.now, &turn.policy.limits);
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
                self.await_peers(turn.now, &turn.policy.limits);
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
        if self.is_tunnel(turn.policy) {
            // Where a frame ends is not known, so that none can be added.
            self.legs[to].writer.end();
            return;
        }
        if self.in_message(to) {
            turn.observer.observe(&Fact::Loss(Loss::MessageCut));
        }
        let leg = &mut self.legs[to];
        let heard = leg.reader.close_body();
        let farewell = leg.writer.close(reason, heard, turn.entropy, &mut out[to]);
        let code =
            reason.map(|reason| reason.code).filter(|_| leg.writer.dialect().able().close_code);
        turn.observer.observe(&Fact::Told { to, code });
        if farewell == Farewell::Fin {
            leg.writer.end();
        }
        if reason.is_some() && code.is_none() {
            turn.observer.observe(&Fact::Loss(Loss::CloseReason));
        }
    }
}
