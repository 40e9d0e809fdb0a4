//! One message to bytes and back.

use std::ops::Range;

use anyhow::{Result, bail, ensure};

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
    /// The length of a raw block; the other dialects say theirs in every frame.
    pub size: usize,
}

const FINAL_TEXT: u8 = 0x81;
const MASKED: u8 = 0x80;
/// The length follows in 16 or in 64 bits.
const LENGTH_16: u8 = 0x7E;
const LENGTH_64: u8 = 0x7F;

impl Framing {
    /// Appends `text` as one frame.
    pub fn encode(&self, text: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
        match self.dialect {
            Dialect::Raw => out.extend_from_slice(text),
            Dialect::Hixie76 => {
                out.push(0x00);
                out.extend_from_slice(text);
                out.push(0xFF);
            }
            Dialect::Rfc6455 => {
                let flag = if self.sender == Role::Client { MASKED } else { 0 };
                out.push(FINAL_TEXT);
                match (u8::try_from(text.len()), u16::try_from(text.len())) {
                    (Ok(length @ 0..126), _) => out.push(flag | length),
                    (_, Ok(length)) => {
                        out.push(flag | LENGTH_16);
                        out.extend_from_slice(&length.to_be_bytes());
                    }
                    _ => {
                        out.push(flag | LENGTH_64);
                        out.extend_from_slice(&(text.len() as u64).to_be_bytes());
                    }
                }
                if self.sender == Role::Client {
                    out.extend_from_slice(&mask);
                    let start = out.len();
                    out.extend_from_slice(text);
                    apply_mask(&mut out[start..], mask);
                } else {
                    out.extend_from_slice(text);
                }
            }
        }
    }

    /// Finds the first message in `bytes`, unmasks it where it lies, and says where it lies and how
    /// many bytes its frame takes; `None` while the frame is not complete.
    ///
    /// # Errors
    /// When it is anything but a whole text message.
    pub fn decode(&self, bytes: &mut [u8]) -> Result<Option<(Range<usize>, usize)>> {
        match self.dialect {
            Dialect::Raw => Ok((bytes.len() >= self.size).then_some((0..self.size, self.size))),
            Dialect::Hixie76 => decode_delimited(bytes),
            Dialect::Rfc6455 => self.decode_counted(bytes),
        }
    }

    fn decode_counted(&self, bytes: &mut [u8]) -> Result<Option<(Range<usize>, usize)>> {
        let [first, second, ..] = *bytes else { return Ok(None) };
        ensure!(first == FINAL_TEXT, "expected a whole text message, got {first:#04x}");
        let masked = second & MASKED != 0;
        ensure!(masked == (self.sender == Role::Client), "masking of the wrong side");
        let (length, mut start) = match second & !MASKED {
            LENGTH_16 => match *bytes {
                [_, _, a, b, ..] => (u16::from_be_bytes([a, b]).into(), 4),
                _ => return Ok(None),
            },
            LENGTH_64 => bail!("a message of more than 65535 bytes"),
            length => (usize::from(length), 2),
        };
        if masked {
            start += 4;
        }
        let end = start + length;
        if bytes.len() < end {
            return Ok(None);
        }
        if masked {
            let mask = [bytes[start - 4], bytes[start - 3], bytes[start - 2], bytes[start - 1]];
            apply_mask(&mut bytes[start..end], mask);
        }
        Ok(Some((start..end, end)))
    }
}

fn decode_delimited(bytes: &[u8]) -> Result<Option<(Range<usize>, usize)>> {
    match bytes {
        [] => Ok(None),
        [0x00, rest @ ..] => {
            let end = rest.iter().position(|&byte| byte == 0xFF);
            Ok(end.map(|length| (1..1 + length, length + 2)))
        }
        [other, ..] => bail!("expected a text frame, got {other:#04x}"),
    }
}

fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let mut words = bytes.chunks_exact_mut(4);
    for word in &mut words {
        word.iter_mut().zip(mask).for_each(|(byte, key)| *byte ^= key);
    }
    words.into_remainder().iter_mut().zip(mask).for_each(|(byte, key)| *byte ^= key);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(dialect: Dialect, sender: Role, size: usize) -> Vec<u8> {
        let framing = Framing { dialect, sender, size };
        let text = vec![b'x'; size];
        let mut wire = Vec::new();
        framing.encode(&text, [1, 2, 3, 4], &mut wire);
        for cut in 0..wire.len() {
            assert_eq!(framing.decode(&mut wire.clone()[..cut]).unwrap(), None);
        }
        let sent = wire.clone();
        let (place, length) = framing.decode(&mut wire).unwrap().unwrap();
        assert_eq!((&wire[place], length), (&text[..], wire.len()));
        sent
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same_text() {
        for dialect in [Dialect::Raw, Dialect::Hixie76, Dialect::Rfc6455] {
            for sender in [Role::Client, Role::Server] {
                for size in [24, 125, 126, 4099] {
                    round(dialect, sender, size);
                }
            }
        }
    }

    #[test]
    fn the_example_of_rfc_6455_section_5_7() {
        let client = Framing { dialect: Dialect::Rfc6455, sender: Role::Client, size: 5 };
        let mut wire = Vec::new();
        client.encode(b"Hello", [0x37, 0xfa, 0x21, 0x3d], &mut wire);
        let expected = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(wire, expected);
    }
}
