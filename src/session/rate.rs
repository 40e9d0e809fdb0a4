//! How fast a side may talk: a token bucket each for its messages and its bytes. Who has used one up
//! is not read until there is room again, so that its own system holds it back; nothing is lost and
//! nothing is closed.
//!
//! A bucket holds what may be said in a second. What a read brings is known only behind it, so that a
//! bucket can be overdrawn, and the debt is waited for: in the long run the rate holds. How much is
//! read at a time follows what is left, so that the debt is small.

use crate::limits::{Millis, READ_BUFFER};
use std::num::{NonZeroU32, NonZeroU64};

/// The thousandths that tokens are counted in: what one token a second brings in a millisecond.
const TOKEN: i64 = 1000;

/// The highest rate that is told from none, a second: far beyond any network, and far from overflow.
const FASTEST: i64 = 1 << 40;

/// As how many bytes a message counts before it is read: most are not much smaller, and of those that
/// are larger a read takes a part.
const SMALL_MESSAGE: usize = 64;

/// The rates of one side.
#[derive(Debug)]
pub struct Throttle {
    messages: Option<Bucket>,
    bytes: Option<Bucket>,
    /// Until when the side is not read.
    until: Option<Millis>,
}

#[derive(Debug)]
struct Bucket {
    /// Tokens a second, which is also what it holds.
    rate: i64,
    /// What is in it, in thousandths of a token; below zero a debt.
    level: i64,
    /// When that was so.
    at: Millis,
}

impl Throttle {
    /// The rates of a side that has said nothing yet, in messages and bytes a second.
    pub fn new(messages: Option<NonZeroU32>, bytes: Option<NonZeroU64>, now: Millis) -> Self {
        Self {
            messages: messages.map(|rate| Bucket::new(rate.get().into(), now)),
            bytes: bytes.map(|rate| Bucket::new(rate.get(), now)),
            until: None,
        }
    }

    /// How many bytes may be read now.
    pub fn room(&mut self, now: Millis) -> usize {
        if self.until.is_some_and(|until| now < until) {
            return 0;
        }
        self.until = None;
        let left = |bucket: &mut Option<Bucket>| {
            bucket.as_mut().map_or(READ_BUFFER, |bucket| bucket.left(now))
        };
        let bytes = left(&mut self.bytes);
        let messages = left(&mut self.messages).saturating_mul(SMALL_MESSAGE);
        bytes.min(messages).clamp(1, READ_BUFFER)
    }

    /// Takes what the side has said.
    pub fn take(&mut self, messages: u64, bytes: u64, now: Millis) {
        let said = [(&mut self.messages, messages), (&mut self.bytes, bytes)];
        let until =
            said.into_iter().filter_map(|(bucket, count)| bucket.as_mut()?.take(count, now));
        self.until = until.max();
    }

    /// Until when the side is not read; `None` for one that is.
    pub const fn until(&self) -> Option<Millis> {
        self.until
    }
}

impl Bucket {
    fn new(rate: u64, now: Millis) -> Self {
        let rate = i64::try_from(rate).unwrap_or(FASTEST).min(FASTEST);
        Self { rate, level: rate * TOKEN, at: now }
    }

    /// Whole tokens.
    fn left(&mut self, now: Millis) -> usize {
        self.fill(now);
        usize::try_from(self.level / TOKEN).unwrap_or(0)
    }

    /// Takes tokens out; if that empties it, until when it is to be left alone: it shall have what
    /// comes in a quarter of a second, so that what is read at a time is worth it, and one at least.
    fn take(&mut self, count: u64, now: Millis) -> Option<Millis> {
        self.fill(now);
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.level = self.level.saturating_sub(count.saturating_mul(TOKEN));
        let missing = (self.rate * TOKEN / 4).max(TOKEN).saturating_sub(self.level);
        let wait = missing.saturating_add(self.rate - 1) / self.rate;
        (self.level < TOKEN).then(|| now.saturating_add(wait.unsigned_abs()))
    }

    fn fill(&mut self, now: Millis) {
        let time = i64::try_from(now.saturating_sub(self.at)).unwrap_or(i64::MAX);
        let filled = self.level.saturating_add(time.saturating_mul(self.rate));
        self.level = filled.min(self.rate * TOKEN);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn throttle(messages: u32, bytes: u64) -> Throttle {
        Throttle::new(NonZeroU32::new(messages), NonZeroU64::new(bytes), 0)
    }

    #[test]
    fn a_second_at_once_and_then_what_comes() {
        let mut throttle = throttle(0, 1000);
        assert_eq!(throttle.room(0), 1000);
        throttle.take(3, 600, 0);
        assert_eq!(throttle.room(0), 400);
        throttle.take(0, 400, 0);
        assert_eq!((throttle.room(0), throttle.until()), (0, Some(250)));
        assert_eq!(throttle.room(249), 0);
        assert_eq!((throttle.room(250), throttle.until()), (250, None));
        assert_eq!(throttle.room(60_000), 1000);
    }

    #[test]
    fn what_was_taken_too_much_is_waited_for() {
        let mut throttle = throttle(2, 0);
        assert_eq!(throttle.room(0), 2 * SMALL_MESSAGE);
        throttle.take(10, 128, 0);
        // Eight too many are four seconds, and one more half of one.
        assert_eq!(throttle.until(), Some(4500));
        assert_eq!(throttle.room(4499), 0);
        assert_eq!(throttle.room(4500), SMALL_MESSAGE);
    }

    #[test]
    fn both_rates_hold() {
        let mut throttle = throttle(1, 10);
        throttle.take(0, 10, 0);
        assert_eq!(throttle.until(), Some(250));
        throttle.take(1, 0, 0);
        assert_eq!(throttle.until(), Some(1000));
    }

    #[test]
    fn the_highest_rates_are_none() {
        let mut throttle = throttle(u32::MAX, u64::MAX);
        assert_eq!(throttle.room(Millis::MAX), READ_BUFFER);
        throttle.take(u64::MAX, u64::MAX, Millis::MAX);
        assert_eq!(throttle.room(Millis::MAX - 1), 0);
    }

    proptest! {
        /// Whoever reads as much as there is room, whenever there is, gets the rate and not more, and
        /// always gets on.
        #[test]
        fn the_rate_holds(
            bytes in 1_u64..100_000,
            messages in 0_u32..50,
            size in 6_usize..300,
            pauses in proptest::collection::vec(0_u64..700, 1..60),
        ) {
            let mut throttle = throttle(messages, bytes);
            let (mut now, mut read) = (0, 0);
            for pause in pauses {
                // The relay may come late.
                now = throttle.until().unwrap_or(now).max(now) + pause;
                let room = throttle.room(now);
                prop_assert!(room > 0);
                let before = read / size;
                read += room;
                throttle.take((read / size - before) as u64, room as u64, now);
                prop_assert!(read as u64 <= bytes + now * bytes / 1000 + 1);
                // What one read takes too much is less than it has room for.
                let most = u64::from(messages) * (1000 + now) / 1000 + (room / size) as u64 + 1;
                prop_assert!(messages == 0 || (read / size) as u64 <= most);
            }
        }
    }
}
