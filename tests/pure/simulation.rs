//! Whole sessions, played at random: two scripted peers of any dialects, a clock that is moved by
//! hand, any cuts, and a model that says what must have come of it.
//!
//! Each play is made of one seed. A failure names it; to play it alone, set `HYBRIDGE_SEED`.

mod dice;
mod model;
mod script;

use crate::peer::{DIALECTS, Voice};
use crate::rig::{BOTH, Rig};
use dice::Dice;
use hybridge::event::{Side, Sides};
use hybridge::limits::Limits;
use hybridge::session::policy::{Fragments, Keepalive, Policy};
use hybridge::session::translate::BinaryPolicy;
use model::Model;
use script::Script;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many seeds are played.
const SEEDS: u64 = 3000;

/// The longest play, in steps.
const STEPS: u64 = 60;

#[test]
fn peers_of_any_dialects_at_random() {
    if let Ok(seed) = std::env::var("HYBRIDGE_SEED") {
        play(seed.parse().unwrap());
        return;
    }
    for seed in 0..SEEDS {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| play(seed))) {
            let what = panic.downcast_ref::<String>().map_or("a panic", String::as_str);
            panic!("HYBRIDGE_SEED={seed}: {what}");
        }
    }
}

fn play(seed: u64) {
    let mut dice = Dice::new(seed);
    let dialects = Sides { client: dice.pick(&DIALECTS), backend: dice.pick(&DIALECTS) };
    let policies =
        [BinaryPolicy::Frame, BinaryPolicy::Base64, BinaryPolicy::Refuse, BinaryPolicy::Drop];
    let mut limits = Limits { idle: 5000, ..Limits::default() };
    if dice.one_in(2) {
        limits.drain = 5000;
    }
    if dice.one_in(4) {
        limits.collected = 1000;
    }
    if dice.one_in(8) {
        limits.streamed = 2000;
    }
    let keepalive = dice
        .one_in(3)
        .then(|| Keepalive { every: 200 + dice.below(1500), patience: 100 + dice.below(1500) });
    let fragments = if dice.one_in(3) { Fragments::Coalesce } else { Fragments::Keep };
    let binary = dice.pick(&policies);
    let policy = Policy { limits, binary, fragments, keepalive, ..Policy::default() };
    let mut keys = Dice::new(!seed);
    let entropy = Box::new(move |bytes: &mut [u8]| bytes.fill_with(|| keys.byte()));
    let rig = Rig::new(dialects, policy, entropy);
    let mut model = Model::new(rig);
    let mut scripts = Sides {
        client: Script::new(Voice { dialect: dialects.client, side: Side::Client }, &mut dice),
        backend: Script::new(Voice { dialect: dialects.backend, side: Side::Backend }, &mut dice),
    };
    for _ in 0..10 + dice.below(STEPS) {
        step(&mut dice, &mut model, &mut scripts);
        if dice.one_in(8) {
            model.check(&scripts);
        }
    }
    // Else both are silent from here on.
    if dice.one_in(2) {
        pester(&mut dice, &mut model, &mut scripts);
    }
    model.rig.run_out();
    model.check(&scripts);
    model.check_end(&scripts);
}

/// One step: a peer thinks of something to say, or something of it arrives, or time passes.
fn step(dice: &mut Dice, model: &mut Model, scripts: &mut Sides<Script>) {
    let side = dice.pick(&BOTH);
    let script = &mut scripts[side];
    match dice.below(100) {
        0..10 if model.rig.policy.keepalive.is_some() => {
            if let Some(question) = model.questions(side).pop() {
                script.answer(question, dice);
            }
        }
        0..35 => script.say(dice, model.is_told(side)),
        35..90 => {
            // More often all that there is than a part of it.
            let waiting = script.waiting();
            let count = if dice.one_in(2) { waiting } else { dice.length(waiting + 1) };
            if count > 0 {
                model.arrive(side, count, scripts);
            } else if script.wants_end() {
                model.end(side, true, scripts);
            }
        }
        90..97 => model.rig.wait(dice.below(1500)),
        97 => model.rig.wait_for_deadline(),
        98 if dice.one_in(2) => {
            // Peers that are slow to read.
            let unsent = if dice.one_in(3) { 0 } else { dice.length(3) };
            model.rig.take(unsent);
        }
        98 if dice.one_in(2) => model.end(side, false, scripts),
        _ if dice.one_in(3) => model.rig.leave(),
        _ => {}
    }
}

/// The session closes, or does already, and the peers do not: they talk on and on, and take what
/// they are sent by and by or never. The rig sees to it that this ends in time.
fn pester(dice: &mut Dice, model: &mut Model, scripts: &mut Sides<Script>) {
    if !model.has_ended() || dice.one_in(2) {
        model.rig.leave();
    }
    // Some take the whole time for a single message.
    let most = if dice.one_in(2) { 3 } else { 10_000 };
    while !model.rig.session.is_over(model.rig.now) {
        let side = dice.pick(&BOTH);
        let script = &mut scripts[side];
        if script.waiting() == 0 {
            script.chatter(dice);
        }
        let count = script.waiting().min(dice.length(most));
        if count > 0 {
            model.arrive(side, count, scripts);
        }
        if dice.one_in(4) {
            model.rig.take(dice.length(3));
        }
        if dice.one_in(8) {
            model.check(scripts);
        }
        model.rig.wait(dice.below(1000));
    }
}
