//! One session in which the recorded server is stood in for: what is said to a live client next, and
//! when. The script is mirrored: its `said` are the server's messages, its `heard` the client's.

use super::compare::{Difference, Made, Strictness, Terms, shown};
use super::lanes::Lanes;
use super::matcher::place;
use super::mirror::mirrored;
use super::pace::Pace;
use super::player::Next;
use super::rules::Rules;
use super::script::{Body, Script};
use super::variables::Variables;
use super::verdict::Place;
use crate::event::{Side, close_code};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// How far a lane is searched for the message that a new one stands for.
const WINDOW: usize = 16;

/// How long a client has to answer our close, in nanoseconds: some old ones never do.
const FAREWELL: u64 = 2_000_000_000;

/// A time that never comes.
const NEVER: u64 = u64::MAX;

/// What all sessions of a mock share.
#[derive(Debug)]
pub struct Role {
    /// What belongs together of what clients say.
    pub asks: Lanes,
    /// What belongs together of what the server says, and what comes unasked.
    pub tells: Lanes,
    /// What may differ.
    pub rules: Rules,
    /// How strictly messages are compared.
    pub strictness: Strictness,
    /// Which pauses of the recording are made.
    pub pace: Pace,
    /// How long a message is waited for that the client has passed over in another lane, in nanoseconds.
    pub stall: u64,
    /// Whether a message that is like none stands for the one that is most like it.
    pub nearest: bool,
    /// Whether values of the client are carried into what the server says.
    pub carry: bool,
    /// Where clients say what they have made up; found in the sessions.
    pub made: Made,
}

/// A session in progress.
#[derive(Debug)]
pub struct Mock {
    role: Arc<Role>,
    script: Script,
    variables: Variables,
    /// When the client's messages came, or others in their places.
    come: Vec<Option<u64>>,
    lanes: HashMap<String, Lane>,
    /// How many of the client's messages have come without one missing, and up to which any has.
    settled: usize,
    furthest: usize,
    /// When the session was open, when the last message was said, and when one that is known came.
    opened: u64,
    said: u64,
    heard: u64,
    /// The number of the next message to say.
    next: usize,
    phase: Phase,
    tally: Tally,
}

/// What is counted of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The client's messages that are like a recorded one.
    pub matched: u64,
    /// Those that are like none.
    pub missed: u64,
}

/// A message that is like none of the next recorded ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// The beginning of it.
    pub text: String,
    /// The one that is most like it, and what differs; `None` where no more is recorded.
    pub nearest: Option<(Place, Vec<Difference>)>,
}

/// Messages of the client that keep their order.
#[derive(Debug, Default)]
struct Lane {
    /// Those that have not come, by their numbers.
    pending: VecDeque<usize>,
    /// Those that were passed over.
    passed: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Talking,
    /// The end is to begin, with this close code.
    Ending(u16),
    /// We have begun the end, and wait for the client's until then.
    Leaving(u64),
    Over,
}

impl Role {
    /// Looks at a session for places whose values clients make up.
    pub fn look(&mut self, mirror: &Script) {
        if self.carry {
            self.made.extend(self.asks.made_up(mirror));
        }
    }

    const fn terms<'a>(&'a self, variables: &'a Variables) -> Terms<'a> {
        let Self { rules, strictness, made, .. } = self;
        Terms { rules, strictness: *strictness, variables, made }
    }
}

impl Mock {
    /// A session that is open now, as it was recorded; `asked` is what [`asked`](super::mirror::asked) finds
    /// in the client's request.
    pub fn new(role: Arc<Role>, script: Script, now: u64, asked: &[(String, String)]) -> Self {
        let script = mirrored(script);
        let mut variables =
            if role.carry { Variables::find(&script) } else { Variables::default() };
        variables.answered(asked, &role.rules);
        let mut lanes: HashMap<String, Lane> = HashMap::new();
        for (index, heard) in script.heard.iter().enumerate() {
            let lane = role.asks.of(&heard.body).into_owned();
            lanes.entry(lane).or_default().pending.push_back(index);
        }
        Self {
            role,
            come: vec![None; script.heard.len()],
            script,
            variables,
            lanes,
            settled: 0,
            furthest: 0,
            opened: now,
            said: now,
            heard: now,
            next: 0,
            phase: Phase::Talking,
            tally: Tally::default(),
        }
    }

    /// The client has said a message; hands out what is wrong with one that is like none.
    pub fn heard(&mut self, now: u64, body: &Body) -> Option<Miss> {
        if self.phase != Phase::Talking {
            return None;
        }
        let name = self.role.asks.of(body);
        if let Some(index) = self.find(&name, body) {
            self.tally.matched += 1;
            self.take(now, &name, index, body);
            return None;
        }
        if self.take_passed(&name, body) {
            self.tally.matched += 1;
            return None;
        }
        self.tally.missed += 1;
        let nearest = self.nearest(&name, body);
        if let Some((lane, index, _)) = nearest.as_ref().filter(|_| self.role.nearest) {
            self.take(now, lane, *index, body);
        }
        let nearest = nearest
            .map(|(lane, index, differences)| (place(&lane, index, &self.script), differences));
        let text = match body.text() {
            Some(text) => shown(text),
            None => format!("{} bytes", body.data.len()),
        };
        Some(Miss { text, nearest })
    }

    /// The client has ended the session, or the connection was lost.
    pub const fn ended(&mut self) {
        self.phase = Phase::Over;
    }

    /// The session is to end now, with this close code.
    pub fn end(&mut self, code: u16) {
        if self.phase == Phase::Talking {
            self.phase = Phase::Ending(code);
            self.script.closing.reason.clear();
        }
    }

    /// Whether nothing more is to be done.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// What is to be done next.
    pub fn next(&mut self, now: u64) -> Next<'_> {
        match self.phase {
            Phase::Over => return Next::Done,
            Phase::Leaving(until) if now < until => return Next::Wait(until),
            Phase::Leaving(_) => {
                self.phase = Phase::Over;
                return Next::Done;
            }
            Phase::Ending(code) => return self.leave(now, Some(code)),
            Phase::Talking => {}
        }
        if let Some(said) = self.script.said.get(self.next) {
            let (seen, at) = (said.seen, said.at);
            let is_pause = self.role.tells.is_push(&self.role.tells.of(&said.body));
            return match self.waits(now, seen, at, is_pause) {
                Some(until) => Next::Wait(until),
                None => self.say(now),
            };
        }
        let closing = &self.script.closing;
        if closing.by != Some(Side::Client) {
            return Next::Wait(NEVER);
        }
        let (at, code) = (closing.at, closing.code);
        let seen = self.script.heard.partition_point(|heard| heard.at <= at);
        // A client may say more before it is told to leave.
        if let Some(until) = self.waits(now, seen, at, true) {
            return Next::Wait(until);
        }
        let has_codes = self.script.open.dialect.able().close_code;
        self.leave(now, code.or_else(|| (!has_codes).then_some(close_code::NORMAL)))
    }

    /// What the server says with its close.
    pub fn reason(&self) -> &str {
        &self.script.closing.reason
    }

    /// What was counted.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// Until when what was said behind `seen` messages of the client waits; `None` when it is time.
    fn waits(&mut self, now: u64, seen: usize, at: u64, is_pause: bool) -> Option<u64> {
        if let Some(until) = self.awaits(now, seen) {
            return Some(until);
        }
        let before = seen.checked_sub(1);
        let heard = before
            .and_then(|index| Some((self.script.heard.get(index)?.at, (*self.come.get(index)?)?)));
        let heard = heard.unwrap_or_else(|| (self.script.opened(), self.opened));
        let (since, pause) = match self.role.pace {
            Pace::Time(speed) => (heard.1, speed.scaled(at.saturating_sub(heard.0))),
            Pace::Causal if is_pause => {
                let said = self.next.checked_sub(1).and_then(|index| self.script.said.get(index));
                let said = said.map_or((0, 0), |said| (said.at, self.said));
                let last = if said.0 > heard.0 { said } else { heard };
                (last.1, at.saturating_sub(last.0))
            }
            _ => return None,
        };
        Some(since.saturating_add(pause)).filter(|due| now < *due)
    }

    /// Until when messages of the client are waited for; `None` when they have come. What it has passed
    /// over in another lane is not waited for without an end.
    fn awaits(&mut self, now: u64, seen: usize) -> Option<u64> {
        while self.settled < seen.min(self.come.len()) {
            let until = self.heard.saturating_add(self.role.stall);
            match self.come.get_mut(self.settled) {
                Some(None) if self.furthest <= self.settled => return Some(NEVER),
                Some(None) if now < until => return Some(until),
                Some(come) => *come = come.or(Some(now)),
                None => {}
            }
            self.settled += 1;
        }
        None
    }

    fn say(&mut self, now: u64) -> Next<'_> {
        let number = self.next;
        (self.next, self.said) = (number + 1, now);
        match self.script.said.get(number) {
            Some(said) => Next::Say(self.variables.rewritten(number, &said.body)),
            None => Next::Done,
        }
    }

    const fn leave(&mut self, now: u64, code: Option<u16>) -> Next<'_> {
        self.phase = Phase::Leaving(now.saturating_add(FAREWELL));
        Next::Leave(code)
    }

    /// Which of the next messages of a lane this one is equal to.
    fn find(&self, lane: &str, body: &Body) -> Option<usize> {
        let next = self.lanes.get(lane)?.pending.iter().take(WINDOW);
        next.copied().find(|index| self.differences(lane, *index, body).is_empty())
    }

    /// A message has come, or one in its place; what was before it in its lane was passed over.
    fn take(&mut self, now: u64, lane: &str, index: usize, body: &Body) {
        self.variables.heard(index, body, &self.role.rules);
        let Some(lane) = self.lanes.get_mut(lane) else { return };
        while let Some(before) = lane.pending.pop_front_if(|before| *before <= index) {
            if let Some(come) = self.come.get_mut(before) {
                *come = come.or(Some(now));
            }
            if before < index {
                lane.passed.push(before);
            }
        }
        self.furthest = self.furthest.max(index + 1);
        self.heard = now;
    }

    /// Takes a message that comes behind those that had passed it.
    fn take_passed(&mut self, name: &str, body: &Body) -> bool {
        let Some(lane) = self.lanes.get(name) else { return false };
        let mut passed = lane.passed.iter().rev().take(WINDOW);
        let same = passed.find(|index| self.differences(name, **index, body).is_empty()).copied();
        let (Some(same), Some(lane)) = (same, self.lanes.get_mut(name)) else { return false };
        lane.passed.retain(|index| *index != same);
        self.variables.heard(same, body, &self.role.rules);
        true
    }

    /// The next message that differs least: of the lane, or of any where that has none.
    fn nearest(&self, name: &str, body: &Body) -> Option<(String, usize, Vec<Difference>)> {
        let lane = self.lanes.get_key_value(name).filter(|(_, lane)| !lane.pending.is_empty());
        let mut next: Vec<(&String, usize)> = match lane {
            Some((name, lane)) => {
                lane.pending.iter().map(|index| (name, *index)).take(WINDOW).collect()
            }
            None => {
                let lanes = self.lanes.iter().flat_map(|(name, lane)| {
                    lane.pending.iter().take(WINDOW).map(move |index| (name, *index))
                });
                lanes.collect()
            }
        };
        next.sort_by_key(|(_, index)| *index);
        let kind = |index: usize| self.script.heard.get(index).map(|heard| heard.body.kind);
        let all = next
            .into_iter()
            .take(WINDOW)
            .map(|(lane, index)| (lane, index, self.differences(lane, index, body)));
        // Another kind of message is one difference, and is less like it than any other.
        let nearest = all.min_by_key(|(_, index, differences)| {
            (kind(*index) != Some(body.kind), differences.len())
        });
        nearest.map(|(lane, index, differences)| (lane.clone(), index, differences))
    }

    fn differences(&self, lane: &str, index: usize, body: &Body) -> Vec<Difference> {
        let terms = self.role.terms(&self.variables);
        let recorded = self.script.heard.get(index);
        recorded.map_or_else(Vec::new, |heard| terms.differences(lane, &heard.body, body))
    }
}

#[cfg(test)]
mod tests;
