//! Where the body of a plain request or its answer ends: what the head announces, and a scanner that
//! finds the end in what comes. It keeps and decodes nothing.
//!
//! Strict, because whoever reads a length otherwise than the next hop takes a part of one request
//! for another one.

use super::grammar;
use super::head::{Fields, Request, Response, Version};

/// The longest line of a chunk's size with its extensions, in bytes. Extensions mean nothing to us,
/// and nobody is known to need long ones.
const MAX_SIZE_LINE: usize = 256;

/// The longest trailer section, in bytes.
const MAX_TRAILERS: usize = 8 * 1024;

/// The largest length that is believed: what fits a signed number of 64 bits, which is what others
/// keep it in.
const MAX_LENGTH: u64 = (1 << 63) - 1;

/// What is wrong with the length of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// `Content-Length` is doubled, or is not a number that can be.
    #[error("malformed Content-Length")]
    Length,
    /// `Content-Length` and `Transfer-Encoding` in one request.
    #[error("two lengths in one request")]
    Ambiguous,
    /// `Transfer-Encoding` where `chunked` is not the last coding, or stands twice, or in a request
    /// of HTTP/1.0.
    #[error("malformed Transfer-Encoding")]
    Coding,
    /// A transfer coding beside `chunked`.
    #[error("unknown transfer coding")]
    UnknownCoding,
    /// The line of a chunk's size, or what follows a chunk.
    #[error("malformed chunk")]
    Chunk,
    /// The fields behind the last chunk.
    #[error("malformed trailer section")]
    Trailer,
}

/// How a head says where its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// By its length, which is 0 where nothing is said (RFC 9112 section 6.3).
    Length(u64),
    /// By a last chunk.
    Chunked,
}

impl Framing {
    /// What the head of a request announces.
    ///
    /// # Errors
    /// When it is not certain what it announces.
    pub fn of(request: &Request<'_>) -> Result<Self, Fault> {
        let announced = Self::announced(&request.fields, request.version)?;
        Ok(announced.unwrap_or(Self::Length(0)))
    }

    /// What the head of an answer announces that has a body; `None` where the connection ends it
    /// (RFC 9112 section 6.3).
    ///
    /// # Errors
    /// When it is not certain what it announces.
    pub fn of_response(response: &Response<'_>) -> Result<Option<Self>, Fault> {
        Self::announced(&response.fields, Version::Http11)
    }

    fn announced(fields: &Fields<'_>, version: Version) -> Result<Option<Self>, Fault> {
        let mut lengths = fields.all("Content-Length");
        let length = lengths.next();
        // Not even the same twice: some take the first, some the last, some their list.
        if lengths.next().is_some() {
            return Err(Fault::Length);
        }
        if fields.has("Transfer-Encoding") {
            return Self::of_codings(fields, version, length.is_some()).map(Some);
        }
        length.map(|value| decimal(value).map(Self::Length).ok_or(Fault::Length)).transpose()
    }

    fn of_codings(fields: &Fields<'_>, version: Version, length: bool) -> Result<Self, Fault> {
        // RFC 9112 section 6.1: such a message "might indicate an attempt to perform request
        // smuggling", and one of HTTP/1.0 must be treated as "if the framing is faulty".
        if length {
            return Err(Fault::Ambiguous);
        }
        if version == Version::Http10 {
            return Err(Fault::Coding);
        }
        let mut codings = Vec::new();
        for value in fields.all("Transfer-Encoding") {
            codings.extend(grammar::token_list(value).ok_or(Fault::Coding)?);
        }
        let chunked = |coding: &&str| coding.eq_ignore_ascii_case("chunked");
        match codings[..] {
            [only] if chunked(&only) => Ok(Self::Chunked),
            // "If any transfer coding other than chunked is applied to a request's content, the
            // sender MUST apply chunked as the final transfer coding", and once.
            [.., last] if chunked(&last) && codings.iter().filter(|c| chunked(c)).count() == 1 => {
                Err(Fault::UnknownCoding)
            }
            _ => Err(Fault::Coding),
        }
    }
}

/// `1*DIGIT`, not too large.
fn decimal(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()?;
    Some(number).filter(|number| *number <= MAX_LENGTH)
}

/// Finds the end of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanner {
    place: Place,
    /// What is left of the data of the body, or of the chunk.
    left: u64,
    /// The bytes of the line or the section that is bounded, so far.
    length: usize,
}

/// Where in a body the next byte stands (RFC 9112 section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a body of a length.
    Plain,
    /// At the first digit of a chunk's size.
    SizeStart,
    Size,
    /// In the blank before an extension.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line, or of the empty line that ends them.
    Line,
    Name,
    Value,
    LineLf,
    LastLf,
    Done,
}

impl Scanner {
    /// A body that has not begun.
    pub const fn new(framing: Framing) -> Self {
        let (place, left) = match framing {
            Framing::Length(0) => (Place::Done, 0),
            Framing::Length(left) => (Place::Plain, left),
            Framing::Chunked => (Place::SizeStart, 0),
        };
        Self { place, left, length: 0 }
    }

    /// Whether the body has ended.
    pub fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// How many of the bytes that come next belong to the body; fewer than there are only if it ends
    /// there.
    ///
    /// # Errors
    /// When the body is malformed; it has no end then.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut rest = bytes;
        while !self.is_done() {
            let Some((byte, behind)) = rest.split_first() else { break };
            rest = match self.place {
                Place::Plain | Place::Data => {
                    let run = usize::try_from(self.left).map_or(rest.len(), |n| n.min(rest.len()));
                    self.left -= run as u64;
                    if self.left == 0 {
                        self.place = self.place.behind_data();
                    }
                    rest.get(run..).unwrap_or_default()
                }
                _ => {
                    self.place = self.step(*byte)?;
                    behind
                }
            };
        }
        Ok(bytes.len() - rest.len())
    }

    /// Takes one byte of what is not data.
    fn step(&mut self, byte: u8) -> Result<Place, Fault> {
        let (bound, fault) = match self.place {
            Place::SizeStart | Place::Size | Place::Blank | Place::Extension | Place::SizeLf => {
                (MAX_SIZE_LINE, Fault::Chunk)
            }
            Place::DataCr | Place::DataLf => (usize::MAX, Fault::Chunk),
            _ => (MAX_TRAILERS, Fault::Trailer),
        };
        self.length += 1;
        if self.length > bound {
            return Err(fault);
        }
        Ok(match (self.place, byte) {
            (Place::SizeStart | Place::Size, digit) if digit.is_ascii_hexdigit() => {
                self.add(digit)?;
                Place::Size
            }
            (Place::Size, b' ' | b'\t') | (Place::Blank, b' ' | b'\t') => Place::Blank,
            (Place::Size | Place::Blank, b';') => Place::Extension,
            (Place::Size | Place::Extension, b'\r') => Place::SizeLf,
            (Place::Extension, byte) if is_text(byte) => Place::Extension,
            (Place::SizeLf, b'\n') => {
                self.length = 0;
                if self.left == 0 { Place::Line } else { Place::Data }
            }
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => {
                self.length = 0;
                Place::SizeStart
            }
            (Place::Line, b'\r') => Place::LastLf,
            (Place::Line | Place::Name, byte) if grammar::is_token(&[byte]) => Place::Name,
            (Place::Name, b':') => Place::Value,
            (Place::Value, b'\r') => Place::LineLf,
            (Place::Value, byte) if is_text(byte) => Place::Value,
            (Place::LineLf, b'\n') => Place::Line,
            (Place::LastLf, b'\n') => Place::Done,
            _ => return Err(fault),
        })
    }

    /// Takes a digit of a chunk's size. "Recipients MUST anticipate potentially large hexadecimal
    /// numerals and prevent parsing errors due to integer conversion overflows".
    fn add(&mut self, digit: u8) -> Result<(), Fault> {
        let digit = char::from(digit).to_digit(16).ok_or(Fault::Chunk)?;
        let size = self.left.checked_mul(16).and_then(|left| left.checked_add(digit.into()));
        self.left = size.filter(|size| *size <= MAX_LENGTH).ok_or(Fault::Chunk)?;
        Ok(())
    }
}

impl Place {
    const fn behind_data(self) -> Self {
        match self {
            Self::Plain => Self::Done,
            _ => Self::DataCr,
        }
    }
}

/// What an extension or the value of a field can hold.
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framing(fields: &str) -> Result<Framing, Fault> {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        Framing::of(&Request::parse(head.as_bytes()).unwrap())
    }

    #[test]
    fn reads_what_a_head_announces() {
        let cases = [
            ("", Ok(Framing::Length(0))),
            ("Content-Length: 0\r\n", Ok(Framing::Length(0))),
            ("content-length: 0042\r\n", Ok(Framing::Length(42))),
            ("Content-Length: 9223372036854775807\r\n", Ok(Framing::Length(MAX_LENGTH))),
            ("Content-Length: 9223372036854775808\r\n", Err(Fault::Length)),
            ("Content-Length: 99999999999999999999\r\n", Err(Fault::Length)),
            ("Content-Length: \r\n", Err(Fault::Length)),
            ("Content-Length: +1\r\n", Err(Fault::Length)),
            ("Content-Length: -1\r\n", Err(Fault::Length)),
            ("Content-Length: 0x1\r\n", Err(Fault::Length)),
            ("Content-Length: 1 1\r\n", Err(Fault::Length)),
            ("Content-Length: 1, 1\r\n", Err(Fault::Length)),
            ("Content-Length: 1\r\nContent-Length: 1\r\n", Err(Fault::Length)),
            ("Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked)),
            ("transfer-encoding: Chunked\r\n", Ok(Framing::Chunked)),
            ("Transfer-Encoding: , chunked\r\n", Ok(Framing::Chunked)),
            ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", Err(Fault::Ambiguous)),
            ("Content-Length: 1\r\nTransfer-Encoding: x\r\n", Err(Fault::Ambiguous)),
            ("Transfer-Encoding: gzip, chunked\r\n", Err(Fault::UnknownCoding)),
            ("Transfer-Encoding: a\r\nTransfer-Encoding: chunked\r\n", Err(Fault::UnknownCoding)),
            ("Transfer-Encoding: chunked, chunked\r\n", Err(Fault::Coding)),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(Fault::Coding)),
            ("Transfer-Encoding: chunked, gzip\r\n", Err(Fault::Coding)),
            ("Transfer-Encoding: identity\r\n", Err(Fault::Coding)),
            ("Transfer-Encoding: xchunked\r\n", Err(Fault::Coding)),
            ("Transfer-Encoding: \"chunked\"\r\n", Err(Fault::Coding)),
            ("Transfer-Encoding: chunked;q=1\r\n", Err(Fault::Coding)),
            ("Transfer-Encoding: \r\n", Err(Fault::Coding)),
        ];
        for (fields, expected) in cases {
            assert_eq!(framing(fields), expected, "{fields}");
        }
        let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(Framing::of(&Request::parse(old).unwrap()), Err(Fault::Coding));
    }

    /// The length of a chunked body at the start of `bytes`; `None` when it goes on.
    fn chunked(bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let mut scanner = Scanner::new(Framing::Chunked);
        let length = scanner.scan(bytes)?;
        Ok(scanner.is_done().then_some(length))
    }

    #[test]
    fn finds_the_end_of_chunks() {
        for whole in [
            "0\r\n\r\n",
            "000\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "a;x\r\n0123456789\r\n0;y=\"z\"\r\n\r\n",
            "1 ;x\r\na\r\n0\t \t;\r\n\r\n",
            "1\r\n\r\r\n0\r\nA:\r\nX-Sum: a b\tc\r\n\r\n",
            "00000000000000000000001\r\na\r\n0\r\n\r\n",
        ] {
            let next = format!("{whole}GET / HTTP/1.1\r\n");
            assert_eq!(chunked(next.as_bytes()), Ok(Some(whole.len())), "{whole:?}");
        }
        assert_eq!(chunked(b"7fffffffffffffff\r\na"), Ok(None));
    }

    #[test]
    fn refuses_what_could_be_read_in_two_ways() {
        for bad in [
            "\r\n",
            " 1\r\na\r\n0\r\n\r\n",
            "+1\r\na",
            "-1\r\na",
            "0x1\r\na",
            "1\na\n0\n\n",
            "1 \r\na\r\n",
            "1 1\r\na",
            "1\r\nab\r\n",
            "1\r\na\n0\r\n\r\n",
            "1\r\na\r0\r\n\r\n",
            "1;\n\r\na",
            "1;\0\r\na",
            "1;\r\r\na",
            "8000000000000000\r\n",
            "10000000000000000\r\n",
            "g\r\n",
        ] {
            assert_eq!(chunked(bad.as_bytes()), Err(Fault::Chunk), "{bad:?}");
        }
        for bad in ["0\r\n\n", "0\r\nA\r\n\r\n", "0\r\n A: b\r\n\r\n", "0\r\nA : b\r\n\r\n"] {
            assert_eq!(chunked(bad.as_bytes()), Err(Fault::Trailer), "{bad:?}");
        }
        for bad in ["0\r\n: b\r\n\r\n", "0\r\nA: b\n\r\n", "0\r\nA: \0\r\n\r\n", "0\r\n\r\r\n"] {
            assert_eq!(chunked(bad.as_bytes()), Err(Fault::Trailer), "{bad:?}");
        }
    }

    #[test]
    fn bounds_what_is_no_data() {
        let extension = |length: usize| format!("0;{}\r\n\r\n", "x".repeat(length));
        let fits = extension(MAX_SIZE_LINE - 4);
        assert_eq!(chunked(fits.as_bytes()), Ok(Some(fits.len())));
        assert_eq!(chunked(extension(MAX_SIZE_LINE - 3).as_bytes()), Err(Fault::Chunk));
        let trailers = |length: usize| format!("0\r\nA:{}\r\n\r\n", "x".repeat(length));
        let fits = trailers(MAX_TRAILERS - 6);
        assert_eq!(chunked(fits.as_bytes()), Ok(Some(fits.len())));
        assert_eq!(chunked(trailers(MAX_TRAILERS - 5).as_bytes()), Err(Fault::Trailer));
    }

    #[test]
    fn counts_a_length() {
        let mut scanner = Scanner::new(Framing::Length(5));
        assert_eq!((scanner.scan(b"hel"), scanner.is_done()), (Ok(3), false));
        assert_eq!((scanner.scan(b"loGET"), scanner.is_done()), (Ok(2), true));
        assert_eq!(scanner.scan(b"GET"), Ok(0));
        assert!(Scanner::new(Framing::Length(0)).is_done());
    }

    proptest! {
        /// However the bytes are cut, the end is at the same place, and it is where who wrote the
        /// body knows it is.
        #[test]
        fn any_cutting_finds_the_same_end(
            chunks in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 1..40), "(;[ -~]{0,6})?"), 0..5),
            trailers in proptest::collection::vec("[A-Za-z-]{1,6}:[ -~]{0,8}\r\n", 0..3),
            behind in proptest::collection::vec(any::<u8>(), 0..20),
            cuts in proptest::collection::vec(1_usize..9, 0..60),
        ) {
            let mut bytes = Vec::new();
            for (data, extension) in &chunks {
                bytes.extend(format!("{:x}{extension}\r\n", data.len()).bytes());
                bytes.extend(data);
                bytes.extend(b"\r\n");
            }
            bytes.extend(format!("0\r\n{}\r\n", trailers.concat()).bytes());
            let end = bytes.len();
            bytes.extend(behind);
            let (mut scanner, mut found, mut rest) = (Scanner::new(Framing::Chunked), 0, &bytes[..]);
            for cut in cuts.into_iter().chain(std::iter::once(usize::MAX)) {
                let (piece, others) = rest.split_at(cut.min(rest.len()));
                let taken = scanner.scan(piece).unwrap();
                prop_assert!(taken == piece.len() || scanner.is_done());
                found += taken;
                rest = others;
            }
            prop_assert!(scanner.is_done());
            prop_assert_eq!(found, end);
        }

        /// A foreign reader of the size of a chunk reads all that we accept alike.
        #[test]
        fn agrees_with_httparse(line in "[0-9a-fxX+ \t;=\r]{0,20}") {
            let bytes = format!("{line}\r\n");
            let mut ours = Scanner::new(Framing::Chunked);
            // The byte behind the line would be data, or the first of a trailer.
            let accepted = ours.scan(bytes.as_bytes()).is_ok()
                && matches!(ours.place, Place::Data | Place::Line);
            if accepted {
                let theirs = httparse::parse_chunk_size(bytes.as_bytes());
                prop_assert_eq!(theirs, Ok(httparse::Status::Complete((bytes.len(), ours.left))));
            }
        }
    }
}
