//! The strings, numbers, truths and nulls of a JSON text, each where it stands.

use super::pointer::inside;
use serde_json::value::RawValue;
use std::ops::Range;

/// A value that holds no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf<'t> {
    /// Where it stands in the value that the text is, as a JSON pointer (RFC 6901).
    pub path: String,
    /// Where it stands in the text, in bytes.
    pub place: Range<usize>,
    /// What stands there.
    pub raw: &'t str,
}

/// How deep values may be inside others.
pub(super) const DEPTH: usize = 128;

/// How many bytes the paths of all leaves may have beside four times those of the text: long names that
/// hold many values would be said again for each.
const PATHS: usize = 1 << 20;

/// The leaves of a text, in its order.
pub type Leaves<'t> = Vec<Leaf<'t>>;

/// The leaves of a text; `None` where it is no JSON, or deeper or more than anybody can look through.
pub fn leaves(text: &str) -> Option<Leaves<'_>> {
    // Most texts that are no JSON need no parser to tell.
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let root = serde_json::from_str(text).ok()?;
    let mut found =
        Found { text, path: String::new(), room: 4 * text.len() + PATHS, leaves: Vec::new() };
    found.collect(root, 0)?;
    Some(found.leaves)
}

/// What was found so far.
struct Found<'t> {
    text: &'t str,
    /// Where we are.
    path: String,
    /// How many bytes of paths there may still be.
    room: usize,
    leaves: Leaves<'t>,
}

impl<'t> Found<'t> {
    fn collect(&mut self, value: &'t RawValue, depth: usize) -> Option<()> {
        let raw = value.get();
        if !raw.starts_with(['{', '[']) {
            self.room = self.room.checked_sub(self.path.len())?;
            let start = raw.as_ptr().addr() - self.text.as_ptr().addr();
            let place = start..start + raw.len();
            self.leaves.push(Leaf { path: self.path.clone(), place, raw });
            return Some(());
        }
        if depth == DEPTH {
            return None;
        }
        let length = self.path.len();
        for (name, value) in inside(value)? {
            self.path.push('/');
            let name = String::from_utf8_lossy(&name);
            self.path.push_str(&name.replace('~', "~0").replace('/', "~1"));
            self.collect(value, depth + 1)?;
            self.path.truncate(length);
        }
        Some(())
    }
}

impl Leaf<'_> {
    /// What a string says; `None` of other values.
    pub fn string(&self) -> Option<String> {
        self.raw.starts_with('"').then(|| serde_json::from_str(self.raw).ok())?
    }

    /// What a string says, or how another value is written.
    pub fn said(&self) -> String {
        self.string().unwrap_or_else(|| self.raw.to_owned())
    }

    /// Whether it is a number.
    pub fn is_number(&self) -> bool {
        self.raw.starts_with(|first: char| first == '-' || first.is_ascii_digit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_each_where_it_stands() {
        let text = r#" {"a": [1, {"b/c": "x\u00e9"}], "d":{}, "e": null}"#;
        let leaves = leaves(text).unwrap();
        let told: Vec<_> = leaves.iter().map(|leaf| (leaf.path.as_str(), leaf.raw)).collect();
        assert_eq!(told, [("/a/0", "1"), ("/a/1/b~1c", r#""x\u00e9""#), ("/e", "null")]);
        assert!(leaves.iter().all(|leaf| &text[leaf.place.clone()] == leaf.raw));
        assert_eq!(leaves[1].string().as_deref(), Some("xé"));
        assert!(leaves[0].is_number() && !leaves[1].is_number() && leaves[2].string().is_none());
    }

    #[test]
    fn what_is_too_deep_or_too_much_has_none() {
        let deep = |depth: usize| "[".repeat(depth) + "1" + &"]".repeat(depth);
        assert_eq!(leaves(&deep(DEPTH)).map(|leaves| leaves.len()), Some(1));
        assert_eq!(leaves(&deep(DEPTH + 1)), None);
        assert_eq!(leaves(&deep(100_000)), None);
        let long = format!(r#"{{"{}":[{}1]}}"#, "n".repeat(100_000), "1,".repeat(50_000));
        assert_eq!(leaves(&long), None);
    }

    #[test]
    fn other_texts_have_none() {
        for text in ["", "hello", "{", "[1", "{} {}", "1"] {
            assert_eq!(leaves(text), None, "{text}");
        }
        assert_eq!(leaves("[]"), Some(Vec::new()));
    }
}
