//! A plain request as it is read from the wire: what routes and redirects need of it, where its body
//! ends, and the head that hyper is given.

use crate::handshake::{Refusal, is_host, write_field};
use crate::wire::body::Framing;
use crate::wire::head::{Fault, Request, Version};
use hyper::http::uri::PathAndQuery;

/// A plain request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) method: String,
    /// The target in origin form, or `*`.
    pub(crate) target: Vec<u8>,
    /// The host that is asked for; empty where a client of HTTP/1.0 names none.
    pub(crate) host: Vec<u8>,
    pub(crate) framing: Framing,
    /// Whether it names WebSocket as what it could be upgraded to.
    pub(crate) names_websocket: bool,
    /// Its head with this target and host, and without `Upgrade`: "A server MAY ignore a received
    /// Upgrade header field" (RFC 9110 section 7.8).
    pub(crate) head: Vec<u8>,
}

impl Plain {
    /// Reads a whole head, which is not that of a WebSocket opening.
    ///
    /// # Errors
    /// With what the client is to be answered.
    pub(crate) fn read(head: &[u8]) -> Result<Self, Refusal> {
        let request = Request::parse(head)?;
        if request.method == "CONNECT" {
            return Err(Refusal::Connect);
        }
        // RFC 9110 section 5.5 forbids it; only the keys of an old opening may hold it.
        if request.fields.iter().any(|(_, value)| value.contains(&0x7f)) {
            return Err(Fault::ControlCharacter.into());
        }
        let (authority, target) = split_target(&request)?;
        let named = request.fields.only("Host")?;
        // RFC 9112 section 3.2: 400 without a Host, with two of them or with a bad one. "When an
        // origin server receives a request with an absolute-form of request-target, the origin
        // server MUST ignore the received Host header field (if any)".
        let host = match (named, request.version) {
            (Some(named), _) if named.is_empty() || is_host(named) => authority.unwrap_or(named),
            (None, Version::Http10) => authority.unwrap_or_default(),
            _ => return Err(Refusal::Host),
        };
        let framing = Framing::of(&request)?;
        let names_websocket = request.fields.lists("Upgrade", "websocket");
        let head = rewrite(&request, &target, host, framing);
        let (method, host) = (request.method.to_owned(), host.to_vec());
        Ok(Self { method, target, host, framing, names_websocket, head })
    }
}

/// The authority, where the target has one, and the target in origin form.
fn split_target<'a>(request: &Request<'a>) -> Result<(Option<&'a [u8]>, Vec<u8>), Refusal> {
    let (authority, target) = match request.target {
        [b'/', ..] => (None, request.target.to_vec()),
        b"*" if request.method == "OPTIONS" => (None, b"*".to_vec()),
        absolute => {
            let rest = behind_scheme(absolute).ok_or(Refusal::Target)?;
            let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            if !is_host(authority) {
                return Err(Refusal::Target);
            }
            let path = match path.first() {
                Some(b'/') => path.to_vec(),
                // RFC 9112 section 3.2.4: OPTIONS for a whole server.
                None if request.method == "OPTIONS" => b"*".to_vec(),
                _ => [b"/", path].concat(),
            };
            (Some(authority), path)
        }
    };
    // A fragment has no place in a target, and the library would cut it off.
    if target.contains(&b'#') || PathAndQuery::try_from(&target[..]).is_err() {
        return Err(Refusal::Target);
    }
    Ok((authority, target))
}

fn behind_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// Its end is said in the one way that all readers read alike.
fn rewrite(request: &Request<'_>, target: &[u8], host: &[u8], framing: Framing) -> Vec<u8> {
    let end = match framing {
        Framing::Length(length) => length.to_string(),
        Framing::Chunked => "chunked".to_owned(),
    };
    let mut is_coded = false;
    let version: &[u8] = match request.version {
        Version::Http10 => b" HTTP/1.0\r\n",
        Version::Http11 => b" HTTP/1.1\r\n",
    };
    let mut head = [request.method.as_bytes(), b" ", target, version].concat();
    for (name, value) in request.fields.iter() {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        // The codings may stand in several fields.
        if is("Upgrade") || (is("Transfer-Encoding") && std::mem::replace(&mut is_coded, true)) {
            continue;
        }
        let value = match name {
            _ if is("Host") => host,
            _ if is("Transfer-Encoding") || is("Content-Length") => end.as_bytes(),
            _ => value,
        };
        write_field(name, value, &mut head);
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, fields: &str) -> Result<(String, String, String), Refusal> {
        let plain = Plain::read(format!("{line}\r\n{fields}\r\n").as_bytes())?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ok((text(plain.target), text(plain.host), text(plain.head)))
    }

    #[test]
    fn a_target_that_names_a_host_wins() {
        for (line, target, host) in [
            ("GET /a?b HTTP/1.1", "/a?b", "x"),
            ("GET http://y:81/a?b HTTP/1.1", "/a?b", "y:81"),
            ("GET HTTP://y HTTP/1.1", "/", "y"),
            ("GET https://y?b HTTP/1.1", "/?b", "y"),
            ("OPTIONS http://y HTTP/1.1", "*", "y"),
            ("OPTIONS * HTTP/1.1", "*", "x"),
            ("GET //y/../%2f HTTP/1.1", "//y/../%2f", "x"),
        ] {
            let (method, version) = (line.split(' ').next().unwrap(), "HTTP/1.1");
            let head = format!("{method} {target} {version}\r\nhost: {host}\r\nA: b\r\n\r\n");
            let expected = Ok((target.to_owned(), host.to_owned(), head));
            assert_eq!(read(line, "host: x\r\nA: b\r\n"), expected, "{line}");
        }
    }

    #[test]
    fn refuses_what_has_no_one_meaning() {
        for line in [
            "GET * HTTP/1.1",
            "GET a HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET /a#b HTTP/1.1",
            "GET ftp://y/ HTTP/1.1",
            "GET http:///a HTTP/1.1",
            "GET http://u@y/ HTTP/1.1",
        ] {
            assert_eq!(read(line, "Host: x\r\n"), Err(Refusal::Target), "{line}");
        }
        assert_eq!(read("CONNECT y:443 HTTP/1.1", "Host: x\r\n"), Err(Refusal::Connect));
        for fields in ["", "Host: a/b\r\n", "Host: a@b\r\n"] {
            assert_eq!(read("GET / HTTP/1.1", fields), Err(Refusal::Host), "{fields}");
        }
        assert!(read("GET / HTTP/1.1", "Host: a\r\nHost: a\r\n").is_err());
        let noise = read("GET / HTTP/1.1", "Host: a\r\nSec-WebSocket-Key1: a\x7fb\r\n");
        assert_eq!(noise, Err(Fault::ControlCharacter.into()));
    }

    #[test]
    fn old_clients_need_no_host_and_no_upgrade_passes() {
        let (_, host, head) = read("GET / HTTP/1.0", "Upgrade: h2c\r\nA: b\r\n").unwrap();
        assert_eq!((&*host, &*head), ("", "GET / HTTP/1.0\r\nA: b\r\n\r\n"));
    }
}
