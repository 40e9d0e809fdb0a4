//! The smallest part of a session that still fails: which messages of the client are left out next, and
//! what is left of the recording then.

use super::verdict::{Place, Verdict};
use crate::event::Side;
use crate::transcript::event::{Event, Message, What};
use std::fmt;

/// Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002), by
/// what is left when a part is taken away: all first, then halves, quarters, and so on to single items,
/// until none of these can be taken away.
#[derive(Debug, Clone)]
pub struct Shrinking {
    /// The numbers of what is left.
    kept: Vec<usize>,
    /// How many are taken away at once, and from where on.
    size: usize,
    from: usize,
    /// Whether something was, since all were tried.
    shrunk: bool,
}

impl Shrinking {
    /// Of so many, which fail together.
    pub fn new(count: usize) -> Self {
        Self { kept: (0..count).collect(), size: count, from: 0, shrunk: false }
    }

    /// The smallest that is known to fail.
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }

    /// What is to be tried next; `None` when no single one can be left out any more.
    pub fn candidate(&mut self) -> Option<Vec<usize>> {
        if self.from >= self.kept.len() {
            let again = self.size == 1 && std::mem::take(&mut self.shrunk);
            if self.kept.is_empty() || self.size <= 1 && !again {
                return None;
            }
            if !again {
                (self.size, self.shrunk) = (self.size / 2, false);
            }
            self.from = 0;
        }
        let gone = self.from..self.from + self.size;
        let kept = self.kept.iter().enumerate().filter(|(at, _)| !gone.contains(at));
        Some(kept.map(|(_, item)| *item).collect())
    }

    /// Whether what was to be tried fails too.
    pub fn tell(&mut self, fails: bool) {
        if fails {
            let end = self.kept.len().min(self.from + self.size);
            self.kept.drain(self.from.min(end)..end);
            self.shrunk = true;
        } else {
            self.from += self.size;
        }
    }
}

/// How a session fails: its first finding, by which it is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Of which kind it is.
    kind: &'static str,
    /// In which lane, and at which place of a message.
    lane: String,
    path: String,
}

impl Failure {
    /// Of a verdict; `None` where all is as it was.
    pub fn of(verdict: &Verdict) -> Option<Self> {
        let of = |kind, lane: &str, path: &str| Self {
            kind,
            lane: lane.to_owned(),
            path: path.to_owned(),
        };
        if verdict.opening.is_some() {
            return Some(of("not opened as then", "", ""));
        }
        let at = |kind, place: &Place, path: &str| (place.number, of(kind, &place.lane, path));
        let differing = verdict.differing.first.iter().map(|differing| {
            let path = differing.differences.first().map_or("", |difference| &difference.path);
            at("differs:", &differing.message, path)
        });
        let missing =
            verdict.missing.first.iter().map(|missing| at("missing:", &missing.message, ""));
        let moved =
            verdict.moved.first.iter().map(|moved| at("in another place", &moved.message, ""));
        let first = differing.chain(missing).chain(moved).min_by_key(|(number, _)| *number);
        if let Some((_, failure)) = first {
            return Some(failure);
        }
        let extra = verdict.extra.first.first().map(|extra| of("not expected", &extra.lane, ""));
        let stall = verdict
            .stalls
            .first
            .first()
            .map(|stall| of("waited in vain for", &stall.awaited.lane, ""));
        let closing = verdict.closing.as_ref().map(|_| of("not ended as then", "", ""));
        let silent = (verdict.said < verdict.to_say).then(|| of("not all was said", "", ""));
        extra.or(stall).or(closing).or(silent)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, lane, path } = self;
        let space = |text: &str| if text.is_empty() { String::new() } else { format!(" {text}") };
        write!(f, "{kind}{}{}", space(lane), space(path))
    }
}

/// A recorded session with these messages of its client only, by their numbers from 0 and in order. With
/// each that is left out goes what the server said behind it and before the next one, unless it came
/// unasked.
pub fn part(events: &[Event], kept: &[usize], is_push: impl Fn(&Message) -> bool) -> Vec<Event> {
    let mut part = Vec::new();
    let mut stays = true;
    // How many messages each side has said, and which of them are left.
    let [mut said, mut heard] = [Vec::new(), Vec::new()];
    for event in events {
        let What::Message(message) = &event.what else {
            // Pings and pongs are not said again.
            if !matches!(event.what, What::Ping { .. } | What::Pong { .. }) {
                part.push(event.clone());
            }
            continue;
        };
        let (own, other, is_left) = match message.from {
            Side::Client => {
                stays = kept.binary_search(&said.len()).is_ok();
                (&mut said, &heard, stays)
            }
            Side::Backend => (&mut heard, &said, stays || is_push(message)),
        };
        own.push(is_left);
        if is_left {
            let seen = usize::try_from(message.seen).unwrap_or(usize::MAX);
            let seen = other.iter().take(seen).filter(|is_left| **is_left).count() as u64;
            let what = What::Message(Message { seen, ..message.clone() });
            part.push(Event { what, ..event.clone() });
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;
    use crate::replay::verdict::{Extra, Missing};
    use proptest::collection::btree_set;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use std::collections::BTreeSet;

    /// Shrinks; what is left, and how many tries it took.
    fn shrunk(count: usize, fails: impl Fn(&[usize]) -> bool) -> (Vec<usize>, usize) {
        let mut shrinking = Shrinking::new(count);
        let mut tries = 0;
        while let Some(candidate) = shrinking.candidate() {
            tries += 1;
            shrinking.tell(fails(&candidate));
        }
        (shrinking.kept().to_vec(), tries)
    }

    proptest! {
        #[test]
        fn finds_what_has_to_be_there(count in 0_usize..200, wanted in btree_set(any::<usize>(), 0..6)) {
            let wanted: BTreeSet<_> = wanted.iter().filter_map(|item| item.checked_rem(count)).collect();
            let all = |kept: &[usize]| wanted.iter().all(|item| kept.contains(item));
            let (kept, tries) = shrunk(count, all);
            prop_assert!(kept.iter().eq(&wanted), "{kept:?} of {wanted:?}");
            prop_assert!(tries <= 40 * (wanted.len() + 1), "{tries}");
        }

        #[test]
        fn nothing_single_can_be_left_out(count in 1_usize..24, seed in any::<u64>()) {
            // Whether a part fails is anything, but that all of it does.
            let fails = |kept: &[usize]| {
                let mix = |hash: u64, item: &usize| (hash ^ *item as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
                kept.len() == count || kept.iter().fold(seed, mix) % 3 == 0
            };
            let (kept, _) = shrunk(count, fails);
            prop_assert!(fails(&kept));
            for gone in &kept {
                let fewer: Vec<_> = kept.iter().copied().filter(|item| item != gone).collect();
                prop_assert_eq!(fails(&fewer), false);
            }
        }
    }

    #[test]
    fn nothing_and_one() {
        assert_eq!(shrunk(0, |_| true), (vec![], 0));
        assert_eq!(shrunk(1, |_| true), (vec![], 1));
        assert_eq!(shrunk(1, |kept| !kept.is_empty()), (vec![0], 1));
        assert_eq!(shrunk(2000, |kept| kept.contains(&1234)).0, [1234]);
    }

    fn message(from: Side, text: &str, seen: u64) -> Event {
        let data = text.as_bytes().to_vec();
        let what = What::Message(Message { from, kind: Kind::Text, data, seen });
        Event { session: 1, at: 0, packet: None, what }
    }

    #[test]
    fn answers_go_with_what_they_answer() {
        let events = [
            message(Side::Backend, "hello", 0),
            message(Side::Client, "a", 1),
            message(Side::Backend, "a!", 1),
            message(Side::Client, "b", 2),
            message(Side::Backend, "tick", 2),
            message(Side::Backend, "b!", 2),
            message(Side::Client, "c", 4),
            message(Side::Backend, "c!", 3),
        ];
        let texts = |kept: &[usize]| -> Vec<_> {
            let part = part(&events, kept, |message| message.data == b"tick");
            let each = part.iter().map(|event| match &event.what {
                What::Message(message) => {
                    (String::from_utf8(message.data.clone()).unwrap(), message.seen)
                }
                _ => unreachable!(),
            });
            each.collect()
        };
        let due = |all: &[(&str, u64)]| -> Vec<_> {
            all.iter().map(|(text, seen)| ((*text).to_owned(), *seen)).collect()
        };
        assert_eq!(texts(&[0, 1, 2]).len(), 8);
        assert_eq!(texts(&[2]), due(&[("hello", 0), ("tick", 0), ("c", 2), ("c!", 1)]));
        assert_eq!(
            texts(&[0, 2]),
            due(&[("hello", 0), ("a", 1), ("a!", 1), ("tick", 1), ("c", 3), ("c!", 2)])
        );
        assert_eq!(texts(&[]), due(&[("hello", 0), ("tick", 0)]));
    }

    #[test]
    fn the_first_finding_tells_how_it_fails() {
        let mut verdict = Verdict::default();
        assert_eq!(Failure::of(&verdict), None);
        verdict.extra.add(Extra { lane: "x".to_owned(), text: String::new() });
        assert_eq!(Failure::of(&verdict).unwrap().kind, "not expected");
        for (number, lane) in [(7, "late"), (3, "early")] {
            let message = Place { number, packet: None, lane: lane.to_owned() };
            verdict.missing.add(Missing { message, text: String::new() });
        }
        let failure = Failure::of(&verdict).unwrap();
        assert_eq!((failure.kind, failure.lane.as_str()), ("missing:", "early"));
    }
}
