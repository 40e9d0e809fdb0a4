//! Which server a client gets: its own, or one that the balance chooses, of those that are well and
//! have a place.

use super::balance::{Candidate, choose};
use super::health::Standing;
use super::member::{Cookie, Lease, Member};
use super::{Pool, Seeker, lock, sticky};
use crate::config::backend::Balance;
use rand::Rng;
use std::sync::Arc;
use tokio::time::Instant;

/// Why no place is free.
pub(super) enum Busy {
    /// Every server that could be asked is down or was tried.
    Down,
    /// They have as many connections as they may; at that time another may be well again.
    Full(Option<Instant>),
}

/// The servers that can be asked.
struct Asked<'p> {
    /// Each with its place among all.
    members: Vec<(usize, &'p Arc<Member>)>,
    /// When the first of those that rest may be well again.
    again: Option<Instant>,
}

impl Pool {
    /// Takes a place at one of the servers that were not yet tried.
    pub(super) fn take(&self, seeker: &Seeker<'_>, tried: &[Arc<Member>]) -> Result<Lease, Busy> {
        let now = Instant::now();
        let mut turns = lock(&self.turns);
        let asked = self.asked(tried, now);
        if asked.members.is_empty() {
            return Err(Busy::Down);
        }
        let own = self.own(seeker, &asked);
        let member = match own.filter(|member| !self.is_full(member)) {
            Some(member) => member,
            None => {
                let free = asked.members.iter().filter(|(_, member)| !self.is_full(member));
                let free: Vec<_> = free
                    .map(|(index, member)| Candidate {
                        index: *index,
                        weight: member.server.weight.get(),
                        live: member.live(),
                        name: &member.name,
                    })
                    .collect();
                let (rule, key) = (&self.settings.balance, self.key(seeker));
                let mut random = |bytes: &mut [u8]| rand::rng().fill_bytes(bytes);
                let chosen = choose(rule, key.as_deref(), &free, &mut turns, &mut random);
                let chosen = chosen.and_then(|index| self.members.get(index));
                chosen.ok_or(Busy::Full(asked.again))?
            }
        };
        // Who was sent elsewhere because its own server is full still belongs to that.
        let cookie = match &self.settings.sticky {
            Some(_) if own.is_none() => Cookie::Set { secure: seeker.secure },
            _ => Cookie::Keep,
        };
        Ok(Lease::take(member, cookie, now))
    }

    /// Those that are not down and were not tried; of them those that do not rest. Where all rest,
    /// all are asked.
    fn asked(&self, tried: &[Arc<Member>], now: Instant) -> Asked<'_> {
        let (mut up, mut resting, mut again) = (Vec::new(), Vec::new(), None);
        for (index, member) in self.members.iter().enumerate() {
            if tried.iter().any(|one| Arc::ptr_eq(one, member)) {
                continue;
            }
            match member.standing(now) {
                Standing::Up => up.push((index, member)),
                Standing::Resting(until) => {
                    resting.push((index, member));
                    again = again.into_iter().chain([until]).min();
                }
                Standing::Down => {}
            }
        }
        Asked { members: if up.is_empty() { resting } else { up }, again }
    }

    /// The client's own server, which its cookie names.
    fn own<'p>(&self, seeker: &Seeker<'_>, asked: &Asked<'p>) -> Option<&'p Arc<Member>> {
        let name = &self.settings.sticky.as_ref()?.cookie;
        let value = sticky::cookie(seeker.headers, name)?;
        let mut members = asked.members.iter().map(|(_, member)| *member);
        members.find(|member| member.alias.as_bytes() == value)
    }

    fn is_full(&self, member: &Member) -> bool {
        self.settings.max_connections.is_some_and(|most| member.live() >= most.get())
    }

    /// What is hashed, where the settings say so and the client has it.
    fn key(&self, seeker: &Seeker<'_>) -> Option<Vec<u8>> {
        match &self.settings.balance {
            Balance::LeastConnections | Balance::RoundRobin | Balance::RandomTwo => None,
            Balance::HashAddress => seeker.peer.ip().map(|ip| ip.to_string().into_bytes()),
            Balance::HashHeader(name) => {
                seeker.headers.all(name).first().map(|value| value.to_vec())
            }
            Balance::HashCookie(name) => sticky::cookie(seeker.headers, name).map(<[u8]>::to_vec),
        }
    }
}
