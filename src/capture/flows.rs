//! All connections of a capture, as many as there is room for.

use super::Packet;
use super::flow::{Belongs, Flow};
use super::fragments::Fragments;
use super::ip::{self, Content, Segment};
use super::talk::Telling;
use crate::transcript::account::Account;
use crate::transcript::event::Event;
use core::net::SocketAddr;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The most connections that are known at once, sessions apart. One takes about 400 bytes; most are
/// over, and known only so that what comes of them again is not taken for another one.
const FLOWS: usize = 64 << 10;

/// The most sessions that are open at once. One takes about 2 KiB beside its messages.
const SESSIONS: usize = 128 << 10;

/// How much is kept for all sessions, in bytes: messages in progress, what is held behind missing bytes,
/// windows of compression; and for all other connections.
const KEPT: usize = 256 << 20;
const KEPT_OF_OTHERS: usize = 64 << 20;

/// A capture that is read.
#[derive(Debug, Default)]
pub struct Capture {
    flows: HashMap<[SocketAddr; 2], Box<Flow>>,
    fragments: Fragments,
    /// What the sessions that have not ended take, and the other connections.
    sessions: Load,
    others: Load,
    account: Account,
}

/// How many they are, and how much memory they keep, in bytes.
#[derive(Debug, Default)]
struct Load {
    count: usize,
    kept: usize,
}

impl Capture {
    /// Takes the next packet; `tell` is told what it says. Times may not go back.
    pub fn take(&mut self, packet: &Packet<'_>, tell: &mut dyn FnMut(Event)) {
        self.account.packets += 1;
        self.account.truncated_packets += u64::from(packet.cut > 0);
        let content = packet.link.ip(packet.data).map(|data| ip::read(data, packet.cut));
        match content {
            Some(Content::Segment(segment)) => self.segment(&segment, packet, tell),
            Some(Content::Fragment(fragment)) => {
                let whole = self.fragments.take(&fragment, packet.at);
                let addresses = (fragment.id.from, fragment.id.to);
                match whole.as_ref().map(|payload| ip::segment(addresses, payload, 0)) {
                    Some(Content::Segment(segment)) => self.segment(&segment, packet, tell),
                    Some(_) => self.account.other_packets += 1,
                    None => {}
                }
            }
            Some(Content::Other) | None => self.account.other_packets += 1,
        }
    }

    /// Takes note of something, for a person, as long as there are not too many of them.
    pub fn note(&mut self, text: String) {
        self.telling(0, 0, &mut |_| {}).note(|_| text);
    }

    /// Takes note that the capture ends; returns what was in it.
    pub fn finish(mut self, at: u64, tell: &mut dyn FnMut(Event)) -> Account {
        let rest = self.flows.drain().map(|(_, flow)| *flow).collect();
        self.close(rest, self.account.packets, at, tell);
        self.account.lost_fragments = self.fragments.lost();
        self.account.duplicates += self.fragments.repeated();
        self.account
    }

    fn segment(&mut self, segment: &Segment<'_>, packet: &Packet<'_>, tell: &mut dyn FnMut(Event)) {
        let key = if segment.from <= segment.to {
            [segment.from, segment.to]
        } else {
            [segment.to, segment.from]
        };
        let Packet { number, at, .. } = *packet;
        if self.others.count >= FLOWS && !self.flows.contains_key(&key) {
            self.make_room(number, at, tell);
        }
        let mut telling =
            Telling { account: &mut self.account, packet: number, at, tell: &mut *tell };
        let Self { sessions, others, .. } = self;
        let mut entry = match self.flows.entry(key) {
            Entry::Occupied(entry) => {
                load(entry.get(), sessions, others).remove(entry.get());
                entry
            }
            Entry::Vacant(entry) => entry.insert_entry(Box::new(Flow::new(segment))),
        };
        if entry.get_mut().take(segment, &mut telling) == Belongs::ToTheNext {
            entry.insert(Box::new(Flow::new(segment))).close(&mut telling);
            // Who has seen nothing takes any segment.
            entry.get_mut().take(segment, &mut telling);
        }
        let flow = entry.get_mut();
        load(flow, sessions, others).add(flow);
        let is_session = flow.session().is_some();
        if is_session && (sessions.kept > KEPT || sessions.count > SESSIONS)
            || !is_session && others.kept > KEPT_OF_OTHERS
        {
            load(flow, sessions, others).remove(flow);
            flow.forget(&mut telling);
            others.add(flow);
        }
    }

    /// Forgets connections: those that are over, or where that is not enough, those that are idle for
    /// longest and no sessions.
    fn make_room(&mut self, number: u64, at: u64, tell: &mut dyn FnMut(Event)) {
        let is_over = |flow: &Flow| flow.is_over();
        let mut gone = self.remove(is_over);
        if self.flows.len() - self.sessions.count > FLOWS / 2 {
            let others = self.flows.values().filter(|flow| flow.session().is_none());
            let mut last: Vec<_> = others.map(|flow| flow.last).collect();
            let middle = last.len() / 2;
            let (_, &mut median, _) = last.select_nth_unstable(middle);
            gone.extend(self.remove(|flow| flow.session().is_none() && flow.last <= median));
        }
        self.close(gone, number, at, tell);
    }

    fn remove(&mut self, is_gone: impl Fn(&Flow) -> bool) -> Vec<Flow> {
        let gone = self.flows.extract_if(|_, flow| is_gone(flow)).map(|(_, flow)| *flow);
        let gone: Vec<_> = gone.collect();
        for flow in &gone {
            load(flow, &mut self.sessions, &mut self.others).remove(flow);
        }
        gone
    }

    /// Brings connections to their end.
    fn close(&mut self, mut flows: Vec<Flow>, packet: u64, at: u64, tell: &mut dyn FnMut(Event)) {
        // A map has no order, and what is told has one.
        flows.sort_by_key(|flow| (flow.session(), flow.last));
        for flow in flows {
            flow.close(&mut self.telling(packet, at, tell));
        }
    }

    const fn telling<'t>(
        &'t mut self,
        packet: u64,
        at: u64,
        tell: &'t mut dyn FnMut(Event),
    ) -> Telling<'t> {
        Telling { account: &mut self.account, packet, at, tell }
    }
}

impl Load {
    fn add(&mut self, flow: &Flow) {
        self.count += 1;
        self.kept += flow.kept;
    }

    fn remove(&mut self, flow: &Flow) {
        self.count -= 1;
        self.kept -= flow.kept;
    }
}

/// The load that a connection is a part of.
fn load<'l>(flow: &Flow, sessions: &'l mut Load, others: &'l mut Load) -> &'l mut Load {
    if flow.session().is_some() { sessions } else { others }
}
