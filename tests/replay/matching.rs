//! Which message stands for which: what was changed in a session is found, and nothing else.

use crate::stage::{Played, plan, play};
use crate::story::{happenings, script, text};
use hybridge::replay::pace::Pace;
use hybridge::replay::rules::Rules;
use hybridge::replay::script::{Body, Script};
use hybridge::replay::verdict::Verdict;
use proptest::prelude::*;
use proptest::sample::Index;

/// The session with a server that says all of this behind the first message.
fn verdict(script: &Script, answers: &[Body]) -> Verdict {
    let plan = plan(script, Pace::Fast, Rules::parse("lane = '/op'").unwrap());
    let Played { verdict, .. } = play(script, plan, &mut |said, _| match said {
        0 => (1..).zip(answers.iter().cloned()).collect(),
        _ => Vec::new(),
    });
    verdict
}

fn recorded(script: &Script) -> Vec<Body> {
    script.heard.iter().map(|heard| heard.body.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn one_is_missing(happenings in happenings(), which: Index) {
        let script = script(&happenings);
        let mut answers = recorded(&script);
        let which = which.index(answers.len());
        answers.remove(which);
        let verdict = verdict(&script, &answers);
        prop_assert_eq!(verdict.missing.count, 1, "{:?}", verdict);
        prop_assert_eq!(verdict.missing.first[0].message.number, which + 1);
        prop_assert_eq!(verdict.matched, answers.len() as u64);
        prop_assert!(verdict.extra.is_empty() && verdict.differing.is_empty());
    }

    #[test]
    fn one_is_too_many(happenings in happenings(), which: Index, place: Index) {
        let script = script(&happenings);
        let mut answers = recorded(&script);
        let double = answers[which.index(answers.len())].clone();
        answers.insert(place.index(answers.len() + 1), double);
        let verdict = verdict(&script, &answers);
        prop_assert_eq!(verdict.matched + verdict.differing.count, script.heard.len() as u64);
        prop_assert!(!verdict.is_same());
        // One that comes far too early is taken for the end of what is missing, and then that is moved.
        prop_assert!(verdict.extra.count == 1 || verdict.moved.count > 0, "{verdict:?}");
    }

    #[test]
    fn one_differs(happenings in happenings(), which: Index) {
        let script = script(&happenings);
        let mut answers = recorded(&script);
        let which = which.index(answers.len());
        // The lane stays, and so does all but one member.
        let changed = answers[which].text().unwrap().replace('}', r#","new":1}"#);
        answers[which] = text(&changed);
        let verdict = verdict(&script, &answers);
        prop_assert_eq!(verdict.differing.count, 1, "{:?}", verdict);
        let differing = &verdict.differing.first[0];
        prop_assert_eq!(differing.message.number, which + 1);
        prop_assert_eq!(&differing.differences[0].path, "/new");
        prop_assert_eq!(verdict.matched, answers.len() as u64 - 1);
        prop_assert!(verdict.extra.is_empty() && verdict.missing.is_empty());
    }

    /// In their lanes messages keep their order; lanes pass each other.
    #[test]
    fn lanes_pass_each_other(happenings in happenings()) {
        let script = script(&happenings);
        let mut answers = recorded(&script);
        answers.sort_by_key(|body| body.text().unwrap().contains("quote"));
        prop_assert!(verdict(&script, &answers).is_same());
        let (acks, quotes) = (count(&script, "ack"), count(&script, "quote"));
        answers.reverse();
        prop_assert_eq!(verdict(&script, &answers).is_same(), acks < 2 && quotes < 2);
    }

    /// Whatever comes, each recorded message is matched, differs or is missing, and each that came counts.
    #[test]
    fn all_are_accounted_for(
        happenings in happenings(),
        answers in prop::collection::vec((any::<Index>(), any::<bool>()), 0..60),
    ) {
        let script = script(&happenings);
        let recorded = recorded(&script);
        let answers: Vec<_> = answers
            .iter()
            .map(|(which, known)| match known {
                true => recorded[which.index(recorded.len())].clone(),
                false => text(&format!(r#"{{"op":"ack","id":{}}}"#, which.index(100))),
            })
            .collect();
        let verdict = verdict(&script, &answers);
        let settled = verdict.matched + verdict.differing.count + verdict.missing.count;
        prop_assert_eq!(settled, script.heard.len() as u64);
        let came = verdict.matched + verdict.differing.count + verdict.extra.count;
        prop_assert_eq!(came, answers.len() as u64);
    }
}

/// How many messages of a lane were recorded.
fn count(script: &Script, lane: &str) -> usize {
    script.heard.iter().filter(|heard| heard.body.text().unwrap().contains(lane)).count()
}
