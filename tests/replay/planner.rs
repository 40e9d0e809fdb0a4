//! When messages are said: properties of sessions with a server of any pace.

use crate::stage::{DRAIN, Played, STALL, plan, play};
use crate::story::{Happening, TOKEN, ack, happenings, quote, script, welcome};
use hybridge::replay::pace::Pace;
use hybridge::replay::rules::Rules;
use hybridge::replay::script::{Body, Script};
use proptest::prelude::*;

fn rules() -> Rules {
    Rules::parse("lane = '/op'\npush = ['quote']").unwrap()
}

/// A server that does what was recorded, with another token and these delays; quotes come behind the
/// login, whenever they like.
fn server<'s>(
    script: &'s Script,
    token: &'s str,
    delays: &'s [u64],
) -> impl FnMut(usize, &Body) -> Vec<(u64, Body)> + 's {
    let (mut number, mut free) = (0, 0);
    let mut delay = move || {
        number += 1;
        delays[number % delays.len()]
    };
    move |said, _| {
        // Acknowledgements come in order, and all together within the time that the end waits.
        if said > 0 {
            free += delay();
            return vec![(free, ack(said))];
        }
        let quotes =
            script.heard.iter().filter(|heard| heard.body.text().unwrap().contains("quote"));
        let (mut at, mut all) = (0, vec![(delay(), welcome(token))]);
        for number in 1..=quotes.count() {
            at += delay();
            all.push((at, quote(number)));
        }
        all
    }
}

fn played(script: &Script, token: &str, delays: &[u64]) -> Played {
    play(script, plan(script, Pace::Causal, rules()), &mut server(script, token, delays))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever the server's pace, all is said and all is as it was, and no message is said before what
    /// its sender had seen has been answered.
    #[test]
    fn any_timing_gives_the_same(
        happenings in happenings(),
        delays in prop::collection::vec(0_u64..40_000_000, 1..20),
    ) {
        let script = script(&happenings);
        // What the client never says is no variable.
        let token = if script.said.len() > 1 { "999new888tok" } else { TOKEN };
        let Played { verdict, said, .. } = played(&script, token, &delays);
        prop_assert!(verdict.is_same(), "{verdict:?}");
        prop_assert_eq!(verdict.matched, script.heard.len() as u64);
        for (number, (body, heard)) in said.iter().enumerate() {
            let recorded = &script.said[number];
            let acks = |bodies: &mut dyn Iterator<Item = &Body>| {
                bodies.filter(|body| body.text().unwrap().contains("ack")).count()
            };
            let due = acks(&mut script.heard[..recorded.seen].iter().map(|heard| &heard.body));
            prop_assert!(acks(&mut heard.iter()) >= due, "{number}: {heard:?}");
            let text = recorded.body.text().unwrap().replace(TOKEN, token);
            prop_assert_eq!(body.text().unwrap(), text);
        }
    }

    /// Without quotes only they are missing, and nothing waits longer than the end does.
    #[test]
    fn pushes_do_not_block(happenings in happenings()) {
        let script = script(&happenings);
        let quiet = |said: usize, _: &Body| match said {
            0 => vec![(1_000, welcome(TOKEN))],
            said => vec![(1_000, ack(said))],
        };
        let mut quiet = quiet;
        let Played { verdict, took, .. } = play(&script, plan(&script, Pace::Causal, rules()), &mut quiet);
        let quotes = happenings.iter().filter(|happening| matches!(happening, Happening::Quote)).count();
        prop_assert_eq!(verdict.missing.count, quotes as u64);
        prop_assert!(verdict.differing.is_empty() && verdict.extra.is_empty());
        prop_assert!(verdict.stalls.is_empty() && took < 2 * DRAIN, "{}", took);
    }

    /// A server that says nothing costs one stall, and everything is missing.
    #[test]
    fn a_silent_server_stalls(happenings in happenings()) {
        let script = script(&happenings);
        let plan = plan(&script, Pace::Causal, rules());
        let Played { verdict, took, .. } = play(&script, plan, &mut |_, _| Vec::new());
        prop_assert_eq!(verdict.missing.count, script.heard.len() as u64);
        prop_assert_eq!(verdict.said, script.said.len() as u64);
        let orders = script.said.len() as u64;
        prop_assert!(verdict.stalls.count <= orders && took <= orders * STALL + 2 * DRAIN);
        prop_assert!(!verdict.is_same());
    }

    #[test]
    fn fast_waits_for_nothing(happenings in happenings()) {
        let script = script(&happenings);
        let plan = plan(&script, Pace::Fast, rules());
        let Played { said, .. } = play(&script, plan, &mut |_, _| Vec::new());
        prop_assert!(said.iter().all(|(_, heard)| heard.is_empty()));
        prop_assert_eq!(said.len(), script.said.len());
    }
}

#[test]
fn the_clock_of_the_recording() {
    let script = script(&[Happening::Order(0), Happening::Ack, Happening::Order(0)]);
    for (pace, scale) in [("time", 1), ("time:×0.5", 2), ("causal+time", 1)] {
        let plan = plan(&script, pace.parse().unwrap(), rules());
        let Played { verdict, took, .. } = play(&script, plan, &mut server(&script, TOKEN, &[10]));
        assert!(verdict.is_same(), "{pace}: {verdict:?}");
        let last = script.said.last().unwrap().at - script.opened();
        assert!(took >= last * scale, "{pace}: {took}");
    }
}
