//! A worker: what the sessions of one thread share.
//!
//! A session lives its whole life on one worker, so that nothing here is locked.

pub(crate) mod load;

use crate::event::Sides;
use crate::limits::{Millis, READ_BUFFER};
use crate::telemetry::{Telemetry, Traffic};
use crate::watch::{ConnectionId, Watched, Watcher};
use crate::wire::entropy::Entropy;
use crate::wire::spare::Spare;
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use tokio::time::Instant;

/// What the sessions of a worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) tools: Tools,
    pub(crate) watcher: Option<Arc<dyn Watcher>>,
    pub(crate) telemetry: Arc<Telemetry>,
    /// What passes through this worker, which alone counts here.
    pub(crate) traffic: Arc<Traffic>,
    start: Instant,
    now: Millis,
}

/// The buffers and the randomness that one turn of a session uses.
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

impl Random {
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(StdRng::try_from_rng(&mut SysRng)?))
    }
}

impl Entropy for Random {
    #[inline]
    fn fill(&mut self, bytes: &mut [u8]) {
        // A mask key is one word, which the generator hands out faster than bytes.
        match <&mut [u8; 4]>::try_from(&mut *bytes) {
            Ok(word) => *word = self.0.next_u32().to_ne_bytes(),
            Err(_) => self.0.fill_bytes(bytes),
        }
    }
}

impl Worker {
    /// A worker that has not begun.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn new(
        watcher: Option<Arc<dyn Watcher>>,
        telemetry: Arc<Telemetry>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            tools: Tools {
                input: vec![0; READ_BUFFER].into_boxed_slice(),
                scratch: Sides::default(),
                spare: Spare::default(),
                entropy: Random::new()?,
            },
            watcher,
            traffic: telemetry.traffic(),
            telemetry,
            start: Instant::now(),
            now: 0,
        })
    }

    /// Who watches a connection.
    #[inline]
    pub(crate) fn watched(&self, id: ConnectionId) -> Watched<'_> {
        Watched { id, watcher: self.watcher.as_deref() }
    }

    /// Reads the clock, once for all that is done until the next wait.
    pub(crate) fn look_at_the_clock(&mut self) {
        self.now = Millis::try_from(self.start.elapsed().as_millis()).unwrap_or(Millis::MAX);
    }

    /// The time of the last look at the clock.
    pub(crate) const fn now(&self) -> Millis {
        self.now
    }
}
