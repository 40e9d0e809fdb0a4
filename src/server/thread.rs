//! The thread of a worker: it waits for the sockets of all its sessions at once and advances those
//! that changed.
//!
//! It has no runtime: a session is no task but a seat in a table, so that a change of a socket costs
//! one look into the table and an idle session nothing beside its own state.

use crate::event::{Side, Sides};
use crate::limits::Millis;
use crate::proxy::open::Connection;
use crate::proxy::relay::{Next, Relay};
use crate::telemetry::Telemetry;
use crate::watch::Watcher;
use crate::worker::Worker;
use crate::worker::load::Load;
use anyhow::Context;
use mio::event::Event;
use mio::{Events, Poll, Token, Waker};
use slab::Slab;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often deadlines are looked at. All of them are seconds long, so that this is fine enough,
/// and looking through ten thousand takes some microseconds.
const TICK: Duration = Duration::from_millis(250);

/// How many changes are taken at once.
const EVENTS: usize = 1024;

/// What wakes the thread up for an order or a tick.
const CALL: Token = Token(usize::MAX);

/// What a worker is told.
#[derive(Debug)]
enum Order {
    /// To relay a connection that is open.
    Relay(Box<Connection>),
    /// To bring every session to its end, spread evenly over a time.
    Leave { over: Millis },
}

/// A worker's thread, seen from outside. It ends when it was told to leave, has no session and this
/// is dropped.
#[derive(Debug)]
pub(super) struct Handle {
    bell: Arc<Bell>,
    /// `None` only while it is dropped.
    orders: Option<Sender<Order>>,
}

impl Handle {
    /// Starts a thread. When it ends, be it that it has died, `ended` is told.
    ///
    /// # Errors
    /// When the system has no thread, no files or no randomness to give.
    pub(super) fn start(
        index: usize,
        watcher: Option<Arc<dyn Watcher>>,
        telemetry: Arc<Telemetry>,
        ended: &CancellationToken,
    ) -> anyhow::Result<(Self, JoinHandle<io::Result<()>>)> {
        let (orders, inbox) = channel();
        let worker = Worker::new(watcher, telemetry)?;
        let thread = Thread::new(worker, inbox).context("cannot prepare a worker")?;
        let bell = Arc::clone(&thread.bell);
        let ended = ended.clone().drop_guard();
        let running = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                let _ended = ended;
                thread.run()
            })
            .context("cannot start a worker")?;
        Ok((Self { bell, orders: Some(orders) }, running))
    }

    /// What wakes the worker.
    pub(super) const fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    /// Hands over a connection.
    pub(super) fn relay(&self, connection: Connection) {
        self.bell.load.add();
        self.tell(Order::Relay(Box::new(connection)));
    }

    /// Brings every session of the worker to its end, now.
    pub(super) fn leave(&self) {
        self.tell(Order::Leave { over: 0 });
    }

    /// Brings every session of the worker to its end, one after another, spread evenly over
    /// `window`; one that is opened meanwhile, at the end of it.
    pub(super) fn drain(&self, window: Duration) {
        let over = Millis::try_from(window.as_millis()).unwrap_or(Millis::MAX);
        self.tell(Order::Leave { over });
    }

    fn tell(&self, order: Order) {
        // If the thread has died, its server is about to end.
        if let Some(orders) = &self.orders
            && orders.send(order).is_ok()
        {
            self.bell.ring();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.orders = None;
        self.bell.ring();
    }
}

/// What a worker's thread and those outside of it share: how many sessions it has, and what wakes it.
#[derive(Debug)]
pub(super) struct Bell {
    load: Load,
    waker: Waker,
}

impl Bell {
    /// The sessions that the worker has, or will have.
    pub(super) fn load(&self) -> usize {
        self.load.count()
    }

    fn ring(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "cannot wake a worker");
        }
    }
}

/// Makes workers look at their deadlines, for ever.
///
/// They are woken from outside, because a wait with a time limit makes the system set and stop a
/// timer at each message, which costs more than the wait.
pub(super) async fn tick(bells: &[Arc<Bell>]) -> Infallible {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        bells.iter().filter(|bell| bell.load() > 0).for_each(|bell| bell.ring());
    }
}

/// The thread itself.
#[derive(Debug)]
struct Thread {
    worker: Worker,
    poll: Poll,
    /// Held here too: what was rung for is lost with the last of them.
    bell: Arc<Bell>,
    orders: Receiver<Order>,
    /// Whether there may be more orders.
    ordered: bool,
    seats: Slab<Seat>,
    /// Who leaves when, once all are to.
    leaving: Option<Leaving>,
    /// Who was interrupted, to let the others have their turn.
    interrupted: Vec<usize>,
}

/// The order in which sessions are brought to their end.
#[derive(Debug)]
struct Leaving {
    /// When, and the seat; the next first. Whoever has the seat by then leaves, be it another.
    queue: VecDeque<(Millis, usize)>,
    /// When sessions leave that are new.
    last: Millis,
}

/// A session in the table.
#[derive(Debug)]
struct Seat {
    relay: Box<Relay>,
    /// When it has something to do even if no socket changes; here, so that the search for what is
    /// due reads one run of memory.
    deadline: Millis,
}

impl Thread {
    fn new(worker: Worker, orders: Receiver<Order>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), CALL)?;
        Ok(Self {
            worker,
            poll,
            bell: Arc::new(Bell { load: Load::default(), waker }),
            orders,
            ordered: true,
            seats: Slab::new(),
            leaving: None,
            interrupted: Vec::new(),
        })
    }

    /// Serves until it is not wanted any more.
    ///
    /// # Errors
    /// When the system does not let it wait for its sockets.
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while self.ordered || !self.seats.is_empty() {
            let patience = (!self.interrupted.is_empty()).then_some(Duration::ZERO);
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.worker.look_at_the_clock();
            let mut interrupted = std::mem::take(&mut self.interrupted);
            // One that had changes too is there more than once, and is to have one turn.
            interrupted.sort_unstable();
            interrupted.dedup();
            for index in interrupted {
                self.advance(index);
            }
            let mut called = false;
            for event in &events {
                match event.token() {
                    CALL => called = true,
                    token => self.take(token, event),
                }
            }
            // After the changes, so that none of them is taken for one of a session that is new.
            if called {
                self.follow_orders();
                self.see_out();
                let now = self.worker.now();
                self.advance_all(|seat| seat.deadline <= now);
            }
        }
        Ok(())
    }

    /// Takes a change of a socket.
    #[inline]
    fn take(&mut self, token: Token, event: &Event) {
        let (index, side) = place_of(token);
        if let Some(seat) = self.seats.get_mut(index) {
            seat.relay.note(side, event);
            self.advance(index);
        }
    }

    #[inline]
    fn advance(&mut self, index: usize) {
        self.attend(index, Relay::advance);
    }

    #[inline]
    fn attend(&mut self, index: usize, work: impl FnOnce(&mut Relay, &mut Worker) -> Next) {
        let Some(seat) = self.seats.get_mut(index) else { return };
        // A fault of ours must not end the sessions beside it.
        let next = catch_unwind(AssertUnwindSafe(|| work(&mut seat.relay, &mut self.worker)));
        seat.deadline = seat.relay.deadline();
        match next {
            Ok(Next::Wait) => {}
            Ok(Next::Turn) => self.interrupted.push(index),
            Ok(Next::Over) | Err(_) => {
                self.seats.remove(index).relay.end(&self.worker, &self.bell.load);
            }
        }
    }

    fn follow_orders(&mut self) {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Relay(connection)) => self.relay(*connection),
                Ok(Order::Leave { over }) => self.leave(over),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.ordered = false;
                    return;
                }
            }
        }
    }

    fn relay(&mut self, connection: Connection) {
        // A fault of ours must not end the sessions beside it.
        let relay = catch_unwind(AssertUnwindSafe(|| Relay::new(connection, &mut self.worker)));
        let Ok(relay) = relay else {
            self.bell.load.remove();
            return;
        };
        let entry = self.seats.vacant_entry();
        let (index, deadline) = (entry.key(), relay.deadline());
        let seat = entry.insert(Seat { relay: Box::new(relay), deadline });
        if let Err(error) = seat.relay.register(self.poll.registry(), tokens_of(index)) {
            tracing::warn!(%error, "connection dropped");
            self.seats.remove(index).relay.end(&self.worker, &self.bell.load);
            return;
        }
        if let Some(Leaving { queue, last }) = &mut self.leaving {
            queue.push_back((*last, index));
        }
        self.advance(index);
    }

    /// Has every session leave by and by.
    fn leave(&mut self, over: Millis) {
        let (now, count) = (self.worker.now(), self.seats.len() as u64);
        let due = |number| now.saturating_add(share(number, count, over));
        let queue = (0..).zip(&self.seats).map(|(number, (index, _))| (due(number), index));
        self.leaving = Some(Leaving { queue: queue.collect(), last: now.saturating_add(over) });
    }

    /// Has those leave whose time has come.
    fn see_out(&mut self) {
        while let Some(Leaving { queue, .. }) = &mut self.leaving
            && let Some((due, index)) = queue.front().copied()
            && due <= self.worker.now()
        {
            queue.pop_front();
            self.attend(index, |relay, worker| {
                relay.leave(worker);
                relay.advance(worker)
            });
        }
    }

    fn advance_all(&mut self, who: impl Fn(&Seat) -> bool) {
        let all: Vec<_> =
            self.seats.iter().filter(|(_, seat)| who(seat)).map(|(index, _)| index).collect();
        for index in all {
            self.advance(index);
        }
    }
}

/// How long the one with this number, of so many, waits, so that they are spread evenly over a time.
fn share(number: u64, count: u64, over: Millis) -> Millis {
    over.saturating_mul(number) / count.max(1)
}

/// The tokens of the two sockets of a session.
const fn tokens_of(index: usize) -> Sides<Token> {
    Sides { client: Token(2 * index), backend: Token(2 * index + 1) }
}

const fn place_of(token: Token) -> (usize, Side) {
    let side = if token.0.is_multiple_of(2) { Side::Client } else { Side::Backend };
    (token.0 / 2, side)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_leave_evenly_over_the_window() {
        assert_eq!([0, 1, 2, 3].map(|number| share(number, 4, 10_000)), [0, 2500, 5000, 7500]);
        assert_eq!(share(0, 0, 10_000), 0);
        let mut each_second = [0; 10];
        for number in 0..5000 {
            each_second[usize::try_from(share(number, 5000, 10_000) / 1000).unwrap()] += 1;
        }
        assert_eq!(each_second, [500; 10]);
        // At once, which is a shutdown.
        assert!((0..5000).all(|number| share(number, 5000, 0) == 0));
    }
}
