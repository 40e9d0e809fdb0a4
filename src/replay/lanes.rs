//! Lanes: messages of a server keep their order within a lane, and pass those of others. What names
//! the lane of a message is found in the recording, and so is which lanes come unasked.

use super::rules::{Key, Rules};
use super::script::{Body, Script};
use crate::event::Kind;
use crate::json::leaves;
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
    pub fn of(&self, body: &Body) -> String {
        if body.kind == Kind::Binary {
            return "(binary)".to_owned();
        }
        let named = self.key.as_ref().and_then(|key| key.of(body));
        named.unwrap_or_else(|| "(text)".to_owned())
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
}

#[derive(Debug, Default)]
struct Lane {
    count: u64,
    /// How many came although all that the client had said was answered in this lane.
    unasked: u64,
    shapes: BTreeMap<String, u64>,
    /// In the session that is looked at, behind its first message: how many messages of the client it has
    /// not answered, and how many had been said then.
    open: Option<(usize, usize)>,
}

impl Survey {
    /// Looks at a session.
    pub fn look(&mut self, script: &Script, rules: &Rules) {
        let lanes = self.candidates.values_mut().flatten().chain([&mut self.plain]);
        lanes.flat_map(|candidate| candidate.lanes.values_mut()).for_each(|lane| lane.open = None);
        for heard in &script.heard {
            let name = match &rules.lane {
                Some(key) => key.of(&heard.body),
                None => None,
            };
            let kind = if heard.body.kind == Kind::Binary { "(binary)" } else { "(text)" };
            self.plain.count(&name.unwrap_or_else(|| kind.to_owned()), "", heard.after);
            if rules.lane.is_none() {
                self.look_for_key(&heard.body, heard.after);
            }
        }
    }

    fn look_for_key(&mut self, body: &Body, after: usize) {
        let Some(leaves) = body.text().and_then(leaves) else { return };
        let tops: BTreeSet<_> =
            leaves.iter().filter_map(|leaf| leaf.path.split('/').nth(1)).collect();
        let shape = tops.into_iter().collect::<Vec<_>>().join(" ");
        self.messages += 1;
        if self.shapes.len() < MOST_LANES * MOST_LANES {
            *self.shapes.entry(shape.clone()).or_default() += 1;
        }
        for leaf in leaves.iter().filter(|leaf| leaf.path.matches('/').count() <= 2) {
            let is_new = !self.candidates.contains_key(&leaf.path);
            if is_new && self.candidates.len() == MOST_CANDIDATES {
                continue;
            }
            let Some(name) = leaf.string() else { continue };
            let candidate = self.candidates.entry(leaf.path.clone());
            let candidate = candidate.or_insert_with(|| Some(Candidate::default()));
            let Some(lanes) = candidate else { continue };
            lanes.count(&name, &shape, after);
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
    fn count(&mut self, name: &str, shape: &str, after: usize) {
        if !self.lanes.contains_key(name) {
            if self.lanes.len() > MOST_LANES {
                return;
            }
            self.lanes.insert(name.to_owned(), Lane::default());
        }
        let Some(lane) = self.lanes.get_mut(name) else { return };
        lane.count += 1;
        if lane.shapes.len() < MOST_LANES && !shape.is_empty() {
            *lane.shapes.entry(shape.to_owned()).or_default() += 1;
        }
        // The first may be a greeting.
        let open = match lane.open {
            Some((open, before)) => open + after.saturating_sub(before),
            None => after.max(1),
        };
        lane.unasked += u64::from(open == 0);
        lane.open = Some((open.saturating_sub(1), after));
    }
}

impl Lane {
    /// An answer may rarely come twice.
    const fn is_push(&self) -> bool {
        self.unasked >= 2 && self.unasked * 3 >= self.count
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
