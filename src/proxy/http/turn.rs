//! What the gate and the request that it has let through tell each other. Both run in one task, one
//! after the other.

use crate::config::values::Period;
use crate::wire::body::Fault;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a client may take nothing of a response that no route knows of.
const NO_ROUTE: Period = Period::seconds(60);

/// The turn of one request.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Whether hyper has all of the response.
    answered: AtomicBool,
    malformed: OnceLock<Fault>,
    patience: OnceLock<Period>,
}

impl Turn {
    /// Told when hyper has taken the last of the response.
    pub(crate) fn answer(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Told by the gate: the body has no end that could be found.
    pub(crate) fn malformed(&self, fault: Fault) {
        self.malformed.get_or_init(|| fault);
    }

    /// What is wrong with the body.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.malformed.get().copied()
    }

    /// Tells the gate how long the client may take nothing.
    pub(crate) fn wait(&self, patience: Period) {
        self.patience.get_or_init(|| patience);
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience.get().unwrap_or(&NO_ROUTE).0
    }
}
