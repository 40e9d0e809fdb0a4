//! The messages of permessage-deflate (RFC 7692): what was negotiated, and their payload as it was
//! before it was compressed.

use crate::wire::head::Fields;
use flate2::{Decompress, FlushDecompress, Status};

/// What a sender takes away from the end of a message (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// How a message grows at least while it is inflated, in bytes.
const GROWTH: usize = 512;

/// About what an [`Inflater`] takes, in bytes: a window of 32 KiB, and the tables of its codes.
pub(super) const KEPT: usize = 48 * 1024;

/// Whether the extensions of a head have permessage-deflate. Its parameters change nothing for who
/// reads: the window that is kept here is the largest there is, and it is kept from message to
/// message, because a sender without context takeover refers to nothing in it.
pub(super) fn is_negotiated(fields: &Fields<'_>) -> bool {
    fields
        .all("Sec-WebSocket-Extensions")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .filter_map(|extension| extension.split(|byte| *byte == b';').next())
        .any(|name| name.trim_ascii().eq_ignore_ascii_case(b"permessage-deflate"))
}

/// Why a message cannot be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not what DEFLATE makes.
    Malformed,
    /// It becomes too long.
    TooBig,
}

/// The compressed messages of one side.
#[derive(Debug)]
pub(super) struct Inflater {
    stream: Decompress,
    /// Whether the message has had a final block, which ends all that it could refer to.
    ended: bool,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self { stream: Decompress::new(false), ended: false }
    }

    /// Inflates a part of a message behind what `out` has of it, up to a length of `most`.
    pub(super) fn inflate(
        &mut self,
        mut data: &[u8],
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        // What the stream holds back comes when there is nothing to take any more.
        loop {
            if out.len() == out.capacity() {
                out.reserve(GROWTH);
            }
            let (taken, before) = (self.stream.total_in(), out.len());
            let status = self
                .stream
                .decompress_vec(data, out, FlushDecompress::None)
                .map_err(|_| Fault::Malformed)?;
            if out.len() > most {
                return Err(Fault::TooBig);
            }
            let taken = usize::try_from(self.stream.total_in() - taken).unwrap_or(usize::MAX);
            data = data.get(taken..).unwrap_or_default();
            if status == Status::StreamEnd {
                self.ended = true;
                self.stream.reset(false);
                if data.is_empty() {
                    return Ok(());
                }
            } else if taken == 0 && out.len() == before {
                return if data.is_empty() { Ok(()) } else { Err(Fault::Malformed) };
            }
        }
    }

    /// Ends a message.
    pub(super) fn finish(&mut self, most: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        let end = self.inflate(&TAIL, most, out);
        if std::mem::take(&mut self.ended) {
            // A sender may leave out the empty block behind a final one, to which the tail belongs
            // (RFC 7692 section 7.2.3.4 has it, and not all do).
            self.stream.reset(false);
            return if end == Err(Fault::TooBig) { end } else { Ok(()) };
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::head::Response;
    use proptest::prelude::*;

    #[test]
    fn reads_what_was_negotiated() {
        let name = "Sec-WebSocket-Extensions:";
        for (fields, expected) in [
            (String::new(), false),
            (format!("{name} \r\n"), false),
            (format!("{name} x-webkit-deflate-frame\r\n"), false),
            (format!("{name} a; permessage-deflate\r\n"), false),
            (format!("{name} permessage-deflate\r\n"), true),
            (format!("{name} a, Permessage-Deflate ; b=\"1\"\r\n"), true),
            (format!("{name} a\r\n{name} permessage-deflate;server_max_window_bits=10\r\n"), true),
        ] {
            let head = format!("HTTP/1.1 101 x\r\n{fields}\r\n");
            let response = Response::parse(head.as_bytes()).unwrap();
            assert_eq!(is_negotiated(&response.fields), expected, "{fields}");
        }
    }

    fn inflated(inflater: &mut Inflater, message: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        for piece in message.chunks(3) {
            inflater.inflate(piece, 1000, &mut out)?;
        }
        inflater.finish(1000, &mut out)?;
        Ok(out)
    }

    /// The examples of RFC 7692 section 7.2.3.
    #[test]
    fn inflates_the_examples_of_the_rfc() {
        let compressed = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
        let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
        let last_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        let two_blocks =
            [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
        let mut inflater = Inflater::new();
        for message in [&compressed[..], &second, &stored, &two_blocks, &last_block, &compressed] {
            assert_eq!(inflated(&mut inflater, message).unwrap(), b"Hello", "{message:x?}");
        }
        // The same without the byte behind the final block.
        assert_eq!(inflated(&mut inflater, &last_block[..7]).unwrap(), b"Hello");
        assert_eq!(inflated(&mut inflater, &compressed).unwrap(), b"Hello");
        assert_eq!(inflated(&mut Inflater::new(), &[0xff]), Err(Fault::Malformed));
    }

    #[test]
    fn bounds_what_becomes_of_a_message() {
        let mut bomb = Vec::with_capacity(10_000);
        flate2::Compress::new(flate2::Compression::best(), false)
            .compress_vec(&[b'a'; 1_000_000], &mut bomb, flate2::FlushCompress::Sync)
            .unwrap();
        assert!(bomb.len() < 5000);
        let mut out = Vec::new();
        let mut inflater = Inflater::new();
        assert_eq!(inflater.inflate(&bomb, 10_000, &mut out), Err(Fault::TooBig));
        assert!(out.capacity() < 40_000);
        let (mut out, mut inflater) = (Vec::new(), Inflater::new());
        for piece in bomb[..bomb.len() - TAIL.len()].chunks(1) {
            inflater.inflate(piece, 1_000_000, &mut out).unwrap();
        }
        inflater.finish(1_000_000, &mut out).unwrap();
        assert!(out == [b'a'; 1_000_000]);
    }

    proptest! {
        /// Any bytes: an end, and no more than was allowed.
        #[test]
        fn any_bytes_come_to_an_end(messages in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..40), 0..4,
        )) {
            let mut inflater = Inflater::new();
            for message in messages {
                if inflated(&mut inflater, &message).is_err() {
                    break;
                }
            }
        }
    }
}
