//! Any bytes as a file of packets: they come to an end, sessions are told from their openings to their
//! ends, and little is kept.
//!
//! Input: the file.

use crate::told::{self, Told};
use hybridge::transcript::account::Account;

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
    check_order(&told);
    let is_packed = data.starts_with(b"\x1f\x8b") || data.starts_with(b"\x28\xb5\x2f\xfd");
    let most = if is_packed { PACKED } else { KEPT + INFLATED * data.len() };
    let peak = told::peak(data);
    assert!(peak <= most, "{peak} bytes of {}", data.len());
}

/// Of captures times never go back, and each connection is one thing.
pub(crate) fn check_order(told: &Told) {
    let Some(account) = told.account.as_ref().filter(|account| account.packets > 0) else { return };
    let packets = |number: Option<u64>| number.is_none_or(|number| number <= account.packets);
    // Recordings of our own can say anything of packets.
    if told.header.as_ref().is_some_and(|header| header.source.contains("pcap")) {
        assert!(told.events.is_sorted_by_key(|event| event.at), "times go back");
        assert!(told.events.iter().all(|event| packets(event.packet)), "a packet behind the last");
        assert_eq!(account.flows, kinds(account), "{account:?}");
    }
}

const fn kinds(account: &Account) -> u64 {
    let Account { sessions, tls_flows, other_flows, mid_stream_flows, cut_flows, .. } = account;
    *sessions + *tls_flows + *other_flows + *mid_stream_flows + *cut_flows
}
