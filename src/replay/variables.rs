//! Values that first came from the server and later from the client, such as tokens: found in a
//! recorded session, and carried forward with what another server says in their place.

use super::rules::Rules;
use super::script::{Body, Script};
use super::tokens::{LONGEST, has_token, is_token, words};
use crate::json::{Leaf, leaves};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// How many values of a session are kept to be looked for, and how many bytes they and their places may
/// take.
const MOST: usize = 100_000;
const MOST_BYTES: usize = 16 << 20;

/// A value that travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Where it came from first.
    pub from: Place,
    /// Where the client said it; the first place.
    pub to: String,
    /// What it was in the recording.
    old: String,
    /// What stood around it in the string that it was part of.
    around: (String, String),
    /// What it is now, once that is known.
    now: Option<String>,
}

/// Where the server said a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a field of its handshake: the name, and for a cookie that of the cookie.
    Field(String, Option<String>),
    /// In a message, by its number from 0, at this pointer; in a text that is no JSON it is empty.
    Message(usize, String),
}

/// The variables of one session.
#[derive(Debug, Default)]
pub struct Variables {
    all: Vec<Variable>,
    /// By the number of the client's message, which variables it says.
    uses: HashMap<usize, Vec<usize>>,
    /// By the number of the server's message, which variables it brings.
    brought: HashMap<usize, Vec<usize>>,
}

impl Variables {
    /// Finds those of a session.
    pub fn find(script: &Script) -> Self {
        // Most clients say nothing that a server can have made up.
        if !script.said.iter().any(|said| has_token(&said.body)) {
            return Self::default();
        }
        let mut search = Search::default();
        search.client_says(&script.open.target);
        for (_, value) in &script.open.fields {
            search.client_says(value);
        }
        if let Some((_, accept)) = &script.accept {
            search.server_answers(&accept.fields);
        }
        let mut heard = script.heard.iter().enumerate().peekable();
        for (number, said) in script.said.iter().enumerate() {
            while let Some((index, message)) = heard.next_if(|(_, heard)| heard.after <= number) {
                search.server_says(index, &message.body);
            }
            search.client_sends(number, &said.body);
        }
        search.variables
    }

    /// All of them.
    pub fn all(&self) -> &[Variable] {
        &self.all
    }

    /// The messages of the server that have to be known before the client's message of this number can
    /// be said.
    pub fn needs(&self, said: usize) -> impl Iterator<Item = usize> + '_ {
        let used =
            self.uses.get(&said).into_iter().flatten().filter_map(|index| self.all.get(*index));
        used.filter_map(|variable| match variable.from {
            Place::Message(index, _) if variable.now.is_none() => Some(index),
            _ => None,
        })
    }

    /// Learns the new values from the fields of a handshake.
    pub fn answered(&mut self, fields: &[(String, String)], rules: &Rules) {
        for variable in &mut self.all {
            let (name, cookie) = match &variable.from {
                Place::Field(name, cookie) => (name, cookie),
                Place::Message(_, path) => {
                    variable.now = rules.moved(path, fields, &[]);
                    continue;
                }
            };
            let same = fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
            let mut values = same.filter_map(|(_, value)| match cookie {
                Some(cookie) => {
                    self::cookie(value).filter(|(name, _)| name == cookie).map(|(_, v)| v)
                }
                None => Some(value.as_str()),
            });
            variable.now = values.next().map(str::to_owned);
        }
    }

    /// Learns the new values from the message that stands for the recorded one of this number.
    pub fn heard(&mut self, index: usize, actual: &Body, rules: &Rules) {
        let Some(brought) = self.brought.get(&index) else { return };
        let Some(text) = actual.text() else { return };
        let leaves = leaves(text);
        for number in brought {
            let Some(variable) = self.all.get_mut(*number) else { continue };
            let Place::Message(_, path) = &variable.from else { continue };
            let whole = match &leaves {
                Some(leaves) => {
                    if let Some(moved) = rules.moved(path, &[], leaves) {
                        variable.now = Some(moved);
                        continue;
                    }
                    leaves.iter().find(|leaf| leaf.path == *path).map(Leaf::said)
                }
                None => path.is_empty().then(|| text.to_owned()),
            };
            let (before, behind) = &variable.around;
            let value = whole.as_deref().and_then(|whole| {
                whole.strip_prefix(before.as_str())?.strip_suffix(behind.as_str())
            });
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                variable.now = Some(value.to_owned());
            }
        }
    }

    /// What the client's message of this number is now.
    pub fn rewritten<'b>(&self, said: usize, body: &'b Body) -> Cow<'b, Body> {
        let used =
            self.uses.get(&said).into_iter().flatten().filter_map(|index| self.all.get(*index));
        let changed: Vec<_> = used.filter(|variable| variable.has_changed()).collect();
        let (false, Some(text)) = (changed.is_empty(), body.text()) else {
            return Cow::Borrowed(body);
        };
        let text = match leaves(text) {
            Some(leaves) => {
                let edits = leaves.iter().filter_map(|leaf| {
                    let old = leaf.string();
                    let new = match &old {
                        Some(old) => replaced(old, &changed),
                        None => Some(value_of(leaf.raw, &changed)?.to_owned()),
                    }?;
                    let number = old.is_none() && new.parse::<serde_json::Number>().is_ok();
                    let raw = if number { new } else { serde_json::Value::String(new).to_string() };
                    Some((leaf.place.clone(), raw))
                });
                edited(text, edits)
            }
            None => replaced(text, &changed).unwrap_or_else(|| text.to_owned()),
        };
        Cow::Owned(Body { kind: body.kind, data: text.into_bytes() })
    }

    /// The places in messages that variables come from, by the numbers of the messages.
    pub fn sources(&self) -> impl Iterator<Item = (usize, &str)> {
        self.all.iter().filter_map(|variable| match &variable.from {
            Place::Message(index, path) => Some((*index, path.as_str())),
            Place::Field(..) => None,
        })
    }

    /// What a recorded string of the server would be now; `None` where it would be the same.
    pub(super) fn carried(&self, text: &str) -> Option<String> {
        let changed: Vec<_> = self.all.iter().filter(|variable| variable.has_changed()).collect();
        if changed.is_empty() { None } else { replaced(text, &changed) }
    }
}

impl Variable {
    fn has_changed(&self) -> bool {
        self.now.as_ref().is_some_and(|now| *now != self.old)
    }

    /// Whether its new value is known.
    pub const fn is_known(&self) -> bool {
        self.now.is_some()
    }
}

/// The new value of a value that is a variable as a whole.
fn value_of<'v>(old: &str, variables: &[&'v Variable]) -> Option<&'v str> {
    variables.iter().find(|variable| variable.old == old)?.now.as_deref()
}

/// A text with new values in the place of the words that are variables; `None` where there are none.
fn replaced(text: &str, variables: &[&Variable]) -> Option<String> {
    if let Some(new) = value_of(text, variables) {
        return Some(new.to_owned());
    }
    let edits: Vec<_> = words(text)
        .filter_map(|place| {
            let new = value_of(text.get(place.clone())?, variables)?;
            Some((place, new.to_owned()))
        })
        .collect();
    if edits.is_empty() { None } else { Some(edited(text, edits)) }
}

/// A text with others in some places, which come in order.
fn edited(text: &str, edits: impl IntoIterator<Item = (Range<usize>, String)>) -> String {
    let (mut edited, mut done) = (String::with_capacity(text.len()), 0);
    for (place, new) in edits {
        edited.push_str(text.get(done..place.start).unwrap_or_default());
        edited.push_str(&new);
        done = place.end;
    }
    edited.push_str(text.get(done..).unwrap_or_default());
    edited
}

/// Looks for variables.
#[derive(Debug, Default)]
struct Search {
    variables: Variables,
    /// What the server has said, and where first.
    known: HashMap<String, (Place, (String, String))>,
    /// What the client has said before the server did.
    own: HashSet<String>,
    /// How many bytes what the server has said takes.
    bytes: usize,
    /// Which value is which variable.
    found: HashMap<String, usize>,
}

impl Search {
    fn client_says(&mut self, text: &str) {
        for place in words(text) {
            let word = text.get(place).unwrap_or_default();
            if self.own.len() < MOST && !self.known.contains_key(word) {
                self.own.insert(word.to_owned());
            }
        }
    }

    fn server_answers(&mut self, fields: &[(String, String)]) {
        for (name, value) in fields {
            let lower = name.to_ascii_lowercase();
            if lower == "set-cookie" {
                if let Some((cookie, value)) = cookie(value) {
                    self.learn(value, Place::Field(name.clone(), Some(cookie.to_owned())), "", "");
                }
            } else if !lower.starts_with("sec-websocket-") && lower != "date" {
                self.learn(value, Place::Field(name.clone(), None), "", "");
            }
        }
    }

    fn server_says(&mut self, index: usize, body: &Body) {
        let Some(text) = body.text() else { return };
        let Some(leaves) = leaves(text) else {
            return self.learn_all(text, &Place::Message(index, String::new()));
        };
        for leaf in leaves {
            let place = Place::Message(index, leaf.path.clone());
            match leaf.string() {
                Some(string) => self.learn_all(&string, &place),
                None if leaf.is_number() => self.learn(leaf.raw, place, "", ""),
                None => {}
            }
        }
    }

    /// A string of the server, and the words in it.
    fn learn_all(&mut self, text: &str, place: &Place) {
        self.learn(text, place.clone(), "", "");
        if text.len() > LONGEST {
            return;
        }
        for word in words(text).filter(|word| word.len() < text.len()) {
            let before = text.get(..word.start).unwrap_or_default();
            let behind = text.get(word.end..).unwrap_or_default();
            self.learn(text.get(word).unwrap_or_default(), place.clone(), before, behind);
        }
    }

    fn learn(&mut self, value: &str, from: Place, before: &str, behind: &str) {
        let place = match &from {
            Place::Message(_, path) => path.len(),
            Place::Field(name, _) => name.len(),
        };
        let bytes = self.bytes + value.len() + place + before.len() + behind.len();
        if is_token(value)
            && self.known.len() < MOST
            && bytes < MOST_BYTES
            && !self.own.contains(value)
            && !self.known.contains_key(value)
        {
            self.bytes = bytes;
            let around = || (before.to_owned(), behind.to_owned());
            self.known.insert(value.to_owned(), (from, around()));
        }
    }

    fn client_sends(&mut self, number: usize, body: &Body) {
        let Some(text) = body.text() else { return };
        match leaves(text) {
            Some(leaves) => {
                for leaf in leaves {
                    match leaf.string() {
                        Some(string) => self.look(number, &leaf.path, &string),
                        None => self.look(number, &leaf.path, leaf.raw),
                    }
                }
            }
            None => self.look(number, "", text),
        }
        self.client_says(text);
    }

    /// Looks at a string of the client.
    fn look(&mut self, number: usize, path: &str, text: &str) {
        let all = words(text).filter_map(|place| text.get(place));
        for value in all.chain([text]) {
            let Some((from, around)) = self.known.get(value) else { continue };
            let Variables { all, uses, brought } = &mut self.variables;
            let variable = *self.found.entry(value.to_owned()).or_insert_with(|| {
                if let Place::Message(index, _) = from {
                    brought.entry(*index).or_default().push(all.len());
                }
                all.push(Variable {
                    from: from.clone(),
                    to: path.to_owned(),
                    old: value.to_owned(),
                    around: around.clone(),
                    now: None,
                });
                all.len() - 1
            });
            let uses = uses.entry(number).or_default();
            if !uses.contains(&variable) {
                uses.push(variable);
            }
        }
    }
}

/// The name and the value of a cookie that is set (RFC 6265 section 5.2).
pub(super) fn cookie(field: &str) -> Option<(&str, &str)> {
    let pair = field.split(';').next()?;
    let (name, value) = pair.split_once('=')?;
    Some((name.trim(), value.trim()))
}
