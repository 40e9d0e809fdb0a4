//! The masking of draft-ietf-hybi-04 to 06, section 4.3: a client sends four bytes in the clear and
//! then a frame of which every byte is masked, header and all.
//!
//! In 05 and 06 the four bytes are the key. In 04 they are hashed with what both sides said in the
//! opening handshake, which makes a key of twenty bytes.

use super::Version;
use super::frames::Reader;
use crate::event::{Event, Side};
use crate::fault::Fault;
use crate::wire::mask::Masks;
use sha1::{Digest, Sha1};

/// draft-ietf-hybi-04 section 5.2.2.
const GUID: &[u8] = b"61AC5F19-FBBA-4540-B96F-6561F1AB40A8";

/// How long the key of a frame is, in bytes.
const LEN: usize = 20;

/// What masks the frames of one connection of draft-ietf-hybi-04, beside four bytes in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionKey([u8; LEN]);

impl ConnectionKey {
    /// The key that `Sec-WebSocket-Key` and `Sec-WebSocket-Nonce` make together.
    pub fn new(key: &[u8], nonce: &[u8]) -> Self {
        let hash = Sha1::new().chain_update(key).chain_update(nonce).chain_update(GUID);
        Self(hash.finalize().into())
    }
}

/// The mask of one frame, at some position in it.
#[derive(Debug, Clone, Copy)]
pub struct FrameMask {
    key: [u8; LEN],
    at: usize,
}

impl FrameMask {
    /// The mask at the start of a frame behind these four bytes; `connection`: in 04.
    pub fn new(bytes: [u8; 4], connection: Option<&ConnectionKey>) -> Self {
        let key = match connection {
            Some(ConnectionKey(key)) => {
                Sha1::new().chain_update(bytes).chain_update(key).finalize().into()
            }
            // Twenty is a multiple of four.
            None => {
                let mut cycle = bytes.into_iter().cycle();
                std::array::from_fn(|_| cycle.next().unwrap_or_default())
            }
        };
        Self { key, at: 0 }
    }
}

impl Masks for FrameMask {
    fn apply(&mut self, data: &mut [u8]) {
        for (byte, key) in data.iter_mut().zip(self.key.iter().cycle().skip(self.at)) {
            *byte ^= key;
        }
        self.at = (self.at + data.len()) % LEN;
    }
}

/// Reads the frames of a client that masks them whole: it takes the mask off and lets another reader
/// read.
#[derive(Debug)]
pub struct MaskedReader {
    connection: Option<ConnectionKey>,
    state: State,
    frames: Reader,
}

#[derive(Debug)]
enum State {
    /// Before or inside the four bytes.
    Key { bytes: [u8; 4], have: usize },
    /// Inside a header; what there is of it. Two bytes and up to eight of length.
    Header { mask: FrameMask, bytes: [u8; 10], have: usize },
    /// Inside a payload.
    Payload { mask: FrameMask, remaining: u64 },
}

const NO_KEY: State = State::Key { bytes: [0; 4], have: 0 };

impl MaskedReader {
    /// A reader behind the opening handshake, which in 04 has made a key.
    pub fn new(version: Version, connection: Option<ConnectionKey>) -> Self {
        // The frames under the mask look like those of a server, which are not masked.
        Self { connection, state: NO_KEY, frames: Reader::new(version, Side::Backend) }
    }

    /// The body of the close frame that came last, where it is to be echoed.
    pub(crate) fn close_body(&self) -> &[u8] {
        self.frames.close_body()
    }

    /// Whether the peer is in the middle of a frame or of a message.
    pub const fn in_message(&self) -> bool {
        self.frames.in_message() || !matches!(self.state, State::Key { have: 0, .. })
    }

    /// Reads the next event from the front of `input`; `None` when all of it is used up.
    ///
    /// # Errors
    /// The peer's [`Fault`]; the reader must not be used after it.
    pub fn read<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Event<'a>>, Fault> {
        loop {
            let Some(mut run) = self.unmask(input) else { return Ok(None) };
            // A run never goes beyond its frame, so that the other reader uses all of it.
            let event = self.frames.read(&mut run)?;
            debug_assert!(run.is_empty());
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// Takes the next run off the front, at most up to the end of a header or of a frame, and the
    /// mask off it; `None` when there is nothing of one.
    fn unmask<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<&'a mut [u8]> {
        if let State::Key { bytes, have } = &mut self.state {
            while let Some(place) = bytes.get_mut(*have) {
                *place = *input.split_off_first_mut()?;
                *have += 1;
            }
            let mask = FrameMask::new(*bytes, self.connection.as_ref());
            self.state = State::Header { mask, bytes: [0; 10], have: 0 };
        }
        let (mask, most) = match &mut self.state {
            State::Key { .. } => return None,
            // The second byte tells how much more there is.
            State::Header { mask, bytes, have } => (mask, header_len(bytes, *have) - *have),
            State::Payload { mask, remaining } => {
                (mask, usize::try_from(*remaining).unwrap_or(usize::MAX))
            }
        };
        let run = input.split_off_mut(..most.min(input.len())).filter(|run| !run.is_empty())?;
        mask.apply(run);
        self.advance(run);
        Some(run)
    }

    /// Goes on behind bytes whose mask is off.
    fn advance(&mut self, run: &[u8]) {
        let remaining = match &mut self.state {
            State::Key { .. } => return,
            State::Header { bytes, have, mask } => {
                for (place, byte) in bytes.iter_mut().skip(*have).zip(run) {
                    *place = *byte;
                }
                *have += run.len();
                if *have < header_len(bytes, *have) {
                    return;
                }
                let (mask, remaining) = (*mask, payload_len(bytes));
                self.state = State::Payload { mask, remaining };
                remaining
            }
            State::Payload { remaining, .. } => {
                *remaining -= run.len() as u64;
                *remaining
            }
        };
        if remaining == 0 {
            self.state = NO_KEY;
        }
    }
}

/// How long a header is as far as that is known by now, in bytes.
const fn header_len(bytes: &[u8; 10], have: usize) -> usize {
    let [_, second, ..] = *bytes;
    match second & 0x7f {
        126 if have >= 2 => 4,
        127 if have >= 2 => 10,
        _ => 2,
    }
}

/// What the whole header says of the length of its payload. A length that breaks a rule, the other
/// reader refuses.
const fn payload_len(bytes: &[u8; 10]) -> u64 {
    let [_, second, a, b, c, d, e, f, g, h] = *bytes;
    match second & 0x7f {
        126 => u16::from_be_bytes([a, b]) as u64,
        127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        short => short as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of draft-ietf-hybi-04, with the keys that follow from its text.
    #[test]
    fn masks_by_the_connection() {
        let key = ConnectionKey::new(b"dGhlIHNhbXBsZSBub25jZQ==", b"H+cNj5elaybfGIQv1esl2w==");
        let ConnectionKey([first, second, .., last]) = key;
        assert_eq!([first, second, last], [0x63, 0x22, 0x60]);
        let mut frame = *b"\x84\x05Hello";
        FrameMask::new(*b"ABCD", Some(&key)).apply(&mut frame);
        assert_eq!(frame, [0x95, 0xb2, 0x08, 0x46, 0x15, 0x83, 0x46]);
    }
}
