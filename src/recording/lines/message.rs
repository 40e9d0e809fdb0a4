//! Messages of text as we write them, which most lines of most recordings are: read without a parser, but for
//! the text itself.

use crate::event::{Kind, Side};
use crate::transcript::event::{Event, Message, What};

/// Reads a line; `None` where it is anything else, or the same in another spelling.
pub(super) fn read(line: &[u8]) -> Option<Event> {
    let rest = line.strip_prefix(br#"{"event":"message","session":"#)?;
    let (session, rest) = number(rest)?;
    let (at, mut rest) = number(rest.strip_prefix(br#","at":"#)?)?;
    let mut packet = None;
    if let Some(behind) = rest.strip_prefix(br#","packet":"#) {
        let (number, behind) = number(behind)?;
        (packet, rest) = (Some(number), behind);
    }
    let rest = rest.strip_prefix(br#","from":""#)?;
    let (from, rest) = match rest.strip_prefix(b"client") {
        Some(rest) => (Side::Client, rest),
        None => (Side::Backend, rest.strip_prefix(b"server")?),
    };
    let (seen, rest) = number(rest.strip_prefix(br#"","seen":"#)?)?;
    let text = rest.strip_prefix(br#","text":"#)?.trim_ascii_end().strip_suffix(b"}")?;
    let data = serde_json::from_slice::<String>(text).ok()?.into_bytes();
    let what = What::Message(Message { from, kind: Kind::Text, data, seen });
    Some(Event { session, at, packet, what })
}

/// An integer of JSON (RFC 8259 section 6), and what stands behind it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    // "Leading zeros are not allowed."
    if digits.starts_with(b"0") && length > 1 {
        return None;
    }
    Some((str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::super::form::{self, Read};
    use super::*;
    use proptest::prelude::*;

    /// What is read so is read otherwise too, and is the same.
    fn agrees(line: &[u8]) -> bool {
        let plain = read(line);
        let is_read = plain.is_some();
        let other = form::read(line);
        assert!(
            !is_read || matches!(other, Ok(Read::Event(other)) if Some(&other) == plain.as_ref())
        );
        is_read
    }

    #[test]
    fn only_what_is_spelled_as_we_do() {
        let line =
            r#"{"event":"message","session":1,"at":20,"from":"server","seen":0,"text":"\u00e9\n"}"#;
        assert!(agrees(line.as_bytes()));
        assert!(agrees(format!("{line} \r\n").as_bytes()));
        for (old, new) in [
            (":1,", ":01,"),
            (":1,", ":99999999999999999999,"),
            (":1,", ":,"),
            (":1,", ":-1,"),
            ("}", r#","seen":1}"#),
            ("}", "}}"),
            ("}", ""),
            (r"\n", r"\x"),
            ("server", "nobody"),
            (r#","seen":0"#, ""),
            (r#""text":"#, r#""kind":"binary","text":"#),
        ] {
            assert!(!agrees(line.replace(old, new).as_bytes()), "{new}");
        }
    }

    proptest! {
        #[test]
        fn what_we_write(
            (session, at, seen) in any::<(u64, u64, u64)>(),
            packet in any::<Option<u64>>(),
            from in prop::sample::select(Side::BOTH.to_vec()),
            text in "[\\x00-\\x7fé🎉]{0,40}",
        ) {
            let what = Message { from, kind: Kind::Text, data: text.into_bytes(), seen };
            let event = Event { session, at, packet, what: What::Message(what) };
            let mut line = Vec::new();
            form::write(&event, &mut line).unwrap();
            prop_assert!(agrees(&line));
        }
    }
}
