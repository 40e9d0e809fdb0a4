//! The head of an HTTP/1.1 request or response, read strictly and without copying.
//!
//! Ours and not a library's because of what old clients send (a raw space in the target, the byte
//! DEL in a key) and what must not be let through here although libraries do (a bare LF).

use super::grammar;
use memchr::memmem;

/// The most fields a head may have.
pub const MAX_FIELDS: usize = 100;

/// What is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The first line is no request line, or no status line.
    #[error("malformed start line")]
    StartLine,
    /// The first line is of a version of HTTP that is not spoken here, such as that of HTTP/2.
    #[error("unsupported HTTP version")]
    Version,
    /// A CR without LF or an LF without CR (RFC 9112 section 2.2: both are smuggling vectors).
    #[error("line end is not CR LF")]
    LineEnd,
    /// A field line without a name, without a colon, or with space before the colon or the name
    /// (RFC 9112 sections 5.1 and 5.2).
    #[error("malformed header field")]
    Field,
    /// A control character where it could split a message of ours.
    #[error("control character in the head")]
    ControlCharacter,
    /// More than [`MAX_FIELDS`] fields.
    #[error("too many header fields")]
    TooManyFields,
    /// A field that may stand once stands twice.
    #[error("doubled header field {0}")]
    Doubled(&'static str),
}

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method, in the case it came in.
    pub method: &'a str,
    /// The request target, byte for byte; it may hold raw spaces.
    pub target: &'a [u8],
    /// The version.
    pub version: Version,
    /// The header fields.
    pub fields: Fields<'a>,
}

/// The version of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0, which plain requests of health checkers still have.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status code, at least 100.
    pub status: u16,
    /// The reason phrase, empty when there is none.
    pub reason: &'a [u8],
    /// The header fields.
    pub fields: Fields<'a>,
}

/// The header fields of a head, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields<'a>(Vec<(&'a str, &'a [u8])>);

/// Where the head at the start of `bytes` ends, behind its empty line; `None` when it goes on.
///
/// `searched` is how many of the bytes an earlier call has seen, so that a head that comes byte by
/// byte is searched once.
pub fn end(bytes: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    let found = memmem::find(bytes.get(from..)?, b"\r\n\r\n")?;
    Some(from + found + 4)
}

impl<'a> Request<'a> {
    /// Reads a whole head, its empty line included.
    ///
    /// # Errors
    /// With the first [`Fault`] of the head.
    pub fn parse(head: &'a [u8]) -> Result<Self, Fault> {
        let (line, fields) = split_start_line(head)?;
        let (method, target, version) = grammar::request_line(line).ok_or(Fault::StartLine)?;
        let version = match version {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            _ => return Err(Fault::Version),
        };
        if !target.iter().all(|b| (0x20..0x7f).contains(b)) {
            return Err(Fault::ControlCharacter);
        }
        Ok(Self { method, target, version, fields: Fields::parse(fields)? })
    }
}

impl<'a> Response<'a> {
    /// Reads a whole head, its empty line included.
    ///
    /// # Errors
    /// With the first [`Fault`] of the head.
    pub fn parse(head: &'a [u8]) -> Result<Self, Fault> {
        let (line, fields) = split_start_line(head)?;
        let (status, reason) = grammar::status_line(line).ok_or(Fault::StartLine)?;
        Ok(Self { status, reason, fields: Fields::parse(fields)? })
    }
}

fn split_start_line(head: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let end = memmem::find(head, b"\r\n").ok_or(Fault::LineEnd)?;
    let (line, rest) = head.split_at(end);
    if line.iter().any(|b| matches!(b, b'\r' | b'\n')) {
        return Err(Fault::LineEnd);
    }
    Ok((line, rest.get(2..).unwrap_or_default()))
}

impl<'a> Fields<'a> {
    fn parse(mut block: &'a [u8]) -> Result<Self, Fault> {
        let mut fields = Vec::with_capacity(16);
        loop {
            let (line, rest) = split_start_line(block)?;
            block = rest;
            if line.is_empty() {
                return if rest.is_empty() { Ok(Self(fields)) } else { Err(Fault::LineEnd) };
            }
            let (name, value) = grammar::field_line(line).ok_or(Fault::Field)?;
            // Java clients of 2011 use DEL as noise in their keys.
            let noise = ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"]
                .iter()
                .any(|key| name.eq_ignore_ascii_case(key));
            if value.iter().any(|b| (*b < 0x20 && *b != b'\t') || (*b == 0x7f && !noise)) {
                return Err(Fault::ControlCharacter);
            }
            if fields.len() == MAX_FIELDS {
                return Err(Fault::TooManyFields);
            }
            fields.push((name, value));
        }
    }

    /// All values of a field, in order; the name is matched without regard to case.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'a [u8]> + 'f {
        self.iter().filter(move |field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1)
    }

    /// Whether the field is there.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The value of a field that may stand at most once.
    ///
    /// # Errors
    /// [`Fault::Doubled`] when it stands more than once.
    pub fn only(&self, name: &'static str) -> Result<Option<&'a [u8]>, Fault> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() { Err(Fault::Doubled(name)) } else { Ok(value) }
    }

    /// Whether a field that lists tokens holds this one, in any case (RFC 9110 section 7.6.1).
    pub fn lists(&self, name: &str, wanted: &str) -> bool {
        self.all(name)
            .filter_map(grammar::token_list)
            .flatten()
            .any(|token| token.eq_ignore_ascii_case(wanted))
    }

    /// The fields in order, as name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_a_browser_of_2010_sends() {
        let head = b"GET /a b HTTP/1.1\r\nUpgrade: WebSocket\r\nCookie: \r\n\
            Sec-WebSocket-Key1: 4 @1  46546xW%0l\x7f 1 5\r\n\r\n";
        let request = Request::parse(head).unwrap();
        assert_eq!(request.target, b"/a b");
        assert_eq!(request.fields.only("cookie"), Ok(Some(&b""[..])));
        assert_eq!(
            request.fields.only("sec-websocket-key1"),
            Ok(Some(&b"4 @1  46546xW%0l\x7f 1 5"[..]))
        );
    }

    #[test]
    fn refuses_all_that_smuggles() {
        let cases: [(&[u8], Fault); 14] = [
            (b"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", Fault::LineEnd),
            (b"GET / HTTP/1.1\nA: b\r\n\r\n", Fault::LineEnd),
            (b"GET / HTTP/1.1\r\nA: b\rC\r\n\r\n", Fault::LineEnd),
            (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", Fault::Field),
            (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Fault::Field),
            (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", Fault::Field),
            (b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n", Fault::ControlCharacter),
            (b"GET / HTTP/1.1\r\nA: \x0c\r\n\r\n", Fault::ControlCharacter),
            (b"GET / HTTP/1.1\r\nOrigin: a\x7f\r\n\r\n", Fault::ControlCharacter),
            (b"GET /\x01 HTTP/1.1\r\n\r\n", Fault::ControlCharacter),
            (b"GET / HTTP/1.2\r\n\r\n", Fault::Version),
            (b"PRI * HTTP/2.0\r\n\r\n", Fault::Version),
            (b"GET / HTTP/11\r\n\r\n", Fault::StartLine),
            (b"G@T / HTTP/1.1\r\n\r\n", Fault::StartLine),
        ];
        for (head, fault) in cases {
            assert_eq!(Request::parse(head), Err(fault), "{}", head.escape_ascii());
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_FIELDS + 1));
        assert_eq!(Request::parse(many.as_bytes()), Err(Fault::TooManyFields));
        let twice = Request::parse(b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n").unwrap();
        assert_eq!(twice.fields.only("Host"), Err(Fault::Doubled("Host")));
    }

    #[test]
    fn finds_the_end_across_cuts() {
        let head = b"GET / HTTP/1.1\r\n\r\n12345678";
        for cut in 0..head.len() {
            let first = end(&head[..cut], 0);
            assert_eq!(first.or_else(|| end(head, cut)), Some(18), "cut at {cut}");
        }
    }

    proptest! {
        /// A foreign parser is the oracle: what both accept, both read alike, and all that we
        /// accept it accepts, but for what we let through on purpose.
        #[test]
        fn agrees_with_httparse(
            lines in proptest::collection::vec(
                prop_oneof![
                    "[A-Za-z-]{1,8}: ?[ -~]{0,12} ?",
                    "[ -~\t]{0,14}",
                    "[A-Za-z]{1,4}:[\\x00-\\x20a-z]{0,4}",
                ],
                0..6,
            ),
        ) {
            let head = format!("GET /x HTTP/1.1\r\n{}\r\n\r\n", lines.join("\r\n"));
            let Some(end) = end(head.as_bytes(), 0) else { return Ok(()) };
            let head = &head.as_bytes()[..end];
            let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
            let mut theirs = httparse::Request::new(&mut fields);
            let accepted = theirs.parse(head);
            if let Ok(ours) = Request::parse(head) {
                prop_assert_eq!(accepted, Ok(httparse::Status::Complete(end)));
                let theirs: Vec<_> = theirs.headers.iter().map(|h| (h.name, h.value)).collect();
                prop_assert_eq!(ours.fields.iter().collect::<Vec<_>>(), theirs);
            }
        }
    }
}
