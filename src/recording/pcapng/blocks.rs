//! The blocks of a pcapng file (draft-ietf-opsawg-pcapng), in little-endian order: section,
//! interface, packet.

use std::io::{self, Write};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 0x0000_0001;
const PACKET: u32 = 0x0000_0006;

const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Packets begin with their IP header.
const LINKTYPE_RAW: u16 = 101;

/// The numbers of options.
mod option {
    pub(super) const COMMENT: u16 = 1;
    /// The program that wrote a section.
    pub(super) const PROGRAM: u16 = 4;
    pub(super) const INTERFACE_NAME: u16 = 2;
    pub(super) const TIME_UNIT: u16 = 9;
}

/// The longest comment, in bytes: what can be read at a glance.
const COMMENT: usize = 1000;

/// Begins the file.
pub(super) fn section(source: &str, out: &mut impl Write) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(BYTE_ORDER.to_le_bytes());
    // Version 1.0, and a section whose length is not said.
    body.extend([1, 0, 0, 0]);
    body.extend(u64::MAX.to_le_bytes());
    let of = if source.is_empty() { "what was said" } else { source };
    add_comment(&format!("decrypted / rebuilt by hybridge, from: {of}"), &mut body);
    let program = concat!("hybridge ", env!("CARGO_PKG_VERSION"));
    add(option::PROGRAM, program.as_bytes(), &mut body);
    end_options(&mut body);
    block(SECTION, &[&body], out)
}

/// Names an interface whose times are in nanoseconds.
pub(super) fn interface(name: &str, out: &mut impl Write) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(LINKTYPE_RAW.to_le_bytes());
    // Reserved, and no limit of what is kept of a packet.
    body.extend([0; 6]);
    add(option::INTERFACE_NAME, name.as_bytes(), &mut body);
    add(option::TIME_UNIT, &[9], &mut body);
    end_options(&mut body);
    block(INTERFACE, &[&body], out)
}

/// Writes a packet, which is `head` and `data`, at a time in nanoseconds since 1970.
pub(super) fn packet(
    interface: u32,
    at: u64,
    head: &[u8],
    data: &[u8],
    comments: &[String],
    out: &mut impl Write,
) -> io::Result<()> {
    let length = head.len() + data.len();
    let [high, low] = [at >> 32, at & u64::from(u32::MAX)].map(word);
    let mut fixed = [0; 20];
    let words = [u64::from(interface).to_le_bytes(), high, low];
    let words = words.into_iter().chain([(length as u64).to_le_bytes(); 2]);
    for (place, word) in fixed.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        let [a, b, c, d, ..] = word;
        *place = [a, b, c, d];
    }
    let mut options = Vec::new();
    if !comments.is_empty() {
        comments.iter().for_each(|comment| add_comment(comment, &mut options));
        end_options(&mut options);
    }
    let pad = padding(length);
    block(PACKET, &[&fixed, head, data, pad, &options], out)
}

fn word(word: u64) -> [u8; 8] {
    word.to_le_bytes()
}

/// Writes a block whose body is padded already.
fn block(kind: u32, body: &[&[u8]], out: &mut impl Write) -> io::Result<()> {
    let length = 12 + body.iter().map(|part| part.len()).sum::<usize>();
    let length = u32::try_from(length).map_err(io::Error::other)?.to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length)?;
    body.iter().try_for_each(|part| out.write_all(part))?;
    out.write_all(&length)
}

fn add_comment(comment: &str, out: &mut Vec<u8>) {
    let end = comment.floor_char_boundary(COMMENT);
    add(option::COMMENT, comment.get(..end).unwrap_or_default().as_bytes(), out);
}

fn add(code: u16, value: &[u8], out: &mut Vec<u8>) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let value = value.get(..usize::from(length)).unwrap_or_default();
    out.extend(code.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(value);
    out.extend(padding(value.len()));
}

fn end_options(out: &mut Vec<u8>) {
    out.extend([0; 4]);
}

/// What fills a length up to a multiple of four.
fn padding(length: usize) -> &'static [u8] {
    match length % 4 {
        0 => &[],
        1 => &[0; 3],
        2 => &[0; 2],
        _ => &[0; 1],
    }
}
