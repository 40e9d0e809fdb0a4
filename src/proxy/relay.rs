//! The relay: a session between two sockets, as plain data that its worker moves along.
//!
//! It is not an `async fn`, for the state of a connection has to be small and plain: a session that
//! has nothing to move owns no buffer, no timer and no waiting operation.

use super::open::Connection;
use super::report::Report;
use super::route::Route;
use super::socket::{End, Received, Socket};
use crate::config::route::Rate;
use crate::event::{Side, Sides};
use crate::limits::{ANSWERS_WATER, Millis};
use crate::net::admission::Place;
use crate::session::fact::{Fact, Loss, Observer};
use crate::session::rate::Throttle;
use crate::session::{Session, Turn};
use crate::telemetry::{Present, Traffic};
use crate::upstream::Lease;
use crate::watch::{ConnectionId, Watched};
use crate::wire::outbox::Outbox;
use crate::wire::spare::Buffer;
use crate::worker::load::Load;
use crate::worker::{Tools, Worker};
use mio::event::Event;
use mio::{Registry, Token};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How often a relay reads each side before its neighbours have their turn: it has moved up to four
/// megabytes a side then.
const TURNS: usize = 16;

/// One connection behind both opening handshakes.
#[derive(Debug)]
pub(crate) struct Relay {
    sockets: Sides<Socket>,
    session: Session,
    report: Report,
    id: ConnectionId,
    began: Millis,
    route: Arc<Route>,
    /// How fast the sides may talk, where that is limited.
    rates: Option<Box<Sides<Rated>>>,
    _client: Present,
    _place: Place,
    _lease: Lease,
}

/// A side that may talk only so fast.
#[derive(Debug)]
struct Rated {
    throttle: Throttle,
    /// What TLS has opened beyond that, for a record is opened whole.
    held: Option<Box<Buffer>>,
}

// An idle connection costs this and a few words beside it.
const _: () = assert!(size_of::<Relay>() <= 424);

/// What a relay waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// A change of a socket, or the deadline.
    Wait,
    /// Its next turn, for it has not come to an end.
    Turn,
    /// Nothing: it is over.
    Over,
}

impl Relay {
    /// A relay that begins with what each side said right behind its opening handshake.
    #[expect(clippy::redundant_clone, reason = "made anew, where it is to stay")]
    pub(crate) fn new(connection: Connection, worker: &mut Worker) -> Self {
        let Connection { id, route, identity, agreed, used, streams, early, .. } = connection;
        let Connection { client: present, session: reported, place, lease, .. } = connection;
        let session = Session::new(agreed, worker.now(), &route.policy);
        let mut relay = Self {
            sockets: streams,
            rates: rates(&session, &route, worker.now()),
            session,
            // Copied here: what was made among the large and short-lived things of the opening would
            // hold their memory for as long as the session lives.
            report: Report::new(identity.clone(), reported),
            id,
            began: worker.now(),
            route,
            _client: present,
            _place: place,
            _lease: lease,
        };
        for quirk in used.iter() {
            let (traffic, watched) = (&*worker.traffic, worker.watched(id));
            Observers { report: &mut relay.report, traffic, watched }.observe(&Fact::Quirk(quirk));
        }
        for side in Side::BOTH {
            relay.receive_kept(side, &early[side], early[side].len(), worker);
        }
        relay
    }

    /// Has the changes of both sockets told, each under its token.
    ///
    /// # Errors
    /// When the system has no room for more.
    pub(crate) fn register(&self, registry: &Registry, tokens: Sides<Token>) -> io::Result<()> {
        self.sockets.client.register(registry, tokens.client)?;
        self.sockets.backend.register(registry, tokens.backend)
    }

    /// Takes a change of a socket.
    #[inline]
    pub(crate) fn note(&mut self, side: Side, event: &Event) {
        self.sockets[side].note(event);
    }

    /// When there is something to do even if no socket changes.
    pub(crate) fn deadline(&self) -> Millis {
        let until = |rates: &Sides<Rated>| {
            let until = Side::BOTH.into_iter().filter_map(|side| rates[side].throttle.until());
            until.min().unwrap_or(Millis::MAX)
        };
        let resumed = self.rates.as_deref().map_or(Millis::MAX, until);
        self.session.deadline().min(resumed)
    }

    /// Brings the session to its end, at the ends of the messages that are on their way.
    pub(crate) fn leave(&mut self, worker: &mut Worker) {
        self.turn(worker, |session, turn, out, _| session.leave(turn, out));
    }

    /// Moves bytes until nothing moves any more, or its neighbours are to have their turn.
    #[inline]
    pub(crate) fn advance(&mut self, worker: &mut Worker) -> Next {
        if worker.now() >= self.session.deadline() {
            // What has come in time is not to be late because this thread is.
            self.sockets.client.look_again();
            self.sockets.backend.look_again();
        }
        let mut turns = 0;
        // Both sides in turn, so that neither starves; `|` and not `||`, which would skip one.
        while turns < TURNS && self.pass(worker, Side::Client) | self.pass(worker, Side::Backend) {
            turns += 1;
        }
        if worker.now() >= self.session.deadline() {
            self.tick(worker);
        }
        for side in Side::BOTH {
            let flushed = self.sockets[side].flush(&mut worker.tools.spare);
            if flushed && self.session.wants_fin(side) {
                self.sockets[side].end(&mut worker.tools.spare);
            }
        }
        let unsent = self.sockets.client.unsent() + self.sockets.backend.unsent();
        self.session.unsent(unsent, worker.now(), &self.route.policy.limits);
        match turns {
            _ if self.is_over(worker.now()) => Next::Over,
            TURNS => Next::Turn,
            _ => Next::Wait,
        }
    }

    fn tick(&mut self, worker: &mut Worker) {
        for side in Side::BOTH {
            if !self.can_hear(side) {
                self.session.excuse(side, worker.now());
            }
        }
        self.turn(worker, |session, turn, out, _| session.tick(turn, out));
    }

    /// Takes what one side has to say, once; whether that was anything.
    #[inline]
    fn pass(&mut self, worker: &mut Worker, from: Side) -> bool {
        // Both before either is looked at: what a flush makes room for has to be read now, for no
        // change of a socket would tell of it again.
        self.sockets.client.flush(&mut worker.tools.spare);
        self.sockets.backend.flush(&mut worker.tools.spare);
        let now = worker.now();
        let room = self.rates.as_mut().map_or(usize::MAX, |rates| rates[from].throttle.room(now));
        if room == 0
            || self.sockets[from].unsent() >= ANSWERS_WATER
            || self.sockets[from.other()].is_full()
        {
            return false;
        }
        if let Some(behind) = self.session.take_behind(from) {
            // It has been counted when it came.
            self.receive_kept(from, behind.bytes(), 0, worker);
            worker.tools.spare.give(behind);
            return true;
        }
        if let Some(count) = self.take_held(from, room, worker) {
            self.receive(from, count, count, worker);
            return true;
        }
        // What is sealed is opened as it came.
        let sealed = self.sockets[from].is_sealed();
        let Tools { input, spare, .. } = &mut worker.tools;
        let size = if sealed { input.len() } else { room.min(input.len()) };
        match self.sockets[from].receive(input.get_mut(..size).unwrap_or_default(), spare) {
            Received::Nothing => return false,
            Received::Other => {}
            Received::Bytes(count) => {
                let bytes = worker.tools.input.get(..count).unwrap_or_default();
                // Now, for the session unmasks in place.
                worker.watched(self.id).read(from, bytes);
                let count = self.hold(from, count, room, worker);
                self.receive(from, count, count, worker);
            }
            Received::End(end) => {
                let in_order = self.is_in_order(from, &end);
                self.turn(worker, |session, turn, out, _| {
                    session.stream_ended(from, in_order, turn, out);
                });
            }
        }
        true
    }

    /// Keeps what of a read is beyond `room`; how much it may take of it now.
    fn hold(&mut self, from: Side, count: usize, room: usize, worker: &mut Worker) -> usize {
        let Tools { input, spare, .. } = &mut worker.tools;
        if let Some(rates) = &mut self.rates
            && let Some(beyond) = input.get(room..count).filter(|beyond| !beyond.is_empty())
        {
            let mut held = spare.take();
            held.append(beyond);
            rates[from].held = Some(held);
            return room;
        }
        count
    }

    /// Puts what was kept so to the front of the read buffer, up to `room`; how much that is.
    fn take_held(&mut self, from: Side, room: usize, worker: &mut Worker) -> Option<usize> {
        let rated = &mut self.rates.as_mut()?[from];
        let mut held = rated.held.take()?;
        let Tools { input, spare, .. } = &mut worker.tools;
        let count = room.min(held.len());
        let front = held.bytes().get(..count)?;
        input.get_mut(..count)?.copy_from_slice(front);
        held.consume(count);
        if held.is_empty() {
            spare.give(held);
        } else {
            rated.held = Some(held);
        }
        Some(count)
    }

    /// Has the session take what has been read before, of which so many bytes are still to be counted.
    fn receive_kept(&mut self, from: Side, bytes: &[u8], counted: usize, worker: &mut Worker) {
        let mut counted = counted;
        for piece in bytes.chunks(worker.tools.input.len()) {
            if let Some(input) = worker.tools.input.get_mut(..piece.len()) {
                input.copy_from_slice(piece);
            }
            self.receive(from, piece.len(), std::mem::take(&mut counted), worker);
        }
    }

    /// Has the session take what is at the front of the read buffer; `counted`: how many bytes that is
    /// for the rate.
    #[inline]
    fn receive(&mut self, from: Side, count: usize, counted: usize, worker: &mut Worker) {
        let before = self.report.messages(from);
        self.turn(worker, |session, turn, out, input| {
            session.receive(from, input.get_mut(..count).unwrap_or_default(), turn, out);
        });
        if let Some(rates) = &mut self.rates {
            let messages = self.report.messages(from) - before;
            rates[from].throttle.take(messages, counted as u64, worker.now());
        }
    }

    /// Whether a side's silence is its own: it is read, and it has been sent all there is, with what
    /// asks it whether it is there. Else the system finds it lost, by what it does not acknowledge.
    fn can_hear(&self, side: Side) -> bool {
        let held = self.rates.as_ref().is_some_and(|rates| rates[side].throttle.until().is_some());
        !held && self.sockets[side].unsent() == 0 && !self.sockets[side.other()].is_full()
    }

    /// Whether a peer's stream ended in order, as its session is to take it.
    fn is_in_order(&self, from: Side, end: &End) -> bool {
        match end {
            End::InOrder => true,
            End::Truncated => self.session.fin_suffices(from),
            End::Lost => false,
            End::Fault(error) => {
                self.report.tls_failed(from, error);
                false
            }
        }
    }

    /// One turn of the session, and the writes that come of it.
    #[inline]
    fn turn<F>(&mut self, worker: &mut Worker, act: F)
    where
        F: for<'a> FnOnce(&mut Session, &mut Turn<'_>, &mut Sides<Outbox<'a>>, &'a mut [u8]),
    {
        let now = worker.now();
        let watched = Watched { id: self.id, watcher: worker.watcher.as_deref() };
        let traffic = &*worker.traffic;
        let Tools { input, scratch, spare, entropy } = &mut worker.tools;
        let mut out = Sides {
            client: Outbox::new(std::mem::take(&mut scratch.client)),
            backend: Outbox::new(std::mem::take(&mut scratch.backend)),
        };
        let mut turn = Turn {
            now,
            entropy,
            spare,
            policy: &self.route.policy,
            observer: &mut Observers { report: &mut self.report, traffic, watched },
        };
        act(&mut self.session, &mut turn, &mut out, input);
        for side in Side::BOTH {
            if watched.watcher.is_some() && self.sockets[side].is_writable() {
                out[side].slices().iter().for_each(|bytes| watched.written(side, bytes));
            }
        }
        self.sockets.client.send(&out.client, spare);
        self.sockets.backend.send(&out.backend, spare);
        // The outboxes are large; what is kept of them is taken out instead of moved with them.
        scratch.client = std::mem::take(out.client.scratch());
        scratch.backend = std::mem::take(out.backend.scratch());
    }

    fn is_over(&self, now: Millis) -> bool {
        let ended = |side| self.sockets[side].has_ended() && self.sockets[side].unsent() == 0;
        self.session.is_over(now) || (self.session.is_closed() && Side::BOTH.into_iter().all(ended))
    }

    /// Tells what there is to tell of a session that is over.
    pub(crate) fn end(mut self, worker: &Worker, load: &Load) {
        load.remove();
        let watched = worker.watched(self.id);
        if Side::BOTH.into_iter().any(|side| self.sockets[side].has_cut()) {
            let traffic = &*worker.traffic;
            Observers { report: &mut self.report, traffic, watched }
                .observe(&Fact::Loss(Loss::MessageCut));
        }
        let client = self.session.dialect(Side::Client);
        let backend = self.session.dialect(Side::Backend);
        let duration = Duration::from_millis(worker.now().saturating_sub(self.began));
        self.report.end(&worker.telemetry, Sides { client, backend }, duration);
        watched.ended();
    }
}

/// The rates of a route, if it has any; in a tunnel, where messages are not told apart, only those of
/// bytes.
fn rates(session: &Session, route: &Route, now: Millis) -> Option<Box<Sides<Rated>>> {
    let settings = &route.settings;
    let tunnel = session.is_tunnel(&route.policy);
    let rated = |rate: &Rate| {
        let messages = rate.messages.filter(|_| !tunnel);
        Rated { throttle: Throttle::new(messages, rate.bytes, now), held: None }
    };
    let rates = Sides { client: &settings.client_rate, backend: &settings.backend_rate };
    (rates != Sides { client: &Rate::default(), backend: &Rate::default() })
        .then(|| Box::new(Sides { client: rated(rates.client), backend: rated(rates.backend) }))
}

/// Who listens to a session: its report, and the watcher.
struct Observers<'t> {
    report: &'t mut Report,
    traffic: &'t Traffic,
    watched: Watched<'t>,
}

impl Observer for Observers<'_> {
    #[inline]
    fn observe(&mut self, fact: &Fact) {
        self.report.observe(fact);
        self.traffic.count(fact);
        self.watched.observed(fact);
    }
}
