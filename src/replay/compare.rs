//! What differs between a message that was recorded and the one that came in its place.

use super::rules::Rules;
use super::script::Body;
use super::tokens::is_token;
use super::variables::Variables;
use crate::event::Kind;
use serde_json::{Number, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// How many differences of one message are told.
const MOST: usize = 16;

/// How much of a value is told, in characters.
const SHOWN: usize = 200;

/// A place where two messages differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// A JSON pointer; empty where it is the whole message.
    pub path: String,
    /// What was recorded; `None` where nothing was.
    pub expected: Option<String>,
    /// What came; `None` where nothing did.
    pub actual: Option<String>,
}

/// How strictly messages are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strictness {
    /// JSON by its values, other texts after what the rules replace, bytes byte by byte.
    #[default]
    Json,
    /// Byte by byte.
    Exact,
    /// Not at all: messages are counted.
    Count,
}

/// What two messages are compared by.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// What may differ.
    pub rules: &'a Rules,
    /// How strictly.
    pub strictness: Strictness,
    /// What stands for what was recorded.
    pub variables: &'a Variables,
    /// Where servers say what they have made up.
    pub made: &'a Made,
}

/// Places whose values servers make up: lanes, and pointers into their messages.
pub type Made = BTreeSet<(String, String)>;

impl Terms<'_> {
    /// What differs; nothing where the messages are the same.
    pub fn differences(&self, lane: &str, expected: &Body, actual: &Body) -> Vec<Difference> {
        let same = expected == actual || self.strictness == Strictness::Count;
        if same {
            return Vec::new();
        }
        let mut found = Comparison { terms: *self, lane, path: Vec::new(), found: Vec::new() };
        if expected.kind != actual.kind {
            found.add(Some(kind(expected)), Some(kind(actual)));
        } else if let (Some(old), Some(new)) = (expected.text(), actual.text()) {
            match (json(old), json(new)) {
                (Some(old), Some(new)) if self.strictness == Strictness::Json => {
                    found.values(&old, &new);
                }
                _ => found.texts(old, new),
            }
        } else {
            let (old, new) = (&expected.data, &actual.data);
            let at = old.iter().zip(new).take_while(|(old, new)| old == new).count();
            let told = |data: &[u8]| {
                let from = data.get(at..).unwrap_or_default();
                let from: String = from.iter().take(8).map(|byte| format!(" {byte:02x}")).collect();
                format!("{} bytes, from {at} on{from}", data.len())
            };
            found.add(Some(told(old)), Some(told(new)));
        }
        found.found
    }

    /// Whether nothing differs.
    pub fn are_same(&self, lane: &str, expected: &Body, actual: &Body) -> bool {
        self.differences(lane, expected, actual).is_empty()
    }
}

fn json(text: &str) -> Option<Value> {
    let begins = text.trim_start().starts_with(['{', '[']);
    begins.then(|| serde_json::from_str(text).ok())?
}

fn kind(body: &Body) -> String {
    match body.kind {
        Kind::Text => format!("text: {}", shown(&String::from_utf8_lossy(&body.data))),
        Kind::Binary => format!("{} bytes", body.data.len()),
    }
}

/// A comparison in progress.
struct Comparison<'a> {
    terms: Terms<'a>,
    lane: &'a str,
    path: Vec<String>,
    found: Vec<Difference>,
}

impl Comparison<'_> {
    fn add(&mut self, expected: Option<String>, actual: Option<String>) {
        if self.found.len() < MOST {
            self.found.push(Difference { path: self.pointer(), expected, actual });
        }
    }

    fn pointer(&self) -> String {
        let escaped = self.path.iter().map(|name| name.replace('~', "~0").replace('/', "~1"));
        escaped.fold(String::new(), |path, name| path + "/" + &name)
    }

    fn texts(&mut self, old: &str, new: &str) {
        let Terms { rules, variables, .. } = self.terms;
        let carried = variables.carried(old);
        let old = carried.as_deref().unwrap_or(old);
        let (old, new) = match self.terms.strictness {
            Strictness::Exact => (Cow::Borrowed(old), Cow::Borrowed(new)),
            _ => (rules.replaced(old), rules.replaced(new)),
        };
        if old != new {
            let at = old.bytes().zip(new.bytes()).take_while(|(old, new)| old == new).count();
            // Of two long texts what is told begins before the difference.
            let from = |text: &str| {
                let start = (0..=at.saturating_sub(40)).rev().find(|at| text.is_char_boundary(*at));
                let start = start.filter(|start| *start > 0 && text.len() > SHOWN).unwrap_or(0);
                let dots = if start > 0 { "…" } else { "" };
                format!("{dots}{}", shown(text.get(start..).unwrap_or_default()))
            };
            self.add(Some(from(&old)), Some(from(&new)));
        }
    }

    /// Each value of JSON by itself: the order of members and the spelling of numbers say nothing.
    fn values(&mut self, old: &Value, new: &Value) {
        match (old, new) {
            (Value::Object(olds), Value::Object(news)) => {
                for (name, old) in olds {
                    self.path.push(name.clone());
                    match news.get(name) {
                        Some(new) => self.values(old, new),
                        None => self.absent(Some(old), None),
                    }
                    self.path.pop();
                }
                for (name, new) in news.iter().filter(|(name, _)| !olds.contains_key(*name)) {
                    self.path.push(name.clone());
                    self.absent(None, Some(new));
                    self.path.pop();
                }
            }
            (Value::Array(olds), Value::Array(news)) => {
                for number in 0..olds.len().max(news.len()) {
                    self.path.push(number.to_string());
                    match (olds.get(number), news.get(number)) {
                        (Some(old), Some(new)) => self.values(old, new),
                        (old, new) => self.absent(old, new),
                    }
                    self.path.pop();
                }
            }
            (Value::Number(old), Value::Number(new)) if are_equal(old, new) => {}
            (old, new) if old == new => {}
            (old, new) => self.leaves(old, new),
        }
    }

    /// Two values that are not the same.
    fn leaves(&mut self, old: &Value, new: &Value) {
        let Terms { rules, variables, made, .. } = self.terms;
        let said = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let is_scalar = |value: &Value| !value.is_object() && !value.is_array();
        if is_scalar(old) && is_scalar(new) {
            // Numbers are too often the same by chance.
            let was_string = old.is_string() && new.is_string();
            let (old, new) = (said(old), said(new));
            let place = (self.lane.to_owned(), self.pointer());
            let is_made_up =
                was_string && made.contains(&place) && is_token(&old) && is_token(&new);
            if is_made_up || variables.carried(&old).is_some_and(|carried| carried == new) {
                return;
            }
        }
        if rules.allows(&self.path, old, new) {
            return;
        }
        if let (Value::String(old), Value::String(new)) = (old, new)
            && rules.replaced(old) == rules.replaced(new)
        {
            return;
        }
        self.add(Some(shown(&old.to_string())), Some(shown(&new.to_string())));
    }

    /// A value that only one of them has. Rules may be about it, or about what it holds.
    fn absent(&mut self, old: Option<&Value>, new: Option<&Value>) {
        if self.terms.rules.allows_absence(&self.path) {
            return;
        }
        let members = old.or(new).and_then(Value::as_object).filter(|members| !members.is_empty());
        for (name, value) in members.into_iter().flatten() {
            self.path.push(name.clone());
            self.absent(old.and(Some(value)), new.and(Some(value)));
            self.path.pop();
        }
        if members.is_none() {
            let told = |value: Option<&Value>| value.map(|value| shown(&value.to_string()));
            self.add(told(old), told(new));
        }
    }
}

/// Whether two numbers are the same, however they are spelled: integers exactly.
fn are_equal(old: &Number, new: &Number) -> bool {
    match (old.as_i64(), new.as_i64(), old.as_u64(), new.as_u64()) {
        (Some(old), Some(new), ..) => old == new,
        (.., Some(old), Some(new)) => old == new,
        _ => old.as_f64() == new.as_f64(),
    }
}

/// The beginning of a text.
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => {
            let begin = text.get(..end).unwrap_or_default();
            format!("{begin}… ({} bytes)", text.len())
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differing(old: &str, new: &str, strictness: Strictness) -> Vec<String> {
        let body = |text: &str| Body { kind: Kind::Text, data: text.as_bytes().to_vec() };
        let (rules, variables) = (Rules::default(), Variables::default());
        let made = Made::from([("ack".to_owned(), "/token".to_owned())]);
        let terms = Terms { rules: &rules, strictness, variables: &variables, made: &made };
        let differences = terms.differences("ack", &body(old), &body(new));
        differences.into_iter().map(|difference| difference.path).collect()
    }

    #[test]
    fn json_by_its_values() {
        let differing = |old, new| differing(old, new, Strictness::Json);
        assert_eq!(differing(r#"{"a":1,"b":[2]}"#, r#"{ "b": [2.0], "a": 1 }"#), [""; 0]);
        assert_eq!(differing(r#"{"a":9007199254740992}"#, r#"{"a":9007199254740993}"#), ["/a"]);
        assert_eq!(differing(r#"{"a":1,"b":{"c/d":2}}"#, r#"{"a":null}"#), ["/a", "/b/c~1d"]);
        assert_eq!(differing("[1,2]", "[1,2,3]"), ["/2"]);
        assert_eq!(differing("[1,2]", "1,2"), [""]);
    }

    /// Servers make them up, and only them.
    #[test]
    fn what_servers_make_up() {
        let differing = |old, new| differing(old, new, Strictness::Json);
        assert_eq!(differing(r#"{"token":"abc123"}"#, r#"{"token":"def456"}"#), [""; 0]);
        assert_eq!(differing(r#"{"token":"abc123"}"#, r#"{"token":"none"}"#), ["/token"]);
        assert_eq!(differing(r#"{"token":64250}"#, r#"{"token":99999}"#), ["/token"]);
        assert_eq!(differing(r#"{"other":"abc123"}"#, r#"{"other":"def456"}"#), ["/other"]);
    }

    #[test]
    fn how_strictly() {
        assert_eq!(differing(r#"{"a":1}"#, r#"{"a": 1}"#, Strictness::Exact), [""]);
        assert_eq!(differing(r#"{"a":1}"#, "2", Strictness::Count), [""; 0]);
    }
}
