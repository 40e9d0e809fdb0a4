//! Strings of JSON (RFC 8259 section 7), written eight bytes at a time: of what is recorded most is
//! text.

use std::io::{self, Write};

/// All bytes of a word.
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x80 * ONES;

/// Writes a string with its quotes.
pub(super) fn write(text: &str, out: &mut Vec<u8>) -> io::Result<()> {
    let mut rest = text.as_bytes();
    out.push(b'"');
    loop {
        let (plain, behind) = rest.split_at(plain(rest));
        out.extend_from_slice(plain);
        let Some((byte, behind)) = behind.split_first() else { break };
        escape(*byte, out)?;
        rest = behind;
    }
    out.push(b'"');
    Ok(())
}

/// How many bytes come before one that has to be escaped.
fn plain(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // A byte's highest bit is set where a subtraction borrowed, and the byte had not that bit
        // itself. The first that is set is right; those behind it may be wrong.
        let below = |word: u64, bound: u64| word.wrapping_sub(bound * ONES) & !word & HIGHS;
        let is = |byte: u8| below(word ^ (u64::from(byte) * ONES), 1);
        let special = below(word, 0x20) | is(b'"') | is(b'\\');
        if special != 0 {
            return 8 * index + special.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| matches!(byte, 0..0x20 | b'"' | b'\\');
    8 * words.len() + rest.iter().position(is_special).unwrap_or(rest.len())
}

fn escape(byte: u8, out: &mut Vec<u8>) -> io::Result<()> {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => return write!(out, "\\u{byte:04x}"),
    };
    out.extend_from_slice(&[b'\\', short]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write(text, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_character_at_each_place() {
        for character in (0..0x250).filter_map(char::from_u32).chain(['\u{2028}', '🎉']) {
            for place in 0..18 {
                let text = format!("{}{character}{}", "a".repeat(place), "\u{7f}é b".repeat(3));
                assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn as_serde_json_has_it(text in "[\\x00-\\x7fé🎉]{0,80}") {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
