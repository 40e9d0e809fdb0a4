//! The words of HTTP that settings hold: field names and values, origins, statuses.

use crate::handshake::is_host;
use crate::wire::grammar::is_token;

/// Fields that a hop writes for itself (RFC 9110 section 7.6.1), and which say how a message goes
/// on.
const OF_THIS_HOP: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// The name of a header field.
pub(super) fn field_name(name: &str) -> Result<(), String> {
    match is_token(name.as_bytes()) {
        true => Ok(()),
        false => {
            Err(format!("{name:?} is no name of a header field; those have letters, digits and -"))
        }
    }
}

/// The name of a field that settings may change.
pub(super) fn changeable_name(name: &str) -> Result<(), String> {
    field_name(name)?;
    let lower = name.to_ascii_lowercase();
    match &*lower {
        "host" => Err("Host is not changed here; use host_header".to_owned()),
        "origin" => Err("Origin is not changed here; use origin_header".to_owned()),
        hop if OF_THIS_HOP.contains(&hop) => {
            Err(format!("{name} belongs to one connection; hybridge writes it itself"))
        }
        handshake
            if handshake.starts_with("sec-websocket-") || handshake.starts_with("websocket-") =>
        {
            Err(format!("{name} belongs to the handshake; hybridge writes it itself"))
        }
        _ => Ok(()),
    }
}

/// The value of a header field (RFC 9110 section 5.5): no line end can get into a head.
pub(super) fn field_value(value: &str) -> Result<(), &'static str> {
    match value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
        true => Err("a header field cannot hold line ends or other control characters"),
        false => Ok(()),
    }
}

/// The name of a cookie (RFC 6265 section 4.1.1).
pub(super) fn cookie_name(name: &str) -> Result<(), String> {
    match is_token(name.as_bytes()) {
        true => Ok(()),
        false => {
            Err(format!("{name:?} is no name of a cookie; those have letters, digits, - and _"))
        }
    }
}

/// An origin as a browser sends it (RFC 6454 section 6.2), with `*.` for all names below one where
/// that is allowed.
pub(super) fn origin(text: &str, wildcard: bool) -> Result<(), String> {
    let (scheme, host) = text.split_once("://").ok_or_else(|| match text {
        "*" => "without origins all are let in; take the table out".to_owned(),
        "null" => "write null = true".to_owned(),
        _ => format!("{text:?} is no origin; write one like https://chat.example"),
    })?;
    if let Some((origin, _)) = host.split_once('/') {
        return Err(format!("an origin has no path; write {scheme}://{origin}"));
    }
    let host = if wildcard { host.strip_prefix("*.").unwrap_or(host) } else { host };
    let known = is_scheme(scheme) && is_host(host.as_bytes()) && !host.contains(['*', ',']);
    match known && has_port_or_none(host) {
        true => Ok(()),
        false => Err(format!("{text:?} is no origin; write one like https://chat.example")),
    }
}

/// `scheme` of RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Whether what stands behind the name or the address is a port, where something does.
fn has_port_or_none(host: &str) -> bool {
    let behind = match host.rsplit_once(']') {
        Some((_, behind)) => behind,
        None => host.find(':').and_then(|colon| host.get(colon..)).unwrap_or_default(),
    };
    let port = behind.strip_prefix(':').filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    behind.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_ok())
}

/// A status that ends a request.
pub(super) fn final_status(status: u16) -> Result<(), &'static str> {
    match (200..=599).contains(&status) {
        true => Ok(()),
        false => Err("a status is a number from 200 to 599"),
    }
}

/// A host name or address without a port.
pub(super) fn bare_host(host: &str) -> Result<(), String> {
    let address = host.parse::<std::net::Ipv6Addr>().is_ok();
    match is_host(host.as_bytes()) && (address || !host.contains([':', '*', '[', ']'])) {
        true => Ok(()),
        false => Err(format!("{host:?} is no name of a host; write it without a port")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_origins() {
        for good in ["https://a.example", "http://a:8080", "https://*.a.example", "app://[::1]:1"] {
            assert_eq!(origin(good, true), Ok(()), "{good}");
        }
        assert!(origin("https://*.a.example", false).is_err());
        for bad in ["*", "null", "a.example", "https://", "https://a/", "https://a*", "1://a"] {
            assert!(origin(bad, true).is_err(), "{bad}");
        }
        for bad in ["https://a:b", "https://a:+1", "https://a:", "https://a:65536", "a://[::1]1"] {
            assert!(origin(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn knows_which_fields_are_its_own() {
        for good in ["X-Real-IP", "Authorization", "Location", "Set-Cookie"] {
            assert_eq!(changeable_name(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "host", "Origin", "Transfer-Encoding", "SEC-WebSocket-Key1", "x:"] {
            assert!(changeable_name(bad).is_err(), "{bad}");
        }
        assert_eq!(field_value("caf\u{e9}\t"), Ok(()));
        assert!(field_value("a\r\nB: c").is_err());
    }
}
