//! A player and a server on one clock that is not the machine's: a day takes as long as a message.

use hybridge::replay::compare::{Made, Strictness};
use hybridge::replay::lanes::Survey;
use hybridge::replay::pace::Pace;
use hybridge::replay::player::{Ended, Next, Plan, Player, Wait};
use hybridge::replay::rules::Rules;
use hybridge::replay::script::{Body, Script};
use hybridge::replay::verdict::Verdict;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const STALL: u64 = 5_000_000_000;
pub(crate) const DRAIN: u64 = 2_000_000_000;

/// How a server answers: with messages, each so many nanoseconds later.
pub(crate) type Server<'s> = dyn FnMut(usize, &Body) -> Vec<(u64, Body)> + 's;

/// What a session came to.
pub(crate) struct Played {
    pub(crate) verdict: Verdict,
    /// What the client said, and how many messages it had heard by then.
    pub(crate) said: Vec<(Body, Vec<Body>)>,
    /// How long it took.
    pub(crate) took: u64,
}

pub(crate) fn plan(script: &Script, pace: Pace, mut rules: Rules) -> Plan {
    let mut survey = Survey::default();
    survey.look(script, &rules);
    let mut plan = Plan {
        lanes: survey.lanes(&mut rules),
        rules,
        strictness: Strictness::Json,
        pace,
        wait: Wait::Replies,
        stall: STALL,
        drain: DRAIN,
        carry: true,
        made: Made::new(),
        closing: true,
    };
    plan.look(script);
    plan
}

/// Plays a session to its end.
pub(crate) fn play(script: &Script, plan: Plan, server: &mut Server<'_>) -> Played {
    let mut player = Player::new(Arc::new(plan), script.clone(), 0);
    let (mut now, mut number) = (1_000, 0);
    let mut coming: BTreeMap<(u64, usize), Body> = BTreeMap::new();
    let (mut said, mut heard) = (Vec::new(), Vec::new());
    player.opened(now, 101, &[]);
    for steps in 0.. {
        assert!(steps < 100_000, "it has no end");
        let until = match player.next(now) {
            Next::Done => break,
            Next::Ask(_) => panic!("nobody is to be asked"),
            Next::Say(body) => {
                let body = body.into_owned();
                for (delay, answer) in server(said.len(), &body) {
                    number += 1;
                    coming.insert((now + delay, number), answer);
                }
                said.push((body, heard.clone()));
                continue;
            }
            Next::Leave(_) => {
                // What was on its way comes before the server's close.
                for body in std::mem::take(&mut coming).into_values() {
                    player.heard(now, body);
                }
                player.ended(Ended::Closed(None));
                continue;
            }
            Next::Wait(until) => until,
        };
        match coming.first_entry() {
            Some(next) if next.key().0 <= until => {
                now = now.max(next.key().0);
                let body = next.remove();
                heard.push(body.clone());
                player.heard(now, body);
            }
            _ => now = until,
        }
    }
    Played { verdict: player.finish(), said, took: now }
}
