//! Who waits for a place at a server, in order.

use super::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// The queue of a backend.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<VecDeque<Arc<Notify>>>);

/// One who waits; leaves the queue when it is dropped.
#[derive(Debug)]
pub(super) struct Ticket<'q> {
    queue: &'q Queue,
    bell: Arc<Notify>,
}

impl Queue {
    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// Joins at the end; `None` where as many as may wait already.
    pub(super) fn join(&self, bound: usize) -> Option<Ticket<'_>> {
        let mut waiting = lock(&self.0);
        if waiting.len() >= bound {
            return None;
        }
        let bell = Arc::new(Notify::new());
        // The first looks for a place at once: one may have become free in this moment.
        if waiting.is_empty() {
            bell.notify_one();
        }
        waiting.push_back(Arc::clone(&bell));
        Some(Ticket { queue: self, bell })
    }

    /// Has the first look whether there is a place.
    pub(super) fn call(&self) {
        if let Some(first) = lock(&self.0).front() {
            first.notify_one();
        }
    }
}

impl Ticket<'_> {
    /// Waits to be called, which only the first is. A call that came before is not lost.
    pub(super) async fn called(&self) {
        self.bell.notified().await;
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        lock(&self.queue.0).retain(|bell| !Arc::ptr_eq(bell, &self.bell));
        // There may be more places than one, or this one may have left with its call.
        self.queue.call();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn called(ticket: &Ticket<'_>) -> bool {
        ticket.called().now_or_never().is_some()
    }

    #[test]
    fn only_the_first_is_called() {
        let queue = Queue::default();
        let first = queue.join(3).unwrap();
        let second = queue.join(3).unwrap();
        let third = queue.join(3).unwrap();
        assert!(queue.join(3).is_none(), "the bound");
        assert!(called(&first), "it looks at once");
        assert!(!called(&first) && !called(&second));
        queue.call();
        assert!(!called(&second) && called(&first));
        drop(second);
        assert!(called(&first), "who leaves has the first look again");
        drop(first);
        assert!(called(&third));
        drop(third);
        assert!(queue.is_empty());
    }

    /// A call must not be lost with who was called.
    #[test]
    fn who_leaves_passes_its_call_on() {
        let queue = Queue::default();
        let first = queue.join(2).unwrap();
        let second = queue.join(2).unwrap();
        queue.call();
        drop(first);
        assert!(called(&second));
    }
}
