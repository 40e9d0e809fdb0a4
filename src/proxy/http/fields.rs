//! The header fields of plain requests and responses: which of them end at this hop.

use crate::handshake::Headers;
use crate::wire::grammar::token_list;
use hyper::HeaderMap;
use hyper::header::{CONNECTION, HeaderName, HeaderValue, TE};

/// The fields that concern one hop (RFC 9110 section 7.6.1), those of forward proxies, and of
/// HTTP/1.0 peers that never were in a document.
const OF_THIS_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "proxy-authentication-info",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Takes the fields of this hop out of a request. Of `TE` only `trailers` is said again, which we can
/// pass on.
pub(crate) fn strip_request(headers: &mut HeaderMap) {
    let mut codings =
        headers.get_all(TE).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let trailers = codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"));
    strip(headers);
    if trailers {
        // RFC 9110 section 10.1.4: who sends TE names it in Connection.
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("TE"));
    }
}

/// Takes the fields of this hop out.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let nominated: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| token_list(value.as_bytes()))
        .flatten()
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .collect();
    for name in OF_THIS_HOP {
        headers.remove(name);
    }
    for name in nominated.iter().filter(|name| !is_needed(name)) {
        headers.remove(name);
    }
}

/// Fields that `Connection` has no say in: they are "intended for all recipients" (RFC 9110 section
/// 7.6.1), and a client must not have what a front proxy tells the backend taken out.
fn is_needed(name: &HeaderName) -> bool {
    matches!(name.as_str(), "content-length" | "host" | "forwarded" | "cache-control")
        || name.as_str().starts_with("x-forwarded-")
}

impl Headers for HeaderMap {
    fn all(&self, name: &str) -> Vec<&[u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes).collect()
    }

    fn remove(&mut self, name: &str) {
        Self::remove(self, name);
    }

    /// What is no field is left out: it could only split the message.
    fn add(&mut self, name: &str, value: Vec<u8>) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::try_from(value)) {
            self.append(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn what_ends_here_goes_no_further() {
        let mut headers = map(&[
            ("a", "1"),
            ("connection", "keep-alive, X-Hop, Content-Length, host"),
            ("connection", "x-other, X-Forwarded-For"),
            ("keep-alive", "5"),
            ("proxy-connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("te", "gzip;q=0.5"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("x-forwarded-for", "192.0.2.1"),
            ("content-length", "0"),
            ("host", "b"),
        ]);
        strip_request(&mut headers);
        let kept = map(&[
            ("a", "1"),
            ("x-forwarded-for", "192.0.2.1"),
            ("content-length", "0"),
            ("host", "b"),
        ]);
        assert_eq!(headers, kept);
    }

    #[test]
    fn trailers_are_asked_for_again() {
        let mut headers = map(&[("te", "deflate;q=0.5, Trailers"), ("connection", "TE")]);
        strip_request(&mut headers);
        assert_eq!(headers, map(&[("te", "trailers"), ("connection", "TE")]));
    }

    #[test]
    fn nothing_splits_a_message() {
        let mut headers = HeaderMap::new();
        Headers::add(&mut headers, "X-A", b"1\r\nX-B: 2".to_vec());
        Headers::add(&mut headers, "X A", b"1".to_vec());
        assert!(headers.is_empty());
        Headers::add(&mut headers, "X-A", b"1".to_vec());
        Headers::set(&mut headers, "x-a", b"2".to_vec());
        assert_eq!(Headers::all(&headers, "X-a"), [b"2"]);
    }
}
