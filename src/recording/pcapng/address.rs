//! The addresses of the connections that are made up: those of the sessions, as far as they are
//! known, and never the same two twice.

use super::Leg;
use crate::event::Sides;
use crate::transcript::event::Open;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Both ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Ends {
    V4(Sides<SocketAddrV4>),
    V6(Sides<SocketAddrV6>),
}

/// The port of a server where it is not known.
const HTTP: u16 = 80;

/// The first port that a client is given: that of the range for it (RFC 6335 section 6).
const DYNAMIC: u16 = 49152;

/// How many clients have one address of those made up: the ports from there on.
const PORTS: u64 = 16384;

/// How many addresses are made up: 192.0.2.2 to 192.0.2.254 (RFC 5737).
const ADDRESSES: u64 = 253;

/// How many other ports of a client are tried before another address.
const OTHER_PORTS: u16 = 64;

/// How many addresses are tried then. With 40 million sessions in a file each of them is free with
/// a chance of one half.
const OTHERS: u64 = 1 << 16;

/// How many marks there are where one file is written: 8 MiB.
const MARKS: u64 = 1 << 26;

/// How many there are in each of many files that are written at once: 512 KiB. A recording of 256 MiB
/// has not as many connections.
const FEW: u64 = 1 << 22;

/// Which connections there were. Two may share a mark: then one gets another address without need.
#[derive(Debug)]
pub(super) struct Taken {
    /// As many bits as there are to be, once there is one.
    marks: Vec<u64>,
    /// How many there are to be.
    size: u64,
    /// How many connections there were.
    count: u64,
}

impl Taken {
    /// For a file that may have tens of millions of connections.
    pub(super) const fn many() -> Self {
        Self { marks: Vec::new(), size: MARKS, count: 0 }
    }

    /// For one of many files that are written at once.
    pub(super) const fn few() -> Self {
        Self { marks: Vec::new(), size: FEW, count: 0 }
    }

    /// The ends of a new connection.
    pub(super) fn ends(&mut self, leg: Leg, open: &Open) -> Ends {
        self.count += 1;
        let server = parse(&open.server);
        let client = parse(&open.client).filter(|client| client.port() > 0);
        let server = server.map(|server| match server.port() {
            0 => SocketAddr::new(server.ip(), HTTP),
            _ => server,
        });
        let is_v4 = |address: Option<SocketAddr>| address.is_none_or(|a| a.is_ipv4());
        let is_v4 = is_v4(client) && is_v4(server);
        let server = server.unwrap_or_else(|| SocketAddr::new(no_server(leg, is_v4), HTTP));
        let own = client.into_iter().flat_map(|client| {
            let ports = (0..=OTHER_PORTS).map(move |more| client.port().wrapping_add(more));
            ports.filter(|port| *port > 0).map(move |port| SocketAddr::new(client.ip(), port))
        });
        let made_up = (self.count - 1..).take(usize::try_from(OTHERS).unwrap_or(usize::MAX));
        let made_up = made_up.map(|number| {
            let port = u16::try_from(number % PORTS).unwrap_or_default();
            let host = 2 + u16::try_from(number / PORTS % ADDRESSES).unwrap_or_default();
            SocketAddr::new(documentation(host, is_v4), DYNAMIC + port)
        });
        let mut last = Ends::new(server, server);
        for client in own.chain(made_up) {
            last = Ends::new(client, server);
            if self.take(&last) {
                break;
            }
        }
        last
    }

    /// Takes an address, if it is free.
    fn take(&mut self, ends: &Ends) -> bool {
        if self.marks.is_empty() {
            // Pages that nothing was written to take no memory.
            self.marks = vec![0; usize::try_from(self.size / 64).unwrap_or_default()];
        }
        let mut hasher = DefaultHasher::new();
        ends.hash(&mut hasher);
        let mark = hasher.finish() % self.size;
        let bit = 1 << (mark % 64);
        let place = usize::try_from(mark / 64).ok().and_then(|place| self.marks.get_mut(place));
        place.is_some_and(|word| {
            let free = *word & bit == 0;
            *word |= bit;
            free
        })
    }
}

impl Ends {
    /// Of two families IPv4 is mapped to IPv6 (RFC 4291 section 2.5.5.2).
    fn new(client: SocketAddr, server: SocketAddr) -> Self {
        match (client, server) {
            (SocketAddr::V4(client), SocketAddr::V4(backend)) => {
                Self::V4(Sides { client, backend })
            }
            _ => Self::V6(Sides { client: v6(client), backend: v6(server) }),
        }
    }
}

fn v6(address: SocketAddr) -> SocketAddrV6 {
    match address {
        SocketAddr::V4(v4) => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0),
        // The zone is not in a packet.
        SocketAddr::V6(v6) => SocketAddrV6::new(*v6.ip(), v6.port(), 0, 0),
    }
}

/// An address with or without a port; what is a name or a path is none.
fn parse(address: &str) -> Option<SocketAddr> {
    let alone = || address.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    address.parse().ok().or_else(|| alone().map(|ip| SocketAddr::new(ip, 0)))
}

/// The address of a server that is not known: of the proxy, say, or of a backend (RFC 5737: another
/// range).
const fn no_server(leg: Leg, is_v4: bool) -> IpAddr {
    match leg {
        Leg::Backend if is_v4 => IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
        Leg::Client | Leg::Backend => documentation(1, is_v4),
    }
}

/// An address that is nobody's: of RFC 5737, or RFC 3849.
const fn documentation(host: u16, is_v4: bool) -> IpAddr {
    match is_v4 {
        // Hosts are below 255.
        true => IpAddr::V4(Ipv4Addr::new(192, 0, 2, host.to_be_bytes()[1])),
        false => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use std::collections::HashSet;

    fn ends(taken: &mut Taken, client: &str, server: &str) -> (SocketAddr, SocketAddr) {
        let (target, fields) = (String::new(), Vec::new());
        let (client, server) = (client.to_owned(), server.to_owned());
        match taken
            .ends(Leg::Client, &Open { dialect: Dialect::RFC6455, client, server, target, fields })
        {
            Ends::V4(ends) => (ends.client.into(), ends.backend.into()),
            Ends::V6(ends) => (ends.client.into(), ends.backend.into()),
        }
    }

    #[test]
    fn what_is_known_stays() {
        for (client, server, due) in [
            ("10.0.0.7:39088", "10.0.0.1:80", ("10.0.0.7:39088", "10.0.0.1:80")),
            ("[fe80::1%2]:1", "[::1]:8080", ("[fe80::1]:1", "[::1]:8080")),
            ("1.2.3.4:5", "::1", ("[::ffff:1.2.3.4]:5", "[::1]:80")),
            ("", "[::1]", ("[2001:db8::2]:49152", "[::1]:80")),
            ("/run/a.sock", "old.example:80", ("192.0.2.2:49152", "192.0.2.1:80")),
            ("1.2.3.4:0", "1.2.3.4", ("192.0.2.2:49152", "1.2.3.4:80")),
        ] {
            let due = (due.0.parse().unwrap(), due.1.parse().unwrap());
            assert_eq!(ends(&mut Taken::many(), client, server), due, "{client} {server}");
        }
    }

    #[test]
    fn no_two_are_the_same() {
        for mut taken in [Taken::many(), Taken::few()] {
            let mut seen = HashSet::new();
            for _ in 0..40_000 {
                for client in ["10.0.0.7:65530", "", "[::1]:65535"] {
                    assert!(seen.insert(ends(&mut taken, client, "10.0.0.1:80")));
                }
            }
        }
    }
}
