//! Messages of many sizes, compressed (Autobahn sections 12 and 13).

use super::samples::Sample;
use super::{Case, Opening, Step, compressed, echo};
use crate::conformance::case::Wish;

/// What is said in 12.1 to 12.5.
const SAMPLES: [(Sample, &str); 5] = [
    (Sample::Records, "JSON"),
    (Sample::Bitmap, "a bitmap"),
    (Sample::Prose, "prose"),
    (Sample::Page, "HTML"),
    (Sample::Places, "JSON with many numbers"),
];

/// As the peer will.
pub(super) const PLAIN: Wish = Wish { forgets: false, window: None };

/// What is asked for in 13.1 to 13.7.
const WISHES: [(&[Wish], &str); 7] = [
    (&[PLAIN], "with nothing asked for"),
    (&[FORGETS], "no context taken over"),
    (&[Wish { forgets: false, window: Some(9) }], "a window of 9 bits"),
    (&[Wish { forgets: false, window: Some(15) }], "a window of 15 bits"),
    (&[Wish { forgets: true, window: Some(9) }], "no context taken over, and a window of 9 bits"),
    (&[Wish { forgets: true, window: Some(15) }], "no context taken over, and a window of 15 bits"),
    (
        &[Wish { forgets: true, window: Some(9) }, FORGETS, PLAIN],
        "three offers, of which the last asks for nothing",
    ),
];

const FORGETS: Wish = Wish { forgets: true, window: None };

/// The messages of a section and their fragments, in the order of Autobahn's numbers.
const SIZES: [(usize, usize); 18] = [
    (16, WHOLE),
    (64, WHOLE),
    (256, WHOLE),
    (1024, WHOLE),
    (4096, WHOLE),
    (8192, WHOLE),
    (16_384, WHOLE),
    (32_768, WHOLE),
    (65_536, WHOLE),
    (131_072, WHOLE),
    (8192, 256),
    (16_384, 256),
    (32_768, 256),
    (65_536, 256),
    (131_072, 256),
    (131_072, 1024),
    (131_072, 4096),
    (131_072, 32_768),
];

/// Not in fragments.
pub(super) const WHOLE: usize = usize::MAX;

/// How many messages a case has at most, as in Autobahn, and how many bytes in them, so that the whole
/// list is done in a minute.
const MANY: usize = 1000;
const MOST: usize = 512 * 1024;

pub(super) fn add(largest: usize, cases: &mut Vec<Case>) {
    for (section, (sample, what)) in (1..).zip(SAMPLES) {
        let about = |messages: &str| format!("{messages} of {what}.");
        add_sizes(&format!("12.{section}"), sample, &[PLAIN], largest, about, cases);
    }
    for (section, (wishes, asked)) in (1..).zip(WISHES) {
        let about = |messages: &str| format!("{messages} of JSON, {asked}.");
        add_sizes(&format!("13.{section}"), Sample::Records, wishes, largest, about, cases);
    }
}

fn add_sizes(
    section: &str,
    sample: Sample,
    wishes: &'static [Wish],
    largest: usize,
    about: impl Fn(&str) -> String,
    cases: &mut Vec<Case>,
) {
    for (number, (size, fragment)) in (1..).zip(SIZES).filter(|(_, (size, _))| *size <= largest) {
        let count = (MOST / size).min(MANY);
        let mut messages = format!("{count} messages of {size} bytes");
        if fragment != WHOLE {
            messages += &format!(", once they are compressed in fragments of {fragment},");
        }
        let name = format!("compression/{section}.{number}");
        let rule = if wishes.len() == 1 { "7.2" } else { "7.1" };
        let mut case = compressed(&name, rule, about(&messages)).autobahn();
        case.opening = Opening::Compressed(wishes);
        let said: Vec<_> = (0..count).map(|at| sample.message(at, size)).collect();
        for (count, message) in (1..).zip(&said) {
            case = case.does(Step::Deflated(message.kind, message.body.clone(), fragment));
            case = case.does(Step::Await(count));
        }
        cases.push(case.comes(echo(said)));
    }
}
