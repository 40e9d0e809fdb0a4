//! Any bytes as a file of packets: they come to an end, sessions are told from their openings to their
//! ends, and little is kept.
//!
//! Input: the file.

use crate::captures::containers::CONTAINERS;
use crate::told::{self, Told};
use hybridge::transcript::account::Account;
use hybridge::transcript::event::Event;

/// What a reader may keep beside what it was fed, in bytes: its buffers.
const KEPT: usize = 8 << 20;

/// How much longer than its input a compressed message can be (RFC 1951: 258 bytes in two bits), and
/// the room it has grown to.
const INFLATED: usize = 2 * 1032;

/// What it may keep of a file that is packed itself: that bound is its own.
const PACKED: usize = 320 << 20;

/// Runs one input.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    let Some(told) = Told::read(data) else { return };
    if is_capture(data) {
        check_order(&told);
    }
    let is_packed = data.starts_with(b"\x1f\x8b") || data.starts_with(b"\x28\xb5\x2f\xfd");
    let most = if is_packed { PACKED } else { KEPT + INFLATED * data.len() };
    let peak = told::peak(data);
    assert!(peak <= most, "{peak} bytes of {}", data.len());
}

/// Whether it is one, and not packed: recordings of our own can say anything.
fn is_capture(data: &[u8]) -> bool {
    CONTAINERS.iter().any(|container| data.starts_with(&container.write(&[])[..4]))
}

/// Of captures times never go back, sessions are numbered as they open, and each connection is one
/// thing.
pub(crate) fn check_order(told: &Told) {
    let account = told.account.as_ref().expect("it has ended");
    assert!(told.events.is_sorted_by_key(|event| event.at), "times go back");
    let packets = 1..=account.packets;
    let is_there = |event: &Event| event.packet.is_some_and(|packet| packets.contains(&packet));
    assert!(told.events.iter().all(is_there), "a packet that is none of {packets:?}");
    assert!(told.opened().eq(1..=account.sessions), "of {} sessions", account.sessions);
    assert_eq!(account.flows, kinds(account), "{account:?}");
}

const fn kinds(account: &Account) -> u64 {
    let Account { sessions, tls_flows, other_flows, mid_stream_flows, cut_flows, .. } = account;
    *sessions + *tls_flows + *other_flows + *mid_stream_flows + *cut_flows
}
