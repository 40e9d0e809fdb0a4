//! What the kit says, compressed (RFC 7692 section 7.2.1).

use super::agreement::{LARGEST, Sender};
use flate2::{Compress, Compression, FlushCompress};

/// What is taken off the end of a message, and put there again to inflate it.
pub(super) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The smallest window that zlib has, in bits.
const SMALLEST: u8 = 9;

/// How much room is made at once, in bytes.
const PIECE: usize = 16 * 1024;

/// Compresses what the kit says.
#[derive(Debug)]
pub(super) struct Deflater {
    stream: Compress,
    forgets: bool,
}

impl Deflater {
    pub(super) fn new(sender: Sender) -> Self {
        // What is not compressed refers to nothing, however small the window.
        let is_small = sender.window < SMALLEST;
        let level = if is_small { Compression::none() } else { Compression::default() };
        let window = sender.window.clamp(SMALLEST, LARGEST);
        let stream = Compress::new_with_window_bits(level, false, window);
        Self { stream, forgets: sender.forgets }
    }

    /// The payload of a message.
    pub(super) fn deflate(&mut self, message: &[u8]) -> Vec<u8> {
        if self.forgets {
            self.stream.reset();
        }
        let (mut rest, mut out) = (message, Vec::new());
        loop {
            out.reserve(PIECE);
            let before = self.stream.total_in();
            // It has no more to say when it leaves room.
            let result = self.stream.compress_vec(rest, &mut out, FlushCompress::Sync);
            let taken = usize::try_from(self.stream.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
            if result.is_err() || out.len() < out.capacity() {
                break;
            }
        }
        if out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        if out.is_empty() {
            // An empty message (RFC 7692 section 7.2.3.6).
            out.push(0x00);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7692 section 7.2.3.
    #[test]
    fn deflates_what_the_document_has() {
        let sender = Sender { forgets: false, window: 15 };
        let mut deflater = Deflater::new(sender);
        assert_eq!(deflater.deflate(b"Hello"), b"\xf2\x48\xcd\xc9\xc9\x07\x00");
        assert_eq!(deflater.deflate(b"Hello"), b"\xf2\x00\x11\x00\x00");
        assert_eq!(deflater.deflate(b""), b"\x00");
        let mut deflater = Deflater::new(Sender { forgets: true, ..sender });
        assert_eq!(deflater.deflate(b""), b"\x00");
        for _ in 0..2 {
            assert_eq!(deflater.deflate(b"Hello"), b"\xf2\x48\xcd\xc9\xc9\x07\x00");
        }
    }
}
