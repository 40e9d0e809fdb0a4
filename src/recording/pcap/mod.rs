//! Captures of packets, as tcpdump and Wireshark write them: pcap and pcapng.

mod blocks;
mod buffer;
mod classic;
mod section;

use super::Sink;
use crate::capture::{Capture, Link, Packet};
use crate::transcript::account::Account;
use crate::transcript::event::{Event, Header};
use blocks::Blocks;
use std::io::{self, Read};

/// The magic numbers with which captures begin: pcap in both orders of bytes, with microseconds,
/// nanoseconds and the longer records of some Linux of 1999; pcapng.
pub(super) const MAGIC: [[u8; 4]; 7] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x34, 0xcd, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xcd, 0x34],
    [0x0a, 0x0d, 0x0d, 0x0a],
];

/// In nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// Reads a capture. Damage behind its first header ends the reading and is named in the account; what
/// came before it has been told.
///
/// # Errors
/// When there is no header, or the sink fails.
pub(super) fn read(input: impl Read, sink: &mut dyn Sink) -> anyhow::Result<Account> {
    let mut blocks = Blocks::open(input)?;
    let mut capture = Capture::default();
    let mut clock = None::<Clock>;
    let mut number = 0;
    let damage = loop {
        let record = match blocks.next() {
            Ok(Some(record)) => record,
            Ok(None) => break None,
            Err(damage) => break Some(format!("{damage:#}")),
        };
        number += 1;
        let clock = match &mut clock {
            Some(clock) => clock,
            None => {
                let start = record.time;
                sink.begin(&Header { start, source: record.source.to_owned() })?;
                clock.insert(Clock { start, last: 0 })
            }
        };
        if let Link::Other(link) = record.link
            && record.is_first_of_its_link
        {
            capture.note(format!("packet {number}: its link type, {link}, is not read here"));
        }
        let at = clock.tick(record.time);
        let packet = Packet { number, at, link: record.link, data: record.data, cut: record.cut };
        let mut told = Ok(());
        capture.take(&packet, &mut |event| pass(&event, sink, &mut told));
        told?;
    };
    let last = match clock {
        Some(clock) => clock.last,
        None => {
            sink.begin(&Header { start: 0, source: blocks.source().to_owned() })?;
            0
        }
    };
    let mut told = Ok(());
    let mut account = capture.finish(last, &mut |event| pass(&event, sink, &mut told));
    told?;
    account.damage = damage;
    sink.end(&account)?;
    Ok(account)
}

/// Passes on an event, up to the first that cannot be taken.
fn pass(event: &Event, sink: &mut dyn Sink, told: &mut io::Result<()>) {
    if told.is_ok() {
        *told = sink.take(event);
    }
}

/// The time since the first packet. It does not go back, though that of packets may: several sources
/// of a capture have several clocks.
#[derive(Debug)]
struct Clock {
    start: u64,
    last: u64,
}

impl Clock {
    fn tick(&mut self, time: u64) -> u64 {
        self.last = self.last.max(time.saturating_sub(self.start));
        self.last
    }
}
