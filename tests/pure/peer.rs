//! A small generator of what peers say, byte by byte from the drafts and not by the product's
//! writer.

use hybridge::dialect::Dialect;
use hybridge::dialect::hixie::Draft;
use hybridge::dialect::hybi::Version;
use hybridge::event::{Kind, Side};

/// Every dialect that differs in its frames.
pub(crate) const DIALECTS: [Dialect; 9] = [
    Dialect::Hybi(Version::V13),
    Dialect::Hybi(Version::V8),
    Dialect::Hybi(Version::V7),
    Dialect::Hixie(Draft::H76),
    Dialect::Hixie(Draft::H75),
    Dialect::Hybi(Version::V6),
    Dialect::Hybi(Version::V5),
    Dialect::Hybi(Version::V4),
    Dialect::Hybi(Version::V3),
];

/// The frames of RFC 6455, and what was the same before 07.
const OPCODES: [(u8, u8); 6] = [(0, 0), (1, 4), (2, 5), (8, 1), (9, 2), (10, 3)];

/// One thing for a peer to say.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    /// A message, in these fragments where the dialect has any, else in one frame.
    Message(Kind, Vec<Vec<u8>>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// Without a code where there is none, or where the dialect has none.
    Close(Option<(u16, Vec<u8>)>),
    /// Bytes as they are.
    Raw(Vec<u8>),
}

/// A peer at one end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    pub(crate) dialect: Dialect,
    pub(crate) side: Side,
}

impl Voice {
    /// Whether the dialect has frames with opcodes, fragments, pings and close codes.
    pub(crate) const fn is_hybi(self) -> bool {
        matches!(self.dialect, Dialect::Hybi(_))
    }

    /// Whether a close has a code, which came with draft-ietf-hybi-06.
    pub(crate) fn has_codes(self) -> bool {
        matches!(self.dialect, Dialect::Hybi(version) if version >= Version::V6)
    }

    /// The bytes of a line; `key` masks them where the peer has to mask. A dialect without pings
    /// says nothing for one, and 75 nothing for a close.
    pub(crate) fn say(self, line: &Line, key: [u8; 4]) -> Vec<u8> {
        match (line, self.dialect) {
            (Line::Raw(bytes), _) => bytes.clone(),
            (Line::Message(kind, parts), Dialect::Hixie(_)) => hixie(*kind, &parts.concat()),
            (Line::Close(_), Dialect::Hixie(Draft::H76)) => vec![0xff, 0x00],
            (Line::Ping(_) | Line::Pong(_) | Line::Close(_), Dialect::Hixie(_)) => Vec::new(),
            (Line::Message(kind, parts), Dialect::Hybi(_)) => {
                let frames = parts.iter().enumerate().map(|(at, part)| {
                    let opcode = match (at, kind) {
                        (0, Kind::Text) => 1,
                        (0, Kind::Binary) => 2,
                        _ => 0,
                    };
                    let fin = if at + 1 == parts.len() { 0x80 } else { 0 };
                    self.frame(fin | opcode, part, key)
                });
                frames.flatten().collect()
            }
            (Line::Ping(payload), Dialect::Hybi(_)) => self.frame(0x89, payload, key),
            (Line::Pong(payload), Dialect::Hybi(_)) => self.frame(0x8a, payload, key),
            (Line::Close(None), Dialect::Hybi(_)) => self.frame(0x88, &[], key),
            (Line::Close(Some((code, text))), Dialect::Hybi(_)) => {
                self.frame(0x88, &[&code.to_be_bytes(), &text[..]].concat(), key)
            }
        }
    }

    /// A frame with the first byte that RFC 6455 section 5.2 has for it.
    pub(crate) fn frame(self, start: u8, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
        match self.dialect {
            Dialect::Hybi(version) if version <= Version::V6 => {
                self.old_frame(version, start, payload, key)
            }
            _ => self.rfc_frame(start, payload, self.side == Side::Client, key),
        }
    }

    /// Up to 06: other opcodes; up to 03 another sense of the first bit; from 04 on masked whole.
    fn old_frame(self, version: Version, start: u8, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
        let known = OPCODES.iter().find(|(new, _)| *new == start & 0x0f);
        let opcode = known.map_or(start & 0x0f | 0x08, |(_, old)| *old);
        let first = if version <= Version::V3 { start & 0xf0 ^ 0x80 } else { start & 0xf0 };
        let frame = self.rfc_frame(first | opcode, payload, false, key);
        if version <= Version::V3 || self.side == Side::Backend {
            return frame;
        }
        let masked = frame.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
        key.into_iter().chain(masked).collect()
    }

    fn rfc_frame(self, start: u8, payload: &[u8], masks: bool, key: [u8; 4]) -> Vec<u8> {
        let mask_bit = if masks { 0x80 } else { 0 };
        let mut out = vec![start];
        match payload.len() {
            len @ 0..126 => out.push(mask_bit | u8::try_from(len).unwrap()),
            len @ 126..65536 => {
                out.push(mask_bit | 126);
                out.extend(u16::try_from(len).unwrap().to_be_bytes());
            }
            len => {
                out.push(mask_bit | 127);
                out.extend((len as u64).to_be_bytes());
            }
        }
        if masks {
            out.extend(key);
            out.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
        } else {
            out.extend_from_slice(payload);
        }
        out
    }
}

/// A frame of draft-hixie-76, "Data framing".
fn hixie(kind: Kind, payload: &[u8]) -> Vec<u8> {
    if kind == Kind::Text {
        return [&[0x00], payload, &[0xff]].concat();
    }
    let mut digits = Vec::new();
    let mut length = payload.len();
    loop {
        let more = if digits.is_empty() { 0 } else { 0x80 };
        digits.push(more | u8::try_from(length % 128).unwrap());
        length /= 128;
        if length == 0 {
            break;
        }
    }
    digits.push(0x80);
    digits.reverse();
    [&digits, payload].concat()
}

#[test]
fn says_the_examples_of_the_drafts() {
    let rfc = Voice { dialect: DIALECTS[0], side: Side::Client };
    let hello = Line::Message(Kind::Text, vec![b"Hello".to_vec()]);
    let frame = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(rfc.say(&hello, [0x37, 0xfa, 0x21, 0x3d]), frame);
    let old = Voice { dialect: DIALECTS[3], side: Side::Client };
    assert_eq!(old.say(&hello, [0; 4]), b"\x00Hello\xff");
    let binary = Line::Message(Kind::Binary, vec![vec![7; 100], vec![7; 28]]);
    let says = |dialect, side| Voice { dialect, side }.say(&hello, [0x37, 0xfa, 0x21, 0x3d]);
    let frame = b"\x37\xfa\x21\x3d\xb3\xff\x69\x58\x5b\x96\x4e";
    assert_eq!(says(DIALECTS[5], Side::Client), frame);
    assert_eq!(says(DIALECTS[5], Side::Backend), b"\x84\x05Hello");
    assert_eq!(says(DIALECTS[8], Side::Client), b"\x04\x05Hello");
    assert_eq!(old.say(&binary, [0; 4]), [&[0x80, 0x81, 0x00], &[7; 128][..]].concat());
}
