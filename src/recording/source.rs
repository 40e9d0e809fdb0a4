//! Where recordings come from: a file or standard input, packed or not, in any form. The form is found
//! by what the file begins with; its name says nothing.

use super::zstd::Frames;
use super::{Sink, har, lines, pcap};
use crate::transcript::account::Account;
use anyhow::{Context, bail};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

/// How many bytes tell the form: white space and a byte order mark may stand before JSON.
const PEEK: u64 = 512;

/// The length of the magic numbers that are read.
const MAGIC: u64 = 4;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// What is often given, and is not read here.
const FOREIGN: [(&[u8], &str); 5] = [
    (b"\xfd7zXZ\0", "packed by xz: unpack it first"),
    (b"BZh", "packed by bzip2: unpack it first"),
    (b"PK\x03\x04", "a ZIP archive: unpack it first"),
    (b"\x04\x22\x4d\x18", "packed by lz4: unpack it first"),
    (b"\x16\x03", "a TLS stream"),
];

/// Opens a file, or standard input for `-`.
///
/// # Errors
/// When it cannot be opened.
pub fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    Ok(match path.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => Box::new(File::open(path)?),
    })
}

/// Reads a recording of any form, packed or not, to its end. What is damaged behind its beginning is
/// told up to there, and named in the account.
///
/// # Errors
/// When it is no recording, or the sink fails.
pub fn read(input: impl Read, sink: &mut dyn Sink) -> anyhow::Result<Account> {
    let (begin, input) = peek(input)?;
    if begin.starts_with(GZIP) {
        plain(&mut MultiGzDecoder::new(input), sink).context("inside gzip")
    } else if begin.starts_with(ZSTD) || is_skippable(&begin) {
        plain(&mut Frames::new(input), sink).context("inside zstd")
    } else {
        plain(&mut { input }, sink)
    }
}

/// Reads what is not packed.
fn plain(input: &mut dyn Read, sink: &mut dyn Sink) -> anyhow::Result<Account> {
    let (begin, mut input) = peek(input)?;
    if pcap::MAGIC.iter().any(|magic| begin.starts_with(magic)) {
        return pcap::read(input, sink);
    }
    let text = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&begin);
    let before = (begin.len() - text.len()) as u64;
    let text = text.trim_ascii_start();
    if !text.starts_with(b"{") {
        bail!("{}", what(&begin))
    }
    // The byte order mark is no JSON.
    io::copy(&mut input.by_ref().take(before), &mut io::sink())?;
    match is_header(text) {
        true => lines::read(BufReader::with_capacity(64 * 1024, input), sink),
        false => har::read(input, sink),
    }
}

/// An input whose first bytes have been looked at.
type Peeked<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// The first bytes, and all of them. Of what is told by its magic number no more are waited for: a
/// capture may be going on, and its first packets are shown when they come.
fn peek<R: Read>(mut input: R) -> io::Result<(Vec<u8>, Peeked<R>)> {
    let mut begin = Vec::new();
    input.by_ref().take(MAGIC).read_to_end(&mut begin)?;
    let mut magic = pcap::MAGIC.iter().map(|magic| &magic[..]).chain([GZIP, ZSTD]);
    if !magic.any(|magic| begin.starts_with(magic)) {
        input.by_ref().take(PEEK - MAGIC).read_to_end(&mut begin)?;
    }
    Ok((begin.clone(), Cursor::new(begin).chain(input)))
}

/// Whether an object begins with the key that only our own form has.
fn is_header(text: &[u8]) -> bool {
    let inside = text.strip_prefix(b"{").unwrap_or(text);
    inside.trim_ascii_start().starts_with(b"\"wsrec\"")
}

/// For a person: what a file is that is no recording.
fn what(begin: &[u8]) -> String {
    if begin.is_empty() {
        return "it is empty".to_owned();
    }
    let packed = [GZIP, ZSTD].iter().any(|magic| begin.starts_with(magic));
    let foreign = FOREIGN.iter().find(|(magic, _)| begin.starts_with(magic));
    match foreign {
        _ if packed => "it is packed twice".to_owned(),
        Some((_, what)) => format!("it is {what}"),
        None => {
            let begin = begin.get(..16).unwrap_or(begin).escape_ascii();
            format!("it is no capture, HAR or .wsrec: it begins with \"{begin}\"")
        }
    }
}

/// Whether bytes begin a frame that zstd passes over (RFC 8878 section 3.1.2).
fn is_skippable(begin: &[u8]) -> bool {
    matches!(begin, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}
