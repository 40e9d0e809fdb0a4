//! How long answers took, in the recording and now.

/// How many are kept of a lane; the later ones are left out.
const MOST: usize = 100_000;

/// From how many nanoseconds more on a lane is slower, where it also takes twice as long: less may be
/// the way to another server.
const NOTABLE: u64 = 5_000_000;

/// Those of one lane, in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Delays {
    then: Vec<u64>,
    now: Vec<u64>,
}

impl Delays {
    pub(super) fn add(&mut self, then: u64, now: u64) {
        if self.then.len() < MOST {
            self.then.push(then);
            self.now.push(now);
        }
    }

    pub(super) const fn count(&self) -> usize {
        self.then.len()
    }

    /// The half and the 95th of a hundred, in the recording and now.
    pub(super) fn summary(&self) -> [(u64, u64); 2] {
        [&self.then, &self.now].map(|delays| {
            let mut sorted = delays.clone();
            sorted.sort_unstable();
            let at = |percent: usize| {
                let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
                sorted.get(place).copied().unwrap_or_default()
            };
            (at(50), at(95))
        })
    }

    /// Whether it takes notably longer now.
    pub(super) fn is_slower(&self) -> bool {
        let [(then, _), (now, _)] = self.summary();
        now > then.saturating_mul(2) && now > then.saturating_add(NOTABLE)
    }
}
