//! The thread of a worker: it waits for the sockets of all its sessions at once and advances those
//! that changed.
//!
//! It has no runtime: a session is no task but a seat in a table, so that a change of a socket costs
//! one look into the table and an idle session nothing beside its own state.

use crate::config::Settings;
use crate::event::{Side, Sides};
use crate::limits::Millis;
use crate::proxy::open::Connection;
use crate::proxy::relay::{Next, Relay};
use crate::watch::Watcher;
use crate::worker::Worker;
use crate::worker::load::Load;
use anyhow::Context;
use mio::event::Event;
use mio::{Events, Poll, Token, Waker};
use slab::Slab;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

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
    /// To bring every session to its end.
    Leave,
}

/// A worker's thread, seen from outside. It ends when it was told to leave, has no session and this
/// is dropped.
#[derive(Debug)]
pub(super) struct Handle {
    load: Arc<Load>,
    /// `None` only while it is dropped.
    orders: Option<Sender<Order>>,
    waker: Arc<Waker>,
}

impl Handle {
    /// Starts a thread.
    ///
    /// # Errors
    /// When the system has no thread, no files or no randomness to give.
    pub(super) fn start(
        index: usize,
        settings: &Arc<Settings>,
        watcher: Option<Arc<dyn Watcher>>,
    ) -> anyhow::Result<(Self, JoinHandle<()>)> {
        let (orders, inbox) = channel();
        let load = Arc::<Load>::default();
        let worker = Worker::new(Arc::clone(settings), watcher)?;
        let thread = Thread::new(worker, inbox, Arc::clone(&load));
        let thread = thread.context("cannot prepare a worker")?;
        let waker = Arc::clone(&thread.waker);
        let running = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || thread.run())
            .context("cannot start a worker")?;
        Ok((Self { load, orders: Some(orders), waker }, running))
    }

    /// The sessions that the worker has, or will have.
    pub(super) fn load(&self) -> usize {
        self.load.count()
    }

    /// The pulse of the worker, which outlives this.
    pub(super) fn pulse(&self) -> Pulse {
        Pulse { load: Arc::clone(&self.load), waker: Arc::clone(&self.waker) }
    }

    /// Hands over a connection.
    pub(super) fn relay(&self, connection: Connection) {
        self.load.add();
        self.tell(Order::Relay(Box::new(connection)));
    }

    /// Brings every session of the worker to its end.
    pub(super) fn leave(&self) {
        self.tell(Order::Leave);
    }

    fn tell(&self, order: Order) {
        // If the thread has died, who joins it will know.
        if let Some(orders) = &self.orders
            && orders.send(order).is_ok()
        {
            wake(&self.waker);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.orders = None;
        wake(&self.waker);
    }
}

/// What makes a worker look at its deadlines.
///
/// It is given from outside, because a wait with a time limit makes the system set and stop a timer
/// at each message, which costs more than the wait.
#[derive(Debug)]
pub(super) struct Pulse {
    load: Arc<Load>,
    waker: Arc<Waker>,
}

impl Pulse {
    /// Keeps workers ticking, for ever.
    pub(super) async fn beat(pulses: &[Self]) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let busy = pulses.iter().filter(|pulse| pulse.load() > 0);
            busy.for_each(|pulse| wake(&pulse.waker));
        }
    }

    /// The sessions that the worker still has.
    pub(super) fn load(&self) -> usize {
        self.load.count()
    }
}

fn wake(waker: &Waker) {
    if let Err(error) = waker.wake() {
        tracing::error!(%error, "cannot wake a worker");
    }
}

/// The thread itself.
#[derive(Debug)]
struct Thread {
    worker: Worker,
    poll: Poll,
    /// Held here too: what was woken for is lost with the last of them.
    waker: Arc<Waker>,
    orders: Receiver<Order>,
    /// Whether there may be more orders.
    ordered: bool,
    load: Arc<Load>,
    seats: Slab<Seat>,
    /// Who was interrupted, to let the others have their turn.
    interrupted: Vec<usize>,
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
    fn new(worker: Worker, orders: Receiver<Order>, load: Arc<Load>) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        Ok(Self {
            worker,
            waker: Arc::new(Waker::new(poll.registry(), CALL)?),
            poll,
            orders,
            ordered: true,
            load,
            seats: Slab::new(),
            interrupted: Vec::new(),
        })
    }

    fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while self.ordered || !self.seats.is_empty() {
            let patience = (!self.interrupted.is_empty()).then_some(Duration::ZERO);
            if let Err(error) = self.poll.poll(&mut events, patience)
                && error.kind() != io::ErrorKind::Interrupted
            {
                // The table of the system is gone: nothing could be served any more.
                tracing::error!(%error, "a worker cannot wait for its sockets");
                return;
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
                let now = self.worker.now();
                self.advance_all(|seat| seat.deadline <= now);
            }
        }
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
        let Some(seat) = self.seats.get_mut(index) else { return };
        // A fault of ours must not end the sessions beside it.
        let next = catch_unwind(AssertUnwindSafe(|| seat.relay.advance(&mut self.worker)));
        seat.deadline = seat.relay.deadline();
        match next {
            Ok(Next::Wait) => {}
            Ok(Next::Turn) => self.interrupted.push(index),
            Ok(Next::Over) | Err(_) => {
                self.seats.remove(index).relay.end(&self.worker, &self.load);
            }
        }
    }

    fn follow_orders(&mut self) {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Relay(connection)) => self.relay(*connection),
                Ok(Order::Leave) => {
                    self.worker.leaving = true;
                    self.advance_all(|_| true);
                }
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
            self.load.remove();
            return;
        };
        let entry = self.seats.vacant_entry();
        let (index, deadline) = (entry.key(), relay.deadline());
        let seat = entry.insert(Seat { relay: Box::new(relay), deadline });
        if let Err(error) = seat.relay.register(self.poll.registry(), tokens_of(index)) {
            tracing::warn!(%error, "connection dropped");
            self.seats.remove(index).relay.end(&self.worker, &self.load);
            return;
        }
        self.advance(index);
    }

    fn advance_all(&mut self, who: impl Fn(&Seat) -> bool) {
        let all: Vec<_> =
            self.seats.iter().filter(|(_, seat)| who(seat)).map(|(index, _)| index).collect();
        for index in all {
            self.advance(index);
        }
    }
}

/// The tokens of the two sockets of a session.
const fn tokens_of(index: usize) -> Sides<Token> {
    Sides { client: Token(2 * index), backend: Token(2 * index + 1) }
}

const fn place_of(token: Token) -> (usize, Side) {
    let side = if token.0.is_multiple_of(2) { Side::Client } else { Side::Backend };
    (token.0 / 2, side)
}
