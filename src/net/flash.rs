//! What Flash asks before it connects a socket: whether pages of the site may.
//!
//! `web-socket-js` gave browsers of 2010 a WebSocket by Flash. Its player sends this instead of a
//! request, first to port 843 and then to the port itself, and takes the answer up to a NUL.

use super::Peer;
use crate::config::listener::FlashPolicy;
use std::borrow::Cow;

/// What the player sends.
const REQUEST: &[u8] = b"<policy-file-request/>\0";

/// What begins like the player's request, but goes on otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoPolicyRequest;

/// Looks for the player's request at the start of a connection, and tells its length; `None` when
/// all these bytes are of the request and it goes on.
///
/// # Errors
/// When it is something else.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<((), usize)>, NoPolicyRequest> {
    if bytes.iter().zip(REQUEST).any(|(a, b)| a != b) {
        return Err(NoPolicyRequest);
    }
    Ok((bytes.len() >= REQUEST.len()).then_some(((), REQUEST.len())))
}

/// Whether a connection that begins so can only be the player's: no method of HTTP and no record of
/// TLS does.
pub(crate) fn is_likely(start: &[u8]) -> bool {
    start.first() == REQUEST.first()
}

/// The answer, for a client that connected to `local`.
pub(crate) fn answer(policy: &FlashPolicy, local: Peer) -> Vec<u8> {
    let ports = match (policy.ports.as_str(), local) {
        ("", Peer::Inet(address)) => Some(Cow::Owned(address.port().to_string())),
        ("", Peer::Unix) => None,
        (ports, _) => Some(Cow::Borrowed(ports)),
    };
    let mut xml = String::from("<?xml version=\"1.0\"?>\n<cross-domain-policy>\n");
    match ports {
        Some(ports) if !policy.domains.is_empty() => {
            for domain in &policy.domains {
                xml.push_str("<allow-access-from domain=\"");
                push_escaped(domain, &mut xml);
                xml.push_str("\" to-ports=\"");
                push_escaped(&ports, &mut xml);
                xml.push_str("\"/>\n");
            }
        }
        _ => xml.push_str("<site-control permitted-cross-domain-policies=\"none\"/>\n"),
    }
    xml.push_str("</cross-domain-policy>\n\0");
    xml.into_bytes()
}

/// Writes the value of an attribute. A NUL would end the answer.
fn push_escaped(value: &str, xml: &mut String) {
    for c in value.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\0' => {}
            c => xml.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn told(domains: &[&str], ports: &str, local: Peer) -> String {
        let domains = domains.iter().map(|domain| (*domain).to_owned()).collect();
        let policy = FlashPolicy { domains, ports: ports.to_owned() };
        let answer = String::from_utf8(answer(&policy, local)).unwrap();
        let xml = answer.strip_suffix('\0').unwrap();
        assert!(!xml.contains('\0'), "{xml}");
        let xml = xml.strip_prefix("<?xml version=\"1.0\"?>\n<cross-domain-policy>\n").unwrap();
        xml.strip_suffix("</cross-domain-policy>\n").unwrap().to_owned()
    }

    fn here() -> Peer {
        "192.0.2.1:8080".parse::<SocketAddr>().unwrap().into()
    }

    #[test]
    fn requests_in_any_cutting() {
        for end in 0..REQUEST.len() {
            assert_eq!(parse(&REQUEST[..end]), Ok(None));
            assert_eq!(parse(&[&REQUEST[..end], b"?"].concat()), Err(NoPolicyRequest));
        }
        assert_eq!(parse(REQUEST), Ok(Some(((), 23))));
        assert_eq!(parse(&[REQUEST, b"more"].concat()), Ok(Some(((), 23))));
        assert_eq!(parse(b"GET / HTTP/1.1\r\n"), Err(NoPolicyRequest));
    }

    #[test]
    fn nobody_is_let_in_by_default() {
        let none = "<site-control permitted-cross-domain-policies=\"none\"/>\n";
        assert_eq!(told(&[], "", here()), none);
        assert_eq!(told(&[], "*", here()), none);
        // A Unix socket has no port that could be the listener's own.
        assert_eq!(told(&["*"], "", Peer::Unix), none);
    }

    #[test]
    fn the_named_are_let_in() {
        assert_eq!(
            told(&["example.com", "*.example.com"], "80,443", here()),
            "<allow-access-from domain=\"example.com\" to-ports=\"80,443\"/>\n\
             <allow-access-from domain=\"*.example.com\" to-ports=\"80,443\"/>\n"
        );
        let own = "<allow-access-from domain=\"*\" to-ports=\"8080\"/>\n";
        assert_eq!(told(&["*"], "", here()), own);
        let odd = "<allow-access-from domain=\"&quot;/&gt;&lt;&amp;\" to-ports=\"*\"/>\n";
        assert_eq!(told(&["\"/><&\0"], "*", Peer::Unix), odd);
    }
}
