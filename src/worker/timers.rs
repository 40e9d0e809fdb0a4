//! The deadlines of all sessions of a worker, in one table that is looked through at every tick.
//!
//! A timer of its own would cost each session more memory than the rest of its state, and a message
//! more time than its translation; here setting a deadline is one store.

use crate::limits::Millis;
use std::task::Waker;

#[derive(Debug, Default)]
pub(super) struct Timers {
    entries: Vec<Entry>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Entry {
    deadline: Millis,
    /// `None` in a free entry.
    waker: Option<Waker>,
}

/// The place of a session in the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer(u32);

impl Timers {
    pub(super) fn add(&mut self) -> Timer {
        let entry = Entry { deadline: Millis::MAX, waker: None };
        if let Some(index) = self.free.pop() {
            if let Some(place) = self.entries.get_mut(index as usize) {
                *place = entry;
            }
            return Timer(index);
        }
        self.entries.push(entry);
        // There are fewer sessions than open files, which are fewer than 2^32.
        Timer(u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX))
    }

    pub(super) fn remove(&mut self, timer: Timer) {
        if let Some(entry) = self.entries.get_mut(timer.0 as usize) {
            entry.waker = None;
            self.free.push(timer.0);
        }
    }

    /// Sets the deadline of a session, and whom to wake then.
    pub(super) fn set(&mut self, timer: Timer, deadline: Millis, waker: &Waker) {
        if let Some(entry) = self.entries.get_mut(timer.0 as usize) {
            entry.deadline = deadline;
            match &mut entry.waker {
                Some(set) => set.clone_from(waker),
                None => entry.waker = Some(waker.clone()),
            }
        }
    }

    /// Wakes every session whose deadline is not behind `now`.
    pub(super) fn wake(&self, now: Millis) {
        for entry in self.entries.iter().filter(|entry| entry.deadline <= now) {
            if let Some(waker) = &entry.waker {
                waker.wake_by_ref();
            }
        }
    }
}
