//! Captures that would fill the memory of who believes them: a million connections, messages and gaps
//! without an end, fragments that never become whole. They are made while the program reads them.
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
use hybridge::event::Side;
use links::Link;
use packets::{ACK, FIN, Flow, Ip, Packet, SYN, Segment};
use serde_json::Value;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// What the program may ever have resident: 256 MiB that are kept, and what counts them.
const MEMORY: usize = 320 << 20;

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

/// What the program says of a capture.
#[derive(Debug)]
struct Count {
    opens: u64,
    ends: u64,
    messages: u64,
    faults: u64,
    gaps: u64,
    account: Value,
}

impl Count {
    fn account(&self, key: &str) -> u64 {
        self.account[key].as_u64().unwrap_or_default()
    }
}

/// Has the program read packets, each from the IP header on, while they are made.
fn counted(packets: impl IntoIterator<Item = Vec<u8>>) -> Count {
    let mut shown = tempfile::tempfile().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_hybridge"))
        .args(["inspect", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(shown.try_clone().unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = BufWriter::with_capacity(1 << 20, program.stdin.take().unwrap());
    input.write_all(&pcap_head(0xa1b2_c3d4, Order::Little, Link::Raw.field())).unwrap();
    for (number, packet) in (0_u32..).zip(packets) {
        let length = u32::try_from(packet.len()).unwrap();
        for field in [1_290_000_000 + number / 10_000, number % 10_000, length, length] {
            input.write_all(&field.to_le_bytes()).unwrap();
        }
        input.write_all(&packet).unwrap();
    }
    input.flush().unwrap();
    // It still waits for more.
    let peak = peak_memory(program.id());
    drop(input);
    program.wait().unwrap();
    assert!(peak < MEMORY, "{peak} bytes were resident");
    shown.rewind().unwrap();
    count(BufReader::new(shown))
}

fn peak_memory(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn count(lines: impl BufRead) -> Count {
    let (opens, ends, messages, faults, gaps, account) = (0, 0, 0, 0, 0, Value::Null);
    let mut count = Count { opens, ends, messages, faults, gaps, account };
    for line in lines.lines().skip(1) {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        match event["event"].as_str().unwrap() {
            "open" => count.opens += 1,
            "end" => count.ends += 1,
            "message" => count.messages += 1,
            "fault" => count.faults += 1,
            "gap" => count.gaps += 1,
            "account" => count.account = event,
            _ => {}
        }
    }
    assert_eq!(count.opens, count.ends, "{count:?}");
    assert_eq!(count.account["damage"], Value::Null, "{count:?}");
    count
}

fn flow(number: u32) -> Flow {
    let [_, high, middle, low] = number.to_be_bytes();
    let client = SocketAddr::from(([10, high, middle, low], 40_000));
    Flow { client, server: SocketAddr::from(([192, 0, 2, 1], 80)) }
}

fn segment(flow: Flow, from: Side, seq: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    packets(Ip::Plain, flow, from, seq, flags, data, 0).remove(0)
}

/// A segment in packets of this way of IP, the first of this number.
fn packets(
    ip: Ip,
    flow: Flow,
    from: Side,
    seq: u32,
    flags: u8,
    data: &[u8],
    number: u32,
) -> Vec<Vec<u8>> {
    let (ack, window, urgent, options) = (1, 64_240, 0, Vec::new());
    let (connection, is_opening, data) = (0, false, data.to_vec());
    let segment = Segment {
        connection,
        flow,
        from,
        seq,
        ack,
        flags,
        window,
        urgent,
        options,
        data,
        is_opening,
    };
    ip.packets(&Packet::Segment(segment), number)
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
    let count = counted(packets);
    assert_eq!(count.account("packets"), u64::from(MILLION), "{count:?}");
    assert_eq!(count.account("flows"), u64::from(MILLION), "{count:?}");
    assert_eq!(count.opens, 0, "{count:?}");
}

#[test]
fn a_million_connections_of_one_request() {
    let start = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: 0123456789abcdef0123456789abcdef";
    let packets = (0..MILLION).map(|number| segment(flow(number), Side::Client, 7, ACK, start));
    let count = counted(packets);
    assert_eq!(count.account("packets"), u64::from(MILLION), "{count:?}");
    assert_eq!(count.account("flows"), u64::from(MILLION), "{count:?}");
    assert_eq!(count.opens, 0, "{count:?}");
}

#[test]
fn a_hundred_thousand_sessions_that_never_end() {
    let packets =
        (0..MILLION / 10).flat_map(|number| opening(flow(number), REQUEST).into_iter().take(4));
    let count = counted(packets);
    assert_eq!(count.opens, u64::from(MILLION / 10), "{count:?}");
    assert_eq!(count.account("sessions"), count.opens, "{count:?}");
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
    assert_eq!(count.account("gap_bytes"), 1, "{count:?}");
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
    assert_eq!((count.opens, count.messages), (CONNECTIONS.into(), 0), "{count:?}");
    let missed = count.account("sessions_with_gaps") + count.account("forgotten_flows");
    assert!(missed >= u64::from(CONNECTIONS), "{count:?}");
}

#[test]
fn fragments_that_never_become_whole() {
    let packets = (0..MILLION).map(|number| {
        let data = [0; 100];
        packets(Ip::Fragments, flow(number), Side::Client, 1, ACK, &data, number).remove(0)
    });
    let count = counted(packets);
    assert_eq!(count.account("packets"), u64::from(MILLION), "{count:?}");
    assert_eq!(count.account("lost_fragments"), u64::from(MILLION), "{count:?}");
}
