//! Who is let in: the places of the whole server, and the bounds of each listener.

use super::TurnedAway;
use super::hush::Hush;
use super::rate::{Bucket, Buckets};
use crate::config::listener::Listener as Settings;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections above a limit that are let in to be told 503: of the server, before no more are
/// accepted at all; of each listener, before the rest is closed without a word.
pub(crate) const TURNED_AWAY: usize = 64;

/// The places of all connections of the server.
#[derive(Debug)]
pub(crate) struct Places(Arc<Semaphore>);

/// The place of one connection; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    standing: Option<Standing>,
}

/// What there is to a place beside itself.
#[derive(Debug)]
enum Standing {
    /// It is one above the limit of the server.
    OverLimit,
    /// It is taken up under a listener's limits.
    Admitted(#[expect(dead_code, reason = "held to be dropped")] Seat),
    /// Who has it is told why it is turned away.
    Told(#[expect(dead_code, reason = "held to be dropped")] OwnedSemaphorePermit),
}

impl Place {
    /// Whether it is one above the limit of the server.
    pub(super) fn is_over_limit(&self) -> bool {
        matches!(&self.standing, Some(Standing::OverLimit))
    }
}

impl Places {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Semaphore::new((limit + TURNED_AWAY).min(Semaphore::MAX_PERMITS))))
    }

    /// Waits until there is a place for one more; `None` when there are no places any more, which
    /// does not happen.
    pub(crate) async fn take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.0).acquire_owned().await.ok()?;
        let over_limit = self.0.available_permits() < TURNED_AWAY;
        let standing = over_limit.then_some(Standing::OverLimit);
        Some(Place { _permit: permit, standing })
    }
}

/// The connections of a listener and their rates, over reloads.
#[derive(Debug)]
pub(crate) struct Admission {
    table: Mutex<Table>,
    /// Who may be told why it is turned away.
    told: Arc<Semaphore>,
    /// The lines about those that come to nothing.
    pub(crate) refusals: Arc<Hush>,
}

#[derive(Debug, Default)]
struct Table {
    connections: usize,
    /// Bounded by the connections.
    of_address: HashMap<IpAddr, usize>,
    rate: Bucket,
    rates: Buckets,
}

/// What a connection takes up of its listener; given back when it is dropped.
#[derive(Debug)]
struct Seat {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            table: Mutex::default(),
            told: Arc::new(Semaphore::new(TURNED_AWAY)),
            refusals: Arc::default(),
        }
    }
}

impl Admission {
    /// Lets a connection in, where the limits allow one more. An address is counted where there is
    /// one, and before the listener, so that who is too many by itself takes nothing of the others.
    ///
    /// # Errors
    /// With the limit that does not allow it.
    pub(crate) fn admit(
        self: &Arc<Self>,
        limits: &Settings,
        address: Option<IpAddr>,
        place: &mut Place,
        now: Instant,
    ) -> Result<(), TurnedAway> {
        let address = address.map(block);
        self.lock().take(limits, address, now)?;
        let seat = Seat { admission: Arc::clone(self), address };
        place.standing = Some(Standing::Admitted(seat));
        Ok(())
    }

    /// Lets a connection stay to be told why it is turned away, if few enough are.
    pub(crate) fn tell(&self, place: &mut Place) -> bool {
        let turn = Arc::clone(&self.told).try_acquire_owned().ok();
        let told = turn.is_some();
        if let Some(turn) = turn {
            place.standing = Some(Standing::Told(turn));
        }
        told
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn take(
        &mut self,
        limits: &Settings,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<(), TurnedAway> {
        if let Some(address) = address {
            let rate = limits.max_rate_per_address;
            if rate.is_some_and(|rate| !self.rates.take(address, rate, now)) {
                return Err(TurnedAway::AddressRate);
            }
            let count = self.of_address.get(&address).copied().unwrap_or(0);
            if limits.max_connections_per_address.is_some_and(|most| count >= most.get()) {
                return Err(TurnedAway::AddressFull);
            }
        }
        if limits.max_rate.is_some_and(|rate| !self.rate.take(rate, now)) {
            return Err(TurnedAway::Rate);
        }
        if limits.max_connections.is_some_and(|most| self.connections >= most.get()) {
            return Err(TurnedAway::ListenerFull);
        }
        self.connections += 1;
        if let Some(address) = address {
            *self.of_address.entry(address).or_default() += 1;
        }
        Ok(())
    }

    fn give_back(&mut self, address: Option<IpAddr>) {
        self.connections = self.connections.saturating_sub(1);
        if let Some(address) = address
            && let Entry::Occupied(mut count) = self.of_address.entry(address)
        {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.admission.lock().give_back(self.address);
    }
}

/// What counts as one address: all of IPv4, and the /64 of IPv6, which is what one site has.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::{NonZeroU32, NonZeroUsize};
    use tokio::time::Instant as Clock;

    /// Lets `address` in, or tells why not.
    async fn arrive(
        admission: &Arc<Admission>,
        limits: &Settings,
        address: Option<&str>,
    ) -> Result<Place, TurnedAway> {
        let mut place = Places::new(1).take().await.unwrap();
        let address = address.map(|address| address.parse().unwrap());
        admission.admit(limits, address, &mut place, Clock::now().into_std()).map(|()| place)
    }

    #[tokio::test]
    async fn places_are_given_back() {
        let admission = Arc::default();
        let limits = Settings {
            max_connections: NonZeroUsize::new(3),
            max_connections_per_address: NonZeroUsize::new(2),
            ..Settings::default()
        };
        let one = arrive(&admission, &limits, Some("192.0.2.1")).await.unwrap();
        let same = arrive(&admission, &limits, Some("::ffff:192.0.2.1")).await.unwrap();
        let third = arrive(&admission, &limits, Some("192.0.2.1")).await;
        assert_eq!(third.unwrap_err(), TurnedAway::AddressFull);
        let other = arrive(&admission, &limits, Some("192.0.2.2")).await.unwrap();
        let fourth = arrive(&admission, &limits, None).await;
        assert_eq!(fourth.unwrap_err(), TurnedAway::ListenerFull);
        drop(same);
        let again = arrive(&admission, &limits, Some("192.0.2.1")).await.unwrap();
        drop((one, other, again));
        let table = admission.lock();
        assert_eq!((table.connections, table.of_address.len()), (0, 0));
    }

    #[tokio::test]
    async fn addresses_of_ipv6_count_with_their_network() {
        let admission = Arc::default();
        let limits = Settings {
            max_rate_per_address: NonZeroU32::new(1),
            max_connections_per_address: NonZeroUsize::new(1),
            ..Settings::default()
        };
        let first = arrive(&admission, &limits, Some("2001:db8:0:1::1")).await.unwrap();
        let near = arrive(&admission, &limits, Some("2001:db8:0:1:ffff::")).await;
        assert!(matches!(near, Err(TurnedAway::AddressRate | TurnedAway::AddressFull)));
        let far = arrive(&admission, &limits, Some("2001:db8:0:2::1")).await.unwrap();
        drop((first, far));
    }

    /// Who is turned away by its own limit leaves the listener's tokens to the others.
    #[tokio::test]
    async fn one_address_takes_nothing_of_the_others() {
        let (mut table, now) = (Table::default(), Clock::now().into_std());
        let limits = Settings {
            max_rate: NonZeroU32::new(2),
            max_rate_per_address: NonZeroU32::new(1),
            ..Settings::default()
        };
        let [flood, other, third] = [1, 2, 3].map(|n| Some(IpAddr::from([192, 0, 2, n])));
        assert_eq!(table.take(&limits, flood, now), Ok(()));
        for _ in 0..100 {
            assert_eq!(table.take(&limits, flood, now), Err(TurnedAway::AddressRate));
        }
        assert_eq!(table.take(&limits, other, now), Ok(()));
        assert_eq!(table.take(&limits, third, now), Err(TurnedAway::Rate));
    }

    #[tokio::test]
    async fn few_are_told() {
        let admission = Admission::default();
        let places = Places::new(TURNED_AWAY * 2);
        let mut told = Vec::new();
        for _ in 0..TURNED_AWAY {
            let mut place = places.take().await.unwrap();
            assert!(admission.tell(&mut place));
            told.push(place);
        }
        let mut place = places.take().await.unwrap();
        assert!(!admission.tell(&mut place));
        told.pop();
        assert!(admission.tell(&mut place));
    }
}
