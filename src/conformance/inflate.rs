//! What the peer says, inflated (RFC 1951, RFC 7692 section 7.2.2) and held to what was agreed on.
//!
//! It is written out here because libraries take a reference beyond a small window, and do not tell whether
//! a message ends inside a block.

use super::agreement::Sender;
use super::deflate::TAIL;
use std::sync::LazyLock;

/// The order of the lengths of the codes for lengths (RFC 1951 section 3.2.7).
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// How many blocks a message may have beside two for each byte that comes of it, which is a block and the
/// empty one of a flush. What has more is no message, but work.
const BLOCKS: usize = 4096;

/// The codes for literals and distances of blocks that bring none (RFC 1951 section 3.2.6).
static FIXED: LazyLock<[Code; 2]> = LazyLock::new(|| {
    let lengths = [(144, 8), (112, 9), (24, 7), (8, 8)].into_iter();
    let lengths = lengths.flat_map(|(count, length)| std::iter::repeat_n(length, count));
    [Code::of(&lengths.collect::<Vec<_>>()), Code::of(&[5; 30])]
});

/// The symbol that ends a block (RFC 1951 section 3.2.5).
const END: usize = 256;

/// Inflates what the peer says.
#[derive(Debug)]
pub(super) struct Inflater {
    sender: Sender,
    /// What can be referred to.
    past: Vec<u8>,
}

impl Inflater {
    pub(super) const fn new(sender: Sender) -> Self {
        Self { sender, past: Vec::new() }
    }

    /// The message of a payload, of so many bytes at most.
    ///
    /// # Errors
    /// When it is none, or refers to what the peer has agreed not to refer to.
    pub(super) fn inflate(&mut self, payload: &[u8], most: usize) -> Result<Vec<u8>, String> {
        let window = 1 << self.sender.window;
        let kept = if self.sender.forgets { 0 } else { window };
        self.past.drain(..self.past.len().saturating_sub(kept));
        let from = self.past.len();
        let bytes = [payload, &TAIL].concat();
        let mut bits = Bits { bytes: &bytes, at: 0 };
        let mut out = Out { bytes: &mut self.past, window, most: from.saturating_add(most) };
        let mut blocks = 0;
        while bits.at < bytes.len() * 8 {
            block(&mut bits, &mut out).map_err(|what| format!("compressed data with {what}"))?;
            blocks += 1;
            if blocks > BLOCKS + 2 * (out.bytes.len() - from) {
                return Err("compressed data in blocks without an end".to_owned());
            }
        }
        Ok(self.past.get(from..).unwrap_or_default().to_vec())
    }
}

/// The bits of a message, the lowest of each byte first (RFC 1951 section 3.1.1).
struct Bits<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Result<usize, String> {
        let byte = self.bytes.get(self.at / 8).ok_or("a block that does not end")?;
        let bit = byte >> (self.at % 8) & 1;
        self.at += 1;
        Ok(usize::from(bit))
    }

    fn number(&mut self, count: usize) -> Result<usize, String> {
        (0..count).try_fold(0, |number, at| Ok(number | self.bit()? << at))
    }

    /// Goes on with the next whole byte.
    const fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}

/// What comes out.
struct Out<'o> {
    bytes: &'o mut Vec<u8>,
    window: usize,
    most: usize,
}

impl Out<'_> {
    fn push(&mut self, byte: u8) -> Result<(), String> {
        if self.bytes.len() >= self.most {
            return Err("more than was asked for".to_owned());
        }
        self.bytes.push(byte);
        Ok(())
    }

    fn repeat(&mut self, length: usize, distance: usize) -> Result<(), String> {
        if distance > self.window {
            return Err(format!("a distance of {distance}, beyond its window"));
        }
        for _ in 0..length {
            let from = self.bytes.len().checked_sub(distance);
            let byte = from.and_then(|from| self.bytes.get(from)).copied();
            self.push(byte.ok_or("a distance to before all that can be referred to")?)?;
        }
        Ok(())
    }
}

/// A code of prefixes (RFC 1951 section 3.2.2).
#[derive(Debug)]
struct Code {
    /// How many symbols there are of each length.
    counts: [usize; 16],
    /// The symbols, the shortest first.
    symbols: Vec<usize>,
}

impl Code {
    /// A code of a block.
    ///
    /// # Errors
    /// When it has too many symbols; or too few, unless it is a single one of one bit (RFC 1951 section 3.2.7),
    /// or none.
    fn new(lengths: &[usize]) -> Result<Self, String> {
        let code = Self::of(lengths);
        let places = code.counts.iter().skip(1);
        let places = places
            .copied()
            .try_fold(1_usize, |places, count| places.checked_mul(2)?.checked_sub(count));
        match (places, code.symbols.len(), code.counts) {
            (None, ..) => Err("a code with too many symbols".to_owned()),
            (Some(0), ..) | (_, 0, _) | (_, 1, [_, 1, ..]) => Ok(code),
            _ => Err("a code with too few symbols".to_owned()),
        }
    }

    fn of(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        let mut symbols: Vec<_> =
            lengths.iter().copied().enumerate().filter(|(_, length)| *length > 0).collect();
        symbols.sort_by_key(|(_, length)| *length);
        for (_, length) in &symbols {
            counts.get_mut(*length).into_iter().for_each(|count| *count += 1);
        }
        Self { counts, symbols: symbols.into_iter().map(|(symbol, _)| symbol).collect() }
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Result<usize, String> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in self.counts.iter().skip(1) {
            code |= bits.bit()?;
            if code < first + count {
                return self.symbols.get(index + code - first).copied().ok_or_else(unknown);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(unknown())
    }
}

fn unknown() -> String {
    "a symbol that its code does not have".to_owned()
}

/// RFC 1951 section 3.2.3.
fn block(bits: &mut Bits<'_>, out: &mut Out<'_>) -> Result<(), String> {
    let is_last = bits.bit()? == 1;
    match bits.number(2)? {
        0 => stored(bits, out)?,
        1 => {
            let [literals, distances] = &*FIXED;
            compressed(literals, distances, bits, out)?;
        }
        2 => {
            let (literals, distances) = codes(bits)?;
            compressed(&literals, &distances, bits, out)?;
        }
        _ => return Err("a block of the reserved type".to_owned()),
    }
    if is_last {
        // What follows belongs to the next stream, which begins with a byte (RFC 7692 section 7.2.3.4).
        bits.align();
    }
    Ok(())
}

/// RFC 1951 section 3.2.4.
fn stored(bits: &mut Bits<'_>, out: &mut Out<'_>) -> Result<(), String> {
    bits.align();
    let (length, complement) = (bits.number(16)?, bits.number(16)?);
    if length ^ complement != 0xffff {
        return Err("a block with two lengths".to_owned());
    }
    (0..length).try_for_each(|_| out.push(u8::try_from(bits.number(8)?).unwrap_or_default()))
}

/// The codes of a block that brings them (RFC 1951 section 3.2.7).
fn codes(bits: &mut Bits<'_>) -> Result<(Code, Code), String> {
    let (literals, distances) = (bits.number(5)? + 257, bits.number(5)? + 1);
    let mut lengths = vec![0; 19];
    let count = bits.number(4)? + 4;
    for place in ORDER.into_iter().take(count) {
        let length = bits.number(3)?;
        lengths.get_mut(place).into_iter().for_each(|found| *found = length);
    }
    let code = Code::new(&lengths)?;
    lengths.clear();
    while lengths.len() < literals + distances {
        let (length, count) = match code.symbol(bits)? {
            16 => {
                let last = *lengths.last().ok_or("a length that repeats none")?;
                (last, bits.number(2)? + 3)
            }
            17 => (0, bits.number(3)? + 3),
            18 => (0, bits.number(7)? + 11),
            length => (length, 1),
        };
        lengths.extend(std::iter::repeat_n(length, count));
    }
    if lengths.len() > literals + distances || literals > 286 || distances > 30 {
        return Err("a code with too many symbols".to_owned());
    }
    let (literals, distances) = lengths.split_at(literals);
    if literals.get(END) == Some(&0) {
        return Err("a code without an end of the block".to_owned());
    }
    Ok((Code::new(literals)?, Code::new(distances)?))
}

/// RFC 1951 section 3.2.5.
fn compressed(
    literals: &Code,
    distances: &Code,
    bits: &mut Bits<'_>,
    out: &mut Out<'_>,
) -> Result<(), String> {
    loop {
        let symbol = literals.symbol(bits)?;
        let length = match symbol {
            0..256 => {
                out.push(u8::try_from(symbol).unwrap_or_default())?;
                continue;
            }
            END => return Ok(()),
            257..265 => symbol - 254,
            265..285 => {
                let extra = (symbol - 261) / 4;
                3 + ((4 + (symbol - 261) % 4) << extra) + bits.number(extra)?
            }
            285 => 258,
            _ => return Err(unknown()),
        };
        let distance = match distances.symbol(bits)? {
            symbol @ 0..4 => symbol + 1,
            symbol @ 4..30 => {
                let extra = symbol / 2 - 1;
                1 + ((2 + symbol % 2) << extra) + bits.number(extra)?
            }
            _ => return Err(unknown()),
        };
        out.repeat(length, distance)?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::deflate::Deflater;
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    const FULL: Sender = Sender { forgets: false, window: 15 };

    /// 2 KiB without a repetition, twice.
    fn far() -> Vec<u8> {
        let bytes: Vec<u8> = (0..1024_u16).flat_map(|number| (number * 41).to_be_bytes()).collect();
        [&bytes[..], &bytes].concat()
    }

    /// The examples of RFC 7692 section 7.2.3.
    #[test]
    fn inflates_what_the_document_has() {
        let mut inflater = Inflater::new(FULL);
        for payload in [
            &b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
            b"\xf2\x00\x11\x00\x00",
            b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
            b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
            b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
        ] {
            assert_eq!(inflater.inflate(payload, 5).as_deref(), Ok(&b"Hello"[..]));
        }
        assert_eq!(inflater.inflate(b"\x00", 5), Ok(Vec::new()));
        assert!(inflater.inflate(b"\xf2\x48\xcd\xc9\xc9\x07\x00", 4).is_err());
    }

    /// All that a library makes at any level is inflated to what it was.
    #[test]
    fn inflates_what_a_library_deflates() {
        let mut text = Vec::new();
        let mut number = 1_u32;
        while text.len() < 200_000 {
            number = number.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
            let length = (number >> 28) as usize;
            let from = (number >> 8) as usize % (text.len() + 1);
            let again = text[from..text.len().min(from + length * 40)].to_vec();
            text.extend(again);
            text.extend_from_slice(&number.to_be_bytes()[..2 + length % 3]);
        }
        for level in 0..=9 {
            let mut stream = Compress::new(Compression::new(level), false);
            let mut payload = Vec::with_capacity(300_000);
            stream.compress_vec(&text, &mut payload, FlushCompress::Sync).unwrap();
            let payload = payload.strip_suffix(&TAIL).unwrap();
            let inflated = Inflater::new(FULL).inflate(payload, text.len());
            assert!(inflated.as_ref() == Ok(&text), "{level}: {:?}", inflated.err());
        }
    }

    #[test]
    fn what_was_agreed_on_is_held_to() {
        let far = far();
        for window in [8, 9, 12, 15] {
            let sender = Sender { window, forgets: false };
            let (mut deflater, mut inflater) = (Deflater::new(sender), Inflater::new(sender));
            for message in [&far[..], b"", &far] {
                let payload = deflater.deflate(message);
                assert_eq!(inflater.inflate(&payload, far.len()).as_deref(), Ok(message));
            }
        }
        let payload = Deflater::new(FULL).deflate(&far);
        for (window, is_right) in [(9, false), (10, false), (11, true), (12, true)] {
            let mut inflater = Inflater::new(Sender { window, forgets: false });
            assert_eq!(inflater.inflate(&payload, far.len()).is_ok(), is_right, "{window}");
        }
        let mut deflater = Deflater::new(FULL);
        let mut inflater = Inflater::new(Sender { forgets: true, ..FULL });
        assert!(inflater.inflate(&deflater.deflate(b"Hello"), 5).is_ok());
        assert!(inflater.inflate(&deflater.deflate(b"Hello"), 5).is_err());
    }

    #[test]
    fn what_is_no_deflate_is_found() {
        for payload in [
            &b"\x06\x00"[..],
            b"",
            b"Hello",
            b"\x00\x05\x00\x05\x00Hello\x00",
            b"\x00\x0a\x00\xf5\xffHe",
            b"\xf3\x48\xcd\xc9\xc9\x07\x00",
            b"\xf2\x00\x11\x00\x00",
        ] {
            assert!(Inflater::new(FULL).inflate(payload, 100).is_err(), "{payload:02x?}");
        }
    }

    /// A single symbol of one bit is all that may be missing from.
    #[test]
    fn codes_are_whole() {
        for lengths in [&[1, 1][..], &[0, 1], &[0, 0], &[1, 2, 2], &[2, 2, 2, 2]] {
            assert!(Code::new(lengths).is_ok(), "{lengths:?}");
        }
        for lengths in [&[1, 2][..], &[2, 2, 2], &[0, 2], &[1, 1, 1]] {
            assert!(Code::new(lengths).is_err(), "{lengths:?}");
        }
    }

    /// A byte may have a block for itself and an empty one behind it; more than that, and some, is too many.
    #[test]
    fn blocks_come_to_an_end() {
        let empty = b"\x00\x00\x00\xff\xff";
        let stored = [&b"\x00\x01\x00\xfe\xffx"[..], empty].concat();
        for (blocks, is_right) in [
            (stored.repeat(10_000), true),
            (empty.repeat(1000), true),
            (empty.repeat(BLOCKS + 1), false),
            // Empty blocks of the fixed codes, of 10 bits: five bytes have four.
            (b"\x02\x08\x20\x80\x00".repeat(BLOCKS), false),
        ] {
            let payload = [&blocks[..], b"\x00"].concat();
            assert_eq!(Inflater::new(FULL).inflate(&payload, 10_000).is_ok(), is_right);
        }
    }
}
