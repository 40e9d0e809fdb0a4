//! What the peer says, read from raw bytes one whole frame after the other, and what is wrong with it.

use super::case::Opcode;
use super::inflate::Inflater;
use super::proof::frame_key;
use super::wire::{Close, Masks, close, letter, masked, masks, opcode, says_more};
use crate::dialect::Dialect;
use crate::dialect::hixie::Draft;
use crate::dialect::hybi::Version;
use crate::event::{Kind, Side};

/// One thing that the peer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Vec<u8>),
}

/// Reads one side of a connection.
#[derive(Debug)]
pub(super) struct Reader {
    dialect: Dialect,
    /// Who is read.
    side: Side,
    pub(super) connection_key: Vec<u8>,
    bytes: Vec<u8>,
    /// What inflates messages, where compression was negotiated.
    pub(super) inflater: Option<Inflater>,
    /// The message that has begun.
    part: Option<Part>,
    /// The keys that frames were masked with.
    pub(super) keys: Vec<Vec<u8>>,
    /// How many bytes may come; more than the case asks for is a peer that does not end.
    room: usize,
}

/// What has come of a message.
#[derive(Debug)]
struct Part {
    kind: Kind,
    is_compressed: bool,
    payload: Vec<u8>,
}

/// A frame behind its mask.
struct Taken {
    start: u8,
    second: u8,
    /// How many bytes the length was said in.
    digits: usize,
    payload: Vec<u8>,
    /// All of it.
    length: usize,
}

impl Reader {
    pub(super) fn new(dialect: Dialect, side: Side, room: usize) -> Self {
        let (connection_key, bytes, keys) = (Vec::new(), Vec::new(), Vec::new());
        let (inflater, part) = (None, None);
        Self { dialect, side, connection_key, bytes, inflater, part, keys, room }
    }

    /// Takes what has come.
    ///
    /// # Errors
    /// When it is more than can be meant.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.room = self.room.checked_sub(bytes.len()).ok_or("it says more and more")?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Whether something has come that is no whole frame yet.
    pub(super) fn is_inside(&self) -> bool {
        !self.bytes.is_empty() || self.part.is_some()
    }

    /// The next thing that was said.
    ///
    /// # Errors
    /// When a rule of the dialect is broken.
    pub(super) fn hear(&mut self) -> Result<Option<Heard>, String> {
        match self.dialect {
            Dialect::Hixie(draft) => self.hixie(draft),
            Dialect::Hybi(version) => self.hybi(version),
        }
    }

    /// draft-hixie-76, "Data framing".
    fn hixie(&mut self, draft: Draft) -> Result<Option<Heard>, String> {
        let Some(start) = self.bytes.first().copied() else { return Ok(None) };
        if start == 0x00 {
            let Some(end) = self.bytes.iter().position(|byte| *byte == 0xff) else {
                return Ok(None);
            };
            let text = self.bytes.drain(..=end).skip(1).take(end - 1).collect();
            return Ok(Some(Heard::Message(Kind::Text, text)));
        }
        if start & 0x80 == 0 {
            return Err(format!("a frame of type {start:02x}, which is reserved"));
        }
        let (mut length, mut digits) = (0_u64, 1);
        loop {
            let Some(digit) = self.bytes.get(digits) else { return Ok(None) };
            digits += 1;
            length = length.checked_mul(128).ok_or("a length of more than 64 bits")?;
            length += u64::from(digit & 0x7f);
            if digit & 0x80 == 0 {
                break;
            }
        }
        match (start, length, draft) {
            (0xff, 0, Draft::H76) => {
                self.bytes.drain(..digits);
                Ok(Some(Heard::Close(Vec::new())))
            }
            (0x80, ..) => {
                let end = usize::try_from(length).map_err(|_| "a length beyond all bounds")?;
                let end = digits.checked_add(end).ok_or("a length beyond all bounds")?;
                if self.bytes.len() < end {
                    return Ok(None);
                }
                let payload = self.bytes.drain(..end).skip(digits).collect();
                Ok(Some(Heard::Message(Kind::Binary, payload)))
            }
            _ => Err(format!("a frame of type {start:02x}, which is reserved")),
        }
    }

    fn hybi(&mut self, version: Version) -> Result<Option<Heard>, String> {
        loop {
            let Some(frame) = self.frame()? else { return Ok(None) };
            self.bytes.drain(..frame.length);
            if let Some(heard) = self.whole(version, frame)? {
                return Ok(Some(heard));
            }
        }
    }

    /// The frame that the bytes begin with.
    fn frame(&mut self) -> Result<Option<Taken>, String> {
        let masks = masks(self.dialect);
        let is_client = self.side == Side::Client;
        let is_whole = is_client && matches!(masks, Masks::Connection | Masks::Frames);
        let (mut key, mut at) = (Vec::new(), 0);
        if is_whole {
            let Some(nonce) = self.bytes.first_chunk::<4>() else { return Ok(None) };
            key = match masks {
                Masks::Connection => frame_key(*nonce, &self.connection_key),
                Masks::Nothing | Masks::Frames | Masks::Payload => nonce.to_vec(),
            };
            at = 4;
        }
        // At most 2 bytes and 8 of a length are looked at before it is known how many there are.
        let front = self.bytes.get(at..).unwrap_or_default();
        let front = front.get(..front.len().min(10)).unwrap_or_default();
        let front = if is_whole { masked(front, &key) } else { front.to_vec() };
        let [start, second, more @ ..] = front.as_slice() else { return Ok(None) };
        let digits = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(said) = more.get(..digits) else { return Ok(None) };
        let length = said.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
        let length = if digits == 0 { u64::from(second & 0x7f) } else { length };
        if length >> 63 == 1 {
            return Err("a length with its first bit set".to_owned());
        }
        let is_masked = masks == Masks::Payload && second & 0x80 != 0;
        if masks == Masks::Payload && is_masked != is_client {
            return Err(
                if is_client { "a frame without a mask" } else { "a frame with a mask" }.to_owned()
            );
        }
        let behind = at + 2 + digits + if is_masked { 4 } else { 0 };
        let length = usize::try_from(length).map_err(|_| "a length beyond all bounds")?;
        let end = behind.checked_add(length).ok_or("a length beyond all bounds")?;
        if length > self.room.saturating_add(self.bytes.len()) {
            return Err(format!("a frame of {length} bytes, which nobody asked for"));
        }
        let Some(bytes) = self.bytes.get(..end) else { return Ok(None) };
        let payload = if is_masked {
            key = bytes.get(behind - 4..behind).unwrap_or_default().to_vec();
            masked(bytes.get(behind..).unwrap_or_default(), &key)
        } else if is_whole {
            let frame = masked(bytes.get(4..).unwrap_or_default(), &key);
            frame.get(2 + digits..).unwrap_or_default().to_vec()
        } else {
            bytes.get(behind..).unwrap_or_default().to_vec()
        };
        if is_whole || is_masked {
            self.keys.push(key);
        }
        Ok(Some(Taken { start: *start, second: *second, digits, payload, length: end }))
    }

    /// What a frame says; nothing where more of its message follows.
    fn whole(&mut self, version: Version, frame: Taken) -> Result<Option<Heard>, String> {
        let Taken { start, second, digits, payload, .. } = frame;
        let is_last = (start & 0x80 != 0) != says_more(self.dialect);
        let fourth = masks(self.dialect) != Masks::Payload && second & 0x80 != 0;
        // "The minimal number of bytes MUST be used" (RFC 6455 section 5.2).
        let least = match payload.len() {
            0..126 => 0,
            126..65_536 => 2,
            _ => 8,
        };
        if digits != least && version == Version::V13 {
            return Err(format!("a length of {} in {digits} bytes", payload.len()));
        }
        let opcode = opcode(self.dialect, start & 0x0f);
        // With permessage-deflate the first bit is that of the first frame of a compressed message (RFC
        // 7692 section 6).
        let begins = matches!(opcode, Opcode::Text | Opcode::Binary);
        let is_compressed = start & 0x40 != 0 && begins && self.inflater.is_some();
        if start & if is_compressed { 0x30 } else { 0x70 } != 0 || fourth {
            return Err("a reserved bit is set".to_owned());
        }
        if matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong)
            && (!is_last || payload.len() > 125)
        {
            return Err("a control frame in fragments, or of more than 125 bytes".to_owned());
        }
        let begun = |kind| Part { kind, is_compressed, payload: Vec::new() };
        let mut part = match (opcode, self.part.take()) {
            (Opcode::Ping, part) => {
                self.part = part;
                return Ok(Some(Heard::Ping(payload)));
            }
            (Opcode::Pong, part) => {
                self.part = part;
                return Ok(Some(Heard::Pong(payload)));
            }
            (Opcode::Close, _) => {
                self.check_close(version, &payload)?;
                return Ok(Some(Heard::Close(payload)));
            }
            (Opcode::Continuation, Some(part)) => part,
            (Opcode::Text, None) => begun(Kind::Text),
            (Opcode::Binary, None) => begun(Kind::Binary),
            (Opcode::Number(number), _) => return Err(format!("a frame of opcode {number:x}")),
            _ => {
                return Err("a fragment that continues nothing, or a message in another".to_owned());
            }
        };
        part.payload.extend(payload);
        if !is_last {
            self.part = Some(part);
            return Ok(None);
        }
        let (kind, mut message) = (part.kind, part.payload);
        if let Some(inflater) = self.inflater.as_mut().filter(|_| part.is_compressed) {
            message = inflater.inflate(&message, self.room)?;
            self.room -= message.len();
        }
        if kind == Kind::Text && str::from_utf8(&message).is_err() {
            return Err("a text that is not UTF-8".to_owned());
        }
        Ok(Some(Heard::Message(kind, message)))
    }

    fn check_close(&self, version: Version, body: &[u8]) -> Result<(), String> {
        match (close(self.dialect), body) {
            (Close::Code, []) => Ok(()),
            (Close::Code, [high, low, reason @ ..]) => {
                let code = u16::from_be_bytes([*high, *low]);
                // "Too large" was 1004 until draft-ietf-hybi-12.
                let is_old = version < Version::V13 && code == 1004;
                if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) && !is_old {
                    return Err(format!("a close with the code {code}, which may not be said"));
                }
                match str::from_utf8(reason) {
                    Ok(_) => Ok(()),
                    Err(_) => Err("a close whose reason is not UTF-8".to_owned()),
                }
            }
            (Close::Code, _) => Err("a close of one byte".to_owned()),
            (Close::Letter, [first, ..]) if *first != letter(self.side) => {
                Err(format!("a close that begins with {first:02x}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dialect: &str, side: Side, bytes: &[u8]) -> (Vec<Heard>, Option<String>) {
        let mut reader = Reader::new(dialect.parse().unwrap(), side, 1 << 20);
        let mut heard = Vec::new();
        for byte in bytes {
            reader.take(&[*byte]).unwrap();
            loop {
                match reader.hear() {
                    Ok(Some(said)) => heard.push(said),
                    Ok(None) => break,
                    Err(fault) => return (heard, Some(fault)),
                }
            }
        }
        (heard, None)
    }

    fn text(text: &str) -> Heard {
        Heard::Message(Kind::Text, text.into())
    }

    #[test]
    fn reads_the_examples_of_the_documents() {
        let hello = (vec![text("Hello")], None);
        assert_eq!(read("hixie-75", Side::Client, b"\0Hello\xff"), hello);
        assert_eq!(read("hybi-02", Side::Client, b"\x84\x03Hel\x00\x02lo"), hello);
        assert_eq!(read("hybi-05", Side::Backend, b"\x04\x03Hel\x80\x02lo"), hello);
        let framed = b"\x37\xfa\x21\x3d\xb3\xff\x69\x58\x5b\x96\x4e";
        assert_eq!(read("hybi-05", Side::Client, framed), hello);
        let framed = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        assert_eq!(read("rfc6455", Side::Client, framed), hello);
        let close = (vec![Heard::Close(Vec::new())], None);
        assert_eq!(read("hixie-76", Side::Backend, b"\xff\x00"), close);
        let binary = (vec![Heard::Message(Kind::Binary, b"abc".to_vec())], None);
        assert_eq!(read("hixie-76", Side::Backend, b"\x80\x80\x03abc"), binary);
    }

    #[test]
    fn finds_what_is_wrong() {
        for (dialect, side, bytes) in [
            ("rfc6455", Side::Backend, &b"\x81\x85\0\0\0\0Hello"[..]),
            ("rfc6455", Side::Client, b"\x81\x05Hello"),
            ("rfc6455", Side::Backend, b"\xc1\x00"),
            ("rfc6455", Side::Backend, b"\x83\x00"),
            ("rfc6455", Side::Backend, b"\x81\x7e\x00\x05Hello"),
            ("rfc6455", Side::Backend, b"\x81\x01\xff"),
            ("rfc6455", Side::Backend, b"\x80\x00"),
            ("rfc6455", Side::Backend, b"\x01\x00\x81\x00"),
            ("rfc6455", Side::Backend, b"\x09\x00"),
            ("rfc6455", Side::Backend, b"\x88\x01\x03"),
            ("rfc6455", Side::Backend, b"\x88\x02\x03\xed"),
            ("rfc6455", Side::Backend, b"\x81\x7f\x80\0\0\0\0\0\0\0"),
            ("rfc6455", Side::Backend, b"\x81\x7f\x00\0\x01\0\0\0\0\0"),
            ("hybi-05", Side::Backend, b"\x81\x01C"),
            ("hybi-03", Side::Client, b"\x04\x85Hello"),
            ("hixie-75", Side::Client, b"\xff\x00"),
            ("hixie-76", Side::Client, b"\xff\x01a"),
            ("hixie-76", Side::Client, b"\x01a\xff"),
        ] {
            assert!(read(dialect, side, bytes).1.is_some(), "{}", bytes.escape_ascii());
        }
    }
}
