//! Which message of a server stands for which recorded one: in its lane, in order, with some room for
//! what is missing, was added or differs.

use super::compare::{Difference, Strictness, Terms, shown};
use super::lanes::Lanes;
use super::script::{Body, Script};
use super::verdict::{Differing, Extra, Missing, Place, Verdict};
use std::collections::{HashMap, VecDeque};

/// How far a lane is searched for the message that a new one stands for, and how many may wait there
/// for one that they stand for.
const WINDOW: usize = 16;

/// The recorded messages of a session, and what has come in their place.
#[derive(Debug)]
pub struct Matcher {
    lanes: Vec<Lane>,
    by_name: HashMap<String, usize>,
    /// The lane of each recorded message, and its place there.
    places: Vec<(usize, usize)>,
    /// How many lanes there are of which nothing was recorded.
    strays: usize,
}

#[derive(Debug, Default)]
struct Lane {
    name: String,
    /// The recorded messages, by their numbers among those of the server.
    recorded: Vec<usize>,
    /// How many of them have come, as far as can be told: more of them or fewer may be settled.
    come: usize,
    /// Those that are not settled.
    pending: VecDeque<usize>,
    /// What has come that is like none of these.
    odd: VecDeque<Body>,
    /// Recorded messages that were passed over.
    passed: Vec<usize>,
}

impl Matcher {
    /// For a script.
    pub fn new(script: &Script, lanes: &Lanes) -> Self {
        let places = Vec::with_capacity(script.heard.len());
        let mut this = Self { lanes: Vec::new(), by_name: HashMap::new(), places, strays: 0 };
        for (index, heard) in script.heard.iter().enumerate() {
            let number = this.lane(&lanes.of(&heard.body));
            let Some(lane) = this.lanes.get_mut(number) else { continue };
            this.places.push((number, lane.recorded.len()));
            lane.recorded.push(index);
        }
        for lane in &mut this.lanes {
            lane.pending = lane.recorded.iter().copied().collect();
        }
        this
    }

    /// The number of the lane of this name.
    fn lane(&mut self, name: &str) -> usize {
        if let Some(number) = self.by_name.get(name) {
            return *number;
        }
        self.by_name.insert(name.to_owned(), self.lanes.len());
        self.lanes.push(Lane { name: name.to_owned(), ..Lane::default() });
        self.lanes.len() - 1
    }

    /// The name of the lane of a recorded message.
    pub fn lane_of(&self, index: usize) -> &str {
        let lane = self.places.get(index).and_then(|(lane, _)| self.lanes.get(*lane));
        lane.map_or("", |lane| &lane.name)
    }

    /// Whether a recorded message, or one in its place, has come.
    pub fn has_come(&self, index: usize) -> bool {
        let Some((lane, place)) = self.places.get(index) else { return true };
        self.lanes.get(*lane).is_none_or(|lane| *place < lane.come)
    }

    /// Whether all have come.
    pub fn have_all_come(&self) -> bool {
        self.lanes.iter().all(|lane| lane.come == lane.recorded.len())
    }

    /// Whether it is certain which have come.
    pub fn is_settled(&self) -> bool {
        self.lanes.iter().all(|lane| lane.pending.is_empty())
    }

    /// The number of the recorded message that a message in a lane seems to stand for: the one that it is
    /// equal to, or the next.
    pub fn counterpart(
        &self,
        lane: &str,
        body: &Body,
        terms: &Terms<'_>,
        script: &Script,
    ) -> Option<usize> {
        let lane = self.by_name.get(lane).and_then(|number| self.lanes.get(*number))?;
        let found = lane.find(body, terms, script).and_then(|found| lane.pending.get(found));
        found.or_else(|| lane.recorded.get(lane.come)).copied()
    }

    /// Takes a message; hands out the number of the recorded one, where it is equal to one.
    pub fn take(
        &mut self,
        lane: &str,
        body: Body,
        terms: &Terms<'_>,
        script: &Script,
        verdict: &mut Verdict,
    ) -> Option<usize> {
        let number = match self.by_name.get(lane) {
            Some(number) => *number,
            None if self.strays < WINDOW => {
                self.strays += 1;
                self.lane(lane)
            }
            // A server may make up more of them than anybody wants to keep.
            None => {
                verdict.extra.add(extra(lane, &body));
                return None;
            }
        };
        let places = &self.places;
        let lane = self.lanes.get_mut(number)?;
        if let Some(found) = lane.find(&body, terms, script) {
            lane.settle(found, terms, script, verdict);
            let index = lane.pending.pop_front()?;
            // Now it is known.
            lane.come = places.get(index).map_or(0, |(_, place)| place + 1);
            verdict.matched += 1;
            return Some(index);
        }
        let near = lane.passed.len().saturating_sub(WINDOW);
        let late = lane.passed.get(near..).unwrap_or_default();
        let passed =
            late.iter().position(|index| is_same(&lane.name, *index, &body, terms, script));
        if let Some(passed) = passed {
            let index = lane.passed.remove(near + passed);
            verdict.moved.add(missing(&lane.name, index, script));
            verdict.matched += 1;
            return None;
        }
        lane.come = (lane.come + 1).min(lane.recorded.len());
        lane.odd.push_back(body);
        if lane.odd.len() > WINDOW {
            let oldest = lane.odd.pop_front()?;
            match lane.pending.pop_front() {
                Some(index) => differs(&lane.name, index, &oldest, terms, script, verdict),
                None => verdict.extra.add(extra(&lane.name, &oldest)),
            }
        }
        None
    }

    /// Nothing more will come.
    pub fn finish(mut self, terms: &Terms<'_>, script: &Script, verdict: &mut Verdict) {
        let mut strays = VecDeque::new();
        for lane in &mut self.lanes {
            // What came in a lane of which nothing was recorded may stand for something in another.
            if lane.recorded.is_empty() && terms.strictness != Strictness::Count {
                strays.extend(lane.odd.drain(..).map(|body| (lane.name.clone(), body)));
            }
            lane.settle(lane.pending.len(), terms, script, verdict);
        }
        let passed =
            self.lanes.iter().flat_map(|lane| lane.passed.iter().map(|index| (&lane.name, index)));
        let mut passed: Vec<_> = passed.collect();
        passed.sort_by_key(|(_, index)| **index);
        for (lane, index) in passed {
            match strays.pop_front() {
                Some((_, body)) => differs(lane, *index, &body, terms, script, verdict),
                None => verdict.missing.add(missing(lane, *index, script)),
            }
        }
        strays.iter().for_each(|(lane, body)| verdict.extra.add(extra(lane, body)));
    }
}

impl Lane {
    /// Which of the next recorded messages a message is equal to.
    fn find(&self, body: &Body, terms: &Terms<'_>, script: &Script) -> Option<usize> {
        let mut next = self.pending.iter().take(WINDOW);
        next.position(|index| is_same(&self.name, *index, body, terms, script))
    }

    /// Settles what was recorded before the next `count`-th message with what came before it.
    fn settle(&mut self, count: usize, terms: &Terms<'_>, script: &Script, verdict: &mut Verdict) {
        let pending: Vec<_> = self.pending.drain(..count.min(self.pending.len())).collect();
        let odd: Vec<_> = self.odd.drain(..).collect();
        let near = pending.get(..pending.len().min(4 * WINDOW)).unwrap_or_default();
        let pairs = pairs(near.len(), odd.len(), |row, column| {
            let (Some(index), Some(body)) = (near.get(row), odd.get(column)) else { return 0 };
            likeness(&self.name, *index, body, terms, script)
        });
        let mut left = pairs.iter().copied().peekable();
        for (row, index) in pending.iter().enumerate() {
            let pair = left.next_if(|(paired, _)| *paired == row);
            match pair.and_then(|(_, column)| odd.get(column)) {
                Some(body) => differs(&self.name, *index, body, terms, script, verdict),
                None => self.passed.push(*index),
            }
        }
        let is_paired = |column: usize| pairs.iter().any(|(_, paired)| *paired == column);
        for (_, body) in odd.iter().enumerate().filter(|(column, _)| !is_paired(*column)) {
            verdict.extra.add(extra(&self.name, body));
        }
    }
}

/// Pairs of a row and a column, both in order, that are most alike together.
fn pairs(rows: usize, columns: usize, like: impl Fn(usize, usize) -> u32) -> Vec<(usize, usize)> {
    if rows == columns {
        return (0..rows).map(|both| (both, both)).collect();
    }
    // The best that can be made of what is behind each row and column.
    let mut best = vec![vec![(0, false); columns + 1]; rows + 1];
    let at = |best: &[Vec<(u32, bool)>], row: usize, column: usize| {
        best.get(row).and_then(|row| row.get(column)).copied().unwrap_or_default()
    };
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            let paired = at(&best, row + 1, column + 1).0 + like(row, column);
            let passed = at(&best, row + 1, column).0.max(at(&best, row, column + 1).0);
            let entry = (paired.max(passed), paired >= passed);
            if let Some(cell) = best.get_mut(row).and_then(|row| row.get_mut(column)) {
                *cell = entry;
            }
        }
    }
    let (mut row, mut column, mut pairs) = (0, 0, Vec::new());
    while row < rows && column < columns {
        if at(&best, row, column).1 {
            pairs.push((row, column));
            (row, column) = (row + 1, column + 1);
        } else if at(&best, row + 1, column).0 >= at(&best, row, column + 1).0 {
            row += 1;
        } else {
            column += 1;
        }
    }
    pairs
}

/// How much a message is like a recorded one; never nothing, for they are of one lane.
fn likeness(lane: &str, index: usize, body: &Body, terms: &Terms<'_>, script: &Script) -> u32 {
    let differences = differences(lane, index, body, terms, script).len();
    1000 / (1 + u32::try_from(differences).unwrap_or(u32::MAX).min(999))
}

fn differences(
    lane: &str,
    index: usize,
    body: &Body,
    terms: &Terms<'_>,
    script: &Script,
) -> Vec<Difference> {
    let recorded = script.heard.get(index);
    recorded.map_or_else(Vec::new, |recorded| terms.differences(lane, &recorded.body, body))
}

fn is_same(lane: &str, index: usize, body: &Body, terms: &Terms<'_>, script: &Script) -> bool {
    script.heard.get(index).is_some_and(|recorded| terms.are_same(lane, &recorded.body, body))
}

fn differs(
    lane: &str,
    index: usize,
    body: &Body,
    terms: &Terms<'_>,
    script: &Script,
    verdict: &mut Verdict,
) {
    let differences = differences(lane, index, body, terms, script);
    if differences.is_empty() {
        // What stands for a variable has come meanwhile.
        verdict.matched += 1;
    } else {
        verdict.differing.add(Differing { message: place(lane, index, script), differences });
    }
}

/// Where a recorded message stands.
pub(super) fn place(lane: &str, index: usize, script: &Script) -> Place {
    let packet = script.heard.get(index).and_then(|heard| heard.packet);
    Place { number: index + 1, packet, lane: lane.to_owned() }
}

fn missing(lane: &str, index: usize, script: &Script) -> Missing {
    let text = script.heard.get(index).map(|heard| begin(&heard.body)).unwrap_or_default();
    Missing { message: place(lane, index, script), text }
}

fn extra(lane: &str, body: &Body) -> Extra {
    Extra { lane: lane.to_owned(), text: begin(body) }
}

/// The beginning of a message.
pub(super) fn begin(body: &Body) -> String {
    match body.text() {
        Some(text) => shown(text),
        None => format!("{} bytes", body.data.len()),
    }
}
