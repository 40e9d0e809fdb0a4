//! The frames of draft-ietf-hybi-01 to RFC 6455: one table of what differs, and the bytes.

use super::Kind;
use super::wire::{Ended, Wire};
use sha1::{Digest, Sha1};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// How a draft writes frames.
#[derive(Debug)]
pub(crate) struct Framing {
    /// The first bit of a frame that ends its message: FIN, and up to 03 the absence of MORE.
    last: u8,
    /// The numbers of [`Opcode`], in its order.
    opcodes: [u8; 6],
    masks: Masks,
    pub(crate) close: CloseBody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// What a client masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Masks {
    Nothing,
    /// From the first byte of the header on.
    Frames,
    Payloads,
}

/// What a close holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseBody {
    /// Anything, which the answer says again.
    Echoed,
    /// The side that speaks.
    Letter,
    Code,
}

const OLD: [u8; 6] = [0, 4, 5, 1, 2, 3];
const NEW: [u8; 6] = [0, 1, 2, 8, 9, 10];

static UP_TO_03: Framing =
    Framing { last: 0x00, opcodes: OLD, masks: Masks::Nothing, close: CloseBody::Echoed };
static OF_04: Framing =
    Framing { last: 0x80, opcodes: OLD, masks: Masks::Frames, close: CloseBody::Echoed };
static OF_05: Framing =
    Framing { last: 0x80, opcodes: OLD, masks: Masks::Frames, close: CloseBody::Letter };
static OF_06: Framing =
    Framing { last: 0x80, opcodes: OLD, masks: Masks::Frames, close: CloseBody::Code };
static FROM_07: Framing =
    Framing { last: 0x80, opcodes: NEW, masks: Masks::Payloads, close: CloseBody::Code };

impl Framing {
    pub(crate) fn of(kind: Kind) -> &'static Self {
        match kind {
            Kind::Hybi01 | Kind::Hybi02 | Kind::Hybi03 => &UP_TO_03,
            Kind::Hybi04 => &OF_04,
            Kind::Hybi05 => &OF_05,
            Kind::Hybi06 => &OF_06,
            Kind::Hybi07 | Kind::Hybi08 | Kind::Rfc6455 => &FROM_07,
            Kind::Hixie75 | Kind::Hixie76 => panic!("{kind:?} has frames of its own"),
        }
    }

    /// A whole message or a control frame, as a client or a server writes it.
    pub(crate) fn write(
        &self,
        opcode: Opcode,
        payload: &[u8],
        client: bool,
        connection: Option<&[u8]>,
    ) -> Vec<u8> {
        let start = self.last | self.opcodes[opcode as usize];
        match self.masks {
            Masks::Payloads => frame(start, payload, client),
            Masks::Frames if client => {
                let mut bytes = frame(start, payload, false);
                xor(&mut bytes, &mask(MASK, connection));
                [&MASK[..], &bytes].concat()
            }
            Masks::Frames | Masks::Nothing => frame(start, payload, false),
        }
    }

    /// The next frame of the other side, `from_client` or not: whether it ends its message, what it
    /// is, and its payload.
    pub(crate) async fn read(
        &self,
        wire: &mut Wire,
        from_client: bool,
        connection: Option<&[u8]>,
    ) -> Result<(bool, Opcode, Vec<u8>), Ended> {
        let mut unmask = Unmask { mask: Vec::new(), at: 0 };
        if from_client && self.masks == Masks::Frames {
            unmask.mask = mask(wire.take(4).await?.try_into().unwrap(), connection);
        }
        let header = unmask.take(wire, 2).await?;
        let (start, second) = (header[0], header[1]);
        assert_eq!(start & 0x70, 0, "reserved bits");
        let says_masked = from_client && self.masks == Masks::Payloads;
        assert_eq!(second & 0x80 != 0, says_masked, "only clients mask");
        let length = match second & 0x7f {
            126 => unmask.take(wire, 2).await?,
            127 => unmask.take(wire, 8).await?,
            short => vec![short],
        };
        let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        if says_masked {
            unmask = Unmask { mask: wire.take(4).await?, at: 0 };
        }
        let payload = unmask.take(wire, length).await?;
        let number = start & 0x0f;
        let opcode = [
            Opcode::Continuation,
            Opcode::Text,
            Opcode::Binary,
            Opcode::Close,
            Opcode::Ping,
            Opcode::Pong,
        ]
        .into_iter()
        .find(|opcode| self.opcodes[*opcode as usize] == number);
        let opcode = opcode.unwrap_or_else(|| panic!("opcode {number}"));
        let last = start & 0x80 == self.last;
        if matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong) {
            assert!(last && length < 126, "a control frame");
        }
        Ok((last, opcode, payload))
    }
}

/// Takes a mask off that goes on from one run of bytes to the next.
struct Unmask {
    /// Empty where there is none.
    mask: Vec<u8>,
    at: usize,
}

impl Unmask {
    async fn take(&mut self, wire: &mut Wire, count: usize) -> Result<Vec<u8>, Ended> {
        let mut bytes = wire.take(count).await?;
        if !self.mask.is_empty() {
            self.mask.rotate_left(self.at);
            xor(&mut bytes, &self.mask);
            self.at = count % self.mask.len();
        }
        Ok(bytes)
    }
}

/// With what a frame is masked: its four bytes, or in 04 their hash with the key of the connection
/// (draft-ietf-hybi-04 section 4.3).
fn mask(bytes: [u8; 4], connection: Option<&[u8]>) -> Vec<u8> {
    match connection {
        Some(connection) => Sha1::digest([&bytes, connection].concat()).to_vec(),
        None => bytes.to_vec(),
    }
}

/// What a key and a nonce come to (draft-ietf-hybi-04 section 5.2.2).
pub(crate) fn connection_key(key: &str, nonce: &str) -> Vec<u8> {
    Sha1::digest([key, nonce, "61AC5F19-FBBA-4540-B96F-6561F1AB40A8"].concat()).to_vec()
}

fn xor(bytes: &mut [u8], mask: &[u8]) {
    bytes.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
}

/// One frame; `start` is its first byte, `masked` whether its payload is.
pub(crate) fn frame(start: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut bytes = match payload.len() {
        short @ 0..=125 => vec![start, bit | short as u8],
        medium @ 126..=0xffff => {
            let length = (medium as u16).to_be_bytes();
            vec![start, bit | 126, length[0], length[1]]
        }
        long => [&[start, bit | 127], &(long as u64).to_be_bytes()[..]].concat(),
    };
    if masked {
        bytes.extend(MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        bytes.extend(payload);
    }
    bytes
}

/// The examples of the drafts, of section 4.7 in 06.
#[test]
fn writes_the_examples_of_the_drafts() {
    let hello = |kind, client| Framing::of(kind).write(Opcode::Text, b"Hello", client, None);
    assert_eq!(hello(Kind::Hybi01, true), b"\x04\x05Hello");
    assert_eq!(hello(Kind::Hybi06, false), b"\x84\x05Hello");
    assert_eq!(hello(Kind::Hybi06, true), b"\x37\xfa\x21\x3d\xb3\xff\x69\x58\x5b\x96\x4e");
    assert_eq!(hello(Kind::Rfc6455, true), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
}
