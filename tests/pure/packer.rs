//! The other end of permessage-deflate, with `flate2`: what a peer compresses, and what it hears.

use crate::peer::Voice;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use hybridge::dialect::hybi::deflate::{Agreed, Sender};
use hybridge::dialect::{Agreement, Dialect};
use hybridge::event::{Kind, Sides};

/// What stands at the end of what zlib flushes, and not in a message (RFC 7692 section 7.2.1).
pub(crate) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// What both sides of a connection agree on: the same for each.
pub(crate) fn agreement(takeover: bool, window_bits: u8) -> Agreement {
    let sender = Sender { takeover, window_bits };
    let deflate: Agreed = Sides { client: sender, backend: sender };
    Agreement { deflate: Some(deflate), ..Dialect::RFC6455.into() }
}

/// A peer that compresses.
pub(crate) struct Packer {
    stream: Compress,
    takeover: bool,
}

impl Packer {
    pub(crate) fn new(takeover: bool, window_bits: u8) -> Self {
        let stream = Compress::new_with_window_bits(Compression::fast(), false, window_bits);
        Self { stream, takeover }
    }

    /// A message as it is on the wire.
    pub(crate) fn pack(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 * message.len() + 1000);
        self.stream.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
        if !self.takeover {
            self.stream.reset();
        }
        assert!(out.len() < out.capacity(), "all of it has come");
        // Of an empty message behind another zlib makes nothing (RFC 7692 section 7.2.3.6).
        out.strip_suffix(&TAIL).map_or_else(|| vec![0], <[u8]>::to_vec)
    }

    /// A compressed message in frames of so many bytes.
    pub(crate) fn say(&mut self, voice: Voice, kind: Kind, message: &[u8], part: usize) -> Vec<u8> {
        let packed = self.pack(message);
        let parts: Vec<&[u8]> = packed.chunks(part).collect();
        let frames = parts.iter().enumerate().map(|(at, part)| {
            let opcode = match (at, kind) {
                (0, Kind::Text) => 0x41,
                (0, Kind::Binary) => 0x42,
                _ => 0,
            };
            let fin = if at + 1 == parts.len() { 0x80 } else { 0 };
            voice.frame(opcode | fin, part, [7, 0, 9, 1])
        });
        frames.flatten().collect()
    }
}

/// A message as a compressing peer hears it.
#[derive(Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) kind: Kind,
    pub(crate) data: Vec<u8>,
    pub(crate) compressed: bool,
    pub(crate) frames: usize,
}

/// The whole messages in what the proxy wrote to a peer that compresses.
pub(crate) fn hear(mut wrote: &[u8], takeover: bool, window_bits: u8) -> Vec<Heard> {
    let mut stream = Decompress::new_with_window_bits(false, window_bits);
    let (mut heard, mut open, mut packed) = (Vec::new(), None, Vec::new());
    while let [start, second, rest @ ..] = wrote {
        let (len, rest) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => {
                let len = u64::from_be_bytes(rest[..8].try_into().unwrap());
                (usize::try_from(len).unwrap(), &rest[8..])
            }
            len => (usize::from(len), rest),
        };
        let (key, rest) = if second & 0x80 == 0 { (&[0; 4][..], rest) } else { rest.split_at(4) };
        let (payload, rest) = rest.split_at(len);
        wrote = rest;
        if start & 0x08 != 0 {
            assert_eq!(start & 0x70, 0, "a bit that no control frame may have");
            continue;
        }
        packed.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        let mut message = match open.take() {
            None => {
                let kind = if start & 0x0f == 1 { Kind::Text } else { Kind::Binary };
                Heard { kind, data: Vec::new(), compressed: start & 0x40 != 0, frames: 0 }
            }
            Some(message) => {
                assert_eq!(start & 0x7f, 0, "a bit that only the first frame may have");
                message
            }
        };
        message.frames += 1;
        if start & 0x80 == 0 {
            open = Some(message);
            continue;
        }
        if message.compressed {
            packed.extend(TAIL);
            message.data.reserve(4 << 20);
            stream.decompress_vec(&packed, &mut message.data, FlushDecompress::Sync).unwrap();
            if !takeover {
                stream.reset(false);
            }
            packed.clear();
        } else {
            message.data = std::mem::take(&mut packed);
        }
        heard.push(message);
    }
    heard
}
