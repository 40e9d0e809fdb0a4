//! Sessions in which both sides compress: any bytes as what was compressed, in any cutting.
//!
//! Input: the rules, the length of the first piece and of every other one, then messages: a byte for
//! the kind and the fragments, a length, and the bytes that are said to be DEFLATE.

use crate::cut::Cut;
use crate::memory;
use crate::packer::{TAIL, agreement, hear};
use crate::peer::Voice;
use crate::rig::Rig;
use flate2::{Decompress, FlushDecompress, Status};
use hybridge::dialect::Dialect;
use hybridge::event::{Kind, Side, Sides};
use hybridge::session::policy::Policy;

/// A message may become as long as that, in bytes.
const INFLATED: u64 = 100_000;

/// What a session may hold: an inflater and a deflater of each side, and what is read and written at a
/// time, in bytes.
const HELD: usize = 4 << 20;

/// Runs one input.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    let Some((&[rules, first, every], mut rest)) = data.split_first_chunk() else { return };
    let takeover = rules & 1 != 0;
    let from = if rules & 2 == 0 { Side::Client } else { Side::Backend };
    let voice = Voice { dialect: Dialect::RFC6455, side: from };
    let (mut said, mut due, mut whole) = (Vec::new(), Vec::new(), true);
    let (mut stream, mut history) = (Decompress::new(false), Vec::new());
    while let [how, len, behind @ ..] = rest {
        let (packed, behind) = behind.split_at(usize::from(*len).min(behind.len()));
        rest = behind;
        let kind = if how & 1 == 0 { Kind::Text } else { Kind::Binary };
        let parts = packed.len().div_ceil(usize::from(how >> 4).max(1)).max(1);
        said.extend(frames(voice, kind, packed, parts));
        // A final block may end a message in more ways than this oracle knows.
        history.extend([packed, &TAIL].concat());
        match inflate(&mut stream, packed).filter(|_| whole && ends_a_block(&history)) {
            Some(message) if kind == Kind::Binary || std::str::from_utf8(&message).is_ok() => {
                due.push((kind, message));
            }
            _ => whole = false,
        }
        if !takeover {
            stream.reset(false);
            history.clear();
        }
    }
    let before = memory::live();
    for pieces in (Cut { first, every }).ways(&said) {
        let mut policy = Policy::default();
        policy.limits.inflated = INFLATED;
        let agreed = Sides { client: agreement(takeover, 15), backend: agreement(takeover, 15) };
        let mut rig = Rig::new(agreed, policy, Box::new(|bytes| bytes.fill(3)));
        for piece in pieces {
            rig.feed(from, piece);
        }
        let held = memory::live() - before;
        let own = rig.wrote.client.capacity() + rig.wrote.backend.capacity();
        assert!(held <= own + HELD, "holds {held} bytes, {own} of them what was written");
        let heard = hear(&rig.wrote[from.other()], takeover, 15);
        let messages: Vec<_> = heard.into_iter().map(|heard| (heard.kind, heard.data)).collect();
        assert!(messages.starts_with(&due), "{} of {} messages", messages.len(), due.len());
        assert!(messages.iter().all(|(_, data)| data.len() as u64 <= INFLATED));
    }
}

/// A compressed message in about so many frames.
fn frames(voice: Voice, kind: Kind, packed: &[u8], part: usize) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = packed.chunks(part).collect();
    if parts.is_empty() {
        parts.push(&[]);
    }
    let opcode = if kind == Kind::Text { 0x41 } else { 0x42 };
    let frames = parts.iter().enumerate().map(|(at, part)| {
        let fin = if at + 1 == parts.len() { 0x80 } else { 0 };
        voice.frame(if at == 0 { opcode | fin } else { fin }, part, [7, 0, 9, 1])
    });
    frames.flatten().collect()
}

/// What a message becomes; `None` when that is wrong, too much, or has a final block.
fn inflate(stream: &mut Decompress, packed: &[u8]) -> Option<Vec<u8>> {
    let most = usize::try_from(INFLATED).unwrap();
    let mut out = Vec::with_capacity(most + 1);
    let mut take = |bytes: &[u8], out: &mut Vec<u8>| {
        let before = stream.total_in();
        let status = stream.decompress_vec(bytes, out, FlushDecompress::Sync).ok()?;
        let all = stream.total_in() - before == bytes.len() as u64;
        (status != Status::StreamEnd && all).then_some(out.len())
    };
    let len = take(packed, &mut out)?;
    // The end of a message says nothing.
    (take(&TAIL, &mut out)? == len && len <= most).then_some(out)
}

/// Whether what was said ends where a block does: then an empty final block behind it ends the stream.
fn ends_a_block(said: &[u8]) -> bool {
    let mut stream = Decompress::new(false);
    let input = [said, &[0x01, 0x00, 0x00, 0xff, 0xff]].concat();
    let mut room = vec![0; 1 << 16];
    let mut before = None;
    loop {
        let now = (stream.total_in(), stream.total_out());
        if before.replace(now) == Some(now) {
            return false;
        }
        let rest = &input[usize::try_from(now.0).unwrap()..];
        match stream.decompress(rest, &mut room, FlushDecompress::None) {
            Ok(Status::StreamEnd) => return stream.total_in() == input.len() as u64,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}
