//! A text of any length that is neither held by who sends it nor by who checks it, and raw peers of
//! both framings that stream it. Shared with `tests/large_message.rs`.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// The length of the block that is repeated; a multiple of a mask key, and of nothing else that
/// buffers are made of.
const BLOCK: usize = 999_996;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A block of numbered lines, repeated.
#[derive(Debug)]
pub(crate) struct Pattern {
    plain: Vec<u8>,
    masked: Vec<u8>,
    blocks: usize,
}

/// How a peer sends the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `00 … FF`.
    Hixie,
    /// One frame, its length announced.
    Frame { masked: bool },
    /// A fragment for each block.
    Fragments { masked: bool },
}

impl Pattern {
    /// A text of about `length` bytes.
    pub(crate) fn new(length: usize) -> Self {
        let mut plain = Vec::with_capacity(BLOCK + 64);
        for line in 0.. {
            if plain.len() >= BLOCK {
                break;
            }
            plain.extend(format!("{line:06} žluťoučký кириллица \u{20ac} \u{1f434}\n").bytes());
        }
        // Cut where no code point is.
        plain.truncate(BLOCK - 64);
        while std::str::from_utf8(&plain).is_err() {
            plain.pop();
        }
        plain.resize(BLOCK, b'.');
        let masked = plain.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        Self { plain, masked, blocks: length.div_ceil(BLOCK) }
    }

    /// The length of the text in bytes.
    pub(crate) fn len(&self) -> usize {
        self.blocks * BLOCK
    }

    /// Sends the text as one message.
    pub(crate) async fn send(&self, framing: Framing, mut to: impl AsyncWrite + Unpin) {
        let masked = framing == Framing::Frame { masked: true }
            || framing == Framing::Fragments { masked: true };
        let block = if masked { &self.masked } else { &self.plain };
        match framing {
            Framing::Hixie => to.write_all(&[0]).await.unwrap(),
            Framing::Frame { .. } => to.write_all(&header(0x81, self.len(), masked)).await.unwrap(),
            Framing::Fragments { .. } => {}
        }
        for number in 0..self.blocks {
            if let Framing::Fragments { .. } = framing {
                let fin = if number + 1 == self.blocks { 0x80 } else { 0 };
                let opcode = u8::from(number == 0);
                to.write_all(&header(fin | opcode, BLOCK, masked)).await.unwrap();
            }
            to.write_all(block).await.unwrap();
        }
        if framing == Framing::Hixie {
            to.write_all(&[0xff]).await.unwrap();
        }
        to.flush().await.unwrap();
    }

    /// Reads one message in Hixie's framing and checks every byte.
    pub(crate) async fn check_hixie(&self, from: impl AsyncRead + Unpin) {
        let mut from = BufReader::with_capacity(256 * 1024, from);
        assert_eq!(from.read_u8().await.unwrap(), 0x00);
        let mut at = 0;
        while at < self.len() {
            let bytes = from.fill_buf().await.unwrap();
            let count = bytes.len().min(self.len() - at);
            self.check(at, &bytes[..count]);
            from.consume(count);
            at += count;
        }
        assert_eq!(from.read_u8().await.unwrap(), 0xff, "the text is longer than it was");
    }

    /// Reads one message in the framing of hybi and checks every byte.
    pub(crate) async fn check_hybi(&self, masked: bool, from: impl AsyncRead + Unpin) {
        let mut from = BufReader::with_capacity(256 * 1024, from);
        let (mut at, mut opcode) = (0, 1);
        let mut scratch = Vec::new();
        loop {
            let start = from.read_u8().await.unwrap();
            assert_eq!(start & 0x7f, opcode, "at {at}");
            opcode = 0;
            let second = from.read_u8().await.unwrap();
            assert_eq!(second & 0x80 != 0, masked);
            let mut remaining = match second & 0x7f {
                126 => usize::from(from.read_u16().await.unwrap()),
                127 => from.read_u64().await.unwrap() as usize,
                short => usize::from(short),
            };
            let mut mask = [0; 4];
            if masked {
                from.read_exact(&mut mask).await.unwrap();
            }
            while remaining > 0 {
                let bytes = from.fill_buf().await.unwrap();
                assert!(!bytes.is_empty(), "ended at {at}");
                let count = bytes.len().min(remaining);
                if masked {
                    scratch.clear();
                    scratch.extend_from_slice(&bytes[..count]);
                    unmask(&mut mask, &mut scratch);
                    self.check(at, &scratch);
                } else {
                    self.check(at, &bytes[..count]);
                }
                from.consume(count);
                (at, remaining) = (at + count, remaining - count);
            }
            if start & 0x80 != 0 {
                assert_eq!(at, self.len());
                return;
            }
        }
    }

    fn check(&self, mut at: usize, mut bytes: &[u8]) {
        assert!(!bytes.is_empty(), "ended at {at}");
        while !bytes.is_empty() {
            let expect = &self.plain[at % BLOCK..];
            let count = bytes.len().min(expect.len());
            assert!(bytes[..count] == expect[..count], "wrong content near {at}");
            (at, bytes) = (at + count, &bytes[count..]);
        }
    }
}

fn header(start: u8, length: usize, masked: bool) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut header = vec![start, bit | 127];
    header.extend((length as u64).to_be_bytes());
    if masked {
        header.extend(MASK);
    }
    header
}

/// In words, so that a debug build does not take minutes.
fn unmask(mask: &mut [u8; 4], data: &mut [u8]) {
    let key = u64::from_ne_bytes([*mask, *mask].concat().try_into().unwrap());
    let (words, rest) = data.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    rest.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    mask.rotate_left(rest.len() % 4);
}
