//! What passes through one worker: counters that its thread alone writes, so that a message costs a
//! plain addition, and that anyone can read while the sessions go on.

use crate::event::{Side, Sides};
use crate::quirk::Quirk;
use crate::session::fact::{Fact, Loss};
use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of one worker, in cache lines of their own: two, for processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Traffic {
    messages: Sides<Count>,
    bytes: Sides<Count>,
    losses: [Count; LOSSES.len()],
    quirks: [Count; Quirk::ALL.len()],
}

/// The kinds of losses, with their labels.
pub(super) const LOSSES: [(Loss, &str); 5] = [
    (Loss::BinaryFrame, "binary_frame"),
    (Loss::BinaryAsText, "binary_as_text"),
    (Loss::BinaryDropped, "binary_dropped"),
    (Loss::CloseReason, "close_reason"),
    (Loss::MessageCut, "message_cut"),
];

/// A number that one thread writes and others read.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Count {
    /// Not `fetch_add`, which would lock the cache line for a writer that does not exist.
    #[inline]
    fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }
}

impl Traffic {
    /// Counts a fact; only for the thread of the worker.
    #[inline]
    pub(crate) fn count(&self, fact: &Fact) {
        match fact {
            Fact::Message { from, bytes, .. } => {
                self.messages[*from].add(1);
                self.bytes[*from].add(*bytes);
            }
            Fact::Passed { from, bytes } => self.bytes[*from].add(*bytes),
            Fact::Loss(loss) => {
                let place = LOSSES.iter().position(|(kind, _)| kind == loss);
                if let Some(count) = place.and_then(|place| self.losses.get(place)) {
                    count.add(1);
                }
            }
            Fact::Quirk(quirk) => {
                if let Some(count) = self.quirks.get(*quirk as usize) {
                    count.add(1);
                }
            }
            Fact::Ping { .. }
            | Fact::Pong { .. }
            | Fact::Heard { .. }
            | Fact::Told { .. }
            | Fact::Ended { .. } => {}
        }
    }

    /// Whole messages that a side has sent.
    pub(super) fn messages(&self, from: Side) -> u64 {
        self.messages[from].0.load(Ordering::Relaxed)
    }

    /// Their payload, and all bytes of tunnels.
    pub(super) fn bytes(&self, from: Side) -> u64 {
        self.bytes[from].0.load(Ordering::Relaxed)
    }

    /// What was lost in translation, in the order of [`LOSSES`].
    pub(super) fn losses(&self) -> impl Iterator<Item = u64> {
        self.losses.iter().map(|count| count.0.load(Ordering::Relaxed))
    }

    /// How often each quirk was used, in the order of [`Quirk::ALL`].
    pub(super) fn quirks(&self) -> impl Iterator<Item = u64> {
        self.quirks.iter().map(|count| count.0.load(Ordering::Relaxed))
    }
}
