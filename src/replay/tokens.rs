//! Tokens: words that a server may have made up, and which messages say some.

use super::script::Body;
use crate::json::leaves;
use serde::de::IgnoredAny;
use std::ops::Range;

/// How many characters a value has at least: shorter ones are the same by chance.
const SHORTEST: usize = 6;

/// How many digits a number has at least.
const SHORTEST_NUMBER: usize = 5;

/// How long a value may be, in bytes; longer ones are no tokens.
pub(super) const LONGEST: usize = 4096;

/// Up to which length JSON is looked through without being taken apart: two bytes for each of the values that
/// may be inside others.
const PLAIN: usize = 256;

/// Whether a client's message says anything that can be one.
pub(super) fn has_token(body: &Body) -> bool {
    let Some(text) = body.text() else { return false };
    let has = |text: &str| is_token(text) || words(text).next().is_some();
    if is_plain(text) {
        // Every other part is a string, and between them stand the other values.
        let between =
            |part: &str| part.split([',', ':', '[', ']', '{', '}']).map(str::trim).any(has);
        return text.split('"').enumerate().any(|(number, part)| match number % 2 {
            0 => between(part),
            _ => has(part),
        });
    }
    match leaves(text) {
        Some(leaves) => leaves.iter().any(|leaf| has(&leaf.said())),
        None => has(text),
    }
}

/// Whether a text is JSON without escapes, and so short that it can be neither too deep nor too much.
fn is_plain(text: &str) -> bool {
    text.len() <= PLAIN
        && text.trim_start().starts_with(['{', '['])
        && !text.contains('\\')
        && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Whether a value may be one that a server has made up: long enough, and with a digit.
pub(super) fn is_token(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    match is_number {
        true => digits >= SHORTEST_NUMBER && value.len() <= LONGEST && !value.contains('.'),
        false => digits > 0 && (SHORTEST..=LONGEST).contains(&value.len()),
    }
}

/// The words of a text that may be tokens.
pub(super) fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + text.get(rest..)?.find(is_inside)?;
        let behind = text.get(start..)?;
        rest = start + behind.find(|c| !is_inside(c)).unwrap_or(behind.len());
        Some(start..rest)
    })
    .filter(|word| text.get(word.clone()).is_some_and(is_token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;
    use proptest::prelude::*;

    fn plain_or_not(text: &str) -> (bool, bool) {
        let body = Body { kind: Kind::Text, data: text.as_bytes().to_vec() };
        let has = |text: &str| is_token(text) || words(text).next().is_some();
        let due = leaves(text)
            .map_or_else(|| has(text), |leaves| leaves.iter().any(|leaf| has(&leaf.said())));
        (has_token(&body), due)
    }

    #[test]
    fn tokens_are_missed_nowhere() {
        for text in [
            r#"{"a":"abc123"}"#,
            r#"{"a":[1, 12345]}"#,
            r#"{"a":-1.5e100}"#,
            r#"{"a":"not 1 word"}"#,
            r#"{"a":"\u0061bc123"}"#,
            r#"{"a":1"#,
            &format!("{}1{}", "[".repeat(129), "]".repeat(129)),
        ] {
            assert_eq!(plain_or_not(text), (true, true), "{text}");
        }
        for text in [r#"{"number":1,"fill":"xxxxxxxxx"}"#, r#"[1.5,null,true,"a b c d"]"#, "hello"]
        {
            assert_eq!(plain_or_not(text), (false, false), "{text}");
        }
    }

    proptest! {
        /// What is looked through quickly may seem to have one in the name of a member only.
        #[test]
        fn no_text_has_one_that_is_not_seen(text in r#"[\[{]["a1:,\[\]{} .e\\-]{0,30}[\]}]"#) {
            let (has, due) = plain_or_not(&text);
            prop_assert!(has || !due, "{text}");
        }
    }
}
