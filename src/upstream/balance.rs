//! Who gets the next session: the choice among the servers that can take one. What it depends on
//! comes in as arguments, randomness too.

use crate::config::backend::Balance;
use crate::wire::entropy::{Entropy, uniform};
use sha1::{Digest, Sha1};
use std::cmp::Ordering;

/// A server that can take a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// Its place among all servers of the backend.
    pub(super) index: usize,
    pub(super) weight: u16,
    /// The sessions and requests it has now.
    pub(super) live: usize,
    /// What it is called, by which hashing knows it.
    pub(super) name: &'a str,
}

/// Who was chosen before, as far as the next choice depends on it: for each server by how much it
/// is ahead of the others.
#[derive(Debug, Default)]
pub(super) struct Turns(Vec<i64>);

/// Chooses by the rule of the settings; `None` where there is no candidate. `key` is what is
/// hashed; without one a rule that hashes chooses by the fewest connections.
pub(super) fn choose(
    rule: &Balance,
    key: Option<&[u8]>,
    among: &[Candidate<'_>],
    turns: &mut Turns,
    entropy: &mut dyn Entropy,
) -> Option<usize> {
    match (rule, key) {
        (Balance::RoundRobin, _) => turns.next(among),
        (Balance::RandomTwo, _) => better_of_two(among, entropy),
        (Balance::HashAddress | Balance::HashHeader(_) | Balance::HashCookie(_), Some(key)) => {
            rendezvous(key, among)
        }
        // Equals take turns, or the first would get every short request of an idle backend.
        _ => turns.next(&least_loaded(among)),
    }
}

impl Turns {
    /// Smooth weighted round robin: each candidate gains its weight, and the one that is furthest
    /// ahead pays for all. Servers of much weight do not come several times in a row that way.
    fn next(&mut self, among: &[Candidate<'_>]) -> Option<usize> {
        let mut total = 0;
        let mut first: Option<(usize, i64)> = None;
        for candidate in among {
            if self.0.len() <= candidate.index {
                self.0.resize(candidate.index + 1, 0);
            }
            let weight = i64::from(candidate.weight);
            total += weight;
            let ahead = self.0.get_mut(candidate.index)?;
            *ahead += weight;
            if first.is_none_or(|(_, most)| *ahead > most) {
                first = Some((candidate.index, *ahead));
            }
        }
        let (chosen, _) = first?;
        *self.0.get_mut(chosen)? -= total;
        Some(chosen)
    }
}

/// Compares by what the load would be with one more, for the weight.
fn by_load(a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    let scaled = |one: &Candidate<'_>, other: &Candidate<'_>| {
        (one.live as u128 + 1) * u128::from(other.weight)
    };
    scaled(a, b).cmp(&scaled(b, a))
}

fn least_loaded<'a>(among: &[Candidate<'a>]) -> Vec<Candidate<'a>> {
    let Some(least) = among.iter().min_by(|a, b| by_load(a, b)) else { return Vec::new() };
    among.iter().filter(|other| by_load(other, least).is_eq()).copied().collect()
}

/// Picks two by weight, and of them the one with less load.
fn better_of_two(among: &[Candidate<'_>], entropy: &mut dyn Entropy) -> Option<usize> {
    let one = pick(among.iter(), entropy)?;
    let other = pick(among.iter().filter(|other| other.index != one.index), entropy);
    let better = other.filter(|other| by_load(other, one).is_lt()).unwrap_or(one);
    Some(better.index)
}

fn pick<'c, 'a: 'c>(
    among: impl Iterator<Item = &'c Candidate<'a>> + Clone,
    entropy: &mut dyn Entropy,
) -> Option<&'c Candidate<'a>> {
    let total: u32 = among.clone().map(|candidate| u32::from(candidate.weight)).sum();
    let mut draw = uniform(entropy, total.checked_sub(1)?);
    let mut among = among;
    among.find(|candidate| {
        let weight = u32::from(candidate.weight);
        let hit = draw < weight;
        draw = draw.saturating_sub(weight);
        hit
    })
}

/// Weighted rendezvous hashing: every server draws a number for the key, and the best one gets it.
/// A server more or less moves only the keys that are its own. The numbers come from SHA-1, so that
/// they are the same in every process and version.
fn rendezvous(key: &[u8], among: &[Candidate<'_>]) -> Option<usize> {
    let score = |candidate: &Candidate<'_>| {
        let digest = Sha1::new().chain_update(candidate.name).chain_update([0]).chain_update(key);
        let head = digest.finalize().first_chunk().map_or(0, |head| u64::from_be_bytes(*head));
        // Of the 64 bits as many as a double holds; never 0 and never 1.
        let draw = ((head >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -draw.ln() / f64::from(candidate.weight)
    };
    let scored = among.iter().map(|candidate| (candidate.index, score(candidate)));
    scored.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use std::collections::HashMap;

    const NAMES: [&str; 5] = ["ws://a", "ws://b", "ws://c", "ws://d", "ws://e"];

    fn servers(of: &[(u16, usize)]) -> Vec<Candidate<'static>> {
        let each = of.iter().zip(NAMES).enumerate();
        each.map(|(index, ((weight, live), name))| Candidate {
            index,
            weight: *weight,
            live: *live,
            name,
        })
        .collect()
    }

    fn seeded() -> impl Entropy {
        let mut random = StdRng::seed_from_u64(7);
        move |bytes: &mut [u8]| random.fill_bytes(bytes)
    }

    fn run(rule: &Balance, among: &[Candidate<'_>], count: usize) -> Vec<usize> {
        let (mut turns, mut entropy) = (Turns::default(), seeded());
        (0..count).map(|_| choose(rule, None, among, &mut turns, &mut entropy).unwrap()).collect()
    }

    #[test]
    fn nobody_is_chosen_of_none() {
        for rule in ["least-connections", "round-robin", "random-two", "hash:address"] {
            let rule = rule.parse().unwrap();
            let chosen = choose(&rule, Some(b"k"), &[], &mut Turns::default(), &mut seeded());
            assert_eq!(chosen, None, "{rule}");
        }
    }

    #[test]
    fn round_robin_is_smooth() {
        let order = run(&Balance::RoundRobin, &servers(&[(5, 0), (1, 0), (1, 0)]), 14);
        assert_eq!(order, [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
    }

    /// A server that is left out for a while does not catch up.
    #[test]
    fn who_comes_back_gets_its_share_and_no_more() {
        let (all, mut turns) = (servers(&[(1, 0), (1, 0)]), Turns::default());
        for _ in 0..50 {
            assert_eq!(turns.next(&all[..1]), Some(0));
        }
        let after: Vec<_> = (0..20).map(|_| turns.next(&all).unwrap()).collect();
        assert_eq!(after.iter().filter(|index| **index == 1).count(), 10);
    }

    #[test]
    fn the_least_loaded_is_so_for_its_weight() {
        let rule = Balance::LeastConnections;
        assert_eq!(run(&rule, &servers(&[(1, 3), (1, 2), (1, 4)]), 2), [1, 1]);
        assert_eq!(run(&rule, &servers(&[(1, 3), (4, 8), (1, 4)]), 2), [1, 1]);
        assert_eq!(run(&rule, &servers(&[(2, 1), (1, 0)]), 4), [0, 1, 0, 0]);
        assert_eq!(run(&rule, &servers(&[(1, 0), (1, 0), (1, 9)]), 4), [0, 1, 0, 1]);
    }

    /// Sessions that stay are spread as the weights are.
    #[test]
    fn live_sessions_settle_at_the_weights() {
        for rule in [Balance::LeastConnections, Balance::RandomTwo] {
            let mut all = servers(&[(1, 0), (2, 0), (5, 0)]);
            let (mut turns, mut entropy) = (Turns::default(), seeded());
            for _ in 0..800 {
                let chosen = choose(&rule, None, &all, &mut turns, &mut entropy).unwrap();
                all[chosen].live += 1;
            }
            let live: Vec<_> = all.iter().map(|server| server.live).collect();
            for (live, due) in live.iter().zip([100, 200, 500]) {
                assert!(live.abs_diff(due) <= 12, "{rule}: {live} for {due}");
            }
        }
    }

    #[test]
    fn the_better_of_two_is_never_the_worst() {
        let chosen = run(&Balance::RandomTwo, &servers(&[(1, 9), (1, 1), (1, 5)]), 500);
        assert!(!chosen.contains(&0));
        assert!(chosen.contains(&1) && chosen.contains(&2));
        assert_eq!(run(&Balance::RandomTwo, &servers(&[(3, 9)]), 2), [0, 0]);
    }

    fn hashed(among: &[Candidate<'_>]) -> HashMap<usize, usize> {
        (0..6000_usize)
            .map(|key| (key, rendezvous(key.to_string().as_bytes(), among).unwrap()))
            .collect()
    }

    #[test]
    fn hashing_spreads_by_weight() {
        let owners = hashed(&servers(&[(1, 0), (2, 0), (3, 0)]));
        for (index, due) in [1000, 2000, 3000].into_iter().enumerate() {
            let count = owners.values().filter(|owner| **owner == index).count();
            assert!(count.abs_diff(due) < due / 10, "{count} for {due}");
        }
    }

    #[test]
    fn a_server_less_moves_only_its_own() {
        let all = servers(&[(1, 0), (2, 0), (1, 0), (3, 0)]);
        let before = hashed(&all);
        let without: Vec<_> = all.iter().filter(|server| server.index != 1).copied().collect();
        let after = hashed(&without);
        for (key, owner) in before {
            assert!(owner == 1 || after[&key] == owner, "key {key} moved from {owner}");
        }
    }

    /// Another instance, and a later version, finds the same server.
    #[test]
    fn hashing_is_the_same_everywhere() {
        let all = servers(&[(1, 0), (1, 0), (1, 0)]);
        let keys = ["192.0.2.1", "192.0.2.2", "alice", "bob", "carol", "dave"];
        let owners = keys.map(|key| rendezvous(key.as_bytes(), &all).unwrap());
        // Computed by another program.
        assert_eq!(owners, [2, 1, 0, 1, 1, 0]);
    }
}
