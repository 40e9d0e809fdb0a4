//! A client as the first of the front proxies that are believed saw it: its address, whether it came
//! by TLS, and the host that it asked for.

use crate::handshake::{Headers, is_host};
use crate::net::{Hop, Peer};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

/// What can be known of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visible {
    pub(crate) client: Peer,
    pub(crate) secure: bool,
    pub(crate) host: Vec<u8>,
}

/// One element of `Forwarded` (RFC 7239 section 4).
#[derive(Debug, Default)]
struct Element<'a> {
    node: Option<Cow<'a, [u8]>>,
    proto: Option<Cow<'a, [u8]>>,
    host: Option<Cow<'a, [u8]>>,
}

/// Finds out who the client is. `X-Forwarded-*` goes before `Forwarded`, and a stranger's are not
/// read.
pub(crate) fn visible(hop: &Hop, host: &[u8], headers: &dyn Headers) -> Visible {
    let mut visible = Visible { client: hop.peer, secure: hop.secure, host: host.to_owned() };
    if !hop.trusted {
        return visible;
    }
    let fields = headers.all("Forwarded");
    let elements: Vec<_> = fields.into_iter().flat_map(read_forwarded).collect();
    let (client, outermost) = walk(hop, elements.iter().map(|element| element.node.as_deref()));
    let addresses = listed(headers, "X-Forwarded-For");
    // A front that speaks the one may pass on what a client has invented in the other.
    let said = outermost.filter(|_| addresses.is_empty()).and_then(|index| elements.get(index));
    visible.client = match addresses.is_empty() {
        true => client,
        false => walk(hop, addresses.into_iter().map(Some)).0,
    };
    // Of several values the last is the nearest front's own; a client can have sent the first.
    let own = |name: &str| listed(headers, name).pop();
    let proto = own("X-Forwarded-Proto").or_else(|| said?.proto.as_deref());
    match proto.map(<[u8]>::to_ascii_lowercase).as_deref() {
        Some(b"https" | b"wss") => visible.secure = true,
        Some(b"http" | b"ws") => visible.secure = false,
        _ => {}
    }
    let host = own("X-Forwarded-Host").or_else(|| said?.host.as_deref());
    if let Some(host) = host.filter(|host| is_host(host)) {
        visible.host = host.to_owned();
    }
    visible
}

/// Walks the proxies from the nearest outwards, as long as each is trusted: only then the next
/// address is not the client's own invention. Returns the last address and the index of the element
/// where the walk ended.
fn walk<'a>(
    hop: &Hop,
    nodes: impl DoubleEndedIterator<Item = Option<&'a [u8]>> + ExactSizeIterator,
) -> (Peer, Option<usize>) {
    let (mut client, mut at) = (hop.peer, None);
    for (index, node) in nodes.enumerate().rev() {
        at = Some(index);
        let Some(address) = node.and_then(read_node) else { break };
        client = address.into();
        if !hop.listener.trusts(client.ip()) {
            break;
        }
    }
    (client, at)
}

/// The elements of a field that is a list, over all of its lines.
pub(crate) fn listed<'a>(headers: &'a dyn Headers, name: &str) -> Vec<&'a [u8]> {
    let lines = headers.all(name).into_iter();
    let elements = lines.flat_map(|line| line.split(|b| *b == b','));
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()).collect()
}

/// An address with or without a port; names and `unknown` are none (RFC 7239 section 6).
fn read_node(node: &[u8]) -> Option<SocketAddr> {
    let node = std::str::from_utf8(node).ok()?;
    if let Ok(address) = node.parse() {
        return Some(address);
    }
    let bare = node.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(node);
    bare.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 0))
}

/// `for=192.0.2.60;proto=http, for="[2001:db8::1]:47011"`. A malformed part says nothing.
fn read_forwarded(line: &[u8]) -> Vec<Element<'_>> {
    let elements = split_unquoted(line, b',').into_iter();
    let read = elements.map(|element| {
        let mut read = Element::default();
        for pair in split_unquoted(element, b';') {
            let mut halves = pair.splitn(2, |b| *b == b'=');
            let (Some(name), Some(value)) = (halves.next(), halves.next()) else { continue };
            let place = match name.trim_ascii().to_ascii_lowercase().as_slice() {
                b"for" => &mut read.node,
                b"proto" => &mut read.proto,
                b"host" => &mut read.host,
                _ => continue,
            };
            *place = Some(unquoted(value.trim_ascii()));
        }
        read
    });
    read.collect()
}

/// Splits where the delimiter is not inside a quoted string (RFC 9110 section 5.6.4).
fn split_unquoted(value: &[u8], delimiter: u8) -> Vec<&[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = value.split(|byte| {
        let cuts = !quoted && *byte == delimiter;
        (quoted, escaped) = match byte {
            _ if escaped => (quoted, false),
            b'\\' if quoted => (quoted, true),
            b'"' => (!quoted, false),
            _ => (quoted, false),
        };
        cuts
    });
    parts.collect()
}

fn unquoted(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return value.into();
    };
    let mut escaped = false;
    let kept = inner.iter().copied().filter(|byte| {
        escaped = *byte == b'\\' && !escaped;
        !escaped
    });
    kept.collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::listener::Listener;
    use crate::handshake::Field;
    use std::sync::Arc;

    fn seen(trusted: bool, fields: &[(&str, &str)]) -> (String, bool, String) {
        let trusts = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let hop = Hop {
            listener: Arc::new(Listener { trusted: trusts.to_vec(), ..Listener::default() }),
            peer: SocketAddr::from(([10, 0, 0, 1], 5)).into(),
            local: Peer::Unix,
            secure: false,
            trusted,
        };
        let own = |(name, value): &(&str, &str)| (String::from(*name), value.as_bytes().to_vec());
        let fields: Vec<Field> = fields.iter().map(own).collect();
        let Visible { client, secure, host } = visible(&hop, b"own.example", &fields);
        (client.to_string(), secure, String::from_utf8(host).unwrap())
    }

    #[test]
    fn the_last_address_that_no_trusted_proxy_has_is_the_clients() {
        for (list, due) in [
            ("192.0.2.1", "192.0.2.1:0"),
            ("192.0.2.1, 10.0.0.2", "192.0.2.1:0"),
            ("198.51.100.9, 192.0.2.1 ,10.0.0.2", "192.0.2.1:0"),
            ("192.0.2.1:99", "192.0.2.1:99"),
            ("2001:db8::1, fd00::1", "[2001:db8::1]:0"),
            ("[2001:db8::1]:7", "[2001:db8::1]:7"),
            ("10.1.1.1, 10.2.2.2", "10.1.1.1:0"),
            ("192.0.2.1, nonsense, 10.0.0.2", "10.0.0.2:0"),
            ("", "10.0.0.1:5"),
        ] {
            assert_eq!(seen(true, &[("x-forwarded-for", list)]).0, due, "{list}");
            assert_eq!(seen(false, &[("x-forwarded-for", list)]).0, "10.0.0.1:5", "{list}");
        }
        let lines = [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", "10.0.0.2")];
        assert_eq!(seen(true, &lines).0, "192.0.2.1:0");
    }

    #[test]
    fn scheme_and_host_are_a_trusted_fronts() {
        let own = |secure, host: &str| ("10.0.0.1:5".to_owned(), secure, host.to_owned());
        let fields = [("X-Forwarded-Proto", "HTTPS"), ("X-Forwarded-Host", "a.example")];
        assert_eq!(seen(true, &fields), own(true, "a.example"));
        assert_eq!(seen(false, &fields), own(false, "own.example"));
        let forged = [("X-Forwarded-Proto", "https, http"), ("X-Forwarded-Host", "a/b")];
        assert_eq!(seen(true, &forged), own(false, "own.example"));
    }

    #[test]
    fn forwarded_is_read_with_its_quotes() {
        let line = r#"for=198.51.100.9;host=x, For="[2001:db8::1]:7";Proto=https;host="a\.example:8,\"", for=10.0.0.2;proto=http"#;
        let (client, secure, host) = seen(true, &[("Forwarded", line)]);
        // A quote cannot stand in a host, so that the request's own is kept.
        let due = ("[2001:db8::1]:7", true, "own.example");
        assert_eq!((client.as_str(), secure, host.as_str()), due);
        let line = r#"for=192.0.2.1;host="a.example:8";proto=wss"#;
        let (client, secure, host) = seen(true, &[("Forwarded", line)]);
        assert_eq!((client.as_str(), secure, host.as_str()), ("192.0.2.1:0", true, "a.example:8"));
        for odd in ["for", "for=", ";;,,", "for=\"", "for=_hidden;proto=", "=;=\"\\"] {
            assert_eq!(seen(true, &[("Forwarded", odd)]).0, "10.0.0.1:5", "{odd}");
        }
    }
}
