//! Whether a server is well: what real openings and the active checks have shown. The time comes in
//! as an argument.

use crate::config::backend::{Health, PassiveHealth};
use tokio::time::Instant;

/// How a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It gets sessions.
    Up,
    /// It has failed clients and is left alone until then.
    Resting(Instant),
    /// Its checks fail.
    Down,
}

/// What is known of a server's health; at the start, that it is well.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The openings that failed in a row.
    failures: u32,
    /// Until when it is left alone; stays when that is over, until an opening has succeeded.
    rest: Option<Instant>,
    /// Whether the checks have found it down.
    down: bool,
    /// How many checks in a row have said otherwise.
    doubts: u32,
}

impl Record {
    /// Takes an opening that failed. Whether the server begins to rest with it.
    pub(super) fn failed(&mut self, rules: &PassiveHealth, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if rules.failures == 0 || self.failures < rules.failures {
            return false;
        }
        let begins = self.rest.is_none();
        self.rest = now.checked_add(rules.rest.0);
        begins
    }

    /// Takes an opening that succeeded. Whether the server comes back with it.
    pub(super) fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.rest.take().is_some()
    }

    /// Takes that a client is sent to it: behind its rest it is the only one, until that has shown
    /// how the server is.
    pub(super) fn chosen(&mut self, rules: &PassiveHealth, now: Instant) {
        if self.rest.is_some_and(|until| until <= now) {
            self.rest = now.checked_add(rules.rest.0);
        }
    }

    /// Takes a check. Whether the server goes down or comes up with it.
    pub(super) fn checked(&mut self, well: bool, rules: &Health) -> bool {
        if well != self.down {
            self.doubts = 0;
            return false;
        }
        self.doubts = self.doubts.saturating_add(1);
        let due = if self.down { rules.rise } else { rules.fall };
        if self.doubts < due.get() {
            return false;
        }
        (self.down, self.doubts) = (!self.down, 0);
        true
    }

    /// Takes that there are no checks any more.
    pub(super) fn unchecked(&mut self) {
        (self.down, self.doubts) = (false, 0);
    }

    /// How the server stands.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        match self.rest {
            _ if self.down => Standing::Down,
            Some(until) if now < until => Standing::Resting(until),
            _ => Standing::Up,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::Period;
    use std::time::Duration;

    fn rules(failures: u32) -> PassiveHealth {
        PassiveHealth { failures, rest: Period::seconds(10) }
    }

    #[test]
    fn rests_after_failures_in_a_row() {
        let (mut record, rules) = (Record::default(), rules(3));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..5 {
            assert!(!record.failed(&rules, start));
            assert!(!record.failed(&rules, start));
            assert!(!record.succeeded(), "it had not rested");
        }
        record.failed(&rules, start);
        record.failed(&rules, start);
        assert_eq!(record.standing(start), Standing::Up);
        assert!(record.failed(&rules, at(1)));
        assert_eq!(record.standing(at(10)), Standing::Resting(at(11)));
        assert!(!record.failed(&rules, at(2)), "it rests already");
        assert_eq!(record.standing(at(11)), Standing::Resting(at(12)));
        assert_eq!(record.standing(at(12)), Standing::Up);
    }

    #[test]
    fn one_is_let_through_behind_the_rest() {
        let (mut record, rules) = (Record::default(), rules(1));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(record.failed(&rules, start));
        record.chosen(&rules, at(3));
        assert_eq!(record.standing(at(3)), Standing::Resting(at(10)), "all rest, all are tried");
        record.chosen(&rules, at(12));
        assert_eq!(record.standing(at(12)), Standing::Resting(at(22)), "the next has to wait");
        // Whether it fails or leaves without a word, it rests on; and then the next is let through.
        assert!(!record.failed(&rules, at(13)));
        assert_eq!(record.standing(at(23)), Standing::Up);
        record.chosen(&rules, at(23));
        assert!(record.succeeded());
        assert_eq!(record.standing(at(23)), Standing::Up);
    }

    #[test]
    fn never_rests_where_it_is_not_to() {
        let (mut record, rules) = (Record::default(), rules(0));
        let now = Instant::now();
        assert!((0..100).all(|_| !record.failed(&rules, now)));
        assert_eq!(record.standing(now), Standing::Up);
    }

    #[test]
    fn checks_take_it_down_and_up() {
        let mut record = Record::default();
        let rules = Health::default();
        let now = Instant::now();
        let mut check = |well| {
            let changed = record.checked(well, &rules);
            (changed, record.standing(now))
        };
        let (up, down) = (Standing::Up, Standing::Down);
        for (well, changed, standing) in [
            (false, false, up),
            (false, false, up),
            (true, false, up),
            (false, false, up),
            (false, false, up),
            (false, true, down),
            (false, false, down),
            (true, false, down),
            (false, false, down),
            (true, false, down),
            (true, true, up),
        ] {
            assert_eq!(check(well), (changed, standing));
        }
    }
}
