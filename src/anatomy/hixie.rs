//! The frames of draft-hixie-75 and 76, named ("Data framing" of both; 4.2 in 76):
//!
//! ```text
//! 00–7F  bytes up to FF; 00 is text, the others are reserved and their bytes are discarded
//! 80–FF  a length in base 128, then as many bytes, discarded too; FF 00 is the close of 76
//! ```

use super::kept::Kept;
use super::{Frame, Kind, Part, Role, SHOWN};
use crate::dialect::hixie::Draft;
use crate::dialect::hixie::frames::{CLOSE, LENGTH, TEXT, TEXT_END};
use memchr::memchr;
use std::borrow::Cow;

/// A length in base 128 needs ten bytes at most; leading zeros can make it longer.
const LENGTH_SHOWN: usize = 16;

#[derive(Debug)]
pub(super) struct Frames {
    draft: Draft,
    state: State,
}

#[derive(Debug)]
enum State {
    Between,
    Delimited { start: u8, data: Kept },
    Length { start: u8, digits: Kept, value: u64 },
    Counted { start: u8, digits: Kept, value: u64, data: Kept, remaining: u64 },
}

impl Frames {
    pub(super) const fn new(draft: Draft) -> Self {
        Self { draft, state: State::Between }
    }

    /// Takes bytes up to the end of the next frame.
    pub(super) fn feed(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Between => {
                    let start = *bytes.split_off_first()?;
                    // "If the high-order bit of the frame type byte is set".
                    self.state = if start & 0x80 == 0 {
                        State::Delimited { start, data: Kept::new(SHOWN) }
                    } else {
                        State::Length { start, digits: Kept::new(LENGTH_SHOWN), value: 0 }
                    };
                }
                State::Delimited { data, .. } => {
                    let end = memchr(TEXT_END, bytes);
                    data.push(bytes.split_off(..end.unwrap_or(bytes.len()))?);
                    if end.is_some() {
                        bytes.split_off_first();
                        return Some(self.end(true));
                    }
                }
                State::Length { start, digits, value } => {
                    let byte = *bytes.split_off_first()?;
                    digits.push(&[byte]);
                    *value = value.saturating_mul(128).saturating_add(u64::from(byte & 0x7f));
                    // "If the high-order bit of b is set, then" there is one more.
                    if byte & 0x80 != 0 {
                        continue;
                    }
                    self.state = State::Counted {
                        start: *start,
                        digits: digits.take(),
                        value: *value,
                        data: Kept::new(SHOWN),
                        remaining: *value,
                    };
                    if self.is_complete() {
                        return Some(self.end(true));
                    }
                }
                State::Counted { data, remaining, .. } => {
                    let here =
                        usize::try_from(*remaining).map_or(bytes.len(), |r| r.min(bytes.len()));
                    data.push(bytes.split_off(..here)?);
                    *remaining -= here as u64;
                    if self.is_complete() {
                        return Some(self.end(true));
                    }
                }
            }
        }
        None
    }

    /// What there is of a frame whose rest never came.
    pub(super) fn cut(&mut self) -> Option<Frame> {
        (!matches!(self.state, State::Between)).then(|| self.end(false))
    }

    const fn is_complete(&self) -> bool {
        matches!(self.state, State::Counted { remaining: 0, .. })
    }

    fn end(&mut self, whole: bool) -> Frame {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Between => Frame::cut("nothing", Vec::new()),
            State::Delimited { start, data } => delimited(start, data, whole),
            State::Length { start, digits, .. } => {
                let length = digits.part(Role::Length, "a length that goes on");
                Frame::cut("frame", vec![Part::new(Role::Start, &[start], ""), length])
            }
            State::Counted { start, digits, value, data, .. } => {
                Frame { whole, ..self.counted(start, digits, value, data) }
            }
        }
    }

    fn counted(&self, start: u8, digits: Kept, value: u64, data: Kept) -> Frame {
        let (name, kind, meaning) = match (start, value, self.draft) {
            (CLOSE, 0, Draft::H76) => ("close", Kind::Close, "type FF, of length 0: the close"),
            (LENGTH, ..) => ("length frame", Kind::Message, "type 80: a length and bytes follow"),
            _ => ("reserved frame", Kind::Other, "reserved type: a length and bytes follow"),
        };
        let length: Cow<'static, str> = match value {
            u64::MAX => "length, beyond 64 bits".into(),
            value => format!("length {value}, in base 128").into(),
        };
        let mut parts =
            vec![Part::new(Role::Start, &[start], meaning), digits.part(Role::Length, length)];
        if !data.is_empty() {
            let note = match start {
                LENGTH => "binary, which draft 76 tells browsers to discard",
                _ => "bytes that are discarded",
            };
            parts.push(data.part(Role::Payload, note));
        }
        Frame::new(name, kind, parts)
    }
}

fn delimited(start: u8, data: Kept, whole: bool) -> Frame {
    let (name, kind, meaning, note) = match start {
        TEXT => ("text", Kind::Message, "begin text", "the text in UTF-8, as it is"),
        _ => ("reserved frame", Kind::Other, "reserved type: bytes up to FF", "discarded"),
    };
    let text = (start == TEXT).then(|| data.text());
    let mut parts = vec![Part::new(Role::Start, &[start], meaning)];
    if !data.is_empty() {
        parts.push(data.part(Role::Payload, note));
    }
    if whole {
        parts.push(Part::new(
            Role::End,
            &[TEXT_END],
            if start == TEXT { "end of text" } else { "end" },
        ));
    }
    Frame { text, whole, ..Frame::new(name, kind, parts) }
}
