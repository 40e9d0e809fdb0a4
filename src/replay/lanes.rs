//! Lanes: messages of a server keep their order within a lane, and pass those of others. What names
//! the lane of a message is found in the recording, and so is which lanes come unasked.

use super::compare::Made;
use super::rules::{Key, Rules};
use super::script::{Body, Script};
use super::variables::Variables;
use crate::event::Kind;
use crate::json::leaves;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// How many values may name lanes: a member with more of them holds data.
const MOST_LANES: usize = 64;

/// How many members are looked at.
const MOST_CANDIDATES: usize = 64;

/// What is often called so, where the shape of messages tells nothing; the best first.
const USUAL: [&str; 12] = [
    "/op", "/type", "/event", "/cmd", "/action", "/method", "/kind", "/channel", "/topic", "/name",
    "/0", "/t",
];

/// The lanes of an application.
#[derive(Debug, Default)]
pub struct Lanes {
    /// What names them.
    pub key: Option<Key>,
    /// Those that come unasked.
    pub pushes: BTreeSet<String>,
}

impl Lanes {
    /// The lane of a message.
    pub fn of(&self, body: &Body) -> Cow<'static, str> {
        let named = self.key.as_ref().and_then(|key| key.of(body));
        named.map_or_else(|| Cow::Borrowed(unnamed(body)), Cow::Owned)
    }

    /// Where in the messages of a session values come from that are said again later: their lanes and
    /// pointers.
    pub fn made_up(&self, script: &Script) -> Made {
        let variables = Variables::find(script);
        let places = variables.sources().filter_map(|(index, path)| {
            let heard = script.heard.get(index)?;
            Some((self.of(&heard.body).into_owned(), path.to_owned()))
        });
        places.collect()
    }

    /// Whether messages of a lane come unasked.
    pub fn is_push(&self, lane: &str) -> bool {
        self.pushes.contains(lane)
    }
}

/// Looks at recorded sessions for their lanes.
#[derive(Debug, Default)]
pub struct Survey {
    /// How many texts of servers were JSON.
    messages: u64,
    /// How many of them have which members.
    shapes: BTreeMap<String, u64>,
    /// The members that may name lanes; `None` for one that holds data.
    candidates: BTreeMap<String, Option<Candidate>>,
    /// The lanes if there is no such member, or as the rules have them.
    plain: Candidate,
}

/// A member that may name lanes.
#[derive(Debug, Default)]
struct Candidate {
    lanes: BTreeMap<String, Lane>,
    /// In the session that is looked at, how many messages of each kind the client has said.
    said: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct Lane {
    count: u64,
    shapes: BTreeMap<String, u64>,
    /// How many there were in the session that is looked at, without a greeting.
    here: u64,
    /// How many there were in all behind the first of each session; and to how many of them something that
    /// the client had said can have been the question, for each kind of that.
    behind: u64,
    explained: BTreeMap<String, u64>,
}

/// The strings of a message that may name its lane, by their pointers.
type Names = BTreeMap<String, String>;

impl Survey {
    /// Looks at a session.
    pub fn look(&mut self, script: &Script, rules: &Rules) {
        let heard: Vec<_> = script.heard.iter().map(|heard| names(&heard.body)).collect();
        if rules.lane.is_none() {
            heard
                .iter()
                .zip(&script.heard)
                .for_each(|(names, heard)| self.look_for_key(names, &heard.body));
        }
        let said: Vec<_> = script.said.iter().map(|said| names(&said.body)).collect();
        for (path, candidate) in &mut self.candidates {
            let Some(candidate) = candidate else { continue };
            candidate.begin();
            let lane = |names: &Names, _: &Body| names.get(path).cloned();
            candidate.look(script, &said, &heard, lane);
        }
        self.plain.begin();
        self.plain.look(script, &said, &heard, |_, body| match &rules.lane {
            Some(key) => key.of(body),
            None => None,
        });
    }

    /// Counts which members a message of a server has, and finds those that may name lanes.
    fn look_for_key(&mut self, names: &Names, body: &Body) {
        let Some(leaves) = body.text().and_then(leaves) else { return };
        let tops: BTreeSet<_> =
            leaves.iter().filter_map(|leaf| leaf.path.split('/').nth(1)).collect();
        let shape = tops.into_iter().collect::<Vec<_>>().join(" ");
        self.messages += 1;
        if self.shapes.len() < MOST_LANES * MOST_LANES {
            *self.shapes.entry(shape.clone()).or_default() += 1;
        }
        for (path, name) in names {
            if !self.candidates.contains_key(path) && self.candidates.len() == MOST_CANDIDATES {
                continue;
            }
            let candidate = self.candidates.entry(path.clone());
            let candidate = candidate.or_insert_with(|| Some(Candidate::default()));
            let Some(lanes) = candidate else { continue };
            let lane = lanes.lanes.entry(name.clone()).or_default();
            lane.count += 1;
            if lane.shapes.len() < MOST_LANES {
                *lane.shapes.entry(shape.clone()).or_default() += 1;
            }
            if lanes.lanes.len() > MOST_LANES {
                *candidate = None;
            }
        }
    }

    /// What was found, and what the rules say.
    pub fn lanes(self, rules: &mut Rules) -> Lanes {
        let (key, lanes) = match (rules.lane.take(), self.key()) {
            (Some(key), _) => (Some(key), &self.plain),
            (None, Some((path, candidate))) => (path.parse().ok(), candidate),
            (None, None) => (None, &self.plain),
        };
        let unasked = lanes.lanes.iter().filter(|(_, lane)| lane.is_push());
        let pushes = unasked.map(|(name, _)| name.clone()).chain(rules.push.iter().cloned());
        Lanes { key, pushes: pushes.collect() }
    }

    /// The member whose value tells most about which members a message has, and has the fewest
    /// values.
    fn key(&self) -> Option<(&str, &Candidate)> {
        let uncertain = entropy(self.shapes.values());
        let candidates = self.candidates.iter().filter_map(|(path, lanes)| {
            let lanes = lanes.as_ref()?;
            let count: u64 = lanes.lanes.values().map(|lane| lane.count).sum();
            // A few messages may be of another kind, such as errors.
            let named = count * 10 >= self.messages * 8 && lanes.lanes.len() > 1;
            named.then_some((path.as_str(), lanes, count))
        });
        let candidates = candidates.map(|(path, lanes, count)| {
            let left = lanes
                .lanes
                .values()
                .map(|lane| share(lane.count, count) * entropy(lane.shapes.values()));
            (path, lanes, uncertain - left.sum::<f64>())
        });
        let candidates: Vec<_> = candidates.collect();
        let best = candidates.iter().filter(|(_, _, gain)| *gain > uncertain / 2.0 && *gain > 0.0);
        let best = best.min_by(|a, b| {
            let (more, fewer) = (b.2.total_cmp(&a.2), a.1.lanes.len().cmp(&b.1.lanes.len()));
            more.then(fewer).then(usual(a.0).cmp(&usual(b.0)))
        });
        let named = || {
            let usual =
                USUAL.iter().find_map(|path| candidates.iter().find(|(name, ..)| name == path));
            usual.filter(|_| uncertain == 0.0)
        };
        best.or_else(named).map(|(path, lanes, _)| (*path, *lanes))
    }
}

/// The place of a path among the usual ones.
fn usual(path: &str) -> usize {
    USUAL.iter().position(|usual| *usual == path).unwrap_or(USUAL.len())
}

impl Candidate {
    /// Another session begins.
    fn begin(&mut self) {
        self.said.clear();
        self.lanes.values_mut().for_each(|lane| lane.here = 0);
    }

    /// Goes through a session in the order of the recording.
    fn look(
        &mut self,
        script: &Script,
        said: &[Names],
        heard: &[Names],
        lane: impl Fn(&Names, &Body) -> Option<String>,
    ) {
        let mut saying = script.said.iter().zip(said).enumerate().peekable();
        for (message, names) in script.heard.iter().zip(heard) {
            while let Some((_, (said, names))) =
                saying.next_if(|(number, _)| *number < message.after)
            {
                let kind =
                    lane(names, &said.body).unwrap_or_else(|| unnamed(&said.body).to_owned());
                if self.said.len() < MOST_LANES || self.said.contains_key(&kind) {
                    *self.said.entry(kind).or_default() += 1;
                }
            }
            let name =
                lane(names, &message.body).unwrap_or_else(|| unnamed(&message.body).to_owned());
            if self.lanes.len() < MOST_LANES || self.lanes.contains_key(&name) {
                self.lanes.entry(name).or_default().count(&self.said);
            }
        }
    }
}

impl Lane {
    /// One more came, when the client had said so many of each kind.
    fn count(&mut self, said: &BTreeMap<String, u64>) {
        if self.here == 0 && said.is_empty() {
            // A greeting.
            return;
        }
        self.here += 1;
        if self.here == 1 {
            return;
        }
        self.behind += 1;
        for (kind, _) in said.iter().filter(|(_, count)| **count >= self.here) {
            *self.explained.entry(kind.clone()).or_default() += 1;
        }
    }

    /// Whether there is nothing that the client says to which these would be the answers: an answer
    /// rarely comes twice.
    fn is_push(&self) -> bool {
        let explained = self.explained.values().max().copied().unwrap_or_default();
        let surplus = self.behind - explained;
        surplus >= 2 && surplus * 3 >= self.behind
    }
}

/// The strings of a message that are not deep inside.
fn names(body: &Body) -> Names {
    let leaves = body.text().and_then(leaves).unwrap_or_default();
    let near = leaves.into_iter().filter(|leaf| leaf.path.matches('/').count() <= 2);
    near.filter_map(|leaf| Some((leaf.string()?, leaf.path)))
        .map(|(name, path)| (path, name))
        .collect()
}

/// The lane of a message that names none.
const fn unnamed(body: &Body) -> &'static str {
    match body.kind {
        Kind::Text => "(text)",
        Kind::Binary => "(binary)",
    }
}

/// How much is uncertain of which of several it is, in bits (Shannon).
fn entropy<'c>(counts: impl Iterator<Item = &'c u64> + Clone) -> f64 {
    let total: u64 = counts.clone().sum();
    -counts.map(|count| share(*count, total)).map(|share| share * share.log2()).sum::<f64>()
}

fn share(count: u64, total: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share need not be exact")]
    let share = count as f64 / total.max(1) as f64;
    share
}
