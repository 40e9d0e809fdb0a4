//! The reader of each dialect in each role: any bytes, in any cutting.
//!
//! Input: the voice, the length of the first piece and of every other one, then what is said.

use crate::cut::Cut;
use crate::memory;
use crate::oracle::{self, Decoded};
use crate::peer::{DIALECTS, Voice};
use crate::said::{self, Heard, Said};
use hybridge::dialect::Dialect;
use hybridge::dialect::reader::Reader;
use hybridge::event::{Event, Side};

/// What a reader may keep beside itself, in bytes: a control frame that was cut.
const KEPT: usize = 256;

/// Runs one input.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    let Some((&[voice, first, every], bytes)) = data.split_first_chunk() else { return };
    let voice = voice_of(voice);
    let expected = heard(voice.dialect, &oracle::decode(voice.dialect, voice.side, bytes));
    for pieces in (Cut { first, every }).ways(bytes) {
        let heard = said::hear(&mut Reader::new(voice.dialect, voice.side), &pieces);
        assert_eq!(heard, expected, "{voice:?}");
        check_memory(voice, &pieces);
    }
}

/// The byte that stands for a voice.
pub(crate) fn voice_byte(dialect: Dialect, side: Side) -> u8 {
    let place = DIALECTS.iter().position(|other| *other == dialect).unwrap_or_default();
    let side = if side == Side::Client { 0 } else { DIALECTS.len() };
    u8::try_from(side + place).unwrap()
}

fn voice_of(byte: u8) -> Voice {
    let number = usize::from(byte) % (2 * DIALECTS.len());
    let side = if number < DIALECTS.len() { Side::Client } else { Side::Backend };
    Voice { dialect: DIALECTS[number % DIALECTS.len()], side }
}

/// What a reader is to hear of what the decoder of the tests made of it.
pub(crate) fn heard(dialect: Dialect, decoded: &Decoded) -> Heard {
    let Decoded { mut said, part, fault, .. } = decoded.clone();
    // The decoder tells the code on the wire; "too large" had another one up to version 12.
    if let Some(Said::Close(Some((code @ 1004, _)))) = said.last_mut()
        && dialect != Dialect::RFC6455
    {
        *code = 1009;
    }
    Heard { said, part, fault }
}

fn check_memory(voice: Voice, pieces: &[&[u8]]) {
    let mut pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
    let mut reader = Reader::new(voice.dialect, voice.side);
    let before = memory::live();
    for piece in &mut pieces {
        let mut input = &mut piece[..];
        loop {
            match reader.read(&mut input) {
                Ok(Some(Event::Close(_))) | Err(_) => return,
                Ok(Some(_)) => {}
                Ok(None) => break,
            }
        }
        let kept = memory::live() - before;
        assert!(kept <= KEPT, "the reader keeps {kept} bytes: {voice:?}");
    }
}
