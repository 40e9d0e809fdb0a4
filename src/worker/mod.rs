//! A worker: what the connections of one thread share.
//!
//! A connection lives its whole life on one worker, so that nothing here is locked.

pub(crate) mod load;
pub(crate) mod timers;

use crate::config::Settings;
use crate::event::Sides;
use crate::limits::{Millis, READ_BUFFER};
use crate::wire::entropy::Entropy;
use crate::wire::spare::Spare;
use load::Load;
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;
use timers::{Timer, Timers};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

/// How often deadlines are looked at. All of them are seconds long, so that this is fine enough,
/// and looking through ten thousand takes some microseconds.
const TICK: Duration = Duration::from_millis(250);

/// What the connections of a worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) settings: Arc<Settings>,
    pub(crate) tools: RefCell<Tools>,
    load: Arc<Load>,
    start: Instant,
    now: Cell<Millis>,
    timers: RefCell<Timers>,
    leaving: Cell<bool>,
    left: Notify,
}

/// The buffers and the randomness that one turn of a connection uses.
pub(crate) struct Tools {
    pub(crate) input: Box<[u8]>,
    pub(crate) scratch: Sides<Vec<u8>>,
    pub(crate) spare: Spare,
    pub(crate) entropy: Random,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tools").finish_non_exhaustive()
    }
}

/// A cryptographically secure generator, seeded by the system.
pub(crate) struct Random(StdRng);

impl Entropy for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

impl Worker {
    /// A worker that has not begun.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn new(settings: Arc<Settings>, load: Arc<Load>) -> anyhow::Result<Self> {
        Ok(Self {
            settings,
            tools: RefCell::new(Tools {
                input: vec![0; READ_BUFFER].into_boxed_slice(),
                scratch: Sides::default(),
                spare: Spare::default(),
                entropy: Random(StdRng::try_from_rng(&mut SysRng)?),
            }),
            load,
            start: Instant::now(),
            now: Cell::new(0),
            timers: RefCell::default(),
            leaving: Cell::new(false),
            left: Notify::new(),
        })
    }

    /// Tells every connection to come to its end, and waits until the last has.
    pub(crate) async fn leave(&self) {
        self.leaving.set(true);
        self.left.notify_waiters();
        self.timers.borrow().wake(Millis::MAX);
        self.load.empty().await;
    }

    /// Keeps the clock and the deadlines, for ever.
    pub(crate) async fn tick(&self) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = interval.tick().await;
            let now = now.duration_since(self.start).as_millis();
            self.now.set(Millis::try_from(now).unwrap_or(Millis::MAX));
            self.timers.borrow().wake(self.now.get());
        }
    }
}

/// What a connection asks of its worker.
impl Worker {
    /// The time to the millisecond, for what is told and not for what is decided.
    pub(crate) fn uptime(&self) -> Millis {
        Millis::try_from(self.start.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// The time, as of the last tick.
    pub(crate) fn now(&self) -> Millis {
        self.now.get()
    }

    /// Whether every connection is to come to its end.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// Waits until every connection is to come to its end.
    pub(crate) async fn leaving(&self) {
        let left = self.left.notified();
        if !self.is_leaving() {
            left.await;
        }
    }

    /// A place among the deadlines.
    pub(crate) fn add_timer(&self) -> Timer {
        self.timers.borrow_mut().add()
    }

    /// Sets a deadline.
    pub(crate) fn set_timer(&self, timer: Timer, deadline: Millis, waker: &Waker) {
        self.timers.borrow_mut().set(timer, deadline, waker);
    }

    /// Gives a place back.
    pub(crate) fn remove_timer(&self, timer: Timer) {
        self.timers.borrow_mut().remove(timer);
    }
}
