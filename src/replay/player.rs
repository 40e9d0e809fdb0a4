//! One session that is said again: what its client says next, and when.

use super::compare::{Difference, Made, Strictness, Terms};
use super::lanes::Lanes;
use super::live::Live;
use super::matcher::{Matcher, begin, place};
use super::pace::Pace;
use super::rules::Rules;
use super::script::{Body, Script};
use super::variables::Variables;
use super::verdict::{Delay, Otherwise, Stall, Verdict};
use crate::event::{Side, close_code};
use std::borrow::Cow;
use std::sync::Arc;

/// How long a session is left open where messages came that differ, in nanoseconds.
const LINGER: u64 = 200_000_000;

/// What all sessions of a replay share.
#[derive(Debug, Default)]
pub struct Plan {
    /// What belongs together.
    pub lanes: Lanes,
    /// What may differ.
    pub rules: Rules,
    /// How strictly messages are compared.
    pub strictness: Strictness,
    /// When messages are said.
    pub pace: Pace,
    /// Which answers are waited for.
    pub wait: Wait,
    /// How long a message waits for them, in nanoseconds.
    pub stall: u64,
    /// How long the end waits for what was recorded before it, in nanoseconds behind what came last.
    pub drain: u64,
    /// Whether values are carried forward.
    pub carry: bool,
    /// Where servers say what they have made up; found in the sessions.
    pub made: Made,
    /// Whether it counts how sessions end.
    pub closing: bool,
}

/// Which of the messages that a client had seen are waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wait {
    /// All but those that come unasked.
    #[default]
    Replies,
    /// All.
    All,
    /// The last but those.
    Last,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'p> {
    /// Say this message.
    Say(Cow<'p, Body>),
    /// Wait for what comes, and for a person who lets the next message, which is this, be said.
    Ask(&'p Body),
    /// Wait for what comes, at most until then.
    Wait(u64),
    /// Begin the end, with this close code where there is one.
    Leave(Option<u16>),
    /// It is over.
    Done,
}

/// A session in progress.
#[derive(Debug)]
pub struct Player {
    plan: Arc<Plan>,
    script: Script,
    matcher: Matcher,
    variables: Variables,
    verdict: Verdict,
    phase: Phase,
    /// When it was open.
    opened: u64,
    /// When something happened last that was to happen.
    progress: u64,
    /// The number of the next message to say.
    next: usize,
    /// What that one waits for.
    awaited: Vec<usize>,
    /// Whether a person has let it be said.
    allowed: bool,
    /// How many of the server's messages earlier ones have waited for.
    looked: usize,
    /// When the messages were said.
    times: Vec<u64>,
    /// What happens, where that is wanted.
    live: Option<Live>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Talking,
    /// We have begun the end, and wait for the other side's until then.
    Leaving(u64),
    Over,
}

impl Plan {
    /// Looks at a session for places whose values servers make up.
    pub fn look(&mut self, script: &Script) {
        if self.carry {
            self.made.extend(self.lanes.made_up(script));
        }
    }
}

impl Player {
    /// A session that is about to be asked for.
    pub fn new(plan: Arc<Plan>, script: Script, copy: u32) -> Self {
        let variables = if plan.carry { Variables::find(&script) } else { Variables::default() };
        let verdict = Verdict {
            session: script.session,
            copy,
            target: script.open.target.clone(),
            to_say: script.said.len() as u64,
            expected: script.heard.len() as u64,
            damage: script.damage.clone(),
            delays: Vec::with_capacity(script.heard.len()),
            ..Verdict::default()
        };
        let matcher = Matcher::new(&script, &plan.lanes);
        let times = Vec::with_capacity(script.said.len());
        let mut this = Self {
            plan,
            matcher,
            script,
            variables,
            verdict,
            phase: Phase::Talking,
            opened: 0,
            progress: 0,
            next: 0,
            awaited: Vec::new(),
            allowed: false,
            looked: 0,
            times,
            live: None,
        };
        this.look_ahead();
        this
    }

    /// A session of which what is said and heard is kept too.
    pub fn kept(plan: Arc<Plan>, script: Script, copy: u32) -> Self {
        let live = Some(Live::new(&script));
        Self { live, ..Self::new(plan, script, copy) }
    }

    /// The recording of it.
    pub const fn script(&self) -> &Script {
        &self.script
    }

    /// The server has answered the opening handshake.
    pub fn opened(&mut self, now: u64, status: u16, fields: &[(String, String)]) {
        (self.opened, self.progress) = (now, now);
        self.verdict.opened = status == 101;
        if let Some(live) = &mut self.live {
            live.opened(now, status, fields);
        }
        let recorded = self.script.accept.as_ref().map(|(_, accept)| accept);
        let due = recorded.map_or(101, |accept| accept.status);
        if status != due {
            self.verdict.opening = Some(format!("answered with {status}, expected {due}"));
        } else if let Some(accept) = recorded {
            let chosen = |fields: &[(String, String)]| {
                let is_chosen = |name: &str| {
                    let names = ["Sec-WebSocket-Protocol", "WebSocket-Protocol"];
                    names.iter().any(|other| name.eq_ignore_ascii_case(other))
                };
                let mut fields = fields.iter().filter(|(name, _)| is_chosen(name));
                fields.next().map(|(_, value)| value.clone())
            };
            let (due, chosen) = (chosen(&accept.fields), chosen(fields));
            if due != chosen {
                let told = |chosen: Option<String>| chosen.unwrap_or_else(|| "none".to_owned());
                let (due, chosen) = (told(due), told(chosen));
                self.verdict.opening = Some(format!("subprotocol {chosen}, expected {due}"));
            }
        }
        self.variables.answered(fields, &self.plan.rules);
        if status != 101 {
            self.phase = Phase::Over;
        }
    }

    /// The server could not be reached, or its answer is none.
    pub fn failed(&mut self, why: String) {
        self.verdict.opening = Some(why);
        self.phase = Phase::Over;
    }

    /// The server has said a message.
    pub fn heard(&mut self, now: u64, body: Body) {
        if let Some(live) = self.live.as_mut().filter(|_| self.phase == Phase::Talking) {
            live.heard(now, &body);
        }
        let Self { plan, script, matcher, variables, verdict, .. } = self;
        let lane = plan.lanes.of(&body);
        let terms = terms(plan, variables);
        let counterpart = matcher.counterpart(&lane, &body, &terms, script);
        if let Some(index) = counterpart {
            variables.heard(index, &body, &plan.rules);
            self.progress = now;
        }
        let terms = self::terms(plan, variables);
        let Some(index) = matcher.take(&lane, body, &terms, script, verdict) else { return };
        let Some(heard) = script.heard.get(index).filter(|_| !plan.lanes.is_push(&lane)) else {
            return;
        };
        let Some(said) = heard.after.checked_sub(1) else { return };
        if let (Some(said), Some(time)) = (script.said.get(said), self.times.get(said)) {
            let (then, now) = (heard.at.saturating_sub(said.at), now.saturating_sub(*time));
            verdict.delays.push(Delay { lane, then, now });
        }
    }

    /// Another client has said its next message, in the place of ours.
    pub(super) fn hear_client(&mut self, now: u64, body: &Body) {
        let number = self.next;
        let expected = match self.script.said.get(number) {
            Some(_) => match self.say(now) {
                Next::Say(expected) => Some(expected.into_owned()),
                _ => None,
            },
            None => {
                self.next += 1;
                None
            }
        };
        let differences = match expected {
            Some(expected) => terms(&self.plan, &self.variables).differences("", &expected, body),
            None => {
                vec![Difference { path: String::new(), expected: None, actual: Some(begin(body)) }]
            }
        };
        if !differences.is_empty() {
            self.verdict.otherwise.add(Otherwise { number: number + 1, differences });
        }
    }

    /// The server has ended the session: with a close, perhaps with a code, or by the end of its
    /// stream; or the connection was lost.
    pub fn ended(&mut self, how: Ended) {
        let early = self.phase == Phase::Talking;
        self.phase = Phase::Over;
        if let Some(live) = self.live.as_mut().filter(|_| early) {
            live.ended(&how);
        }
        if !self.plan.closing {
            return;
        }
        if !early && let Ended::Closed(code) = how {
            // An answer of its own is no echo of our close.
            let (code, ours) = (plain(code), plain(self.script.closing.code));
            if code.is_some() && code != ours {
                let code = told(code);
                self.verdict.closing = Some(format!("our close was answered with {code}"));
            }
            return;
        }
        let Script { closing, .. } = &self.script;
        self.verdict.closing = match (how, closing.by) {
            (Ended::Lost, _) => Some("the connection was lost".to_owned()),
            (Ended::Fault(fault), _) => Some(format!("the server broke a rule: {fault}")),
            (Ended::Closed(code), Some(Side::Backend)) => {
                let (due, code) = (plain(closing.code), plain(code));
                (due != code).then(|| format!("closed with {}, expected {}", told(code), told(due)))
            }
            (Ended::Closed(code), _) => Some(format!(
                "the server closed with {}, expected the client to",
                told(plain(code))
            )),
        };
    }

    /// The replay is interrupted.
    pub const fn interrupt(&mut self) {
        if !matches!(self.phase, Phase::Over) {
            self.verdict.interrupted = true;
            self.phase = Phase::Over;
        }
    }

    /// What is to be done next.
    pub fn next(&mut self, now: u64) -> Next<'_> {
        match self.phase {
            Phase::Over => return Next::Done,
            Phase::Leaving(until) if now < until => return Next::Wait(until),
            Phase::Leaving(_) => {
                self.phase = Phase::Over;
                if self.plan.closing && self.verdict.closing.is_none() {
                    self.verdict.closing = Some("our close was not answered".to_owned());
                }
                return Next::Done;
            }
            Phase::Talking => {}
        }
        if self.next < self.script.said.len() {
            return match self.waits(now) {
                Some(until) => Next::Wait(until),
                None if self.plan.pace == Pace::Step && !self.allowed => self.ask(),
                None => self.say(now),
            };
        }
        let by_server = self.script.closing.by == Some(Side::Backend);
        // What came and differs may have been one too many.
        let all = self.matcher.have_all_come();
        let patience =
            if all && !by_server { self.plan.drain.min(LINGER) } else { self.patience() };
        // And what was said last may have an answer that was not recorded.
        let heard = self.script.heard.last().map_or(0, |heard| heard.after);
        let is_answered = heard == self.script.said.len();
        let is_sound = self.script.damage.is_none();
        let is_over = self.matcher.is_settled() && !by_server && is_sound && is_answered;
        let until = self.progress.saturating_add(patience);
        if !is_over && now < until {
            return Next::Wait(until);
        }
        if by_server && self.plan.closing && self.script.damage.is_none() {
            self.verdict.closing = Some("the server did not close, as it did then".to_owned());
        }
        self.phase = Phase::Leaving(now.saturating_add(self.plan.drain));
        if let Some(live) = &mut self.live {
            live.left(now);
        }
        Next::Leave(self.script.closing.code.filter(|_| !by_server).or(Some(close_code::NORMAL)))
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// How long a message waits, in nanoseconds.
    pub fn stall(&self) -> u64 {
        self.plan.stall
    }

    /// What was said and heard, where it was kept.
    pub fn transcript(&mut self) -> Option<Script> {
        self.live.take().map(Live::finish)
    }

    /// What came of it.
    pub fn finish(mut self) -> Verdict {
        let terms = terms(&self.plan, &self.variables);
        self.matcher.finish(&terms, &self.script, &mut self.verdict);
        self.verdict.variables = self.variables.all().to_vec();
        self.verdict
    }

    /// Lets the next message be said.
    pub const fn allow(&mut self) {
        self.allowed = true;
    }

    fn ask(&self) -> Next<'_> {
        self.script.said.get(self.next).map_or(Next::Done, |said| Next::Ask(&said.body))
    }

    /// Says the next message.
    fn say(&mut self, now: u64) -> Next<'_> {
        let number = self.next;
        (self.next, self.progress, self.allowed) = (number + 1, now, false);
        self.verdict.said += 1;
        self.times.push(now);
        self.look_ahead();
        match self.script.said.get(number) {
            Some(said) => {
                let body = self.variables.rewritten(number, &said.body);
                if let Some(live) = &mut self.live {
                    live.said(now, &body);
                }
                Next::Say(body)
            }
            None => Next::Done,
        }
    }

    /// Until when the next message waits; `None` when it is time.
    fn waits(&mut self, now: u64) -> Option<u64> {
        let Self { plan, script, matcher, variables, .. } = self;
        let said = script.said.get(self.next)?;
        if let Some(speed) = plan.pace.speed() {
            let time = speed.scaled(said.at.saturating_sub(script.opened()));
            let due = self.opened.saturating_add(time);
            if now < due {
                return Some(due);
            }
        }
        if !plan.pace.is_causal() {
            return None;
        }
        self.awaited.retain(|index| !matcher.has_come(*index));
        let brings = variables.needs(self.next).find(|index| !matcher.has_come(*index));
        let awaited = brings.or_else(|| self.awaited.first().copied())?;
        // What takes long in the recording may take as long.
        let until = self.progress.saturating_add(plan.stall);
        if now < until {
            return Some(until);
        }
        let awaited = place(matcher.lane_of(awaited), awaited, script);
        self.verdict.stalls.add(Stall { said: self.next + 1, awaited });
        // Later ones do not wait for the same again.
        self.awaited.clear();
        None
    }

    /// Finds what the next message waits for, beside what earlier ones have waited for.
    fn look_ahead(&mut self) {
        let Self { plan, script, matcher, .. } = self;
        let Some(said) = script.said.get(self.next) else { return };
        let seen = self.looked..said.seen.max(self.looked);
        self.looked = seen.end;
        let is_reply = |index: &usize| !plan.lanes.is_push(matcher.lane_of(*index));
        match plan.wait {
            Wait::All => self.awaited.extend(seen),
            Wait::Replies => self.awaited.extend(seen.filter(is_reply)),
            Wait::Last => {
                if let Some(last) = seen.rev().find(is_reply) {
                    self.awaited = vec![last];
                }
            }
        }
    }

    /// How long the end waits behind what came last: as long as anything has taken in the recording, and
    /// some time.
    fn patience(&self) -> u64 {
        let times = self.script.heard.iter().map(|heard| heard.at).chain([self.script.closing.at]);
        let gaps = times.clone().zip(times.skip(1)).map(|(a, b)| b.saturating_sub(a));
        let behind = self.script.said.last().map_or(0, |said| said.at);
        let first = self.script.heard.iter().map(|heard| heard.at).find(|at| *at > behind);
        let gap = gaps.chain(first.map(|at| at - behind)).max().unwrap_or(0);
        self.plan.drain.max(gap.saturating_mul(2))
    }
}

/// How a server has ended a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// In order, with this code where it said one.
    Closed(Option<u16>),
    /// With what it may not say.
    Fault(String),
    /// Not so.
    Lost,
}

const fn terms<'a>(plan: &'a Plan, variables: &'a Variables) -> Terms<'a> {
    Terms { rules: &plan.rules, strictness: plan.strictness, variables, made: &plan.made }
}

/// A close code, where it says more than that all has been said: the old drafts have none.
fn plain(code: Option<u16>) -> Option<u16> {
    code.filter(|code| ![close_code::NORMAL, close_code::GOING_AWAY, 1005].contains(code))
}

fn told(code: Option<u16>) -> String {
    code.map_or_else(|| "no code of its own".to_owned(), |code| code.to_string())
}
