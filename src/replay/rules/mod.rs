//! What a user says about the messages of an application: which belong together, which come unasked,
//! and what may differ. From a file in TOML, and from options.

mod form;

pub use form::Form;
pub(super) use form::{is_number, is_time, is_uuid};

use super::script::Body;
use super::variables::cookie;
use crate::json::{Leaf, Pointer};
use crate::wire::grammar::is_token;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use serde_with::DeserializeFromStr;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

/// The rules.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// What names the lane of a message; found by itself where nothing is said.
    pub lane: Option<Key>,
    /// Lanes whose messages come unasked: nothing waits for them.
    pub push: Vec<String>,
    /// Values that need not be the same.
    ignore: Vec<Ignore>,
    /// Numbers that may differ a little.
    tolerance: Vec<Tolerance>,
    /// Values that only need to look alike.
    #[serde(rename = "match")]
    matches: Vec<Match>,
    /// Texts that are changed before they are compared.
    replace: Vec<Replace>,
    /// Values that the server made up, and now says in another place.
    variable: Vec<Moved>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ignore {
    path: Pointed,
    #[serde(skip)]
    used: Used,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tolerance {
    path: Pointed,
    by: f64,
    #[serde(skip)]
    used: Used,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Match {
    path: Pointed,
    #[serde(rename = "as")]
    form: Form,
    #[serde(skip)]
    used: Used,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replace {
    text: Pattern,
    with: String,
    #[serde(skip)]
    used: Used,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Moved {
    then: Pointed,
    now: Source,
    /// What of it is the value; its first group.
    part: Option<Pattern>,
    #[serde(skip)]
    used: Used,
}

/// Where a server says a value.
#[derive(Debug, Clone, DeserializeFromStr)]
enum Source {
    /// In a message.
    Message(Pointed),
    /// In a field of its handshake.
    Field(String),
    /// In a cookie that it sets.
    Cookie(String),
}

/// How often a rule has made a difference.
#[derive(Debug, Default)]
struct Used(AtomicU64);

/// A pointer, as it was written.
#[derive(Debug, Clone, DeserializeFromStr)]
pub struct Pointed {
    text: String,
    pointer: Pointer,
}

/// A regular expression.
#[derive(Debug, Clone, DeserializeFromStr)]
pub struct Pattern(Regex);

/// What names the lane of a message.
#[derive(Debug, Clone, DeserializeFromStr)]
pub enum Key {
    /// The value at a pointer.
    Pointer(Pointed),
    /// What the first group of an expression finds, or all of it.
    Pattern(Pattern),
}

/// Why rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRules {
    /// An option without what it has to have.
    #[error("{0}")]
    Option(String),
}

impl Rules {
    /// Reads a file of rules.
    ///
    /// # Errors
    /// With the line and the key that is wrong.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Adds an option `PATH`.
    ///
    /// # Errors
    /// When it is no pointer.
    pub fn ignore(&mut self, path: &str) -> Result<(), NoRules> {
        let path = pointed(path)?;
        self.ignore.push(Ignore { path, used: Used::default() });
        Ok(())
    }

    /// Adds an option `PATH=BY`.
    ///
    /// # Errors
    /// When it is none.
    pub fn tolerance(&mut self, option: &str) -> Result<(), NoRules> {
        let (path, by) = split(option, "/price=0.01")?;
        let by = by.parse().ok().filter(|by: &f64| by.is_finite() && *by >= 0.0);
        let by =
            by.ok_or_else(|| NoRules::Option(format!("{option}: behind = stands a number")))?;
        self.tolerance.push(Tolerance { path: pointed(path)?, by, used: Used::default() });
        Ok(())
    }

    /// Adds an option `PATH=FORM`.
    ///
    /// # Errors
    /// When it is none.
    pub fn matches(&mut self, option: &str) -> Result<(), NoRules> {
        let (path, form) = split(option, "/id=uuid")?;
        let form = form.parse().map_err(NoRules::Option)?;
        self.matches.push(Match { path: pointed(path)?, form, used: Used::default() });
        Ok(())
    }

    /// Whether a value may differ from what was recorded. `path`: the names and numbers that lead to it.
    pub(super) fn allows(&self, path: &[String], expected: &Value, actual: &Value) -> bool {
        let leads = |pointed: &Pointed| pointed.pointer.leads_to(path);
        if let Some(rule) = self.ignore.iter().find(|rule| leads(&rule.path)) {
            rule.used.count();
            return true;
        }
        for rule in self.matches.iter().filter(|rule| leads(&rule.path)) {
            if rule.form.fits(expected, actual) {
                rule.used.count();
                return true;
            }
        }
        for rule in self.tolerance.iter().filter(|rule| leads(&rule.path)) {
            if let (Some(a), Some(b)) = (expected.as_f64(), actual.as_f64())
                && (a - b).abs() <= rule.by
            {
                rule.used.count();
                return true;
            }
        }
        false
    }

    /// Whether a value may be there though none was recorded, or the other way round.
    pub(super) fn allows_absence(&self, path: &[String]) -> bool {
        let ignored = self.ignore.iter().find(|rule| rule.path.pointer.leads_to(path));
        let moved = self.variable.iter().any(|rule| {
            let now = matches!(&rule.now, Source::Message(now) if now.pointer.leads_to(path));
            now || rule.then.pointer.leads_to(path)
        });
        ignored.inspect(|rule| rule.used.count()).is_some() || moved
    }

    /// A value that was recorded at a pointer of a message, where it is in another place now: in a field of
    /// the handshake, or in the message, whose leaves these are.
    pub(super) fn moved(
        &self,
        path: &str,
        fields: &[(String, String)],
        leaves: &[Leaf<'_>],
    ) -> Option<String> {
        let names = names(path);
        self.variable.iter().filter(|rule| rule.then.pointer.leads_to(&names)).find_map(|rule| {
            let value = match &rule.now {
                Source::Message(pointed) => {
                    let leads =
                        |leaf: &&Leaf<'_>| pointed.pointer.leads_to(&self::names(&leaf.path));
                    leaves.iter().find(leads)?.said()
                }
                Source::Field(name) => {
                    let mut same =
                        fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
                    same.next()?.1.clone()
                }
                Source::Cookie(name) => {
                    let mut cookies = fields.iter().filter_map(|(field, value)| {
                        field.eq_ignore_ascii_case("Set-Cookie").then(|| cookie(value))?
                    });
                    cookies.find(|(cookie, _)| cookie == name)?.1.to_owned()
                }
            };
            rule.used.count();
            match &rule.part {
                None => Some(value),
                Some(part) => {
                    let found = part.0.captures(&value)?;
                    found.get(1).or_else(|| found.get(0)).map(|part| part.as_str().to_owned())
                }
            }
        })
    }

    /// A text as it is compared.
    pub(super) fn replaced<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.replace.iter().fold(Cow::Borrowed(text), |text, rule| {
            match rule.text.0.replace_all(&text, rule.with.as_str()) {
                Cow::Borrowed(_) => text,
                Cow::Owned(replaced) => {
                    rule.used.count();
                    replaced.into()
                }
            }
        })
    }

    /// The rules that have made no difference, as a user would write them.
    pub fn unused(&self) -> Vec<String> {
        let ignore = self.ignore.iter().map(|rule| (&rule.used, format!("ignore {}", rule.path)));
        let tolerance =
            self.tolerance.iter().map(|rule| (&rule.used, format!("tolerance {}", rule.path)));
        let matches = self.matches.iter().map(|rule| (&rule.used, format!("match {}", rule.path)));
        let replace =
            self.replace.iter().map(|rule| (&rule.used, format!("replace {}", rule.text.0)));
        let moved =
            self.variable.iter().map(|rule| (&rule.used, format!("variable {}", rule.then)));
        let all = ignore.chain(tolerance).chain(matches).chain(replace).chain(moved);
        all.filter(|(used, _)| used.is_unused()).map(|(_, rule)| rule).collect()
    }
}

/// The names and numbers of a pointer (RFC 6901 section 4).
fn names(path: &str) -> Vec<String> {
    path.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect()
}

fn pointed(text: &str) -> Result<Pointed, NoRules> {
    text.parse().map_err(NoRules::Option)
}

fn split<'o>(option: &'o str, example: &str) -> Result<(&'o str, &'o str), NoRules> {
    let missing = || NoRules::Option(format!("{option} has no =; it is written as in {example}"));
    option.split_once('=').ok_or_else(missing)
}

impl Used {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn is_unused(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

impl Key {
    /// The lane of a message; `None` where it says nothing of one.
    pub(super) fn of(&self, body: &Body) -> Option<String> {
        let text = body.text()?;
        match self {
            Self::Pointer(pointed) => {
                let root = serde_json::from_str(text).ok()?;
                let mut lane = None;
                pointed.pointer.find(root, &mut |value| {
                    lane.get_or_insert_with(|| value.get());
                });
                let raw = lane?;
                Some(serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned()))
            }
            Self::Pattern(pattern) => {
                let found = pattern.0.captures(text)?;
                let group = found.get(1).or_else(|| found.get(0))?;
                Some(group.as_str().to_owned())
            }
        }
    }
}

impl FromStr for Pointed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pointer = text.parse().map_err(|error| format!("{text}: {error}"))?;
        Ok(Self { text: text.to_owned(), pointer })
    }
}

impl fmt::Display for Pointed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return text.parse().map(Self::Message);
        }
        let (name, cookie) = match text.split_once(':') {
            Some((name, cookie)) => (name.trim(), Some(cookie.trim())),
            None => (text.trim(), None),
        };
        let is_cookie = name.eq_ignore_ascii_case("Set-Cookie");
        match cookie {
            Some(cookie) if is_cookie => Ok(Self::Cookie(cookie.to_owned())),
            None if !is_cookie && is_token(name.as_bytes()) => Ok(Self::Field(name.to_owned())),
            _ => Err(format!(
                "{text}: a value is said at a JSON pointer, in a field such as X-Token, or in a cookie such \
                 as Set-Cookie: sid"
            )),
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Regex::new(text).map(Self).map_err(|error| error.to_string())
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("re:") {
            Some(pattern) => pattern.parse().map(Self::Pattern),
            None => text.parse().map(Self::Pointer),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pointer(pointed) => f.write_str(&pointed.text),
            Self::Pattern(pattern) => write!(f, "re:{}", pattern.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_of_rules() {
        let rules = Rules::parse(
            "lane = '/op'\npush = ['tick']\n[[ignore]]\npath = '/ts'\n[[tolerance]]\npath = '/px'\nby = 0.5\n\
             [[match]]\npath = '/**/id'\nas = 'uuid'\n[[replace]]\ntext = '[0-9]+'\nwith = 'N'\n",
        )
        .unwrap();
        let path =
            |names: &[&str]| -> Vec<_> { names.iter().map(|name| (*name).to_owned()).collect() };
        assert!(rules.allows(&path(&["ts"]), &json!(1), &json!("x")));
        assert!(rules.allows(&path(&["px"]), &json!(1), &json!(1.5)));
        assert!(!rules.allows(&path(&["px"]), &json!(1), &json!(1.6)));
        let uuid = json!("a43e2447-48c8-4400-8000-000000000000");
        assert!(rules.allows(&path(&["a", "id"]), &json!(1), &uuid));
        assert!(!rules.allows(&path(&["a", "id"]), &uuid, &json!("a43e2447")));
        assert_eq!(rules.unused(), ["replace [0-9]+"]);
        assert_eq!(rules.replaced("a1b22"), "aNbN");
        assert_eq!(rules.unused(), [""; 0]);
    }

    #[test]
    fn what_is_no_rule_is_named() {
        let fault = |text: &str| Rules::parse(text).unwrap_err().to_string();
        let unknown = fault("lane = '/op'\n\n[[ignore]]\npth = '/ts'\n");
        assert!(unknown.contains("line 4") && unknown.contains("unknown field `pth`"), "{unknown}");
        assert!(fault("lane = 'op'").contains("begins with /"));
        assert!(fault("[[match]]\npath='/a'\nas='uid'").contains("uuid, timestamp"));
        let mut rules = Rules::default();
        assert!(rules.tolerance("/px").is_err() && rules.tolerance("/px=x").is_err());
        assert!(rules.matches("/px=foo").is_err() && rules.ignore("px").is_err());
    }
}
