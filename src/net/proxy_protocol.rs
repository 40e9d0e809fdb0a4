//! The header of the PROXY protocol, versions 1 and 2, with which a front proxy tells whom it
//! connects for.
//!
//! Sections are those of the specification by Willy Tarreau,
//! `https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt`.

use super::{Hop, Peer};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What version 1 begins with (section 2.1).
const VERSION_1: &[u8] = b"PROXY ";

/// What version 2 begins with (section 2.2).
const VERSION_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header of version 1 with its CR LF (section 2.1).
const MAX_VERSION_1: usize = 107;

/// The longest body of a header of version 2. The addresses take 216 bytes at most; the rest holds
/// more TLVs than any front proxy sends, the certificate of a client aside.
const MAX_BODY: usize = 4096;

/// Signature, version and command, family and transport, length.
const FIXED_LEN: usize = VERSION_2.len() + 4;

/// The TLV that tells of TLS (section 2.2.6), and the bit of a client that uses it.
const TYPE_SSL: u8 = 0x20;
const CLIENT_SSL: u8 = 0x01;

/// What a header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Header {
    /// Whom the front proxy connects for; `None` where it speaks for itself or does not know.
    pub(crate) ends: Option<Ends>,
    /// Whether the client came to it by TLS.
    pub(crate) secure: bool,
}

/// The two ends of the client's connection to the front proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) source: Peer,
    pub(crate) destination: Peer,
}

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("no PROXY header")]
    Missing,
    #[error("malformed PROXY header")]
    Malformed,
    #[error("PROXY header too long")]
    TooLong,
}

/// Reads the header at the start of a connection, and its length; `None` when all these bytes are
/// of the header and it goes on.
///
/// # Errors
/// With what is wrong with it.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, Fault> {
    if agree(bytes, VERSION_2) {
        version_2(bytes)
    } else if agree(bytes, VERSION_1) {
        version_1(bytes)
    } else {
        Err(Fault::Missing)
    }
}

/// Why a header that came where none is looked for is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stray {
    #[error("PROXY header from an address that is not trusted")]
    Stranger,
    #[error("PROXY header where none is expected")]
    Unexpected,
}

/// Looks whether what a peer sends in place of its request, or of its TLS, begins as a header does.
pub(crate) fn stray(bytes: &[u8], hop: &Hop) -> Option<Stray> {
    let is_header = bytes.starts_with(VERSION_1) || bytes.starts_with(VERSION_2);
    let wanted = hop.listener.proxy_protocol && !hop.trusted;
    is_header.then_some(if wanted { Stray::Stranger } else { Stray::Unexpected })
}

/// Whether the two are equal as far as both go.
fn agree(bytes: &[u8], start: &[u8]) -> bool {
    bytes.iter().zip(start).all(|(a, b)| a == b)
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443` and CR LF (section 2.1).
fn version_1(bytes: &[u8]) -> Result<Option<(Header, usize)>, Fault> {
    let known = bytes.get(..MAX_VERSION_1).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'\n', known) else {
        return if known.len() < MAX_VERSION_1 { Ok(None) } else { Err(Fault::TooLong) };
    };
    let line = known.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.and_then(|line| line.strip_prefix(VERSION_1)).ok_or(Fault::Malformed)?;
    let text = str::from_utf8(line).map_err(|_| Fault::Malformed)?;
    let mut words = text.split(' ');
    let ends = match words.next() {
        // "The receiver must ignore anything presented before the CRLF is found."
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(text_ends::<Ipv4Addr>(words).ok_or(Fault::Malformed)?),
        Some("TCP6") => Some(text_ends::<Ipv6Addr>(words).ok_or(Fault::Malformed)?),
        _ => return Err(Fault::Malformed),
    };
    Ok(Some((Header { ends, secure: false }, end + 1)))
}

/// Source, destination, and the ports of both.
fn text_ends<'a, A>(mut words: impl Iterator<Item = &'a str>) -> Option<Ends>
where
    A: std::str::FromStr + Into<IpAddr>,
{
    let mut address = || Some(words.next()?.parse::<A>().ok()?.into());
    let (source, destination): (IpAddr, IpAddr) = (address()?, address()?);
    let mut port = || text_port(words.next()?);
    let ends = Ends {
        source: SocketAddr::new(source, port()?).into(),
        destination: SocketAddr::new(destination, port()?).into(),
    };
    words.next().is_none().then_some(ends)
}

/// A port in decimal, without a sign or leading zeros.
fn text_port(text: &str) -> Option<u16> {
    let port: u16 = text.parse().ok()?;
    (port.to_string() == text).then_some(port)
}

/// The binary header (section 2.2).
fn version_2(bytes: &[u8]) -> Result<Option<(Header, usize)>, Fault> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED_LEN>() else {
        return Ok(None);
    };
    let [.., version_and_command, family_and_transport, high, low] = *fixed;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > MAX_BODY {
        return Err(Fault::TooLong);
    }
    let header = match version_and_command {
        // LOCAL: a health check of the front proxy. "The receiver must use the real connection
        // endpoints and must discard the protocol block."
        0x20 => Header::default(),
        0x21 => match rest.get(..len) {
            Some(body) => proxied(family_and_transport, body).ok_or(Fault::Malformed)?,
            None => return Ok(None),
        },
        _ => return Err(Fault::Malformed),
    };
    Ok((rest.len() >= len).then_some((header, FIXED_LEN + len)))
}

/// The addresses and TLVs of a client.
fn proxied(family_and_transport: u8, body: &[u8]) -> Option<Header> {
    let (ends, tlvs) = match family_and_transport {
        0x11 => {
            let (ends, tlvs) = body.split_first_chunk::<12>()?;
            let [a, b, c, d, e, f, g, h, ports @ ..] = *ends;
            (binary_ends([a, b, c, d], [e, f, g, h], ports), tlvs)
        }
        0x21 => {
            let (source, rest) = body.split_first_chunk::<16>()?;
            let (destination, rest) = rest.split_first_chunk::<16>()?;
            let (ports, tlvs) = rest.split_first_chunk::<4>()?;
            (binary_ends(*source, *destination, *ports), tlvs)
        }
        // Two paths of 108 bytes.
        0x31 => {
            let (_, tlvs) = body.split_at_checked(216)?;
            (Ends { source: Peer::Unix, destination: Peer::Unix }, tlvs)
        }
        // Unspecified, and datagrams, which no stream carries: the real addresses stay.
        0x00 | 0x12 | 0x22 | 0x32 => return Some(Header::default()),
        // "Other values are unspecified and must be rejected as invalid by receivers."
        _ => return None,
    };
    Some(Header { ends: Some(ends), secure: tells_tls(tlvs)? })
}

fn binary_ends<A: Into<IpAddr>>(source: A, destination: A, ports: [u8; 4]) -> Ends {
    let [a, b, c, d] = ports;
    Ends {
        source: SocketAddr::new(source.into(), u16::from_be_bytes([a, b])).into(),
        destination: SocketAddr::new(destination.into(), u16::from_be_bytes([c, d])).into(),
    }
}

/// Whether a TLV says that the client came by TLS; `None` where one goes beyond the header.
fn tells_tls(mut tlvs: &[u8]) -> Option<bool> {
    let mut secure = false;
    while !tlvs.is_empty() {
        let (&[kind, high, low], rest) = tlvs.split_first_chunk::<3>()?;
        let len = usize::from(u16::from_be_bytes([high, low]));
        let (value, rest) = rest.split_at_checked(len)?;
        if kind == TYPE_SSL {
            secure |= value.first()? & CLIENT_SSL != 0;
        }
        tlvs = rest;
    }
    Some(secure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(source: &str, destination: &str) -> Option<Ends> {
        let peer = |text: &str| text.parse::<SocketAddr>().unwrap().into();
        Some(Ends { source: peer(source), destination: peer(destination) })
    }

    /// A header of version 2.
    fn binary(version_and_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(body.len()).unwrap().to_be_bytes();
        [VERSION_2, &[version_and_command, family], &len, body].concat()
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb];

    /// The whole header gives `expected`, with what follows it untouched, and each part of it none.
    fn reads(header: &[u8], expected: Header) {
        for end in 0..header.len() {
            assert_eq!(parse(&header[..end]), Ok(None), "{}", header[..end].escape_ascii());
        }
        let followed = [header, b"GET / HTTP/1.1\r\n\r\n"].concat();
        for bytes in [header, &followed] {
            assert_eq!(parse(bytes), Ok(Some((expected, header.len()))));
        }
    }

    /// No cutting makes it a header; the fault is told at the latest when all is there.
    fn fails(bytes: &[u8], fault: Fault) {
        for end in 0..bytes.len() {
            assert!(!matches!(parse(&bytes[..end]), Ok(Some(_))), "{}", bytes.escape_ascii());
        }
        assert_eq!(parse(bytes), Err(fault), "{}", bytes.escape_ascii());
    }

    #[test]
    fn version_1_headers() {
        let plain = |ends| Header { ends, secure: false };
        reads(
            b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
            plain(ends("192.0.2.1:56324", "198.51.100.2:443")),
        );
        reads(
            b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n",
            plain(ends("[2001:db8::1]:1", "[2001:db8::2]:65535")),
        );
        // An IPv4 client of a dual socket is one of IPv4.
        reads(
            b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1 2\r\n",
            plain(ends("192.0.2.1:1", "198.51.100.2:2")),
        );
        reads(b"PROXY UNKNOWN\r\n", plain(None));
        reads(b"PROXY UNKNOWN some other words 1 2\r\n", plain(None));
        let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(107 - 16));
        reads(longest.as_bytes(), plain(None));
    }

    #[test]
    fn malformed_version_1_headers() {
        for line in [
            "PROXY ",
            "PROXY TCP5 192.0.2.1 198.51.100.2 1 2",
            "PROXY tcp4 192.0.2.1 198.51.100.2 1 2",
            "PROXY UNKNOWNS",
            "PROXY  TCP4 192.0.2.1 198.51.100.2 1 2",
            "PROXY TCP4  192.0.2.1 198.51.100.2 1 2",
            "PROXY TCP4 192.0.2.1 198.51.100.2 1",
            "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 ",
            "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3",
            "PROXY TCP4 192.0.2.1 198.51.100.2 1 65536",
            "PROXY TCP4 192.0.2.1 198.51.100.2 1 +2",
            "PROXY TCP4 192.0.2.1 198.51.100.2 01 2",
            "PROXY TCP4 192.0.2.01 198.51.100.2 1 2",
            "PROXY TCP4 192.0.2.256 198.51.100.2 1 2",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 2",
            "PROXY TCP6 192.0.2.1 198.51.100.2 1 2",
            "PROXY TCP4 192.0.2.1 198.51.100.2 1 \u{e9}",
        ] {
            fails(format!("{line}\r\n").as_bytes(), Fault::Malformed);
        }
        fails(b"PROXY UNKNOWN\n", Fault::Malformed);
        fails(format!("PROXY UNKNOWN {}", "f".repeat(107)).as_bytes(), Fault::TooLong);
        fails(b"GET / HTTP/1.1\r\n\r\n", Fault::Missing);
        fails(b"proxy ", Fault::Missing);
        fails(b"PROXY\tTCP4", Fault::Missing);
        fails(b"\x16\x03\x01", Fault::Missing);
    }

    #[test]
    fn version_2_headers() {
        let v4 = ends("192.0.2.1:56324", "198.51.100.2:443");
        reads(&binary(0x21, 0x11, &V4), Header { ends: v4, secure: false });
        let mut v6 = [0; 36];
        (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 3, 4);
        let v6_ends = ends("[::1]:3", "[::2]:4");
        reads(&binary(0x21, 0x21, &v6), Header { ends: v6_ends, secure: false });
        let unix = Some(Ends { source: Peer::Unix, destination: Peer::Unix });
        reads(&binary(0x21, 0x31, &[0; 216]), Header { ends: unix, secure: false });
        // LOCAL, whatever stands behind it; unspecified; datagrams.
        for body in [&[][..], &V4, b"anything"] {
            reads(&binary(0x20, 0x11, body), Header::default());
            reads(&binary(0x21, 0x00, body), Header::default());
            reads(&binary(0x21, 0x12, body), Header::default());
        }
        // The rest is a TLV of padding.
        let padding = [&V4[..], &[0x04, 0x0f, 0xf1], &[0; 4096 - 15]].concat();
        reads(&binary(0x21, 0x11, &padding), Header { ends: v4, secure: false });
    }

    #[test]
    fn version_2_tells_of_tls() {
        let header = |tlvs: &[u8]| binary(0x21, 0x11, &[&V4[..], tlvs].concat());
        let said = |secure| Header { ends: ends("192.0.2.1:56324", "198.51.100.2:443"), secure };
        let ssl = |client: u8| [0x20, 0, 5, client, 0, 0, 0, 0];
        reads(&header(&ssl(0x01)), said(true));
        reads(&header(&ssl(0x07)), said(true));
        reads(&header(&ssl(0x06)), said(false));
        // An ALPN before it, a unique id behind it.
        let many = [&[0x01, 0, 2, b'h', b'2'][..], &ssl(1), &[0x05, 0, 1, b'x']].concat();
        reads(&header(&many), said(true));
        // The front proxy's own connection, not a client's.
        reads(&binary(0x20, 0x11, &[&V4[..], &ssl(1)].concat()), Header::default());
    }

    #[test]
    fn malformed_version_2_headers() {
        for (command, family) in [(0x11, 0x11), (0x31, 0x11), (0x22, 0x11), (0x2f, 0x11)] {
            fails(&binary(command, family, &V4), Fault::Malformed);
        }
        for family in [0x01, 0x02, 0x10, 0x13, 0x20, 0x41, 0xf1] {
            fails(&binary(0x21, family, &[0; 216]), Fault::Malformed);
        }
        for (family, len) in [(0x11, 11), (0x21, 35), (0x31, 215), (0x11, 0)] {
            fails(&binary(0x21, family, &vec![0; len]), Fault::Malformed);
        }
        for tlvs in [&[0x04][..], &[0x04, 0], &[0x04, 0, 1], &[0x20, 0, 0], &[0x04, 0xff, 0xff]] {
            fails(&binary(0x21, 0x11, &[&V4[..], tlvs].concat()), Fault::Malformed);
        }
        // Refused by its length alone.
        let long = binary(0x21, 0x11, &[0; 4097]);
        assert_eq!(parse(&long[..FIXED_LEN]), Err(Fault::TooLong));
        let local = binary(0x20, 0x00, &[0; 4097]);
        assert_eq!(parse(&local[..FIXED_LEN]), Err(Fault::TooLong));
        fails(b"\r\n\r\n\0\r\nQUIT\r", Fault::Missing);
        fails(b"\r\n\r\nGET", Fault::Missing);
    }
}
