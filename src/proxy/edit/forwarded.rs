//! What a backend is told of the client: `X-Forwarded-*`, `Forwarded` and the number of the request.
//! What a trusted front proxy has told is kept and added to; what a stranger says of itself is not
//! passed on.

use crate::config::route::{Forwarded, Route};
use crate::handshake::Headers;
use crate::net::{Hop, Peer};
use crate::proxy::route::host::split;
use crate::proxy::visible::{Visible, visible};
use crate::wire::grammar::is_token;
use std::net::IpAddr;
use std::sync::LazyLock;

/// The fields in which proxies tell of a client, and which backends believe.
const TOLD_BY_PROXIES: [&str; 11] = [
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Forwarded-By",
    "X-Real-IP",
];

/// The same, in all spellings of which CGI makes one variable: `HTTP_X_FORWARDED_FOR` is also
/// `X_Forwarded-For`.
static FORGED: LazyLock<Vec<String>> =
    LazyLock::new(|| TOLD_BY_PROXIES.iter().flat_map(|name| spellings(name)).collect());

/// Takes out what only proxies say; from the trailer too, which some servers put among the fields.
pub(crate) fn forget(headers: &mut dyn Headers) {
    FORGED.iter().for_each(|name| headers.remove(name));
}

fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for part in name.split_inclusive('-') {
        let ends = [part.to_owned(), part.replace('-', "_")];
        let ends = if part.ends_with('-') { &ends[..] } else { &ends[..1] };
        let longer = |start: String| ends.iter().map(move |end| format!("{start}{end}"));
        all = all.into_iter().flat_map(longer).collect();
    }
    all
}

/// The longest number of a request that is taken from a front proxy, in bytes: a UUID has 36, a
/// trace of some vendors about a hundred.
const MAX_REQUEST_ID: usize = 128;

/// Tells the backend of the client.
pub(super) fn tell(settings: &Route, hop: &Hop, host: &[u8], headers: &mut dyn Headers) {
    if !hop.trusted {
        forget(headers);
    }
    if settings.forwarded.contains(&Forwarded::XForwarded) {
        tell_x_forwarded(hop, host, headers);
    }
    if settings.forwarded.contains(&Forwarded::Forwarded) {
        append(headers, "Forwarded", &element(hop, host));
    }
    if let Some(name) = &settings.request_id {
        number(name, hop, headers);
    }
}

/// Only the list of addresses grows with each proxy; the others tell what the client itself asked
/// for, which the first proxy knows.
fn tell_x_forwarded(hop: &Hop, host: &[u8], headers: &mut dyn Headers) {
    let Visible { secure, host: seen, .. } = visible(hop, host, headers);
    if let Some(address) = hop.peer.ip() {
        append(headers, "X-Forwarded-For", address.to_string().as_bytes());
    }
    let proto = if secure { "https" } else { "http" };
    let named = split(&seen).1.filter(|port| port.iter().all(u8::is_ascii_digit));
    let port = match (named, hop.local) {
        (_, Peer::Inet(local)) if !hop.trusted => local.port().to_string().into_bytes(),
        (Some(port), _) => port.to_owned(),
        (None, _) => if secure { "443" } else { "80" }.into(),
    };
    for (name, value) in [
        ("X-Forwarded-Proto", proto.into()),
        ("X-Forwarded-Host", seen),
        ("X-Forwarded-Port", port),
    ] {
        // Of a client of HTTP/1.0 there may be no host.
        if !value.is_empty() && headers.all(name).is_empty() {
            headers.set(name, value);
        }
    }
}

/// Our element of `Forwarded`: this hop and no other (RFC 7239 section 4).
fn element(hop: &Hop, host: &[u8]) -> Vec<u8> {
    let node = match hop.peer.ip() {
        Some(IpAddr::V4(address)) => address.to_string(),
        // "an IPv6 address ... is always enclosed in square brackets", so that it needs quotes.
        Some(IpAddr::V6(address)) => format!("\"[{address}]\""),
        None => "unknown".to_owned(),
    };
    let proto = if hop.secure { "https" } else { "http" };
    let host = if is_token(host) { host.to_owned() } else { [b"\"", host, b"\""].concat() };
    [format!("for={node};host=").as_bytes(), &host, format!(";proto={proto}").as_bytes()].concat()
}

/// Appends to a field that is a list, and makes one line of it.
fn append(headers: &mut dyn Headers, name: &str, element: &[u8]) {
    let mut elements: Vec<_> =
        headers.all(name).into_iter().filter(|line| !line.is_empty()).collect();
    elements.push(element);
    let list = elements.join(&b", "[..]);
    headers.set(name, list);
}

/// Gives the request a number of 128 random bits, where no trusted front proxy has given it one.
fn number(name: &str, hop: &Hop, headers: &mut dyn Headers) {
    let given = match *headers.all(name) {
        [id] => hop.trusted && id.len() <= MAX_REQUEST_ID && is_token(id),
        _ => false,
    };
    if !given {
        headers.set(name, format!("{:032x}", rand::random::<u128>()).into_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::listener::Listener;
    use crate::handshake::Field;
    use std::net::SocketAddr;
    use std::sync::Arc;

    /// The fields that leave when these come from a peer.
    fn told(
        peer: &str,
        trusted: bool,
        kinds: &[Forwarded],
        fields: &[(&str, &str)],
    ) -> Vec<String> {
        let hop = Hop {
            listener: Arc::new(Listener {
                trusted: vec!["10.0.0.0/8".parse().unwrap()],
                ..Listener::default()
            }),
            peer: peer.parse::<SocketAddr>().map_or(Peer::Unix, Peer::from),
            local: SocketAddr::from(([127, 0, 0, 1], 8080)).into(),
            secure: false,
            trusted,
        };
        let forwarded = kinds.to_vec();
        let route = Route { forwarded, request_id: Some("X-Id".to_owned()), ..Route::default() };
        let own = |(name, value): &(&str, &str)| (String::from(*name), value.as_bytes().to_vec());
        let mut fields: Vec<Field> = fields.iter().map(own).collect();
        tell(&route, &hop, b"a.example:81", &mut fields);
        let line = |(name, value): &Field| format!("{name}: {}", value.escape_ascii());
        fields.iter().map(line).collect()
    }

    const X: &[Forwarded] = &[Forwarded::XForwarded];
    const F: &[Forwarded] = &[Forwarded::Forwarded];

    #[test]
    fn a_stranger_is_told_of_and_not_believed() {
        let forged = [
            ("x-forwarded-for", "1.1.1.1"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Prefix", "/x"),
            ("forwarded", "for=1.1.1.1"),
            ("X-Real-Ip", "1.1.1.1"),
            ("X_Forwarded_For", "1.1.1.1"),
            ("x-forwarded_proto", "https"),
            ("X-Id", "forged"),
        ];
        let lines = told("192.0.2.1:5", false, X, &forged);
        let (id, rest) = lines.split_first().unwrap();
        let digits = id.strip_prefix("X-Id: ").unwrap();
        assert!(digits.len() == 32 && u128::from_str_radix(digits, 16).is_ok(), "{digits}");
        let due = [
            "X-Forwarded-For: 192.0.2.1",
            "X-Forwarded-Proto: http",
            "X-Forwarded-Host: a.example:81",
            "X-Forwarded-Port: 8080",
        ];
        assert_eq!(rest, due);
        assert_eq!(told("192.0.2.1:5", false, &[], &forged[..7]).len(), 1, "only the number");
    }

    #[test]
    fn what_a_trusted_front_has_told_is_kept_and_added_to() {
        let given = [
            ("X-Forwarded-For", "192.0.2.9"),
            ("Cookie", "a=b"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "seen.example"),
            ("X-Forwarded-For", "10.0.0.2"),
            ("x-id", "abc-1"),
        ];
        let due = [
            "X-Forwarded-For: 192.0.2.9, 10.0.0.2, 10.0.0.1",
            "Cookie: a=b",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: seen.example",
            "x-id: abc-1",
            "X-Forwarded-Port: 443",
        ];
        assert_eq!(told("10.0.0.1:5", true, X, &given), due);
        let longest = "x".repeat(128);
        assert_eq!(
            told("10.0.0.1:5", true, &[], &[("X-Id", &longest)]),
            [format!("X-Id: {longest}")]
        );
        for odd in ["a b", &"x".repeat(129)] {
            assert_ne!(told("10.0.0.1:5", true, &[], &[("X-Id", odd)]), [format!("X-Id: {odd}")]);
        }
    }

    #[test]
    fn forwarded_quotes_what_is_no_token() {
        for (peer, due) in [
            ("192.0.2.1:5", "for=192.0.2.1;host=\"a.example:81\";proto=http"),
            ("[2001:db8::1]:5", "for=\"[2001:db8::1]\";host=\"a.example:81\";proto=http"),
            ("unix", "for=unknown;host=\"a.example:81\";proto=http"),
        ] {
            let due = format!("Forwarded: {}", due.escape_default());
            assert_eq!(told(peer, false, F, &[])[0], due);
        }
        let kept = told("10.0.0.1:5", true, F, &[("Forwarded", "for=192.0.2.9")]);
        assert!(kept[0].starts_with("Forwarded: for=192.0.2.9, for=10.0.0.1;"), "{kept:?}");
    }
}
