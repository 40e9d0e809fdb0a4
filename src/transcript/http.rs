//! One direction of a connection of HTTP/1.1, as far as it leads to an opening handshake: heads are
//! found, bodies are passed over, and what is something else is told apart by its first bytes.

use super::conversation::Found;
use crate::event::Side;
use crate::wire::body::{Framing, Scanner};
use crate::wire::grammar::is_token;
use crate::wire::head;
use std::borrow::Cow;

/// The longest head that is waited for, in bytes: what the largest servers of the time take, with
/// room for cookies.
pub(super) const MAX_HEAD: usize = 32 * 1024;

/// The longest method, in bytes. What goes on longer without a space is no request line.
const MAX_METHOD: usize = 24;

/// The heads and bodies of one side.
#[derive(Debug)]
pub(super) struct Messages {
    from: Side,
    /// What came of a head that is not whole.
    head: Vec<u8>,
    /// The body that is passed over.
    body: Option<Scanner>,
}

/// Why there is no head to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stray {
    /// It is TLS.
    #[error("TLS instead of HTTP")]
    Tls,
    /// It is no HTTP/1.1, or the place of the next head is not certain.
    #[error("no HTTP head")]
    NotHttp,
    /// The head is malformed.
    #[error(transparent)]
    Head(#[from] head::Fault),
    /// The head is longer than [`MAX_HEAD`].
    #[error("head too long")]
    TooLong,
}

impl Stray {
    /// What the connection turns out to be by it, where nothing was known before.
    pub(super) const fn found(self) -> Found {
        match self {
            Self::Tls => Found::Tls,
            Self::NotHttp | Self::Head(_) | Self::TooLong => Found::Other,
        }
    }
}

impl Messages {
    pub(super) const fn new(from: Side) -> Self {
        Self { from, head: Vec::new(), body: None }
    }

    /// What has come of a head that is not whole.
    pub(super) fn unfinished(&self) -> &[u8] {
        &self.head
    }

    /// The body that comes next.
    pub(super) fn expect_body(&mut self, framing: Framing) {
        self.body = Some(Scanner::new(framing));
    }

    /// Takes bytes up to the end of the next head, and hands that out; `None` when all of them are
    /// used up. A head that comes whole is not copied.
    pub(super) fn next_head<'b>(
        &mut self,
        bytes: &mut &'b [u8],
    ) -> Result<Option<Cow<'b, [u8]>>, Stray> {
        if let Some(body) = &mut self.body {
            let length = body.scan(bytes).map_err(|_| Stray::NotHttp)?;
            *bytes = bytes.get(length..).unwrap_or_default();
            if !body.is_done() {
                return Ok(None);
            }
            self.body = None;
        }
        if self.head.is_empty() {
            // "A server that is expecting to receive and parse a request-line SHOULD ignore at least
            // one empty line" (RFC 9112 section 2.2): some old clients end a body with one.
            let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            *bytes = bytes.get(blank..).unwrap_or_default();
            sniff(self.from, bytes)?;
            if let Some(end) = head::end(bytes, 0) {
                let head = bytes.split_off(..end).unwrap_or_default();
                return if end > MAX_HEAD { Err(Stray::TooLong) } else { Ok(Some(head.into())) };
            }
        }
        let searched = self.head.len();
        let room = MAX_HEAD.saturating_sub(searched).min(bytes.len());
        self.head.extend_from_slice(bytes.get(..room).unwrap_or_default());
        sniff(self.from, &self.head)?;
        let Some(end) = head::end(&self.head, searched) else {
            *bytes = &[];
            return if self.head.len() < MAX_HEAD { Ok(None) } else { Err(Stray::TooLong) };
        };
        *bytes = bytes.get(end - searched..).unwrap_or_default();
        self.head.truncate(end);
        Ok(Some(std::mem::take(&mut self.head).into()))
    }
}

/// Whether bytes can be the start of a head, be they all of it or less.
fn sniff(from: Side, start: &[u8]) -> Result<(), Stray> {
    match start {
        // A record of a handshake, of SSL 3.0 and all that came after it (RFC 8446 section 5.1).
        [0x16, 0x03, ..] => return Err(Stray::Tls),
        // The hello of SSL 2.0 that offers something newer (RFC 5246 section E.2).
        [0x80..=0xff, _, 0x01, 0x03, ..] => return Err(Stray::Tls),
        [] | [0x16] | [0x80..=0xff] | [0x80..=0xff, _] | [0x80..=0xff, _, 0x01] => return Ok(()),
        _ => {}
    }
    let is_start = match from {
        Side::Client => {
            let method = start.split(|byte| *byte == b' ').next().unwrap_or_default();
            method.len() <= MAX_METHOD && is_token(method)
        }
        Side::Backend => start.iter().zip(b"HTTP/1.").all(|(byte, expected)| byte == expected),
    };
    if is_start { Ok(()) } else { Err(Stray::NotHttp) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(from: Side, bytes: &[u8]) -> Result<(), Stray> {
        // Byte by byte and whole, which must be one.
        let whole = Messages::new(from).next_head(&mut &bytes[..]).map(|_| ());
        let mut messages = Messages::new(from);
        let cut = bytes
            .iter()
            .try_for_each(|byte| messages.next_head(&mut std::slice::from_ref(byte)).map(|_| ()));
        assert_eq!(cut, whole, "{}", bytes.escape_ascii());
        whole
    }

    #[test]
    fn tells_by_the_first_bytes() {
        let cases: [(Side, &[u8], Result<(), Stray>); 12] = [
            (Side::Client, b"\x16\x03\x01\x02\x00\x01", Err(Stray::Tls)),
            (Side::Backend, b"\x16\x03\x03\x00\x7a\x02", Err(Stray::Tls)),
            (Side::Client, b"\x80\x7c\x01\x03\x01\x00", Err(Stray::Tls)),
            (Side::Client, b"\x81\x85\x37\xfa\x21\x3d", Err(Stray::NotHttp)),
            (Side::Client, b"\x00a message\xff", Err(Stray::NotHttp)),
            (Side::Client, b"SSH-2.0-OpenSSH_9.2\r\n", Err(Stray::NotHttp)),
            (Side::Client, b"{\"json\": 1}", Err(Stray::NotHttp)),
            (Side::Client, &[b'a'; MAX_METHOD + 1], Err(Stray::NotHttp)),
            (Side::Client, b"GET / HT", Ok(())),
            (Side::Backend, b"220 mail.example.com\r\n", Err(Stray::NotHttp)),
            (Side::Backend, b"HTTP/2", Err(Stray::NotHttp)),
            (Side::Backend, b"HTTP/1", Ok(())),
        ];
        for (from, bytes, expected) in cases {
            assert_eq!(verdict(from, bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn bounds_a_head() {
        let head = |length: usize| {
            let start = "GET / HTTP/1.1\r\nA: ";
            format!("{start}{}\r\n\r\n", "b".repeat(length - start.len() - 4)).into_bytes()
        };
        assert_eq!(verdict(Side::Client, &head(MAX_HEAD)), Ok(()));
        assert_eq!(verdict(Side::Client, &head(MAX_HEAD + 1)), Err(Stray::TooLong));
        let mut messages = Messages::new(Side::Client);
        let endless = head(10 * MAX_HEAD);
        let mut pieces = endless.chunks(1000).map(|mut piece| messages.next_head(&mut piece));
        assert!(pieces.any(|found| found == Err(Stray::TooLong)));
        assert!(messages.head.capacity() <= 2 * MAX_HEAD);
    }

    #[test]
    fn passes_bodies_over() {
        let bytes = b"GET / HTTP/1.1\r\n\r\nbody\r\nGET /2 HTTP/1.1\r\n\r\nrest";
        for cut in 0..bytes.len() {
            let mut messages = Messages::new(Side::Client);
            let (mut heads, mut left) = (Vec::new(), 0);
            for mut piece in [&bytes[..cut], &bytes[cut..]] {
                while heads.len() < 2
                    && let Some(head) = messages.next_head(&mut piece).unwrap()
                {
                    heads.push(head.into_owned());
                    messages.expect_body(Framing::Length(4));
                }
                left = piece.len();
            }
            assert_eq!(heads, [&b"GET / HTTP/1.1\r\n\r\n"[..], b"GET /2 HTTP/1.1\r\n\r\n"]);
            assert!(left <= 4, "cut at {cut}");
        }
    }
}
