//! Captures that would fill the memory of who believes them: a million connections, messages and gaps
//! without an end, fragments that never become whole. They are made while they are read.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

#[path = "captures/containers.rs"]
#[expect(dead_code, reason = "the tests of small captures need more of it")]
mod containers;
#[path = "captures/links.rs"]
#[expect(dead_code, reason = "the tests of small captures need more of it")]
mod links;
#[path = "captures/packets.rs"]
#[expect(dead_code, reason = "the tests of small captures need more of it")]
mod packets;

use containers::{Order, pcap_head};
use hybridge::event::{Kind, Side};
use hybridge::recording::{Sink, source};
use hybridge::transcript::account::Account;
use hybridge::transcript::event::{Event, Header, What};
use links::Link;
use packets::{ACK, FIN, Flow, Ip, Packet, SYN, Segment};
use std::io::{self, Read};
use std::net::SocketAddr;

/// What the process may ever have resident, with all tests of this file at once.
const MEMORY: usize = 256 << 20;

const MILLION: u32 = 1_000_000;

/// How long what has no end is, in bytes, and how long a segment of it.
const ENDLESS: usize = 64 << 20;
const SEGMENT: usize = 32 * 1024;

const REQUEST: &[u8] = b"GET /endless HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
    Host: a\r\nOrigin: b\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const OLD_REQUEST: &[u8] =
    b"GET /endless HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
    Host: a\r\nOrigin: b\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 101 Yes\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n";

/// A capture that is made while it is read.
struct Stream<I> {
    packets: I,
    record: Vec<u8>,
    read: usize,
    number: u32,
}

impl<I: Iterator<Item = Vec<u8>>> Stream<I> {
    /// Of packets from the IP header on.
    fn new(packets: impl IntoIterator<Item = Vec<u8>, IntoIter = I>) -> Self {
        let field = Link::Raw.field();
        let record = pcap_head(0xa1b2_c3d4, Order::Little, field);
        Self { packets: packets.into_iter(), record, read: 0, number: 0 }
    }
}

impl<I: Iterator<Item = Vec<u8>>> Read for Stream<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.record.len() {
            let Some(packet) = self.packets.next() else { return Ok(0) };
            let length = u32::try_from(packet.len()).unwrap();
            self.record.clear();
            for field in
                [1_290_000_000 + self.number / 10_000, self.number % 10_000, length, length]
            {
                self.record.extend(field.to_le_bytes());
            }
            self.record.extend(packet);
            self.read = 0;
            self.number += 1;
        }
        let count = buffer.len().min(self.record.len() - self.read);
        buffer[..count].copy_from_slice(&self.record[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

/// Counts what it is told.
#[derive(Debug, Default)]
struct Count {
    opens: u64,
    ends: u64,
    messages: u64,
    faults: u64,
    gaps: u64,
    account: Account,
}

impl Sink for Count {
    fn begin(&mut self, _: &Header) -> io::Result<()> {
        Ok(())
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        match &event.what {
            What::Open(_) => self.opens += 1,
            What::End(_) => self.ends += 1,
            What::Message(message) => {
                assert_eq!(message.kind, Kind::Text);
                self.messages += 1;
            }
            What::Fault { .. } => self.faults += 1,
            What::Gap { .. } => self.gaps += 1,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, account: &Account) -> io::Result<()> {
        self.account = account.clone();
        Ok(())
    }
}

fn counted(packets: impl IntoIterator<Item = Vec<u8>>) -> Count {
    let mut count = Count::default();
    source::read(Stream::new(packets), &mut count).unwrap();
    assert_eq!(count.opens, count.ends, "{count:?}");
    assert_eq!(count.account.damage, None, "{count:?}");
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak = line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024;
    assert!(peak < MEMORY, "{peak} bytes were resident");
    count
}

fn flow(number: u32) -> Flow {
    let [_, high, middle, low] = number.to_be_bytes();
    let client = SocketAddr::from(([10, high, middle, low], 40_000));
    Flow { client, server: SocketAddr::from(([192, 0, 2, 1], 80)) }
}

fn segment(flow: Flow, from: Side, seq: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    let (ack, window, urgent, options) = (1, 64_240, 0, Vec::new());
    let (connection, data) = (0, data.to_vec());
    let segment =
        Segment { connection, flow, from, seq, ack, flags, window, urgent, options, data };
    Ip::Plain.packets(&Packet::Segment(segment), 0).remove(0)
}

/// What opens a session, up to the sequence numbers 1 and those behind what is said.
fn opening(flow: Flow, request: &[u8]) -> Vec<Vec<u8>> {
    let after = 1 + u32::try_from(request.len()).unwrap();
    let response = segment(flow, Side::Backend, 1, ACK, RESPONSE);
    let mut packets = vec![
        segment(flow, Side::Client, 0, SYN, b""),
        segment(flow, Side::Backend, 0, SYN | ACK, b""),
        segment(flow, Side::Client, 1, ACK, request),
        response,
    ];
    // The acknowledgement is of the request here.
    packets.push(segment(flow, Side::Client, after, ACK, b""));
    packets
}

#[test]
fn a_million_connections_of_one_syn() {
    let packets = (0..MILLION).map(|number| segment(flow(number), Side::Client, 7, SYN, b""));
    let account = counted(packets).account;
    assert_eq!((account.packets, account.flows), (MILLION.into(), MILLION.into()), "{account:?}");
    assert_eq!(account.sessions, 0, "{account:?}");
}

#[test]
fn a_million_connections_of_one_request() {
    let start = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: 0123456789abcdef0123456789abcdef";
    let packets = (0..MILLION).map(|number| segment(flow(number), Side::Client, 7, ACK, start));
    let account = counted(packets).account;
    assert_eq!((account.packets, account.flows), (MILLION.into(), MILLION.into()), "{account:?}");
    assert_eq!(account.sessions, 0, "{account:?}");
}

#[test]
fn a_million_sessions_that_never_end() {
    let packets =
        (0..MILLION / 10).flat_map(|number| opening(flow(number), REQUEST).into_iter().take(4));
    let count = counted(packets);
    assert_eq!(count.opens, u64::from(MILLION / 10), "{count:?}");
    assert_eq!(count.account.sessions, count.opens, "{count:?}");
}

/// A side that says `start` and then the same byte on and on.
fn endless(request: &[u8], start: &[u8]) -> Count {
    let flow = flow(0);
    let from = u32::try_from(1 + RESPONSE.len()).unwrap();
    let rest = (0..ENDLESS / SEGMENT).map(move |at| {
        let seq = from.wrapping_add(10 + u32::try_from(at * SEGMENT).unwrap());
        segment(flow, Side::Backend, seq, ACK, &[b'a'; SEGMENT])
    });
    let start = segment(flow, Side::Backend, from, ACK, &start[..10]);
    let last =
        segment(flow, Side::Backend, from + 10 + u32::try_from(ENDLESS).unwrap(), FIN | ACK, b"");
    counted(opening(flow, request).into_iter().chain([start]).chain(rest).chain([last]))
}

#[test]
fn a_text_without_an_end() {
    let count = endless(OLD_REQUEST, b"\0aaaaaaaaa");
    assert_eq!((count.opens, count.messages, count.faults), (1, 0, 1), "{count:?}");
    assert_eq!(count.gaps, 0, "{count:?}");
}

#[test]
fn an_announced_length_of_2_to_the_62() {
    let count = endless(REQUEST, b"\x81\x7f\x40\0\0\0\0\0\0\0");
    assert_eq!((count.opens, count.messages, count.faults), (1, 0, 1), "{count:?}");
    assert_eq!(count.gaps, 0, "{count:?}");
}

/// A byte is missing, and what waits for it is more than is kept.
#[test]
fn a_gap_and_much_behind_it() {
    let flow = flow(0);
    let from = u32::try_from(1 + RESPONSE.len()).unwrap();
    let rest = (0..ENDLESS / SEGMENT).map(move |at| {
        let seq = from.wrapping_add(1 + u32::try_from(at * SEGMENT).unwrap());
        segment(flow, Side::Backend, seq, ACK, &[b'a'; SEGMENT])
    });
    let count = counted(opening(flow, OLD_REQUEST).into_iter().chain(rest));
    assert_eq!((count.opens, count.messages, count.gaps), (1, 0, 1), "{count:?}");
    assert_eq!(count.account.gap_bytes, 1, "{count:?}");
}

/// The same on each of many connections, so that each of them keeps little.
#[test]
fn gaps_on_many_connections() {
    const CONNECTIONS: u32 = 4000;
    let from = u32::try_from(1 + RESPONSE.len()).unwrap();
    let open = (0..CONNECTIONS).flat_map(|number| opening(flow(number), OLD_REQUEST));
    let rest = (0..4).flat_map(move |at| {
        (0..CONNECTIONS).map(move |number| {
            let seq = from.wrapping_add(1 + at * u32::try_from(SEGMENT).unwrap());
            segment(flow(number), Side::Backend, seq, ACK, &[b'a'; SEGMENT])
        })
    });
    let count = counted(open.chain(rest));
    assert_eq!((count.opens, count.messages), (CONNECTIONS.into(), 0), "{:?}", count.account);
    let missed = count.account.sessions_with_gaps + count.account.forgotten_flows;
    assert!(missed >= u64::from(CONNECTIONS), "{:?}", count.account);
}

#[test]
fn fragments_that_never_become_whole() {
    let packets = (0..MILLION).map(|number| {
        let connection = usize::try_from(number).unwrap();
        let (flow, from, data) = (flow(number), Side::Client, vec![0; 100]);
        let (seq, ack, flags, window) = (1, 1, ACK, 1);
        let (urgent, options) = (0, Vec::new());
        let segment =
            Segment { connection, flow, from, seq, ack, flags, window, urgent, options, data };
        Ip::Fragments.packets(&Packet::Segment(segment), number).remove(0)
    });
    let account = counted(packets).account;
    assert_eq!(account.packets, u64::from(MILLION), "{account:?}");
    assert_eq!(account.lost_fragments, u64::from(MILLION), "{account:?}");
}
