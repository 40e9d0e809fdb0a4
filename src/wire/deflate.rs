//! DEFLATE (RFC 1951) as permessage-deflate uses it (RFC 7692 section 7.2): one message after another,
//! each in any pieces.

use super::spare::Buffer;
use std::fmt;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status};

/// What a sender takes away from the end of a message (RFC 7692 section 7.2.1): of an empty block
/// without compression all but its first byte.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The largest window there is, in bits. Whatever a sender uses, this inflates it.
pub const LARGEST_WINDOW: u8 = 15;

/// The smallest window that can be compressed with, in bits. DEFLATE has one of 8, and zlib has none.
pub const SMALLEST_WINDOW: u8 = 9;

/// The window that we compress with, in bits, where none that is smaller was asked for. It is kept for
/// as long as a session lives: with it a deflater takes 191 KiB, and with the largest 371 KiB; messages of
/// up to 8 KiB become shorter by a twentieth with that.
const OWN_WINDOW: u8 = 13;

/// How much memory beside the window there is for the codes of a block: that of zlib is 8.
const MEMORY: i32 = 6;

/// How hard is searched for what came before, of 1 to 9. A message of 300 bytes takes 0.7 µs, and 5 µs
/// with 3 or 6; it becomes 30 %, 27 % or 25 % of its length (`docs/explanation/compression.md`).
const LEVEL: i32 = 1;

/// How much room is made for output at a time, in bytes: few times for a large message, and little to
/// be cleared for a small one.
const ROOM: std::ops::RangeInclusive<usize> = 512..=16 * 1024;

/// A message is not what DEFLATE makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed compressed data")]
pub struct Malformed;

/// Inflates the messages of one sender.
pub struct Inflater {
    stream: Inflate,
    /// Whether a final block has just ended.
    ended: bool,
}

impl Inflater {
    /// An inflater before the first message.
    pub fn new() -> Self {
        Self { stream: Inflate::new(false, LARGEST_WINDOW), ended: false }
    }

    /// Inflates from the front of `input` to the end of `out`, until that has `most` bytes or nothing
    /// more comes of the input, which is used up then.
    ///
    /// # Errors
    /// [`Malformed`]; the inflater must not be used after it but behind a [`Self::reset`].
    pub fn inflate(
        &mut self,
        input: &mut &[u8],
        most: usize,
        out: &mut Buffer,
    ) -> Result<(), Malformed> {
        while out.len() < most {
            let wanted = (input.len() * 4).clamp(*ROOM.start(), *ROOM.end());
            let room = out.grow(wanted.min(most - out.len()));
            let (size, before) = (room.len(), (self.stream.total_in(), self.stream.total_out()));
            let result = self.stream.decompress(input, room, InflateFlush::NoFlush);
            let taken = usize::try_from(self.stream.total_in() - before.0).unwrap_or(usize::MAX);
            let made = usize::try_from(self.stream.total_out() - before.1).unwrap_or(usize::MAX);
            out.cut(size.saturating_sub(made));
            *input = input.get(taken..).unwrap_or_default();
            self.ended &= taken == 0;
            match result.map_err(|_| Malformed)? {
                // What comes behind a final block refers to nothing before it.
                Status::StreamEnd => {
                    self.stream.reset(false);
                    self.ended = true;
                }
                Status::Ok | Status::BufError if made < size && !input.is_empty() && taken == 0 => {
                    return Err(Malformed);
                }
                Status::Ok | Status::BufError => {}
            }
            if made < size && input.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Inflates a run of a message, `last` the last of it, and hands on what it becomes: in pieces of up
    /// to `most` bytes, each with whether it is the last of the message. `out` is empty before and after.
    ///
    /// # Errors
    /// [`Malformed`], and those of `hand_on`.
    pub fn pieces<E: From<Malformed>>(
        &mut self,
        mut input: &[u8],
        last: bool,
        most: usize,
        out: &mut Buffer,
        mut hand_on: impl FnMut(&[u8], bool) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            self.inflate(&mut input, most, out)?;
            let more = out.len() == most;
            if last && !more {
                self.end()?;
            }
            hand_on(out.bytes(), last && !more)?;
            out.consume(out.len());
            if !more {
                return Ok(());
            }
        }
    }

    /// Ends a message of which all has been inflated, by what the sender took away from it.
    ///
    /// # Errors
    /// [`Malformed`] where the message does not end as it has to: a part of it is missing.
    pub fn end(&mut self) -> Result<(), Malformed> {
        // Senders may leave out the empty block behind a final one, to which the tail belongs: RFC 7692
        // section 7.2.3.4 has it, and not all do.
        if self.ended {
            return Ok(());
        }
        // It stops at the end of a block, and takes the byte behind it in any other place.
        let tail_and_more = [0x00, 0x00, 0xff, 0xff, 0x00];
        let before = self.stream.total_in();
        let result = self.stream.decompress(&tail_and_more, &mut [0], InflateFlush::Block);
        match (result, self.stream.total_in() - before) {
            (Ok(Status::Ok), 4) => Ok(()),
            _ => Err(Malformed),
        }
    }

    /// Forgets all that was said.
    pub fn reset(&mut self) {
        self.stream.reset(false);
        self.ended = false;
    }
}

impl Default for Inflater {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// Deflates messages to one receiver.
pub struct Deflater {
    stream: Deflate,
    window_bits: u8,
}

impl Deflater {
    /// A deflater before the first message, with a window of that [`Self::window`].
    pub fn new(window_bits: u8) -> Self {
        let window_bits = Self::window(window_bits);
        let stream = Deflate::new_with_config(DeflateConfig {
            // Below zero: without a header.
            window_bits: -i32::from(window_bits),
            level: LEVEL,
            mem_level: MEMORY,
            ..DeflateConfig::default()
        });
        Self { stream, window_bits }
    }

    /// The window that is used where one of so many bits is allowed.
    pub fn window(allowed: u8) -> u8 {
        allowed.clamp(SMALLEST_WINDOW, OWN_WINDOW)
    }

    /// The window that is used, in bits.
    pub const fn window_bits(&self) -> u8 {
        self.window_bits
    }

    /// Deflates a piece of a message to the end of `out`. What comes of it can come later.
    pub fn deflate(&mut self, data: &[u8], out: &mut Buffer) {
        self.run(data, DeflateFlush::NoFlush, out);
    }

    /// Deflates the last piece of a message, and all that is still to come of those before.
    pub fn finish(&mut self, data: &[u8], out: &mut Buffer) {
        let before = out.len();
        self.run(data, DeflateFlush::SyncFlush, out);
        if out.bytes().ends_with(&TAIL) {
            out.cut(TAIL.len());
        } else if out.len() == before {
            // Behind one message zlib makes nothing of an empty one (RFC 7692 section 7.2.3.6).
            out.append(&TAIL[..1]);
        }
    }

    /// Forgets all that was said.
    pub fn reset(&mut self) {
        self.stream.reset();
    }

    fn run(&mut self, mut data: &[u8], flush: DeflateFlush, out: &mut Buffer) {
        loop {
            // Beside the data there is at least what ends a block.
            let room = out.grow(data.len().clamp(*ROOM.start(), *ROOM.end()));
            let (size, before) = (room.len(), (self.stream.total_in(), self.stream.total_out()));
            let result = self.stream.compress(data, room, flush);
            debug_assert!(result.is_ok(), "{result:?}");
            let taken = usize::try_from(self.stream.total_in() - before.0).unwrap_or(usize::MAX);
            let made = usize::try_from(self.stream.total_out() - before.1).unwrap_or(usize::MAX);
            out.cut(size.saturating_sub(made));
            data = data.get(taken..).unwrap_or_default();
            if made < size {
                debug_assert!(data.is_empty());
                return;
            }
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("window_bits", &self.window_bits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Inflates a whole message that comes in pieces of so many bytes, up to `most`.
    fn inflated(
        inflater: &mut Inflater,
        message: &[u8],
        cut: usize,
        most: usize,
    ) -> Result<Vec<u8>, Malformed> {
        let mut out = Buffer::default();
        for mut piece in message.chunks(cut) {
            inflater.inflate(&mut piece, most, &mut out)?;
        }
        inflater.end()?;
        Ok(out.bytes().to_vec())
    }

    fn deflated(deflater: &mut Deflater, pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Buffer::default();
        let (last, before) = pieces.split_last().unwrap();
        before.iter().for_each(|piece| deflater.deflate(piece, &mut out));
        deflater.finish(last, &mut out);
        out.bytes().to_vec()
    }

    /// The examples of RFC 7692 section 7.2.3.
    #[test]
    fn inflates_the_examples_of_the_rfc() {
        let compressed = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
        let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
        let final_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        let two_blocks =
            [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
        let mut inflater = Inflater::new();
        for cut in [1, 2, 3, 100] {
            let messages = [&compressed[..], &second, &stored, &two_blocks, &final_block];
            // The last one without the byte behind the final block.
            for message in messages.into_iter().chain([&final_block[..7]]) {
                assert_eq!(inflated(&mut inflater, message, cut, 100).unwrap(), b"Hello");
            }
            assert_eq!(inflated(&mut inflater, &[0x00], cut, 100).unwrap(), b"");
        }
        assert_eq!(inflated(&mut Inflater::new(), &[0xff], 1, 100), Err(Malformed));
    }

    #[test]
    fn deflates_the_examples_of_the_rfc() {
        let mut deflater = Deflater::new(15);
        assert_eq!(
            deflated(&mut deflater, &[b"Hello"]),
            [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]
        );
        // All of it is said by reference; the RFC says the first letter again.
        assert_eq!(deflated(&mut deflater, &[b"Hello"]), [0x02, 0x13, 0x00, 0x00]);
        assert_eq!(deflated(&mut deflater, &[b""]), [0x00]);
        assert_eq!(deflated(&mut deflater, &[b"", b""]), [0x00]);
        deflater.reset();
        assert_eq!(
            deflated(&mut deflater, &[b"Hello"]),
            [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]
        );
    }

    /// Who is given a used inflater or deflater does not learn what passed through it before.
    #[test]
    fn nothing_is_left_behind_a_reset() {
        let (mut inflater, mut deflater) = (Inflater::new(), Deflater::new(15));
        let first = deflated(&mut deflater, &[b"a secret of many words"]);
        let second = deflated(&mut deflater, &[b"a secret of many words"]);
        assert!(second.len() < first.len());
        assert!(inflated(&mut inflater, &first, 100, 100).is_ok());
        inflater.reset();
        assert_eq!(inflated(&mut inflater, &second, 100, 100), Err(Malformed));
        deflater.reset();
        assert_eq!(deflated(&mut deflater, &[b"a secret of many words"]), first);
    }

    /// Wherever a message is cut, in blocks of each kind.
    #[test]
    fn a_message_without_its_end_is_found() {
        let records = |count: usize| -> Vec<u8> {
            let record =
                |number| format!("{{\"id\":{number},\"price\":{}}},", number * 7919 % 1000);
            (0..count).flat_map(|number| record(number).into_bytes()).collect()
        };
        for (message, level) in [(records(2), 1), (records(200), 9), (records(20), 0)] {
            let mut whole = Vec::with_capacity(10_000);
            let mut stream = Compress::new(Compression::new(level), false);
            stream.compress_vec(&message, &mut whole, FlushCompress::Sync).unwrap();
            let whole = whole.strip_suffix(&TAIL).unwrap();
            assert_eq!(inflated(&mut Inflater::new(), whole, 100, usize::MAX), Ok(message));
            for end in 0..whole.len() {
                let cut = inflated(&mut Inflater::new(), &whole[..end], 100, usize::MAX);
                // The front of a block without compression is all of an empty message.
                let expected = if whole[..end] == [0x00] { Ok(Vec::new()) } else { Err(Malformed) };
                assert_eq!(cut, expected, "{end} of {}", whole.len());
            }
        }
    }

    #[test]
    fn stops_where_it_is_told() {
        let mut bomb = Vec::with_capacity(10_000);
        Compress::new(Compression::best(), false)
            .compress_vec(&[b'a'; 1_000_000], &mut bomb, FlushCompress::Sync)
            .unwrap();
        let (mut inflater, mut out, mut total) = (Inflater::new(), Buffer::default(), 0);
        let mut rest = &bomb[..bomb.len() - TAIL.len()];
        loop {
            inflater.inflate(&mut rest, 1000, &mut out).unwrap();
            assert!(out.len() <= 1000 && out.bytes().iter().all(|byte| *byte == b'a'));
            total += out.len();
            if out.len() < 1000 {
                break;
            }
            out.consume(1000);
        }
        assert_eq!((total, rest.len()), (1_000_000, 0));
    }

    /// Another implementation is not at hand here; foreign peers speak with ours in `tests/interop`.
    fn oracle(stream: &mut Decompress, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 << 20);
        let whole = [message, &TAIL].concat();
        stream.decompress_vec(&whole, &mut out, FlushDecompress::Sync).unwrap();
        out
    }

    proptest! {
        #[test]
        fn what_was_deflated_is_inflated(
            window in 9_u8..=15,
            takeover: bool,
            messages in vec((vec("[ab]{0,3}[a-z]{0,9}", 0..60), 1_usize..200, 1_usize..50), 1..6),
        ) {
            let mut deflater = Deflater::new(window);
            let (mut inflater, mut other) = (Inflater::new(), Decompress::new_with_window_bits(false, window));
            for (words, times, cut) in messages {
                let message = words.concat().repeat(times).into_bytes();
                let pieces: Vec<&[u8]> = message.chunks(cut * 100).chain([&[][..]]).collect();
                let compressed = deflated(&mut deflater, &pieces);
                prop_assert!(oracle(&mut other, &compressed) == message);
                prop_assert!(inflated(&mut inflater, &compressed, cut, usize::MAX).unwrap() == message);
                if !takeover {
                    deflater.reset();
                }
            }
        }

        /// Any bytes come to an end, the same in any pieces.
        #[test]
        fn any_bytes_come_to_an_end(messages in vec(vec(any::<u8>(), 0..40), 0..4), cut in 1_usize..9) {
            let (mut pieces, mut whole) = (Inflater::new(), Inflater::new());
            for message in messages {
                let one = inflated(&mut whole, &message, 100, usize::MAX);
                prop_assert_eq!(&inflated(&mut pieces, &message, cut, usize::MAX), &one);
                if one.is_err() {
                    break;
                }
            }
        }
    }
}
