//! Rules learned from sessions that were said several times to a server that has not changed: what
//! differed is noise, and what is noise need not be the same.

use super::compare::Difference;
use super::lanes::Lanes;
use super::rules::{is_number, is_time, is_uuid};
use super::variables::Place;
use super::verdict::{Differing, Verdict};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// How many places are kept; where more differ, noise is not what they are.
const MOST: usize = 10_000;

/// How many values of a place are kept, to tell whether it is always the same one.
const MOST_VALUES: usize = 2;

/// What has differed.
#[derive(Debug, Default)]
pub struct Learned {
    runs: u32,
    /// By the pointer.
    places: BTreeMap<String, Noise>,
    /// Messages that differ as a whole, by their lanes.
    whole: BTreeMap<String, u64>,
    missing: u64,
    extra: u64,
    moved: u64,
    /// Values that were carried forward.
    variables: BTreeSet<(String, String)>,
}

/// What has differed at a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Noise {
    count: u64,
    lanes: BTreeSet<String>,
    looks: Option<Looks>,
    /// The values that came.
    now: BTreeSet<String>,
    /// One of the differences.
    example: (String, String),
}

/// What all values of a place look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    Uuid,
    Timestamp,
    Number,
    /// Like nothing in common.
    Any,
}

impl Learned {
    /// A run begins.
    pub const fn begin(&mut self) {
        self.runs += 1;
    }

    /// Takes what came of a session.
    pub fn take(&mut self, verdict: &Verdict) {
        for Differing { message, differences } in &verdict.differing.first {
            for difference in differences {
                if difference.path.is_empty() {
                    *self.whole.entry(message.lane.clone()).or_default() += 1;
                } else if self.places.len() < MOST || self.places.contains_key(&difference.path) {
                    let noise = self.places.entry(difference.path.clone()).or_default();
                    noise.take(&message.lane, difference);
                }
            }
        }
        self.missing += verdict.missing.count;
        self.extra += verdict.extra.count;
        self.moved += verdict.moved.count;
        for variable in verdict.variables.iter().filter(|variable| variable.is_known()) {
            let from = match &variable.from {
                Place::Field(name, None) => name.clone(),
                Place::Field(name, Some(cookie)) => format!("{name}: {cookie}"),
                Place::Message(_, path) => path.clone(),
            };
            self.variables.insert((from, variable.to.clone()));
        }
    }

    /// How many rules there are.
    pub fn count(&self) -> usize {
        general(&self.places).len()
    }

    /// The rules as a file, with what a reader has to know to judge them.
    pub fn rules(&self, subject: &str, lanes: &Lanes) -> String {
        let mut text = String::new();
        self.write(subject, lanes, &mut text).ok();
        text
    }

    fn write(&self, subject: &str, lanes: &Lanes, out: &mut String) -> std::fmt::Result {
        writeln!(out, "# Learned from {}, {} times.", comment(subject), self.runs)?;
        writeln!(out, "# Each rule lets something differ from now on: keep those that are right.")?;
        for (from, to) in &self.variables {
            let told =
                |path: &str| if path.is_empty() { "a text".to_owned() } else { comment(path) };
            let (from, to) = (told(from), told(to));
            writeln!(
                out,
                "# Carried forward, without a rule: {from} of the server to {to} of the client."
            )?;
        }
        let counts = [
            (self.missing, "missing"),
            (self.extra, "not expected"),
            (self.moved, "in another place"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            writeln!(out, "# Not noise, and without a rule: messages {what}: {count}.")?;
        }
        for (lane, count) in &self.whole {
            let lane = comment(lane);
            writeln!(
                out,
                "# Differ as a whole, which only a [[replace]] can allow: {count} of {lane}."
            )?;
        }
        writeln!(out)?;
        if let Some(key) = &lanes.key {
            writeln!(out, "lane = {}", string(&key.to_string()))?;
        }
        if !lanes.pushes.is_empty() {
            let pushes: Vec<_> = lanes.pushes.iter().map(|lane| string(lane)).collect();
            writeln!(out, "push = [{}]", pushes.join(", "))?;
        }
        for (path, noise) in general(&self.places) {
            noise.write(&path, self.runs, out)?;
        }
        Ok(())
    }
}

impl Noise {
    fn take(&mut self, lane: &str, difference: &Difference) {
        let Difference { expected, actual, .. } = difference;
        let told = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        if self.count == 0 {
            self.example = (told(expected), told(actual));
        }
        self.count += 1;
        self.lanes.insert(lane.to_owned());
        for value in [expected, actual] {
            let looks = value.as_deref().map_or(Looks::Any, Looks::of);
            self.looks = Some(self.looks.map_or(looks, |all| all.and(looks)));
        }
        if self.now.len() < MOST_VALUES {
            self.now.insert(told(actual));
        }
    }

    fn join(&mut self, other: &Self) {
        let looks = other.looks.unwrap_or(Looks::Any);
        self.count += other.count;
        self.lanes.extend(other.lanes.iter().cloned());
        self.looks = Some(self.looks.map_or(looks, |all| all.and(looks)));
        self.now.extend(other.now.iter().cloned());
    }

    fn write(&self, path: &str, runs: u32, out: &mut String) -> std::fmt::Result {
        let lanes: Vec<_> = self.lanes.iter().map(|lane| comment(lane)).collect();
        let (then, now) = (comment(&self.example.0), comment(&self.example.1));
        writeln!(out, "\n# {} times, in {}: then {then}, now {now}", self.count, lanes.join(", "))?;
        if runs > 1 && self.count > 1 && self.now.len() == 1 {
            writeln!(out, "# Always the same now: this may be no noise, but another answer.")?;
        }
        let path = string(path);
        match self.looks.and_then(Looks::form) {
            Some(form) => writeln!(out, "[[match]]\npath = {path}\nas = {}", string(form)),
            None => writeln!(out, "[[ignore]]\npath = {path}"),
        }
    }
}

impl Looks {
    /// Of a value, as JSON.
    fn of(json: &str) -> Self {
        // What was clipped is no JSON any more, and too long for any of these.
        let Ok(value) = serde_json::from_str::<Value>(json) else { return Self::Any };
        match &value {
            Value::String(text) if is_uuid(text) => Self::Uuid,
            value if is_time(value) => Self::Timestamp,
            value if is_number(value) => Self::Number,
            _ => Self::Any,
        }
    }

    /// What values of both look like: a time may be a number.
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Uuid, Self::Uuid) => Self::Uuid,
            (Self::Timestamp, Self::Timestamp) => Self::Timestamp,
            (Self::Number, Self::Number) => Self::Number,
            _ => Self::Any,
        }
    }

    const fn form(self) -> Option<&'static str> {
        match self {
            Self::Uuid => Some("uuid"),
            Self::Timestamp => Some("timestamp"),
            Self::Number => Some("number"),
            Self::Any => None,
        }
    }
}

/// The places, with `*` for the numbers of elements where several elements differ.
fn general(places: &BTreeMap<String, Noise>) -> BTreeMap<String, Noise> {
    let mut alike: BTreeMap<Vec<&str>, Vec<(&str, &Noise)>> = BTreeMap::new();
    for (path, noise) in places {
        alike.entry(steps(path).map(general_step).collect()).or_default().push((path, noise));
    }
    let mut general: BTreeMap<String, Noise> = BTreeMap::new();
    for group in alike.into_values() {
        let Some((first, rest)) = group.split_first() else { continue };
        let mut path: Vec<_> = steps(first.0).collect();
        for (other, _) in rest {
            for (step, other) in path.iter_mut().zip(steps(other)) {
                if *step != other {
                    *step = "*";
                }
            }
        }
        let mut noise = first.1.clone();
        rest.iter().for_each(|(_, other)| noise.join(other));
        general.insert(path.iter().map(|step| format!("/{step}")).collect(), noise);
    }
    general
}

fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').skip(1)
}

/// A step, but the number of an element.
fn general_step(step: &str) -> &str {
    let is_number = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { "*" } else { step }
}

/// A text as a string of TOML.
fn string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A text on one line: TOML allows no control characters in comments.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::rules::Rules;
    use crate::replay::verdict;
    use serde_json::json;

    const UUID: [&str; 2] =
        ["a43e2447-48c8-4400-8000-000000000000", "b43e2447-48c8-4400-8000-000000000001"];

    fn verdict(differences: &[(&str, Value, Value)]) -> Verdict {
        let mut verdict = Verdict::default();
        for (path, expected, actual) in differences {
            let message = verdict::Place { number: 1, packet: None, lane: "sum".to_owned() };
            let said = |value: &Value| (!value.is_null()).then(|| value.to_string());
            let path = (*path).to_owned();
            let difference = Difference { path, expected: said(expected), actual: said(actual) };
            verdict.differing.add(Differing { message, differences: vec![difference] });
        }
        verdict
    }

    fn learned(runs: &[Verdict]) -> String {
        let mut learned = Learned::default();
        for run in runs {
            learned.begin();
            learned.take(run);
        }
        let pushes = ["tick \"1\"".to_owned()].into();
        let text = learned.rules("a\nfile", &Lanes { key: "/op".parse().ok(), pushes });
        let rules = Rules::parse(&text).expect("rules that can be read");
        assert_eq!(rules.push, ["tick \"1\""]);
        text
    }

    #[test]
    fn values_that_look_alike_are_matched_and_others_ignored() {
        let run = |time: u64, other: Value| {
            verdict(&[
                ("/id", json!(UUID[0]), json!(UUID[1])),
                ("/at", json!(1_795_186_973), json!(time)),
                ("/n", json!(1), json!("2")),
                ("/text", json!("a"), other),
            ])
        };
        let text = learned(&[run(1_795_186_974, json!("b")), run(1_795_186_975, Value::Null)]);
        for rule in [
            "[[match]]\npath = \"/id\"\nas = \"uuid\"",
            "[[match]]\npath = \"/at\"\nas = \"timestamp\"",
            "[[match]]\npath = \"/n\"\nas = \"number\"",
            "[[ignore]]\npath = \"/text\"",
            "# 2 times, in sum: then \"a\", now \"b\"\n[[ignore]]",
            "lane = \"/op\"",
        ] {
            assert!(text.contains(rule), "{rule} in {text}");
        }
        assert_eq!(text.matches("# Always the same now").count(), 2, "id and n: {text}");
    }

    #[test]
    fn elements_are_one_where_there_are_several() {
        let text = learned(&[verdict(&[
            ("/a/0/b/7", json!("x"), json!("y")),
            ("/a/1/b/7", json!("x"), json!("z")),
            ("/c/3", json!("x"), json!("y")),
            ("/d~1e", json!("x"), json!("y")),
        ])]);
        for path in ["\"/a/*/b/7\"", "\"/c/3\"", "\"/d~1e\""] {
            assert!(text.contains(path), "{path} in {text}");
        }
        assert_eq!(text.matches("[[ignore]]").count(), 3, "{text}");
    }

    #[test]
    fn what_is_no_value_has_no_rule() {
        let mut run = verdict(&[("", json!("x"), json!("y\u{7f}z"))]);
        let message = verdict::Place { number: 1, packet: None, lane: "sum".to_owned() };
        run.missing.add(verdict::Missing { message, text: String::new() });
        let text = learned(&[run]);
        assert!(text.contains("# Not noise, and without a rule: messages missing: 1."), "{text}");
        assert!(text.contains("1 of sum") && !text.contains("\n[["), "{text}");
    }
}
