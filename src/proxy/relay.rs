//! The relay: a session between two sockets, as one hand-written future.
//!
//! It is not an `async fn` because the state of a connection has to be small and plain: a session
//! that has nothing to move owns no buffer, no timer and no waiting operation.

use super::report::Report;
use super::socket::{Read, Socket};
use crate::event::{Side, Sides};
use crate::limits::{ANSWERS_WATER, Millis};
use crate::session::fact::{Fact, Loss, Observer};
use crate::session::{Session, Turn};
use crate::wire::outbox::Outbox;
use crate::worker::load::Ticket;
use crate::worker::timers::Timer;
use crate::worker::{Tools, Worker};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;

/// One connection behind both opening handshakes.
#[derive(Debug)]
pub(crate) struct Relay {
    worker: Rc<Worker>,
    session: Session,
    sockets: Sides<Socket>,
    timer: Timer,
    began: Millis,
    report: Report,
    _ticket: Ticket,
}

// The runtime adds 104 bytes and rounds up to a multiple of 128: one more here costs each connection
// that many.
const _: () = assert!(size_of::<Relay>() <= 408);

const BOTH: [Side; 2] = [Side::Client, Side::Backend];

impl Relay {
    /// A relay that begins with `early`, what each side said right behind its opening handshake.
    pub(crate) fn new(
        worker: Rc<Worker>,
        session: Session,
        streams: Sides<TcpStream>,
        early: &Sides<Vec<u8>>,
        report: Report,
        ticket: Ticket,
    ) -> Self {
        let Sides { client, backend } = streams;
        let mut relay = Self {
            timer: worker.add_timer(),
            began: worker.uptime(),
            worker,
            session,
            sockets: Sides { client: Socket::new(client), backend: Socket::new(backend) },
            report,
            _ticket: ticket,
        };
        let worker = Rc::clone(&relay.worker);
        let tools = &mut *worker.tools.borrow_mut();
        for side in BOTH {
            for piece in early[side].chunks(tools.input.len()) {
                relay.turn(None, tools, |session, turn, out, input| {
                    let (input, _) = input.split_at_mut(piece.len());
                    input.copy_from_slice(piece);
                    session.receive(side, input, turn, out);
                });
            }
        }
        relay
    }

    /// Moves bytes until nothing moves any more.
    fn drive(&mut self, cx: &mut Context<'_>, tools: &mut Tools) {
        if self.worker.is_leaving() {
            self.turn(Some(cx), tools, |session, turn, out, _| session.leave(turn, out));
        }
        if self.worker.now() >= self.session.deadline() {
            self.turn(Some(cx), tools, |session, turn, out, _| session.tick(turn, out));
        }
        // Both sides in turn, so that neither starves; `|` and not `||`, which would skip one.
        while self.pass(cx, tools, Side::Client) | self.pass(cx, tools, Side::Backend) {}
        for side in BOTH {
            if self.sockets[side].flush(cx, &mut tools.spare) && self.session.wants_fin(side) {
                self.sockets[side].end(cx);
            }
        }
        let unsent = self.sockets.client.unsent() + self.sockets.backend.unsent();
        self.session.unsent(unsent, self.worker.now(), &self.worker.settings.limits);
    }

    /// Takes what one side has to say, once; whether that was anything.
    #[inline]
    fn pass(&mut self, cx: &mut Context<'_>, tools: &mut Tools, from: Side) -> bool {
        let to = from.other();
        // Both before either is looked at: what a flush makes room for has to be read in this very
        // poll, for nothing else would wake the task for it.
        self.sockets.client.flush(cx, &mut tools.spare);
        self.sockets.backend.flush(cx, &mut tools.spare);
        let socket = &mut self.sockets[from];
        if socket.has_ended() || socket.unsent() >= ANSWERS_WATER || self.sockets[to].is_full() {
            return false;
        }
        match self.sockets[from].poll_read(cx, &mut tools.input) {
            Poll::Pending => return false,
            Poll::Ready(Read::Bytes(count)) => {
                self.turn(Some(cx), tools, |session, turn, out, input| {
                    session.receive(from, input.get_mut(..count).unwrap_or_default(), turn, out);
                });
            }
            Poll::Ready(Read::End { in_order }) => {
                self.turn(Some(cx), tools, |session, turn, out, _| {
                    session.stream_ended(from, in_order, turn, out);
                });
            }
        }
        true
    }

    /// One turn of the session, and the writes that come of it; without a context they have to wait.
    #[inline]
    fn turn<F>(&mut self, mut cx: Option<&mut Context<'_>>, tools: &mut Tools, act: F)
    where
        F: for<'a> FnOnce(&mut Session, &mut Turn<'_>, &mut Sides<Outbox<'a>>, &'a mut [u8]),
    {
        let Tools { input, scratch, spare, entropy } = tools;
        let mut out = Sides {
            client: Outbox::new(std::mem::take(&mut scratch.client)),
            backend: Outbox::new(std::mem::take(&mut scratch.backend)),
        };
        let mut turn = Turn {
            now: self.worker.now(),
            entropy,
            spare,
            limits: &self.worker.settings.limits,
            binary: self.worker.settings.binary,
            observer: &mut self.report,
        };
        act(&mut self.session, &mut turn, &mut out, input);
        self.sockets.client.send(cx.as_deref_mut(), &out.client, spare);
        self.sockets.backend.send(cx, &out.backend, spare);
        // The outboxes are large; what is kept of them is taken out instead of moved with them.
        scratch.client = std::mem::take(out.client.scratch());
        scratch.backend = std::mem::take(out.backend.scratch());
    }

    fn is_over(&self) -> bool {
        let ended = |side| self.sockets[side].has_ended() && self.sockets[side].unsent() == 0;
        self.session.is_over(self.worker.now())
            || (self.session.is_closed() && BOTH.into_iter().all(ended))
    }
}

impl Future for Relay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let worker = Rc::clone(&self.worker);
        self.drive(cx, &mut worker.tools.borrow_mut());
        if self.is_over() {
            return Poll::Ready(());
        }
        worker.set_timer(self.timer, self.session.deadline(), cx.waker());
        Poll::Pending
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.worker.remove_timer(self.timer);
        if BOTH.into_iter().any(|side| self.sockets[side].unsent() > 0) {
            self.report.observe(&Fact::Loss(Loss::MessageCut));
        }
        let client = self.session.dialect(Side::Client);
        let backend = self.session.dialect(Side::Backend);
        self.report.log(client, backend, self.worker.uptime().saturating_sub(self.began));
    }
}
