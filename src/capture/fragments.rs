//! Fragments of IP become the packets that they were (RFC 791 section 3.2, RFC 8200 section 4.5).

use core::net::IpAddr;
use etherparse::defrag::IpDefragBuf;
use etherparse::{IpFragOffset, IpNumber};
use std::collections::HashMap;

/// The most packets that are waited for at once; each is at most 64 KiB. They come together, so that
/// more are waiting only where some never become whole.
const WAITING: usize = 128;

/// How long a packet is waited for, in nanoseconds (RFC 8200 section 4.5). Its number may be another
/// one's behind that.
const LIFE: u64 = 60_000_000_000;

/// Which packet a fragment is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    pub(super) protocol: IpNumber,
    pub(super) identification: u32,
}

/// A part of a packet.
#[derive(Debug)]
pub(super) struct Fragment<'p> {
    pub(super) id: Id,
    pub(super) offset: IpFragOffset,
    pub(super) more: bool,
    pub(super) data: &'p [u8],
    /// Whether its end was not captured.
    pub(super) is_cut: bool,
}

/// Those that wait for others.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    packets: HashMap<Id, Fragmented>,
    /// Fragments that were thrown away, or wait.
    lost: u64,
    /// Fragments of packets that were whole.
    repeated: u64,
}

/// A packet that comes in fragments.
#[derive(Debug)]
struct Fragmented {
    /// What has come of it; `None` when all has, and others of it are its duplicates.
    waiting: Option<IpDefragBuf>,
    fragments: u64,
    /// When the last of them came.
    last: u64,
}

impl Fragments {
    /// Takes a fragment, which came at this time; returns the payload of its packet when that is whole.
    pub(super) fn take(&mut self, fragment: &Fragment<'_>, at: u64) -> Option<Vec<u8>> {
        let id = fragment.id;
        if self.packets.get(&id).is_some_and(|packet| at - packet.last > LIFE) {
            self.packets.remove(&id);
        }
        if self.packets.len() >= WAITING && !self.packets.contains_key(&id) {
            self.drop_oldest();
        }
        let packet = self.packets.entry(id).or_insert_with(|| Fragmented {
            waiting: Some(IpDefragBuf::new(id.protocol, Vec::new(), Vec::new())),
            fragments: 0,
            last: at,
        });
        packet.last = at;
        let Some(mut waiting) = packet.waiting.take() else {
            self.repeated += 1;
            return None;
        };
        self.lost += 1;
        // What contradicts the others about the end is not taken.
        if !fragment.is_cut && waiting.add(fragment.offset, fragment.more, fragment.data).is_ok() {
            packet.fragments += 1;
        }
        if !waiting.is_complete() {
            packet.waiting = Some(waiting);
            return None;
        }
        self.lost -= packet.fragments;
        Some(waiting.take_bufs().0)
    }

    /// How many fragments belong to packets that did not become whole.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// How many fragments came of packets that were whole already.
    pub(super) const fn repeated(&self) -> u64 {
        self.repeated
    }

    fn drop_oldest(&mut self) {
        let oldest = self.packets.iter().min_by_key(|(_, packet)| packet.last);
        if let Some(id) = oldest.map(|(id, _)| *id) {
            self.packets.remove(&id);
        }
    }
}
