//! The addresses of a server: found by its name, and looked up again from time to time.

use super::member::Member;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// The most addresses of one name that are used. More are not tried in one connection attempt.
const MAX_ADDRESSES: usize = 16;

/// The shortest time between two look-ups of a name, and the longest behind one that failed.
const RETRY: Duration = Duration::from_secs(1);

/// How long one look-up may take. It goes on in a thread that cannot be stopped, so that there must
/// not be many.
const LOOK_UP: Duration = Duration::from_secs(30);

/// Where a server is.
#[derive(Debug)]
pub(super) struct Place {
    /// The name or address, as it stands in the URL.
    pub(super) host: String,
    port: u16,
    /// Whether the host is a name, whose addresses can change.
    pub(super) is_name: bool,
    found: watch::Sender<Found>,
    /// How many connections have been made; each begins with the next address.
    turn: AtomicUsize,
}

/// What is known of a name; at the start nothing.
#[derive(Debug, Default)]
struct Found {
    addresses: Vec<SocketAddr>,
    /// Why the last look-up failed, if it did.
    failed: Option<String>,
}

/// What a look-up has changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// It failed, and the one before had not.
    Lost,
    /// It succeeded, and the one before had not.
    Regained,
    Moved,
}

impl Place {
    pub(super) fn new(host: &str, port: u16) -> Self {
        let literal = host.parse::<IpAddr>().ok();
        let addresses = literal.map(|ip| SocketAddr::new(ip, port)).into_iter().collect();
        Self {
            host: host.to_owned(),
            port,
            is_name: literal.is_none(),
            found: watch::Sender::new(Found { addresses, failed: None }),
            turn: AtomicUsize::new(0),
        }
    }

    /// The addresses in the order in which they are to be tried. Waits for the first look-up, which
    /// [`keep_resolved`] does.
    ///
    /// # Errors
    /// With why the name has none.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        let mut found = self.found.subscribe();
        let looked_up = |found: &Found| !found.addresses.is_empty() || found.failed.is_some();
        let found = found.wait_for(looked_up).await.map_err(|error| error.to_string())?;
        if let (true, Some(failed)) = (found.addresses.is_empty(), &found.failed) {
            return Err(failed.clone());
        }
        let mut addresses = found.addresses.clone();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % addresses.len().max(1);
        addresses.rotate_left(turn);
        Ok(addresses)
    }

    /// Whether who is connected to this address is connected to it. One that is no name does not
    /// move, and may be connected to under another, such as 0.0.0.0.
    pub(super) fn is_at(&self, address: SocketAddr) -> bool {
        !self.is_name || self.found.borrow().addresses.contains(&address)
    }

    async fn look_up(&self) -> Result<Vec<SocketAddr>, String> {
        let found = timeout(LOOK_UP, lookup_host((self.host.as_str(), self.port))).await;
        let found = found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let found = found.map_err(|error| error.to_string())?;
        let mut addresses: Vec<_> = found.take(MAX_ADDRESSES).collect();
        if addresses.is_empty() {
            return Err("no address".to_owned());
        }
        // Servers of names change the order at each answer, which is no change.
        addresses.sort_unstable();
        addresses.dedup();
        Ok(addresses)
    }

    /// Takes what a look-up brought. Where it failed the addresses of before stay in use.
    pub(super) fn take(&self, looked_up: Result<Vec<SocketAddr>, String>) -> Change {
        let mut change = Change::None;
        self.found.send_modify(|found| {
            let was_lost = found.failed.is_some();
            change = match looked_up {
                Err(reason) => {
                    found.failed = Some(reason);
                    if was_lost { Change::None } else { Change::Lost }
                }
                Ok(addresses) => {
                    found.failed = None;
                    let before = std::mem::replace(&mut found.addresses, addresses);
                    match before.is_empty() || before == found.addresses {
                        true if was_lost => Change::Regained,
                        true => Change::None,
                        false => Change::Moved,
                    }
                }
            };
        });
        change
    }
}

/// Looks a server's name up now and again and again, for ever.
pub(super) async fn keep_resolved(member: Arc<Member>, every: Duration) {
    let Some(place) = member.place() else { return };
    let every = every.max(RETRY);
    loop {
        let looked_up = place.look_up().await;
        let next = if looked_up.is_ok() { every } else { RETRY };
        let change = place.take(looked_up);
        {
            let (backend, server, found) = (member.backend(), member.url(), place.found.borrow());
            match (change, &found.failed) {
                (Change::Lost, Some(error)) => {
                    tracing::warn!(backend, %server, error, "cannot resolve");
                }
                (Change::Regained, _) => tracing::info!(backend, %server, "resolved again"),
                (Change::Moved, _) => {
                    let addresses = &found.addresses;
                    tracing::info!(backend, %server, ?addresses, "addresses have changed");
                }
                (Change::None | Change::Lost, _) => {}
            }
        }
        sleep(next).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(of: &[&str]) -> Vec<SocketAddr> {
        of.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn literal_addresses_are_not_looked_up() {
        for (host, address) in [("192.0.2.1", "192.0.2.1:80"), ("2001:db8::1", "[2001:db8::1]:80")]
        {
            let place = Place::new(host, 80);
            assert!(!place.is_name);
            assert_eq!(place.addresses().await.unwrap(), addresses(&[address]));
        }
    }

    #[tokio::test]
    async fn names_are_looked_up() {
        let place = Place::new("localhost", 80);
        assert!(place.is_name);
        let found = place.look_up().await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
        // A label has at most 63 bytes (RFC 1035 section 2.3.4), so that no name server is asked.
        let nowhere = Place::new(&format!("{}.invalid", "x".repeat(64)), 80);
        assert!(nowhere.look_up().await.is_err());
    }

    #[tokio::test]
    async fn connections_are_spread() {
        let place = Place::new("name.example", 80);
        let [a, b, c] = ["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"];
        assert_eq!(place.take(Ok(addresses(&[a, b, c]))), Change::None);
        for order in [[a, b, c], [b, c, a], [c, a, b], [a, b, c]] {
            assert_eq!(place.addresses().await.unwrap(), addresses(&order));
        }
    }

    #[tokio::test]
    async fn old_addresses_stay_in_use() {
        let place = Place::new("name.example", 80);
        let (old, new) = (addresses(&["192.0.2.1:80"]), addresses(&["192.0.2.9:80"]));
        let fails = || Err("gone".to_owned());
        assert_eq!(place.take(fails()), Change::Lost);
        assert_eq!(place.take(fails()), Change::None, "told once");
        assert_eq!(place.addresses().await, fails());
        assert_eq!(place.take(Ok(old.clone())), Change::Regained);
        assert_eq!(place.take(Ok(old.clone())), Change::None);
        assert_eq!(place.take(fails()), Change::Lost);
        assert_eq!(place.addresses().await.unwrap(), old);
        assert_eq!(place.take(Ok(new.clone())), Change::Moved);
        assert_eq!(place.addresses().await.unwrap(), new);
    }
}
