//! The relay: a session between two sockets, as plain data that its worker moves along.
//!
//! It is not an `async fn`, for the state of a connection has to be small and plain: a session that
//! has nothing to move owns no buffer, no timer and no waiting operation.

use super::open::Connection;
use super::report::Report;
use super::socket::{Received, Socket};
use crate::event::{Side, Sides};
use crate::limits::{ANSWERS_WATER, Millis};
use crate::session::fact::{Fact, Loss, Observer};
use crate::session::{Session, Turn};
use crate::watch::{ConnectionId, Watched};
use crate::wire::outbox::Outbox;
use crate::worker::load::{Load, Place};
use crate::worker::{Tools, Worker};
use mio::event::Event;
use mio::{Registry, Token};
use std::io;

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
    _place: Place,
}

// An idle connection costs this and a few words beside it. The allocator's next class above.
const _: () = assert!(size_of::<Relay>() <= 384);

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
    pub(crate) fn new(connection: Connection, worker: &mut Worker) -> Self {
        let Connection { id, peer, path, dialects, streams, early, place } = connection;
        let limits = &worker.settings.limits;
        let Sides { client, backend } = dialects;
        let session = if worker.settings.tunnel && client == backend {
            Session::tunnel(client, worker.now(), limits)
        } else {
            Session::new(client, backend, worker.now(), limits)
        };
        let socket = |stream| Socket::new(mio::net::TcpStream::from_std(stream));
        let mut relay = Self {
            sockets: Sides { client: socket(streams.client), backend: socket(streams.backend) },
            session,
            report: Report::new(peer, path),
            id,
            began: worker.now(),
            _place: place,
        };
        for side in Side::BOTH {
            for piece in early[side].chunks(worker.tools.input.len()) {
                relay.turn(worker, |session, turn, out, input| {
                    let (input, _) = input.split_at_mut(piece.len());
                    input.copy_from_slice(piece);
                    session.receive(side, input, turn, out);
                });
            }
        }
        relay
    }

    /// Has the changes of both sockets told, each under its token.
    ///
    /// # Errors
    /// When the system has no room for more.
    pub(crate) fn register(&mut self, registry: &Registry, tokens: Sides<Token>) -> io::Result<()> {
        self.sockets.client.register(registry, tokens.client)?;
        self.sockets.backend.register(registry, tokens.backend)
    }

    /// Takes a change of a socket.
    #[inline]
    pub(crate) fn note(&mut self, side: Side, event: &Event) {
        self.sockets[side].note(event);
    }

    /// When there is something to do even if no socket changes.
    pub(crate) const fn deadline(&self) -> Millis {
        self.session.deadline()
    }

    /// Moves bytes until nothing moves any more, or its neighbours are to have their turn.
    #[inline]
    pub(crate) fn advance(&mut self, worker: &mut Worker) -> Next {
        if worker.leaving {
            self.turn(worker, |session, turn, out, _| session.leave(turn, out));
        }
        if worker.now() >= self.session.deadline() {
            self.turn(worker, |session, turn, out, _| session.tick(turn, out));
        }
        let mut turns = 0;
        // Both sides in turn, so that neither starves; `|` and not `||`, which would skip one.
        while turns < TURNS && self.pass(worker, Side::Client) | self.pass(worker, Side::Backend) {
            turns += 1;
        }
        for side in Side::BOTH {
            let flushed = self.sockets[side].flush(&mut worker.tools.spare);
            if flushed && self.session.wants_fin(side) {
                self.sockets[side].end();
            }
        }
        let unsent = self.sockets.client.unsent() + self.sockets.backend.unsent();
        self.session.unsent(unsent, worker.now(), &worker.settings.limits);
        match turns {
            _ if self.is_over(worker.now()) => Next::Over,
            TURNS => Next::Turn,
            _ => Next::Wait,
        }
    }

    /// Takes what one side has to say, once; whether that was anything.
    #[inline]
    fn pass(&mut self, worker: &mut Worker, from: Side) -> bool {
        // Both before either is looked at: what a flush makes room for has to be read now, for no
        // change of a socket would tell of it again.
        self.sockets.client.flush(&mut worker.tools.spare);
        self.sockets.backend.flush(&mut worker.tools.spare);
        if self.sockets[from].unsent() >= ANSWERS_WATER || self.sockets[from.other()].is_full() {
            return false;
        }
        match self.sockets[from].receive(&mut worker.tools.input) {
            Received::Nothing => return false,
            Received::Bytes(count) => {
                let bytes = worker.tools.input.get(..count).unwrap_or_default();
                // Now, for the session unmasks in place.
                worker.watched(self.id).read(from, bytes);
                self.turn(worker, |session, turn, out, input| {
                    session.receive(from, input.get_mut(..count).unwrap_or_default(), turn, out);
                });
            }
            Received::End { in_order } => self.turn(worker, |session, turn, out, _| {
                session.stream_ended(from, in_order, turn, out);
            }),
        }
        true
    }

    /// One turn of the session, and the writes that come of it.
    #[inline]
    fn turn<F>(&mut self, worker: &mut Worker, act: F)
    where
        F: for<'a> FnOnce(&mut Session, &mut Turn<'_>, &mut Sides<Outbox<'a>>, &'a mut [u8]),
    {
        let now = worker.now();
        let watched = Watched { id: self.id, watcher: worker.watcher.as_deref() };
        let Tools { input, scratch, spare, entropy } = &mut worker.tools;
        let mut out = Sides {
            client: Outbox::new(std::mem::take(&mut scratch.client)),
            backend: Outbox::new(std::mem::take(&mut scratch.backend)),
        };
        let mut turn = Turn {
            now,
            entropy,
            spare,
            limits: &worker.settings.limits,
            binary: worker.settings.binary,
            observer: &mut Observers { report: &mut self.report, watched },
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
        if Side::BOTH.into_iter().any(|side| self.sockets[side].unsent() > 0) {
            Observers { report: &mut self.report, watched }.observe(&Fact::Loss(Loss::MessageCut));
        }
        let client = self.session.dialect(Side::Client);
        let backend = self.session.dialect(Side::Backend);
        self.report.log(client, backend, worker.now().saturating_sub(self.began));
        watched.ended();
    }
}

/// Who listens to a session: its report, and the watcher.
struct Observers<'t> {
    report: &'t mut Report,
    watched: Watched<'t>,
}

impl Observer for Observers<'_> {
    #[inline]
    fn observe(&mut self, fact: &Fact) {
        self.report.observe(fact);
        self.watched.observed(fact);
    }
}
