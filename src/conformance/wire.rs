//! What the dialects put on the wire, as the kit knows it: what differs, and frames as they are said.
//!
//! Nothing here is shared with the readers and writers that the proxy has: who judges them must not be
//! them.

use super::body::Body;
use super::case::{Cut, Frame, Length, Opcode};
use super::proof::frame_key;
use crate::dialect::Dialect;
use crate::dialect::hixie::Draft;
use crate::dialect::hybi::Version;
use crate::event::{Kind, Side};

/// How a dialect ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The end of the stream.
    Fin,
    /// `FF 00`.
    Ff00,
    /// A frame whose body comes back.
    Echo,
    /// A frame with the letter of its side.
    Letter,
    /// A frame with a code and a reason.
    Code,
}

/// How clients mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Masks {
    Nothing,
    /// Whole frames, with the key of the connection.
    Connection,
    /// Whole frames.
    Frames,
    Payload,
}

pub(super) const fn close(dialect: Dialect) -> Close {
    match dialect {
        Dialect::Hixie(Draft::H75) => Close::Fin,
        Dialect::Hixie(Draft::H76) => Close::Ff00,
        Dialect::Hybi(Version::V1 | Version::V2 | Version::V3 | Version::V4) => Close::Echo,
        Dialect::Hybi(Version::V5) => Close::Letter,
        Dialect::Hybi(Version::V6 | Version::V7 | Version::V8 | Version::V13) => Close::Code,
    }
}

pub(super) const fn masks(dialect: Dialect) -> Masks {
    match dialect {
        Dialect::Hixie(_) | Dialect::Hybi(Version::V1 | Version::V2 | Version::V3) => {
            Masks::Nothing
        }
        Dialect::Hybi(Version::V4) => Masks::Connection,
        Dialect::Hybi(Version::V5 | Version::V6) => Masks::Frames,
        Dialect::Hybi(Version::V7 | Version::V8 | Version::V13) => Masks::Payload,
    }
}

/// Whether the first bit of a frame is MORE and not FIN.
pub(super) const fn says_more(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Hybi(Version::V1 | Version::V2 | Version::V3))
}

/// Whether the opcodes are those that were before draft-ietf-hybi-07.
pub(super) const fn has_old_opcodes(dialect: Dialect) -> bool {
    matches!(
        dialect,
        Dialect::Hybi(
            Version::V1 | Version::V2 | Version::V3 | Version::V4 | Version::V5 | Version::V6
        )
    )
}

/// Those that have opcodes, before draft-ietf-hybi-07 and since.
const NUMBERS: [(Opcode, u8, u8); 6] = [
    (Opcode::Continuation, 0, 0),
    (Opcode::Text, 4, 1),
    (Opcode::Binary, 5, 2),
    (Opcode::Close, 1, 8),
    (Opcode::Ping, 2, 9),
    (Opcode::Pong, 3, 10),
];

/// The number of an opcode.
pub(super) fn number(dialect: Dialect, opcode: Opcode) -> u8 {
    if let Opcode::Number(number) = opcode {
        return number;
    }
    let known = NUMBERS.iter().find(|(known, ..)| *known == opcode);
    known.map_or(0, |(_, old, new)| if has_old_opcodes(dialect) { *old } else { *new })
}

/// What an opcode of this number is.
pub(super) fn opcode(dialect: Dialect, number: u8) -> Opcode {
    let is_old = has_old_opcodes(dialect);
    let known = NUMBERS.iter().find(|(_, old, new)| number == if is_old { *old } else { *new });
    known.map_or(Opcode::Number(number), |(known, ..)| *known)
}

/// How one side of a connection says frames.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    pub(super) dialect: Dialect,
    /// Which side says them.
    pub(super) side: Side,
    /// That of draft-ietf-hybi-04.
    pub(super) connection_key: Vec<u8>,
    /// What the next mask is made of.
    seed: u64,
    /// The frame that is said in parts.
    begun: Vec<u8>,
}

impl Voice {
    pub(super) fn new(dialect: Dialect, side: Side) -> Self {
        let (connection_key, begun) = (Vec::new(), Vec::new());
        Self { dialect, side, connection_key, seed: 0x9e37_79b9_7f4a_7c15, begun }
    }

    /// The bytes of a frame.
    pub(super) fn say(&mut self, frame: &Frame) -> Vec<u8> {
        match frame {
            Frame::Delimited(body) => [&[0x00], &body.bytes()[..], &[0xff]].concat(),
            Frame::Raw(body) => body.bytes(),
            Frame::Part { frame, from, length } => {
                if *from == 0 {
                    self.begun = self.say(frame);
                }
                let payload = match &**frame {
                    Frame::Hybi { body, .. } => body.len(),
                    Frame::Delimited(_) | Frame::Raw(_) | Frame::Part { .. } => 0,
                };
                // What is left is the head, if it is the first part, and the rest of the payload.
                let head = self.begun.len().saturating_sub(payload.saturating_sub(*from));
                let rest = self.begun.split_off((head + length).min(self.begun.len()));
                std::mem::replace(&mut self.begun, rest)
            }
            Frame::Hybi { opcode, last, reserved, wrong_mask, length, body } => {
                let more = says_more(self.dialect) != *last;
                let start = u8::from(more) << 7
                    | (reserved & 7) << 4
                    | number(self.dialect, *opcode) & 0x0f;
                self.frame(start, *length, &body.bytes(), *wrong_mask)
            }
        }
    }

    /// The bytes of a close; none where the end of the stream is all there is.
    pub(super) fn close(&mut self, body: &[u8]) -> Vec<u8> {
        match close(self.dialect) {
            Close::Fin => Vec::new(),
            Close::Ff00 => vec![0xff, 0x00],
            Close::Echo | Close::Letter | Close::Code => {
                self.say(&Frame::new(Opcode::Close, body.to_vec()))
            }
        }
    }

    /// The body of a close that nothing is wrong with.
    pub(super) fn close_body(&self) -> Vec<u8> {
        match close(self.dialect) {
            Close::Fin | Close::Ff00 | Close::Echo => Vec::new(),
            // draft-ietf-hybi-05: "C" is said by the client, "S" by the server.
            Close::Letter => vec![letter(self.side)],
            Close::Code => 1000_u16.to_be_bytes().to_vec(),
        }
    }

    fn frame(&mut self, start: u8, length: Length, payload: &[u8], wrong_mask: bool) -> Vec<u8> {
        let masks = masks(self.dialect);
        let is_masked = (self.side == Side::Client) != wrong_mask;
        let bit = if is_masked && masks == Masks::Payload { 0x80 } else { 0 };
        let mut head = vec![start];
        let len = payload.len();
        match (length, u8::try_from(len), u16::try_from(len)) {
            (Length::Claimed(claimed), ..) => {
                head.push(bit | 127);
                head.extend(claimed.to_be_bytes());
            }
            (Length::Least, Ok(short), _) if short < 126 => head.push(bit | short),
            (Length::Least | Length::Two, _, Ok(medium)) => {
                head.push(bit | 126);
                head.extend(medium.to_be_bytes());
            }
            _ => {
                head.push(bit | 127);
                head.extend((len as u64).to_be_bytes());
            }
        }
        if !is_masked || masks == Masks::Nothing {
            return [&head, payload].concat();
        }
        let nonce = self.nonce();
        match masks {
            Masks::Payload => [&head[..], &nonce, &masked(payload, &nonce)].concat(),
            Masks::Connection => {
                let key = frame_key(nonce, &self.connection_key);
                [&nonce[..], &masked(&[&head, payload].concat(), &key)].concat()
            }
            Masks::Nothing | Masks::Frames => {
                [&nonce[..], &masked(&[&head, payload].concat(), &nonce)].concat()
            }
        }
    }

    /// Other bytes for each frame. They need not be unpredictable: no page speaks through the kit (RFC
    /// 6455 section 10.3), and a run that can be repeated tells more.
    fn nonce(&mut self) -> [u8; 4] {
        self.seed =
            self.seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let [a, b, c, d, ..] = self.seed.to_be_bytes();
        [a, b, c, d]
    }
}

/// The letter of a side in a close of draft-ietf-hybi-05.
pub(super) const fn letter(side: Side) -> u8 {
    match side {
        Side::Client => b'C',
        Side::Backend => b'S',
    }
}

/// Bytes under a key that is said again and again.
pub(super) fn masked(bytes: &[u8], key: &[u8]) -> Vec<u8> {
    bytes.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
}

/// A frame of draft-hixie-75 and 76 that begins with its length.
pub(super) fn length_frame(start: u8, payload: &[u8]) -> Vec<u8> {
    let mut digits = Vec::new();
    let mut rest = payload.len();
    while rest > 0 || digits.is_empty() {
        let more = if digits.is_empty() { 0 } else { 0x80 };
        let [digit, ..] = rest.to_le_bytes();
        digits.push(more | digit & 0x7f);
        rest >>= 7;
    }
    digits.push(start);
    digits.reverse();
    [&digits, payload].concat()
}

/// A message in fragments of a size, as frames.
pub(super) fn fragments(kind: Kind, body: &Body, size: usize) -> Vec<Frame> {
    let bytes = body.bytes();
    let opcode = if kind == Kind::Text { Opcode::Text } else { Opcode::Binary };
    let pieces = bytes.chunks(size.max(1)).collect::<Vec<_>>();
    let (last, mut frames) = (pieces.len(), Vec::with_capacity(pieces.len()));
    for (at, piece) in pieces.into_iter().enumerate() {
        let frame = Frame::new(if at == 0 { opcode } else { Opcode::Continuation }, piece.to_vec());
        frames.push(if at + 1 == last { frame } else { frame.more() });
    }
    frames
}

/// Bytes as segments.
pub(super) fn pieces(bytes: &[u8], cut: Cut) -> Vec<Vec<u8>> {
    match cut {
        Cut::Whole | Cut::Frames => vec![bytes.to_vec()],
        Cut::Pieces(size) => bytes.chunks(size.max(1)).map(<[u8]>::to_vec).collect(),
        Cut::At(at) => {
            let (before, behind) = bytes.split_at(at.min(bytes.len()));
            [before, behind].into_iter().filter(|p| !p.is_empty()).map(<[u8]>::to_vec).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the documents.
    #[test]
    fn says_what_the_documents_say() {
        let hello = |dialect: &str, side| {
            let mut voice = Voice::new(dialect.parse().unwrap(), side);
            voice.say(&match voice.dialect {
                Dialect::Hixie(_) => Frame::Delimited(Body::from("Hello")),
                Dialect::Hybi(_) => Frame::new(Opcode::Text, "Hello"),
            })
        };
        assert_eq!(hello("hixie-76", Side::Client), b"\0Hello\xff");
        assert_eq!(hello("hybi-03", Side::Client), b"\x04\x05Hello");
        assert_eq!(hello("hybi-04", Side::Backend), b"\x84\x05Hello");
        assert_eq!(hello("rfc6455", Side::Backend), b"\x81\x05Hello");
        let framed = hello("hybi-06", Side::Client);
        assert_eq!(masked(&framed[4..], &framed[..4]), b"\x84\x05Hello");
        let framed = hello("rfc6455", Side::Client);
        assert_eq!(framed[..2], [0x81, 0x85]);
        assert_eq!(masked(&framed[6..], &framed[2..6]), b"Hello");
        assert_eq!(length_frame(0x80, &[7; 128])[..3], [0x80, 0x81, 0x00]);
        assert_eq!(length_frame(0x80, &[]), [0x80, 0x00]);
    }
}
