//! How many a second: token buckets, one for all or one for each address.
//!
//! A bucket holds the tokens of one second, so that it lets a full second's worth come at once. It
//! is kept as the time at which it will be full again (the generic cell rate algorithm), which is
//! all that there is to remember, and nothing once that time has passed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// The most addresses that have a bucket: what fits in 6 MiB. An address beyond them is not
/// counted; a flood from more addresses a second than this is one for the rate of the listener.
const MAX_ADDRESSES: usize = 1 << 16;

/// A bucket, full at first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes a token out of a bucket that gets `rate` of them a second. Whether there was one.
    pub(crate) fn take(&mut self, rate: NonZeroU32, now: Instant) -> bool {
        let refill = SECOND / rate.get();
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + refill;
        let taken = full_at <= now + SECOND;
        if taken {
            self.full_at = Some(full_at);
        }
        taken
    }

    fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| at <= now)
    }
}

/// A bucket for each address.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    used: HashMap<IpAddr, Bucket>,
    swept: Option<Instant>,
}

impl Buckets {
    /// Takes a token out of the bucket of an address. Whether there was one.
    pub(crate) fn take(&mut self, address: IpAddr, rate: NonZeroU32, now: Instant) -> bool {
        self.sweep(now);
        if self.used.len() >= MAX_ADDRESSES && !self.used.contains_key(&address) {
            return true;
        }
        self.used.entry(address).or_default().take(rate, now)
    }

    /// Forgets the buckets that are full, which every bucket is after a second, once a second.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_none_or(|at| now >= at + SECOND) {
            self.used.retain(|_, bucket| !bucket.is_full(now));
            self.swept = Some(now);
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers")]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::time::Instant as Clock;

    fn rate(rate: u32) -> NonZeroU32 {
        NonZeroU32::new(rate).unwrap()
    }

    fn address(number: usize) -> IpAddr {
        Ipv4Addr::from_bits(number as u32).into()
    }

    #[test]
    fn a_second_s_worth_at_once_and_then_one_by_one() {
        for per_second in [1, 3, 7, 1000] {
            let (mut bucket, start) = (Bucket::default(), Clock::now().into_std());
            let taken = (0..2 * per_second).filter(|_| bucket.take(rate(per_second), start));
            assert_eq!(taken.count(), per_second as usize);
            let one = SECOND / per_second + Duration::from_nanos(1);
            assert!(!bucket.take(rate(per_second), start + one / 2));
            assert!(bucket.take(rate(per_second), start + one));
            assert!(!bucket.take(rate(per_second), start + one));
            // Rest does not add up beyond a second.
            let later = start + 100 * SECOND;
            let taken = (0..2 * per_second).filter(|_| bucket.take(rate(per_second), later));
            assert_eq!(taken.count(), per_second as usize);
        }
    }

    #[test]
    fn no_more_than_the_rate_over_time() {
        let (mut bucket, start) = (Bucket::default(), Clock::now().into_std());
        let tries = (0..10_000).map(|ms| start + Duration::from_millis(ms));
        let taken = tries.filter(|now| bucket.take(rate(20), *now)).count();
        // Ten seconds, and what was in the bucket.
        assert_eq!(taken, 10 * 20 + 20 - 1);
    }

    #[test]
    fn the_rate_may_change() {
        let (mut bucket, start) = (Bucket::default(), Clock::now().into_std());
        assert!(bucket.take(rate(1), start));
        assert!(!bucket.take(rate(1), start));
        // The one token that is out is, at the new rate, a tenth of a second's worth or less.
        assert!(bucket.take(rate(10), start + Duration::from_millis(100)));
    }

    #[test]
    fn each_address_has_its_own() {
        let (mut buckets, now) = (Buckets::default(), Clock::now().into_std());
        assert!(buckets.take(address(1), rate(1), now));
        assert!(!buckets.take(address(1), rate(1), now));
        assert!(buckets.take(address(2), rate(1), now));
    }

    #[test]
    fn the_table_is_bounded_and_empties() {
        let (mut buckets, start) = (Buckets::default(), Clock::now().into_std());
        for number in 0..MAX_ADDRESSES + 10 {
            assert!(buckets.take(address(number), rate(1), start));
        }
        assert_eq!(buckets.used.len(), MAX_ADDRESSES);
        // Who is in it is held to the rate still; who is not goes free.
        assert!(!buckets.take(address(0), rate(1), start));
        assert!(buckets.take(address(MAX_ADDRESSES), rate(1), start));
        assert!(buckets.take(address(0), rate(1), start + SECOND));
        assert_eq!(buckets.used.len(), 1);
    }
}
