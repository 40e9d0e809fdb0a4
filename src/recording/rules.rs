//! Takes out of messages what a user names: values of JSON by their pointers, and what regular
//! expressions find.

use super::Sink;
use super::redact::Key;
use crate::event::Kind;
use crate::transcript::account::Account;
use crate::transcript::event::{Event, Header, Message, What};
use regex::bytes::Regex;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::ops::Range;
use std::str::FromStr;

/// What a user names.
#[derive(Debug, Clone)]
pub struct Rule {
    /// As the user wrote it.
    text: String,
    find: Find,
}

#[derive(Debug, Clone)]
enum Find {
    Pointer(Vec<Step>),
    Pattern(Regex),
}

/// From a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// To each of them.
    Any,
    /// To the member of this name, or the element of this number.
    To(String),
}

/// Why something is no rule.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NoRule {
    /// It is of neither kind.
    #[error("it has to be a JSON pointer such as /password or /users/*/name, or re:REGEX")]
    Kind,
    /// The pointer has an escape that is none.
    #[error("in a JSON pointer ~ stands before 0 or 1 only: ~0 is ~, and ~1 is /")]
    Escape,
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
            let steps = text.strip_prefix('/').ok_or(NoRule::Kind)?;
            Find::Pointer(steps.split('/').map(Step::parse).collect::<Result<_, _>>()?)
        };
        Ok(Self { text: text.to_owned(), find })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Step {
    /// RFC 6901 section 4: `~1` before `~0`.
    fn parse(text: &str) -> Result<Self, NoRule> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if text.split('~').skip(1).any(|behind| !behind.starts_with(['0', '1'])) {
            return Err(NoRule::Escape);
        }
        Ok(Self::To(text.replace("~1", "/").replace("~0", "~")))
    }

    fn leads_to(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::To(wanted) => wanted == name,
        }
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

    /// A message of text without what the rules name.
    fn message<'d>(&mut self, data: &'d [u8]) -> Cow<'d, [u8]> {
        let mut found = Vec::new();
        if let Ok(text) = str::from_utf8(data)
            && let Ok(root) = serde_json::from_str::<&RawValue>(text)
        {
            for (rule, count) in &mut self.rules {
                let Find::Pointer(steps) = &rule.find else { continue };
                let before = found.len();
                walk(root, steps, &mut |value| found.push(Found::new(text, value)));
                *count += (found.len() - before) as u64;
            }
        }
        // Of those inside one another the outer one counts, which comes first.
        found.sort_by_key(|found| (found.place.start, usize::MAX - found.place.end));
        let replaced = found.into_iter().map(|found| {
            let pseudonym = self.key.pseudonym(found.secret.as_bytes());
            (found.place, format!("\"{pseudonym}\""))
        });
        let data = replace(data, replaced);
        match self.plain(&data) {
            Cow::Owned(plain) => Cow::Owned(plain),
            Cow::Borrowed(_) => data,
        }
    }

    /// A text of any kind without what the expressions find.
    fn plain<'d>(&mut self, data: &'d [u8]) -> Cow<'d, [u8]> {
        let mut data = Cow::Borrowed(data);
        for (rule, count) in &mut self.rules {
            let Find::Pattern(pattern) = &rule.find else { continue };
            let found = pattern.captures_iter(&data).filter_map(|captures| {
                let group = captures.iter().skip(1).flatten().next();
                let found = group.or_else(|| captures.get(0)).filter(|found| !found.is_empty())?;
                *count += 1;
                Some((found.range(), self.key.pseudonym(found.as_bytes())))
            });
            if let Cow::Owned(replaced) = replace(&data, found) {
                data = Cow::Owned(replaced);
            }
        }
        data
    }

    /// A text that is no message.
    fn text(&mut self, text: &str) -> Option<String> {
        match self.plain(text.as_bytes()) {
            Cow::Owned(plain) => Some(String::from_utf8_lossy(&plain).into_owned()),
            Cow::Borrowed(_) => None,
        }
    }

    fn signal(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        self.text(str::from_utf8(data).ok()?).map(String::into_bytes)
    }
}

impl<S: Sink> Sink for Rules<S> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.sink.begin(header)
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        let what = match &event.what {
            What::Message(Message { from, kind: Kind::Text, data, seen }) => {
                match self.message(data) {
                    Cow::Borrowed(_) => None,
                    Cow::Owned(data) => Some(What::Message(Message {
                        from: *from,
                        kind: Kind::Text,
                        data,
                        seen: *seen,
                    })),
                }
            }
            What::Ping { from, data } => {
                self.signal(data).map(|data| What::Ping { from: *from, data })
            }
            What::Pong { from, data } => {
                self.signal(data).map(|data| What::Pong { from: *from, data })
            }
            What::Close { from, code, reason } => {
                self.text(reason).map(|reason| What::Close { from: *from, code: *code, reason })
            }
            _ => None,
        };
        match what {
            Some(what) => self.sink.take(&Event { what, ..*event }),
            None => self.sink.take(event),
        }
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        self.sink.end(account)
    }
}

/// A value that is to be replaced.
struct Found<'t> {
    place: Range<usize>,
    secret: Cow<'t, str>,
}

impl<'t> Found<'t> {
    fn new(text: &'t str, value: &'t RawValue) -> Self {
        let raw = value.get();
        let start = raw.as_ptr().addr() - text.as_ptr().addr();
        // The secret of a string is what it says, so that it is the same in a cookie, say.
        let secret = serde_json::from_str::<String>(raw).map_or(Cow::Borrowed(raw), Cow::Owned);
        Self { place: start..start + raw.len(), secret }
    }
}

/// Hands out the values that steps lead to. What is no JSON leads nowhere.
fn walk<'t>(value: &'t RawValue, steps: &[Step], each: &mut impl FnMut(&'t RawValue)) {
    let Some((step, rest)) = steps.split_first() else { return each(value) };
    let raw = value.get();
    if raw.starts_with('{') {
        let members = serde_json::from_str::<Members<'t>>(raw).map(|members| members.0);
        for (name, value) in members.unwrap_or_default() {
            if step.leads_to(&name) {
                walk(value, rest, each);
            }
        }
    } else if raw.starts_with('[') {
        let elements = serde_json::from_str::<Vec<&'t RawValue>>(raw);
        for (number, value) in elements.unwrap_or_default().into_iter().enumerate() {
            if *step == Step::Any || step.leads_to(&number.to_string()) {
                walk(value, rest, each);
            }
        }
    }
}

/// The members of an object, each where it stands. A name may be there twice.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(Each)
    }
}

/// Data with something else in some places, which come in order; those inside another are left out.
fn replace(data: &[u8], places: impl Iterator<Item = (Range<usize>, String)>) -> Cow<'_, [u8]> {
    let mut replaced = Vec::new();
    let mut done = 0;
    for (place, by) in places {
        let Some(before) = data.get(done..place.start) else { continue };
        replaced.extend_from_slice(before);
        replaced.extend_from_slice(by.as_bytes());
        done = place.end;
    }
    if done == 0 {
        return Cow::Borrowed(data);
    }
    replaced.extend_from_slice(data.get(done..).unwrap_or_default());
    Cow::Owned(replaced)
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
        let found = sink.message(text.as_bytes()).into_owned();
        assert_eq!(String::from_utf8(found).unwrap(), expected, "{rules:?} {text}");
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
            .into_owned();
        assert!(invalid.starts_with(b"\xffa\xe2") && invalid.ends_with(b"c"));
    }

    #[test]
    fn what_is_no_rule() {
        for (text, due) in [
            ("password", NoRule::Kind),
            ("", NoRule::Kind),
            ("/a~2", NoRule::Escape),
            ("/a~", NoRule::Escape),
            ("re:a*", NoRule::Empty),
        ] {
            assert_eq!(text.parse::<Rule>().unwrap_err(), due, "{text}");
        }
        assert!("re:(".parse::<Rule>().unwrap_err().to_string().contains("unclosed group"));
    }
}
