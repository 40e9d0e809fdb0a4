//! Fragments of IP become the packets that they were (RFC 791 section 3.2, RFC 8200 section 4.5).

use core::net::IpAddr;
use etherparse::defrag::IpDefragBuf;
use etherparse::{IpFragOffset, IpNumber};
use std::collections::HashMap;

/// The most packets that are waited for at once; each is at most 64 KiB. They come together, so that
/// more are waiting only where some never become whole.
const WAITING: usize = 128;

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
}

/// A packet that comes in fragments.
#[derive(Debug)]
struct Fragmented {
    /// What has come of it; `None` when all has, and others of it are its duplicates.
    waiting: Option<IpDefragBuf>,
    fragments: u64,
    /// The number of the packet that brought the last of them.
    last: u64,
}

impl Fragments {
    /// Takes a fragment, which came in the packet of this number; returns the payload of its packet
    /// when that is whole.
    pub(super) fn take(&mut self, fragment: &Fragment<'_>, number: u64) -> Option<Vec<u8>> {
        let id = fragment.id;
        if self.packets.len() >= WAITING && !self.packets.contains_key(&id) {
            self.drop_oldest();
        }
        let packet = self.packets.entry(id).or_insert_with(|| Fragmented {
            waiting: Some(IpDefragBuf::new(id.protocol, Vec::new(), Vec::new())),
            fragments: 0,
            last: number,
        });
        packet.last = number;
        let mut waiting = packet.waiting.take()?;
        self.lost += 1;
        // What contradicts the others is not taken.
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

    fn drop_oldest(&mut self) {
        let oldest = self.packets.iter().min_by_key(|(_, packet)| packet.last);
        if let Some(id) = oldest.map(|(id, _)| *id) {
            self.packets.remove(&id);
        }
    }
}
