//! What came of a session that was said again.

use super::compare::Difference;
use super::variables::Variable;
use std::borrow::Cow;

/// How many findings of one kind are kept of a session; more are only counted.
pub const MOST_FINDINGS: usize = 100;

/// The verdict on one session.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Its number in the recording, and which of its copies it is, from 0.
    pub session: u64,
    /// Which of its copies, from 0.
    pub copy: u32,
    /// What the client asked for.
    pub target: String,
    /// How many messages the client was to say, and has said.
    pub to_say: u64,
    /// How many it has said.
    pub said: u64,
    /// How many messages of the server were expected.
    pub expected: u64,
    /// How many came as they were expected.
    pub matched: u64,
    /// Those that came and differ.
    pub differing: Findings<Differing>,
    /// Those that did not come.
    pub missing: Findings<Missing>,
    /// What came and was not expected.
    pub extra: Findings<Extra>,
    /// Those that came, but not in their place.
    pub moved: Findings<Missing>,
    /// What was waited for in vain.
    pub stalls: Findings<Stall>,
    /// What the client of another recording said otherwise.
    pub otherwise: Findings<Otherwise>,
    /// Whether the server has accepted it.
    pub opened: bool,
    /// How the opening differs, for a person.
    pub opening: Option<String>,
    /// How the end differs, for a person.
    pub closing: Option<String>,
    /// What is wrong with the recording of it.
    pub damage: Option<String>,
    /// Whether it was ended before it was over.
    pub interrupted: bool,
    /// The values that were carried forward.
    pub variables: Vec<Variable>,
    /// How long answers took.
    pub delays: Vec<Delay>,
}

/// Findings of one kind, of which the first are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings<F> {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<F>,
}

/// A message that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// Which one.
    pub message: Place,
    /// How it differs.
    pub differences: Vec<Difference>,
}

/// A message that was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Which one.
    pub message: Place,
    /// The beginning of it.
    pub text: String,
}

/// A message that was not expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Its lane.
    pub lane: String,
    /// The beginning of it.
    pub text: String,
}

/// A message of the client that it said otherwise, or that was not expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otherwise {
    /// Its number, from 1.
    pub number: usize,
    /// How it differs.
    pub differences: Vec<Difference>,
}

/// A client message that has waited in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// The number of the client's message, from 1.
    pub said: usize,
    /// What it has waited for.
    pub awaited: Place,
}

/// Where a message of the server stands in the recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its number among those of the server, from 1.
    pub number: usize,
    /// Its packet.
    pub packet: Option<u64>,
    /// Its lane.
    pub lane: String,
}

/// How long an answer took, in nanoseconds behind the message of the client before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    /// Its lane.
    pub lane: Cow<'static, str>,
    /// In the recording.
    pub then: u64,
    /// Now.
    pub now: u64,
}

impl<F> Default for Findings<F> {
    fn default() -> Self {
        Self { count: 0, first: Vec::new() }
    }
}

impl<F> Findings<F> {
    /// Adds one.
    pub fn add(&mut self, finding: F) {
        self.count += 1;
        if self.first.len() < MOST_FINDINGS {
            self.first.push(finding);
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Verdict {
    /// That on a session that could not be read again.
    pub fn unread(index: usize, copy: u32, why: &str) -> Self {
        let session = index as u64 + 1;
        Self { session, copy, opening: Some(why.to_owned()), ..Self::default() }
    }

    /// Whether all is as it was: what was expected came, nothing else did, and all was said.
    pub const fn is_same(&self) -> bool {
        self.differing.is_empty()
            && self.missing.is_empty()
            && self.extra.is_empty()
            && self.moved.is_empty()
            && self.stalls.is_empty()
            && self.otherwise.is_empty()
            && self.opening.is_none()
            && self.closing.is_none()
            && !self.interrupted
            && self.said == self.to_say
            && self.matched == self.expected
    }
}
