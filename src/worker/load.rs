//! How many connections there are: one bound for all workers, one count for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Notify, Semaphore};

/// Connections above the limit that are let in to be told 503, before no more are accepted at all.
pub(crate) const TURNED_AWAY: usize = 64;

/// The places of all workers together.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Semaphore>);

/// The connections of one worker.
#[derive(Debug)]
pub(crate) struct Load {
    places: Places,
    count: AtomicUsize,
    ended: Notify,
}

/// The place of one connection; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    load: Arc<Load>,
    over_limit: bool,
}

impl Places {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Semaphore::new((limit + TURNED_AWAY).min(Semaphore::MAX_PERMITS))))
    }

    /// Waits until there is a place for one more.
    pub(crate) async fn wait(&self) {
        // The semaphore is never closed.
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

impl Load {
    pub(crate) fn new(places: Places) -> Arc<Self> {
        Arc::new(Self { places, count: AtomicUsize::new(0), ended: Notify::new() })
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Takes the place that [`Places::wait`] waited for.
    pub(crate) fn ticket(self: &Arc<Self>) -> Ticket {
        self.count.fetch_add(1, Ordering::Relaxed);
        let over_limit = self.places.0.available_permits() < TURNED_AWAY;
        Ticket { load: Arc::clone(self), over_limit }
    }

    /// Waits until the last connection has ended.
    pub(crate) async fn empty(&self) {
        loop {
            let ended = self.ended.notified();
            if self.count() == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Ticket {
    /// Whether this connection is one too many, and is only to be told so.
    pub(crate) const fn over_limit(&self) -> bool {
        self.over_limit
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.load.places.0.add_permits(1);
        if self.load.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.load.ended.notify_waiters();
        }
    }
}
