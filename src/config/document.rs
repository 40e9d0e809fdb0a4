//! One configuration file: its text, what TOML makes of it, and where each key stands.

use super::environment::substitute;
use super::explain::{Fault, explain};
use super::finding::{Finding, Position, Severity};
use super::key::KeyPath;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::env::VarError;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, Deserializer};

/// The longest file in bytes: thousands of routes fit, a disk that was named by mistake does not.
const LONGEST: u64 = 4 << 20;

/// The tables that there is one of.
const TABLES: [&str; 19] = [
    "access_log",
    "admin",
    "backend_rate",
    "basic_auth",
    "client_rate",
    "flash_policy",
    "health",
    "keepalive",
    "limits",
    "log",
    "origins",
    "passive_health",
    "record",
    "redirect",
    "request_headers",
    "respond",
    "response_headers",
    "sticky",
    "tls",
];

/// How many findings of one file are told.
pub(super) const MOST: usize = 100;

/// A file that was read.
#[derive(Debug)]
pub(super) struct Document {
    /// The path, as it was named.
    pub(super) path: PathBuf,
    text: String,
    /// All keys, tables and elements; what holds others stands before them.
    places: Vec<Place>,
}

/// Where a key or an element stands.
#[derive(Debug)]
struct Place {
    key: KeyPath,
    /// Its name, which an element of an array has not.
    name: Option<Range<usize>>,
    /// Its value; the header of a table.
    value: Range<usize>,
    /// Whether that is an array.
    array: bool,
}

impl Place {
    fn new(key: KeyPath, name: Option<Range<usize>>, value: &Spanned<DeValue<'_>>) -> Self {
        Self { key, name, value: value.span(), array: value.get_ref().is_array() }
    }
}

/// What TOML makes of a file.
type Tree<'t> = Spanned<DeTable<'t>>;

impl Document {
    /// Reads a file into settings, with the variables of the environment in its strings.
    ///
    /// # Errors
    /// With what keeps it from being TOML; or with all variables that are missing; or with all keys
    /// that are unknown or missing and all values that make no sense.
    pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<(Self, T), Vec<Finding>> {
        let mut document = Self { path: path.to_owned(), text: String::new(), places: Vec::new() };
        let bytes = read(path).map_err(|what| vec![document.finding(None, what)])?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let (at, bytes) = (error.utf8_error().valid_up_to(), error.into_bytes());
            let before = String::from_utf8_lossy(bytes.get(..at).unwrap_or_default());
            let position = Position::of(&before, at);
            vec![document.finding(Some(position), "this byte is no UTF-8")]
        })?;
        document.text.clone_from(&text);
        // What comes behind the first mistake of TOML is mostly a consequence of it.
        let mut tree = DeTable::parse(&text).map_err(|error| vec![document.malformed(&error)])?;
        places_of(tree.get_ref(), &KeyPath::default(), &mut document.places);
        document.refuse_arrays()?;
        document.substitute(&mut tree, |name| std::env::var(name))?;
        let settings = document.deserialize(tree)?;
        Ok((document, settings))
    }

    /// Serde takes an array for a table, its elements for the keys in their order. Nobody means that.
    fn refuse_arrays(&self) -> Result<(), Vec<Finding>> {
        let wrong = |place: &&Place| {
            place.array && place.key.name().is_some_and(|name| TABLES.contains(&name))
        };
        let findings: Vec<_> = (self.places.iter().filter(wrong))
            .map(|place| {
                self.at(
                    &place.value,
                    &place.key,
                    "an array where a table belongs; write its header with [ ]",
                )
            })
            .collect();
        if findings.is_empty() { Ok(()) } else { Err(findings) }
    }

    /// Puts variables into all strings.
    fn substitute(
        &self,
        tree: &mut Tree<'_>,
        lookup: impl Fn(&str) -> Result<String, VarError>,
    ) -> Result<(), Vec<Finding>> {
        let mut findings = Vec::new();
        let mut change =
            |text: &mut DeString<'_>, span: Range<usize>| match substitute(text, &lookup)
                .map(Cow::into_owned)
            {
                Ok(new) => *text = new.into(),
                Err(_) if findings.len() >= MOST => {}
                Err(what) => findings.push(self.at(&span, &self.key_at(&span), what)),
            };
        tree.get_mut().iter_mut().for_each(|(_, value)| each_string(value, &mut change));
        if findings.is_empty() { Ok(()) } else { Err(sorted(findings)) }
    }

    /// Makes settings of it. To find more than the first mistake, what is wrong is taken out and the
    /// rest tried again.
    fn deserialize<T: DeserializeOwned>(&self, mut tree: Tree<'_>) -> Result<T, Vec<Finding>> {
        let (mut findings, mut removed) = (Vec::new(), Vec::new());
        loop {
            let error = match T::deserialize(Deserializer::from(tree.clone())) {
                Ok(settings) if findings.is_empty() => return Ok(settings),
                Ok(_) => return Err(sorted(findings)),
                Err(error) => error,
            };
            let span = error.span().unwrap_or_default();
            let key = self.key_at(&span);
            match explain(error.message()) {
                Fault::Missing(name) if removed.contains(&key.key(&name)) => {}
                Fault::Missing(name) => {
                    findings.push(self.at(&span, &key, format!("the key {name} is missing")));
                }
                Fault::Told(what) => findings.push(self.at(&span, &key, what)),
            }
            removed.push(key);
            if findings.len() >= MOST || !remove(tree.get_mut(), &span) {
                return Err(sorted(findings));
            }
        }
    }

    /// An error of a key.
    pub(super) fn about(&self, key: &KeyPath, what: String) -> Finding {
        Finding { key: key.clone(), ..self.finding(Some(self.position(key)), what) }
    }

    /// An error of a key, at a place that is not the beginning of its value.
    fn at(&self, span: &Range<usize>, key: &KeyPath, what: impl Into<String>) -> Finding {
        let position = Position::of(&self.text, span.start);
        Finding { key: key.clone(), ..self.finding(Some(position), what) }
    }

    /// Where a key stands, or what would hold it.
    fn position(&self, key: &KeyPath) -> Position {
        let holding = self.places.iter().rev().find(|place| key.starts_with(&place.key));
        Position::of(&self.text, holding.map_or(0, |place| place.value.start))
    }

    fn finding(&self, position: Option<Position>, what: impl Into<String>) -> Finding {
        let (file, key, what) = (self.path.clone(), KeyPath::default(), what.into());
        Finding { severity: Severity::Error, file, position, key, what }
    }

    fn malformed(&self, error: &toml::de::Error) -> Finding {
        let start = error.span().map_or(self.text.len(), |span| span.start);
        let what = format!("no TOML: {}", error.message().trim_end());
        self.finding(Some(Position::of(&self.text, start)), what)
    }

    /// The key whose name or value stands there; of several the innermost.
    fn key_at(&self, span: &Range<usize>) -> KeyPath {
        let there = |place: &&Place| place.value == *span || place.name.as_ref() == Some(span);
        let found = self.places.iter().rev().find(there);
        found.map(|place| place.key.clone()).unwrap_or_default()
    }
}

/// In the order of the file.
fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| finding.position);
    findings
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let count = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
    match count {
        Ok(count) if count as u64 > LONGEST => {
            Err(format!("longer than {} MiB, which no configuration is", LONGEST >> 20))
        }
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("no such file".to_owned()),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

/// Changes each string; they nest no deeper than the parser allows.
fn each_string<'t>(
    value: &mut Spanned<DeValue<'t>>,
    change: &mut impl FnMut(&mut DeString<'t>, Range<usize>),
) {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(text) => change(text, span),
        DeValue::Array(array) => array.iter_mut().for_each(|value| each_string(value, change)),
        DeValue::Table(table) => {
            table.iter_mut().for_each(|(_, value)| each_string(value, change));
        }
        _ => {}
    }
}

/// Notes where all stands that a table holds.
fn places_of(table: &DeTable<'_>, at: &KeyPath, places: &mut Vec<Place>) {
    for (name, value) in table {
        let key = at.key(name.get_ref());
        places.push(Place::new(key.clone(), Some(name.span()), value));
        places_in(value.get_ref(), &key, places);
    }
}

fn places_in(value: &DeValue<'_>, at: &KeyPath, places: &mut Vec<Place>) {
    match value {
        DeValue::Table(table) => places_of(table, at, places),
        DeValue::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                let key = at.index(index);
                places.push(Place::new(key.clone(), None, value));
                places_in(value.get_ref(), &key, places);
            }
        }
        _ => {}
    }
}

/// Takes what stands there out of a table; of several the innermost. Says whether there was any.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    if table.iter_mut().any(|(_, value)| remove_inside(value.get_mut(), span)) {
        return true;
    }
    let before = table.len();
    let kept = std::mem::take(table).into_iter();
    *table = kept.filter(|(name, value)| name.span() != *span && value.span() != *span).collect();
    table.len() < before
}

fn remove_inside(value: &mut DeValue<'_>, span: &Range<usize>) -> bool {
    match value {
        DeValue::Table(table) => remove(table, span),
        DeValue::Array(array) => {
            if array.iter_mut().any(|value| remove_inside(value.get_mut(), span)) {
                return true;
            }
            let before = array.len();
            let kept: Vec<_> =
                array.iter().filter(|value| value.span() != *span).cloned().collect();
            *array = kept.into_iter().collect();
            array.len() < before
        }
        _ => false,
    }
}
