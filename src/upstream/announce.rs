//! The PROXY header that tells a server who the client is ("The PROXY protocol", versions 1 and 2),
//! written before anything else, TLS too.

use crate::config::backend::ProxyVersion;
use crate::net::Peer;
use std::net::{IpAddr, SocketAddr};

/// Section 2.2: the signature of version 2.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The ends of a client's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) peer: Peer,
    pub(crate) local: Peer,
}

/// The header. Without ends it tells of a connection of our own, such as a check.
pub(super) fn header(version: ProxyVersion, ends: Option<Ends>) -> Vec<u8> {
    match (version, ends.and_then(addresses)) {
        (ProxyVersion::V1, None) => b"PROXY UNKNOWN\r\n".to_vec(),
        (ProxyVersion::V1, Some((from, to))) => {
            let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
            let (a, b) = (from.ip(), to.ip());
            format!("PROXY {family} {a} {b} {} {}\r\n", from.port(), to.port()).into_bytes()
        }
        // Version 2, command LOCAL, no family, no addresses.
        (ProxyVersion::V2, None) => [&SIGNATURE[..], &[0x20, 0x00, 0x00, 0x00]].concat(),
        (ProxyVersion::V2, Some((from, to))) => {
            // Command PROXY; TCP over IPv4 or IPv6; the length of what follows.
            let kind: [u8; 4] =
                if from.is_ipv4() { [0x21, 0x11, 0, 12] } else { [0x21, 0x21, 0, 36] };
            let mut header = [&SIGNATURE[..], &kind].concat();
            for ip in [from.ip(), to.ip()] {
                match ip {
                    IpAddr::V4(ip) => header.extend(ip.octets()),
                    IpAddr::V6(ip) => header.extend(ip.octets()),
                }
            }
            header.extend(from.port().to_be_bytes());
            header.extend(to.port().to_be_bytes());
            header
        }
    }
}

/// Both addresses in one family; `None` where there is none to tell, as on a Unix socket.
fn addresses(ends: Ends) -> Option<(SocketAddr, SocketAddr)> {
    let (Peer::Inet(from), Peer::Inet(to)) = (ends.peer, ends.local) else { return None };
    if from.is_ipv4() == to.is_ipv4() {
        return Some((from, to));
    }
    let mapped = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::from((ip.to_ipv6_mapped(), address.port())),
        IpAddr::V6(_) => address,
    };
    Some((mapped(from), mapped(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(peer: &str, local: &str) -> Option<Ends> {
        let inet = |address: &str| Peer::Inet(address.parse().unwrap());
        Some(Ends { peer: inet(peer), local: inet(local) })
    }

    #[test]
    fn version_1_is_a_line() {
        let line = |ends| String::from_utf8(header(ProxyVersion::V1, ends)).unwrap();
        let v4 = between("192.0.2.1:56324", "192.0.2.9:443");
        assert_eq!(line(v4), "PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n");
        let v6 = between("[2001:db8::1]:5000", "[2001:db8::2]:80");
        assert_eq!(line(v6), "PROXY TCP6 2001:db8::1 2001:db8::2 5000 80\r\n");
        let both = between("192.0.2.1:1", "[::1]:2");
        assert_eq!(line(both), "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n");
        assert_eq!(line(None), "PROXY UNKNOWN\r\n");
        let unix = Ends { peer: Peer::Unix, local: Peer::Unix };
        assert_eq!(line(Some(unix)), "PROXY UNKNOWN\r\n");
    }

    #[test]
    fn version_2_is_binary() {
        let header = |ends| header(ProxyVersion::V2, ends);
        let signature = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a";
        let v4 = b"\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x09\xdc\x04\x01\xbb";
        assert_eq!(
            header(between("192.0.2.1:56324", "192.0.2.9:443")),
            [&signature[..], v4].concat()
        );
        let v6 = header(between("[::1]:1", "[::2]:2"));
        assert_eq!(v6[12..16], *b"\x21\x21\x00\x24");
        assert_eq!(v6.len(), 16 + 36);
        assert_eq!(v6[16 + 32..], *b"\x00\x01\x00\x02");
        assert_eq!(header(None), [&signature[..], b"\x20\x00\x00\x00"].concat());
    }
}
