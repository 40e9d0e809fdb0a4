//! How what peers said is shown: nothing of it reaches a terminal but characters that are seen.

use crate::event::{Kind, Side};
use std::fmt::Write;

/// How many characters of a text are shown, and how many bytes of what is none, unless all.
const TEXT: usize = 160;
const BYTES: usize = 32;

/// A text in which all is seen: controls, marks of direction and others of no shape are escaped as
/// in Rust, and so is the backslash.
pub(in crate::cli) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push(c, &mut out));
    out
}

/// A text of ours, which may quote one of a peer: its backslashes are escapes already.
pub(in crate::cli) fn safe(text: &str) -> String {
    text.split('\\').map(shown).collect::<Vec<_>>().join("\\")
}

fn push(c: char, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        ' '..='~' => out.push(c),
        c => out.extend(c.escape_debug()),
    }
}

/// A text of so many characters at most.
pub(super) fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => shown(text.get(..end).unwrap_or(text)) + "…",
        None => shown(text),
    }
}

/// The payload of a message.
pub(super) fn payload(kind: Kind, data: &[u8], full: bool) -> String {
    let most = |most| if full { usize::MAX } else { most };
    match kind {
        Kind::Text => text(data, most(TEXT)),
        Kind::Binary => hex(data, most(BYTES)),
    }
}

/// The payload of a ping or pong, which is mostly text, and never long.
pub(super) fn control(data: &[u8]) -> String {
    match str::from_utf8(data) {
        Ok(_) => text(data, usize::MAX),
        Err(_) => hex(data, usize::MAX),
    }
}

fn text(data: &[u8], most: usize) -> String {
    let mut out = String::new();
    let mut left = most;
    for chunk in data.utf8_chunks() {
        for c in chunk.valid().chars() {
            if left == 0 {
                return out + "…";
            }
            left -= 1;
            push(c, &mut out);
        }
        for byte in chunk.invalid() {
            // Writing into a string does not fail.
            write!(out, "\\x{byte:02x}").ok();
        }
    }
    out
}

fn hex(data: &[u8], most: usize) -> String {
    let shown = data.get(..most.min(data.len())).unwrap_or(data);
    let mut out = String::with_capacity(3 * shown.len());
    for (number, byte) in shown.iter().enumerate() {
        let space = if number > 0 { " " } else { "" };
        write!(out, "{space}{byte:02x}").ok();
    }
    if shown.len() < data.len() { out + " …" } else { out }
}

/// Where what a side says goes.
pub(super) const fn arrow(from: Side) -> &'static str {
    match from {
        Side::Client => ">",
        Side::Backend => "<",
    }
}

/// The name of a side, to whom a backend is a server.
pub(super) const fn party(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Backend => "server",
    }
}

/// Nanoseconds as seconds, to the microsecond.
pub(super) fn seconds(nanoseconds: u64) -> String {
    let micros = nanoseconds / 1000;
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// The packet of an event, in a column of that name.
pub(super) fn packet(packet: Option<u64>) -> String {
    packet.map(|packet| format!("#{packet}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shows_what_has_no_shape() {
        assert_eq!(shown("é 漢 🎉 a\\b"), "é 漢 🎉 a\\\\b");
        assert_eq!(safe("a\\x01\x1b"), "a\\x01\\u{1b}");
        assert_eq!(shown("\x1b[2J\r\n\u{9b}\u{7f}"), "\\u{1b}[2J\\r\\n\\u{9b}\\u{7f}");
        assert_eq!(shown("\u{202e}\u{200b}\u{feff}"), "\\u{202e}\\u{200b}\\u{feff}");
        assert_eq!(payload(Kind::Text, b"a\xffb", false), "a\\xffb");
    }

    #[test]
    fn clips_what_is_long_unless_all_is_wanted() {
        let text = "é".repeat(TEXT + 1);
        assert_eq!(payload(Kind::Text, text.as_bytes(), false), "é".repeat(TEXT) + "…");
        assert_eq!(payload(Kind::Text, text.as_bytes(), true), text);
        let text = "é".repeat(TEXT);
        assert_eq!(payload(Kind::Text, text.as_bytes(), false), text);
        assert_eq!(payload(Kind::Binary, &[0xab; BYTES], false).len(), 3 * BYTES - 1);
        assert!(payload(Kind::Binary, &[0xab; BYTES + 1], false).ends_with("ab …"));
        assert_eq!(clipped("abc", 3), "abc");
        assert_eq!(clipped("abcd", 3), "abc…");
    }

    proptest! {
        #[test]
        fn nothing_is_a_control(data: Vec<u8>, text: String, full: bool) {
            for shown in [
                payload(Kind::Text, &data, full),
                payload(Kind::Binary, &data, full),
                payload(Kind::Text, text.as_bytes(), full),
                control(&data),
                shown(&text),
            ] {
                prop_assert!(!shown.chars().any(char::is_control), "{:?}", shown);
            }
        }
    }
}
