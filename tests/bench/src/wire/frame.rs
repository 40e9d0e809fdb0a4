//! One message, or one closing handshake, to bytes and back.

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};

use super::Dialect;

/// Whose frames they are; in RFC 6455 only the client masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Client,
    Server,
}

/// How one side sends its messages.
#[derive(Clone, Copy, Debug)]
pub struct Framing {
    pub dialect: Dialect,
    pub sender: Role,
    /// The length of every message.
    pub size: usize,
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message or, where it came in fragments, a part of it; and where in the bytes its text lies.
    Text {
        place: Range<usize>,
        first: bool,
        last: bool,
    },
    Close,
}

const FINAL: u8 = 0x80;
const CONTINUATION: u8 = 0x00;
const TEXT: u8 = 0x01;
const CLOSE: u8 = 0x08;
const MASKED: u8 = 0x80;
/// The length follows in 16 or in 64 bits.
const LENGTH_16: u8 = 0x7E;
const LENGTH_64: u8 = 0x7F;
/// Close code 1000.
const NORMAL_CLOSURE: [u8; 2] = [0x03, 0xE8];
const HIXIE_CLOSE: [u8; 2] = [0xFF, 0x00];

impl Framing {
    /// Appends `text` as one frame.
    pub fn encode(&self, text: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
        match self.dialect {
            Dialect::Hixie76 => {
                out.push(0x00);
                out.extend_from_slice(text);
                out.push(0xFF);
            }
            Dialect::Rfc6455 => self.encode_counted(TEXT, text, mask, out),
        }
    }

    /// Appends a closing handshake.
    pub fn encode_close(&self, mask: [u8; 4], out: &mut Vec<u8>) {
        match self.dialect {
            Dialect::Hixie76 => out.extend_from_slice(&HIXIE_CLOSE),
            Dialect::Rfc6455 => self.encode_counted(CLOSE, &NORMAL_CLOSURE, mask, out),
        }
    }

    /// Finds the first frame in `bytes`, unmasks it where it lies, and says what it is and how many
    /// bytes it takes; `None` while it is not complete.
    ///
    /// # Errors
    /// When it is anything but text or a closing handshake.
    pub fn decode(&self, bytes: &mut [u8]) -> Result<Option<(Frame, usize)>> {
        match self.dialect {
            Dialect::Hixie76 => self.decode_delimited(bytes),
            Dialect::Rfc6455 => self.decode_counted(bytes),
        }
    }

    fn encode_counted(&self, opcode: u8, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
        let flag = if self.sender == Role::Client { MASKED } else { 0 };
        out.push(FINAL | opcode);
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(length @ 0..126), _) => out.push(flag | length),
            (_, Ok(length)) => {
                out.push(flag | LENGTH_16);
                out.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                out.push(flag | LENGTH_64);
                out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        if self.sender == Role::Server {
            out.extend_from_slice(payload);
            return;
        }
        out.extend_from_slice(&mask);
        let start = out.len();
        out.extend_from_slice(payload);
        apply_mask(&mut out[start..], mask);
    }

    fn decode_counted(&self, bytes: &mut [u8]) -> Result<Option<(Frame, usize)>> {
        let [first, second, ..] = *bytes else { return Ok(None) };
        let masked = second & MASKED != 0;
        ensure!(masked == (self.sender == Role::Client), "masking of the wrong side");
        let (length, mut start): (usize, usize) = match second & !MASKED {
            LENGTH_16 => match bytes[2..].first_chunk() {
                Some(&length) => (u16::from_be_bytes(length).into(), 4),
                None => return Ok(None),
            },
            LENGTH_64 => match bytes[2..].first_chunk() {
                Some(&length) => (usize::try_from(u64::from_be_bytes(length))?, 10),
                None => return Ok(None),
            },
            length => (usize::from(length), 2),
        };
        if masked {
            start += 4;
        }
        let end = start.checked_add(length).context("a length beyond all bounds")?;
        if bytes.len() < end {
            return Ok(None);
        }
        if masked {
            let mask = [bytes[start - 4], bytes[start - 3], bytes[start - 2], bytes[start - 1]];
            apply_mask(&mut bytes[start..end], mask);
        }
        let place = start..end;
        let last = first & FINAL != 0;
        let frame = match first & !FINAL {
            TEXT => Frame::Text { place, first: true, last },
            CONTINUATION => Frame::Text { place, first: false, last },
            CLOSE => Frame::Close,
            _ => bail!("expected text, got {first:#04x}"),
        };
        Ok(Some((frame, end)))
    }

    /// The end of a message is not searched for: it can only be where the known text ends.
    fn decode_delimited(&self, bytes: &[u8]) -> Result<Option<(Frame, usize)>> {
        match bytes {
            [] | [0xFF] => Ok(None),
            [0xFF, 0x00, ..] => Ok(Some((Frame::Close, HIXIE_CLOSE.len()))),
            [0x00, rest @ ..] => {
                let Some(end) = rest.get(self.size) else { return Ok(None) };
                ensure!(*end == 0xFF, "a message of more than {} bytes", self.size);
                let place = 1..1 + self.size;
                Ok(Some((Frame::Text { place, first: true, last: true }, self.size + 2)))
            }
            [other, ..] => bail!("expected a text frame, got {other:#04x}"),
        }
    }
}

fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let key = u32::from_ne_bytes(mask);
    let (words, rest) = bytes.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    rest.iter_mut().zip(mask).for_each(|(byte, key)| *byte ^= key);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALECTS: [Dialect; 2] = [Dialect::Hixie76, Dialect::Rfc6455];
    const ROLES: [Role; 2] = [Role::Client, Role::Server];

    /// Decodes `wire`, whole and cut at some places, in which it must be incomplete.
    fn decode(framing: Framing, wire: &mut [u8]) -> (Frame, usize) {
        for cut in (0..wire.len()).filter(|cut| *cut < 20 || cut + 20 > wire.len()) {
            assert_eq!(framing.decode(&mut wire.to_vec()[..cut]).unwrap(), None);
        }
        framing.decode(wire).unwrap().unwrap()
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same_text() {
        for dialect in DIALECTS {
            for sender in ROLES {
                for size in [24, 125, 126, 65_535, 65_536] {
                    let framing = Framing { dialect, sender, size };
                    let text = vec![b'x'; size];
                    let mut wire = Vec::new();
                    framing.encode(&text, [1, 2, 3, 4], &mut wire);
                    let (frame, length) = decode(framing, &mut wire);
                    let Frame::Text { place, first: true, last: true } = frame else {
                        panic!("not a whole message: {frame:?}");
                    };
                    assert_eq!((&wire[place], length), (&text[..], wire.len()));
                }
            }
        }
    }

    #[test]
    fn a_close_is_a_close() {
        for dialect in DIALECTS {
            for sender in ROLES {
                let framing = Framing { dialect, sender, size: 24 };
                let mut wire = Vec::new();
                framing.encode_close([1, 2, 3, 4], &mut wire);
                let length = wire.len();
                assert_eq!(decode(framing, &mut wire), (Frame::Close, length));
            }
        }
    }

    #[test]
    fn a_message_of_another_length_is_refused() {
        let framing = Framing { dialect: Dialect::Hixie76, sender: Role::Server, size: 24 };
        let mut wire = Vec::new();
        framing.encode(&[b'x'; 25], [0; 4], &mut wire);
        framing.decode(&mut wire).unwrap_err();
    }

    #[test]
    fn the_examples_of_rfc_6455_section_5_7() {
        let server = Framing { dialect: Dialect::Rfc6455, sender: Role::Server, size: 5 };
        let mut fragments = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
        let first = (Frame::Text { place: 2..5, first: true, last: false }, 5);
        assert_eq!(server.decode(&mut fragments).unwrap(), Some(first));
        let second = (Frame::Text { place: 2..4, first: false, last: true }, 4);
        assert_eq!(server.decode(&mut fragments[5..]).unwrap(), Some(second));
        let client = Framing { sender: Role::Client, ..server };
        let mut wire = Vec::new();
        client.encode(b"Hello", [0x37, 0xfa, 0x21, 0x3d], &mut wire);
        let expected = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(wire, expected);
    }
}
