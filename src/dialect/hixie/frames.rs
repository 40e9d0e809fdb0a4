//! The frames of draft-hixie-75 and 76: reader and writer side by side.
//!
//! ```text
//! text    00 <UTF-8> FF
//! length  80 <length, base 128, high bit = more> <bytes>      carries binary between private peers
//! close   FF 00                                               76 only
//! ```
//! Both directions look alike and nothing is masked (draft-hixie-76, "Data framing").

use crate::event::{Chunk, Event, Kind};
use crate::fault::Fault;
use crate::wire::utf8::Validator;
use memchr::memchr;

pub(crate) const TEXT: u8 = 0x00;
pub(crate) const LENGTH: u8 = 0x80;
pub(crate) const CLOSE: u8 = 0xff;
pub(crate) const TEXT_END: u8 = 0xff;
/// The whole closing handshake of draft 76, one way.
pub const CLOSE_FRAME: [u8; 2] = [CLOSE, 0x00];

/// The most bytes a length may have. 64 bits need ten; leading `80` bytes count too.
const MAX_LENGTH_BYTES: u8 = 10;

/// Reads the frames of one peer.
#[derive(Debug)]
pub struct Reader {
    state: State,
    utf8: Validator,
    /// Whether `FF 00` means the end: 76 yes, in 75 it is an empty frame of a reserved type.
    closes: bool,
}

#[derive(Debug)]
enum State {
    Between,
    Text {
        first: bool,
    },
    /// Inside the length of a frame of type `80` or `FF`.
    Length {
        frame: u8,
        value: u64,
        bytes: u8,
    },
    Binary {
        first: bool,
        remaining: u64,
    },
}

impl Reader {
    /// A reader behind the opening handshake. `closes`: whether `FF 00` is the closing handshake.
    pub fn new(closes: bool) -> Self {
        Self { state: State::Between, utf8: Validator::default(), closes }
    }

    /// Whether the peer is in the middle of a frame.
    pub const fn in_message(&self) -> bool {
        !matches!(self.state, State::Between)
    }

    /// Reads the next event from the front of `input`; `None` when all of it is used up.
    ///
    /// # Errors
    /// The peer's [`Fault`]; the reader must not be used after it.
    #[inline]
    pub fn read<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Event<'a>>, Fault> {
        loop {
            match self.state {
                State::Between => {
                    let Some(frame) = next(input) else {
                        return Ok(None);
                    };
                    self.state = match frame {
                        TEXT => State::Text { first: true },
                        LENGTH | CLOSE => State::Length { frame, value: 0, bytes: 0 },
                        _ => return Err(Fault::FrameType),
                    };
                }
                State::Text { first } => return self.text(first, input),
                State::Length { frame, value, bytes } => {
                    let Some(byte) = next(input) else {
                        return Ok(None);
                    };
                    let value = append_digit(value, bytes, byte)?;
                    self.state = match (frame, value) {
                        _ if byte & 0x80 != 0 => State::Length { frame, value, bytes: bytes + 1 },
                        (LENGTH, remaining) => State::Binary { first: true, remaining },
                        (_, 0) if self.closes => {
                            self.state = State::Between;
                            return Ok(Some(Event::Close(None)));
                        }
                        (_, 0) => State::Between,
                        _ => return Err(Fault::FrameType),
                    };
                }
                State::Binary { first, remaining } => {
                    return Ok(self.binary(first, remaining, input));
                }
            }
        }
    }

    #[inline]
    fn text<'a>(
        &mut self,
        first: bool,
        input: &mut &'a mut [u8],
    ) -> Result<Option<Event<'a>>, Fault> {
        let end = memchr(TEXT_END, input);
        let data = input.split_off_mut(..end.unwrap_or(input.len())).unwrap_or_default();
        if data.is_empty() && end.is_none() {
            return Ok(None);
        }
        self.utf8.feed(data)?;
        let last = end.is_some();
        if last {
            next(input);
            self.utf8.finish()?;
        }
        self.state = if last { State::Between } else { State::Text { first: false } };
        Ok(Some(Event::Chunk(Chunk { kind: Kind::Text, first, last, total: None, data })))
    }

    fn binary<'a>(
        &mut self,
        first: bool,
        remaining: u64,
        input: &mut &'a mut [u8],
    ) -> Option<Event<'a>> {
        let here = usize::try_from(remaining).map_or(input.len(), |r| r.min(input.len()));
        if here == 0 && remaining > 0 {
            return None;
        }
        let data = input.split_off_mut(..here).unwrap_or_default();
        let total = first.then_some(remaining);
        let remaining = remaining.saturating_sub(here as u64);
        let last = remaining == 0;
        self.state = if last { State::Between } else { State::Binary { first: false, remaining } };
        Some(Event::Chunk(Chunk { kind: Kind::Binary, first, last, total, data }))
    }
}

fn next(input: &mut &mut [u8]) -> Option<u8> {
    input.split_off_first_mut().copied()
}

/// One more digit of a length, base 128, most significant first.
fn append_digit(value: u64, bytes: u8, byte: u8) -> Result<u64, Fault> {
    if bytes == MAX_LENGTH_BYTES {
        return Err(Fault::LengthOverflow);
    }
    value.checked_mul(128).map(|value| value | u64::from(byte & 0x7f)).ok_or(Fault::LengthOverflow)
}

/// Starts a text frame.
pub fn begin_text(out: &mut Vec<u8>) {
    out.push(TEXT);
}

/// Ends a text frame.
pub fn end_text(out: &mut Vec<u8>) {
    out.push(TEXT_END);
}

/// Starts a length frame of `total` bytes; it needs no end.
pub fn begin_binary(total: u64, out: &mut Vec<u8>) {
    out.push(LENGTH);
    // A u64 has ten digits in base 128; the most significant non-zero one comes first.
    for digit in (1..10_u32).rev().filter(|digit| total >> (7 * digit) != 0) {
        out.push(0x80 | low_bits(total >> (7 * digit)));
    }
    out.push(low_bits(total));
}

fn low_bits(value: u64) -> u8 {
    let [.., low] = value.to_be_bytes();
    low & 0x7f
}
