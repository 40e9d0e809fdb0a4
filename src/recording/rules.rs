//! Takes out of what was said what a user names: values of JSON in messages by their pointers, and what
//! regular expressions find in texts of any kind.

use super::Sink;
use super::redact::Key;
use crate::event::Kind;
use crate::json::{NoPointer, Pointer};
use crate::transcript::account::Account;
use crate::transcript::event::{Accept, Event, Header, Message, Open, What};
use regex::bytes::Regex;
use serde_json::value::RawValue;
use std::cmp::Reverse;
use std::fmt;
use std::io;
use std::ops::Range;
use std::str::FromStr;

/// Fields that make the dialect, and hold nothing of a person: without them a session could not be read
/// again.
const DIALECT: [&str; 8] = [
    "Connection",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Key1",
    "Sec-WebSocket-Key2",
    "Sec-WebSocket-Version",
    "Upgrade",
];

/// What a user names.
#[derive(Debug, Clone)]
pub struct Rule {
    /// As the user wrote it.
    text: String,
    find: Find,
}

#[derive(Debug, Clone)]
enum Find {
    Pointer(Pointer),
    Pattern(Regex),
}

/// Why something is no rule.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NoRule {
    /// It is of neither kind.
    #[error("it has to be a JSON pointer such as /password or /users/*/name, or re:REGEX")]
    Kind,
    /// The pointer is none.
    #[error(transparent)]
    Pointer(#[from] NoPointer),
    /// The expression matches where nothing is.
    #[error("the regular expression matches an empty text")]
    Empty,
    /// The expression is none.
    #[error("{0}")]
    Pattern(#[from] regex::Error),
}

impl FromStr for Rule {
    type Err = NoRule;

    fn from_str(text: &str) -> Result<Self, NoRule> {
        let find = if let Some(pattern) = text.strip_prefix("re:") {
            let pattern = Regex::new(pattern)?;
            if pattern.is_match(b"") {
                return Err(NoRule::Empty);
            }
            Find::Pattern(pattern)
        } else {
            let pointer = text.parse();
            Find::Pointer(pointer.map_err(|error| match error {
                NoPointer::Slash => NoRule::Kind,
                NoPointer::Escape => error.into(),
            })?)
        };
        Ok(Self { text: text.to_owned(), find })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A sink before another one.
#[derive(Debug)]
pub struct Rules<S> {
    key: Key,
    rules: Vec<(Rule, u64)>,
    sink: S,
}

impl<S: Sink> Rules<S> {
    /// Passes on to `sink` all but what the rules name, in whose place pseudonyms stand.
    pub fn new(key: Key, rules: Vec<Rule>, sink: S) -> Self {
        Self { key, rules: rules.into_iter().map(|rule| (rule, 0)).collect(), sink }
    }

    /// The rules, and how often each has found something.
    pub fn found(&self) -> &[(Rule, u64)] {
        &self.rules
    }

    /// An event without what the rules name; `None` where that is nothing.
    fn event(&mut self, what: &What) -> Option<What> {
        Some(match what {
            What::Open(open) => What::Open(Open {
                target: self.text(&open.target),
                fields: self.fields(&open.fields),
                client: open.client.clone(),
                server: open.server.clone(),
                dialect: open.dialect,
            }),
            What::Accept(accept) => {
                What::Accept(Accept { status: accept.status, fields: self.fields(&accept.fields) })
            }
            What::Message(Message { from, kind: kind @ Kind::Text, data, seen }) => {
                let data = self.message(data)?;
                What::Message(Message { from: *from, kind: *kind, data, seen: *seen })
            }
            What::Ping { from, data } => What::Ping { from: *from, data: self.signal(data)? },
            What::Pong { from, data } => What::Pong { from: *from, data: self.signal(data)? },
            What::Close { from, code, reason } => {
                What::Close { from: *from, code: *code, reason: self.text(reason) }
            }
            What::Fault { from, fault } => What::Fault { from: *from, fault: self.text(fault) },
            What::Message(_) | What::Gap { .. } | What::End(_) => return None,
        })
    }

    fn fields(&mut self, fields: &[(String, String)]) -> Vec<(String, String)> {
        let field = |(name, value): &(String, String)| {
            let stays = DIALECT.iter().any(|field| name.eq_ignore_ascii_case(field));
            (name.clone(), if stays { value.clone() } else { self.text(value) })
        };
        fields.iter().map(field).collect()
    }

    fn signal(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        str::from_utf8(data).is_ok().then(|| self.plain(data, Vec::new()))?
    }

    /// A text that is no message.
    fn text(&mut self, text: &str) -> String {
        match self.plain(text.as_bytes(), Vec::new()) {
            Some(plain) => String::from_utf8_lossy(&plain).into_owned(),
            None => text.to_owned(),
        }
    }

    /// A message of text without what the rules name; `None` where that is nothing.
    fn message(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        let mut found = Vec::new();
        if self.rules.iter().any(|(rule, _)| matches!(rule.find, Find::Pointer(_)))
            && let Ok(text) = str::from_utf8(data)
            && let Ok(root) = serde_json::from_str::<&RawValue>(text)
        {
            for (rule, count) in &mut self.rules {
                let Find::Pointer(pointer) = &rule.find else { continue };
                let before = found.len();
                pointer.find(root, &mut |value| found.push(Found::value(text, value)));
                *count += (found.len() - before) as u64;
            }
        }
        self.plain(data, found)
    }

    /// Bytes without what was found and what the expressions find, which all look at what was said,
    /// never at what stands in the place of something; `None` where that is nothing.
    fn plain(&mut self, data: &[u8], mut found: Vec<Found>) -> Option<Vec<u8>> {
        for (rule, count) in &mut self.rules {
            let Find::Pattern(pattern) = &rule.find else { continue };
            for captures in pattern.captures_iter(data) {
                let before = found.len();
                let mut groups = captures.iter().skip(1).flatten().peekable();
                let whole = if groups.peek().is_none() { captures.get(0) } else { None };
                let places = groups.chain(whole).map(|text| text.range());
                found.extend(places.filter(|place| !place.is_empty()).map(Found::text));
                *count += u64::from(found.len() > before);
            }
        }
        if found.is_empty() {
            return None;
        }
        let mut replaced = Vec::new();
        let mut done = 0;
        for found in united(found) {
            replaced.extend_from_slice(data.get(done..found.place.start).unwrap_or_default());
            replaced.extend(found.pseudonym(data, &self.key).bytes());
            done = found.place.end;
        }
        replaced.extend_from_slice(data.get(done..).unwrap_or_default());
        Some(replaced)
    }
}

impl<S: Sink> Sink for Rules<S> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        let source = self.text(&header.source);
        self.sink.begin(&Header { source, ..*header })
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        match self.event(&event.what) {
            Some(what) => self.sink.take(&Event { what, ..*event }),
            None => self.sink.take(event),
        }
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        let mut account = account.clone();
        let Account { notes, damage, .. } = &mut account;
        for text in notes.iter_mut().chain(damage) {
            *text = self.text(text);
        }
        self.sink.end(&account)
    }
}

/// What is to be replaced.
struct Found {
    place: Range<usize>,
    /// Whether it is a value of JSON, in whose place has to stand another one.
    is_value: bool,
}

impl Found {
    const fn text(place: Range<usize>) -> Self {
        Self { place, is_value: false }
    }

    fn value(text: &str, value: &RawValue) -> Self {
        let raw = value.get();
        let start = raw.as_ptr().addr() - text.as_ptr().addr();
        Self { place: start..start + raw.len(), is_value: true }
    }

    /// What stands in its place.
    fn pseudonym(&self, data: &[u8], key: &Key) -> String {
        let secret = data.get(self.place.clone()).unwrap_or_default();
        if !self.is_value {
            return key.pseudonym(secret);
        }
        // The secret of a string is what it says, so that it is the same in a cookie, say.
        let pseudonym = match serde_json::from_slice::<String>(secret) {
            Ok(said) => key.pseudonym(said.as_bytes()),
            Err(_) => key.pseudonym(secret),
        };
        format!("\"{pseudonym}\"")
    }
}

/// Places in order, with those that overlap as one. Of those inside one another the outer one stays.
fn united(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|found| (found.place.start, Reverse(found.place.end), !found.is_value));
    found.dedup_by(|next, last| {
        let overlaps = next.place.start < last.place.end;
        if overlaps && next.place.end > last.place.end {
            last.place.end = next.place.end;
            last.is_value = false;
        }
        overlaps
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Sink for Nothing {
        fn begin(&mut self, _: &Header) -> io::Result<()> {
            Ok(())
        }

        fn take(&mut self, _: &Event) -> io::Result<()> {
            Ok(())
        }

        fn end(&mut self, _: &Account) -> io::Result<()> {
            Ok(())
        }
    }

    /// A text without what rules name, and how often they have found something. Secrets stand in
    /// angle brackets in the due text.
    fn holds(rules: &[&str], text: &str, due: &str, counts: &[u64]) {
        let key = Key::random();
        let parsed = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let mut sink = Rules::new(key.clone(), parsed, Nothing);
        let mut pieces = due.split(['<', '>']);
        let mut expected = pieces.next().unwrap_or_default().to_owned();
        while let (Some(secret), Some(rest)) = (pieces.next(), pieces.next()) {
            expected.extend([&*key.pseudonym(secret.as_bytes()), rest]);
        }
        let found = sink.message(text.as_bytes());
        let found =
            found.map_or_else(|| text.to_owned(), |found| String::from_utf8(found).unwrap());
        assert_eq!(found, expected, "{rules:?} {text}");
        let found: Vec<_> = sink.found().iter().map(|(_, count)| *count).collect();
        assert_eq!(found, counts, "{rules:?} {text}");
    }

    #[test]
    fn all_else_stays_as_it_was() {
        let text = " { \"b\" : 1.0e0, \"password\":\"a\\u0062\", \"a\":[ ]} ";
        holds(&["/password"], text, &text.replace("a\\u0062", "<ab>"), &[1]);
        holds(&["/b", "/c"], text, &text.replace("1.0e0", "\"<1.0e0>\""), &[1, 0]);
        holds(&["/a", "/*"], "[1]", "[\"<1>\"]", &[0, 1]);
        holds(
            &["/0/x~1y~0", "/1/x"],
            r#"[{"x/y~":null},{"y":2}]"#,
            r#"[{"x/y~":"<null>"},{"y":2}]"#,
            &[1, 0],
        );
    }

    #[test]
    fn one_inside_another() {
        let text = r#"{"a":{"b":"c","b":[1,2]},"b":3}"#;
        holds(&["/a/b", "/a"], text, r#"{"a":"<{"b":"c","b":[1,2]}>","b":3}"#, &[2, 1]);
        holds(&["/*/b/*", "/*/*"], text, r#"{"a":{"b":"<c>","b":"<[1,2]>"},"b":3}"#, &[2, 2]);
    }

    #[test]
    fn expressions_look_at_all_texts() {
        holds(&["re:[0-9]{4,}", "/a"], "pin 1234, 99999", "pin <1234>, <99999>", &[2, 0]);
        holds(&["re:pin=(\\w+)|x"], "pin=12&x&pin=", "pin=<12>&<x>&pin=", &[2]);
        holds(&["re:(?i)ÄB"], r#"{"a":"äb"}"#, r#"{"a":"<äb>"}"#, &[1]);
        let invalid = Rules::new(Key::random(), vec!["re:b+".parse().unwrap()], Nothing)
            .message(b"\xffabbc")
            .unwrap();
        assert!(invalid.starts_with(b"\xffa\xe2") && invalid.ends_with(b"c"));
    }

    #[test]
    fn rules_look_at_what_was_said() {
        holds(&["re:anna", "re:anna smith"], "I am anna smith.", "I am <anna smith>.", &[1, 1]);
        holds(&["re:[0-9a-f]{4}", "re:r", "re:4-ar"], "1234-ar", "<1234-ar>", &[1, 1, 1]);
        holds(&["/a", "re:[0-9]+"], r#"{"a":1234,"b":12}"#, r#"{"a":"<1234>","b":<12>}"#, &[1, 2]);
        holds(&["re:b\",\"c", "/a"], r#"{"a":"b","c":1}"#, r#"{"a":<"b","c>":1}"#, &[1, 1]);
        holds(&["re:ab", "re:cd"], "abcd", "<ab><cd>", &[1, 1]);
    }

    #[test]
    fn all_groups_are_replaced() {
        let rule = "re:name=(\\w+) pin=(\\w*)";
        holds(
            &[rule],
            "name=anna pin=12, name=bob pin=",
            "name=<anna> pin=<12>, name=<bob> pin=",
            &[2],
        );
        holds(&["re:a(b(c)?)|d(e)"], "abc de", "a<bc> d<e>", &[2]);
        holds(&["re:x=(\\w*)"], "x=", "x=", &[0]);
    }

    /// RFC 8259 section 8.2 allows half of a surrogate pair, which is no character.
    #[test]
    fn names_that_are_no_text() {
        let text = r#"{"\ud800":{"a":"b"},"a":"c","\u0061":"d"}"#;
        holds(&["/a"], text, &text.replace("\"c\"", "\"<c>\"").replace("\"d\"", "\"<d>\""), &[2]);
        holds(&["/*/a"], text, &text.replace("\"b\"", "\"<b>\""), &[1]);
        let value = r#"{"a":"\ud800"}"#;
        holds(&["/a"], value, &value.replace("\\ud800", "<\"\\ud800\">"), &[1]);
    }

    #[test]
    fn what_is_no_rule() {
        for (text, due) in [
            ("password", NoRule::Kind),
            ("", NoRule::Kind),
            ("/a~2", NoPointer::Escape.into()),
            ("/a~", NoPointer::Escape.into()),
            ("re:a*", NoRule::Empty),
        ] {
            assert_eq!(text.parse::<Rule>().unwrap_err(), due, "{text}");
        }
        assert!("re:(".parse::<Rule>().unwrap_err().to_string().contains("unclosed group"));
    }
}
