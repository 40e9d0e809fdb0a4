//! How many connections there are: one bound for all of them, one count for each worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections above the limit that are let in to be told 503, before no more are accepted at all.
pub(crate) const TURNED_AWAY: usize = 64;

/// The places of all connections.
#[derive(Debug)]
pub(crate) struct Places(Arc<Semaphore>);

/// The place of one connection; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    over_limit: bool,
}

/// The sessions of one worker.
#[derive(Debug, Default)]
pub(crate) struct Load(AtomicUsize);

impl Places {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Semaphore::new((limit + TURNED_AWAY).min(Semaphore::MAX_PERMITS))))
    }

    /// Waits until there is a place for one more, and then for the one who takes it; `None` when
    /// there are no places any more, which does not happen.
    pub(crate) async fn give<T>(&self, arrival: impl Future<Output = T>) -> Option<(T, Place)> {
        let permit = Arc::clone(&self.0).acquire_owned().await.ok()?;
        let arrived = arrival.await;
        let over_limit = self.0.available_permits() < TURNED_AWAY;
        Some((arrived, Place { _permit: permit, over_limit }))
    }
}

impl Place {
    /// Whether this connection is one too many, and is only to be told so.
    pub(crate) const fn over_limit(&self) -> bool {
        self.over_limit
    }
}

impl Load {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
