//! TCP segments and other packets, and their bytes from the IP header on: IPv4 and IPv6 with check
//! sums, fragments, options and extension headers.

use hybridge::event::Side;
use std::net::{IpAddr, SocketAddr};

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const PSH: u8 = 0x08;
pub(crate) const ACK: u8 = 0x10;
pub(crate) const URG: u8 = 0x20;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
/// Extension headers of IPv6 (RFC 8200 sections 4.3, 4.5 and 4.6).
const HOP_BY_HOP: u8 = 0;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// How long the payload of a fragment is, in bytes: a multiple of eight.
const FRAGMENT_LEN: usize = 48;

/// The addresses of a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
}

impl Flow {
    /// The addresses of the sender and of the receiver.
    pub(crate) const fn ends(self, from: Side) -> (SocketAddr, SocketAddr) {
        match from {
            Side::Client => (self.client, self.server),
            Side::Backend => (self.server, self.client),
        }
    }
}

/// A segment of TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The number of its connection; several connections can have the same addresses.
    pub(crate) connection: usize,
    pub(crate) flow: Flow,
    pub(crate) from: Side,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    pub(crate) urgent: u16,
    /// A multiple of four bytes.
    pub(crate) options: Vec<u8>,
    pub(crate) data: Vec<u8>,
    /// Whether it is of what comes before a session: requests, answers, keys.
    pub(crate) is_opening: bool,
}

impl Segment {
    /// Whether it brings data.
    pub(crate) const fn has_data(&self) -> bool {
        !self.data.is_empty()
    }

    pub(crate) const fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// The sequence number behind it.
    pub(crate) fn end(&self) -> u32 {
        let flags = u32::from(self.has(SYN)) + u32::from(self.has(FIN));
        self.seq.wrapping_add(len32(&self.data)).wrapping_add(flags)
    }

    /// The TCP header and what it carries.
    fn tcp(&self, sound: bool) -> Vec<u8> {
        let (from, to) = self.flow.ends(self.from);
        let words = u8::try_from(5 + self.options.len() / 4).unwrap();
        let mut out = Vec::with_capacity(20 + self.options.len() + self.data.len());
        out.extend(from.port().to_be_bytes());
        out.extend(to.port().to_be_bytes());
        out.extend(self.seq.to_be_bytes());
        out.extend(self.ack.to_be_bytes());
        out.extend([words << 4, self.flags]);
        out.extend(self.window.to_be_bytes());
        out.extend([0, 0]);
        out.extend(self.urgent.to_be_bytes());
        out.extend(&self.options);
        out.extend(&self.data);
        put_sum(&mut out, 16, pseudo(from.ip(), to.ip(), TCP), sound);
        out
    }
}

/// A packet of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    /// TCP.
    Segment(Segment),
    /// A datagram of UDP.
    Udp(Flow, Vec<u8>),
    /// An echo request of ICMP.
    Ping(Flow),
    /// A question of ARP, which only links that name their payload can carry.
    Arp,
}

/// How a packet is made of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ip {
    Plain,
    /// Check sums of TCP and IP that are wrong, as where the card computes them.
    Unsummed,
    /// A total length of 0, where the card cuts what is longer than a packet.
    NoLength,
    /// Options of IPv4; hop-by-hop and destination options of IPv6.
    Extended,
    /// Fragments: in order, from the last to the first, or all but the last twice.
    Fragments,
    FragmentsReversed,
    FragmentsTwice,
}

impl Ip {
    pub(crate) const ALL: [Self; 7] = [
        Self::Plain,
        Self::Unsummed,
        Self::NoLength,
        Self::Extended,
        Self::Fragments,
        Self::FragmentsReversed,
        Self::FragmentsTwice,
    ];

    /// The packets from the IP header on; `number` identifies their fragments.
    pub(crate) fn packets(self, packet: &Packet, number: u32) -> Vec<Vec<u8>> {
        let sound = self != Self::Unsummed;
        let (flow, from, protocol, payload) = match packet {
            Packet::Segment(segment) => (segment.flow, segment.from, TCP, segment.tcp(sound)),
            Packet::Udp(flow, data) => (*flow, Side::Client, UDP, udp(*flow, data)),
            Packet::Ping(flow) => (*flow, Side::Client, ICMP, ping()),
            Packet::Arp => return vec![arp()],
        };
        let (from, to) = flow.ends(from);
        let header = |protocol, payload: &[u8], fragment| match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                self.v4(from.octets(), to.octets(), protocol, payload, fragment, number)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                self.v6(from.octets(), to.octets(), protocol, payload, fragment, number)
            }
            _ => panic!("{flow:?}"),
        };
        let fragments =
            matches!(self, Self::Fragments | Self::FragmentsReversed | Self::FragmentsTwice);
        if !fragments || payload.len() <= FRAGMENT_LEN {
            return vec![header(protocol, &payload, None)];
        }
        let pieces = payload.chunks(FRAGMENT_LEN).enumerate().map(|(at, piece)| {
            let more = (at + 1) * FRAGMENT_LEN < payload.len();
            let offset = u16::try_from(at * FRAGMENT_LEN).unwrap();
            header(protocol, piece, Some((offset, more)))
        });
        let mut pieces: Vec<Vec<u8>> = pieces.collect();
        match self {
            Self::FragmentsReversed => pieces.reverse(),
            Self::FragmentsTwice => {
                let last = pieces.pop();
                pieces = pieces.into_iter().flat_map(|piece| [piece.clone(), piece]).collect();
                pieces.extend(last);
            }
            _ => {}
        }
        pieces
    }

    /// RFC 791 section 3.1.
    fn v4(
        self,
        from: [u8; 4],
        to: [u8; 4],
        protocol: u8,
        payload: &[u8],
        fragment: Option<(u16, bool)>,
        number: u32,
    ) -> Vec<u8> {
        // No operation, three times, and the end of the list.
        let options: &[u8] = if self == Self::Extended { &[1, 1, 1, 0] } else { &[] };
        let header = 20 + options.len();
        let total = match self {
            // What is short leaves the card as it is.
            Self::NoLength if payload.len() > 100 => 0,
            _ => u16::try_from(header + payload.len()).unwrap(),
        };
        let place = match fragment {
            None => 0x4000,
            Some((offset, more)) => (offset / 8) | if more { 0x2000 } else { 0 },
        };
        let identification: [u8; 4] = number.to_be_bytes();
        let mut out = vec![0x40 | u8::try_from(header / 4).unwrap(), 0];
        out.extend(total.to_be_bytes());
        out.extend(&identification[2..]);
        out.extend(place.to_be_bytes());
        out.extend([64, protocol, 0, 0]);
        out.extend(from);
        out.extend(to);
        out.extend(options);
        put_sum(&mut out, 10, 0, self != Self::Unsummed);
        out.extend(payload);
        out
    }

    /// RFC 8200 section 3.
    fn v6(
        self,
        from: [u8; 16],
        to: [u8; 16],
        protocol: u8,
        payload: &[u8],
        fragment: Option<(u16, bool)>,
        number: u32,
    ) -> Vec<u8> {
        // ICMP is another one here, and nothing that is read.
        let mut next = protocol;
        let mut chain = Vec::new();
        if let Some((offset, more)) = fragment {
            chain.extend([next, 0]);
            chain.extend((offset | u16::from(more)).to_be_bytes());
            chain.extend(number.to_be_bytes());
            next = FRAGMENT;
        }
        if self == Self::Extended {
            // Each of eight bytes, filled up by PadN.
            let destination = [next, 0, 1, 4, 0, 0, 0, 0];
            let hop_by_hop = [DESTINATION, 0, 1, 4, 0, 0, 0, 0];
            chain = [&hop_by_hop[..], &destination, &chain].concat();
            next = HOP_BY_HOP;
        }
        let length = u16::try_from(chain.len() + payload.len()).unwrap();
        let mut out = vec![0x60, 0, 0, 0];
        out.extend(length.to_be_bytes());
        out.extend([next, 64]);
        out.extend(from);
        out.extend(to);
        out.extend(chain);
        out.extend(payload);
        out
    }
}

fn udp(flow: Flow, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + data.len()).unwrap();
    let mut out = flow.client.port().to_be_bytes().to_vec();
    out.extend(flow.server.port().to_be_bytes());
    out.extend(length.to_be_bytes());
    out.extend([0, 0]);
    out.extend(data);
    put_sum(&mut out, 6, pseudo(flow.client.ip(), flow.server.ip(), UDP), true);
    out
}

fn ping() -> Vec<u8> {
    let mut out = b"\x08\0\0\0\0\x07\0\x01are you there?".to_vec();
    put_sum(&mut out, 2, 0, true);
    out
}

fn arp() -> Vec<u8> {
    let mut out = vec![0, 1, 8, 0, 6, 4, 0, 1];
    out.extend(b"\x02\0\0\0\0\x01\x0a\0\0\x07\0\0\0\0\0\0\x0a\0\0\x01");
    out
}

/// What the check sum of TCP and UDP counts of the addresses (RFC 9293 section 3.1), but for the
/// length.
fn pseudo(from: IpAddr, to: IpAddr, protocol: u8) -> u32 {
    let octets = |ip| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    words(&octets(from)) + words(&octets(to)) + u32::from(protocol)
}

fn words(bytes: &[u8]) -> u32 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    bytes.chunks(2).map(word).sum()
}

/// Puts the Internet check sum of all (RFC 1071) where its two bytes are, or a wrong one.
fn put_sum(bytes: &mut [u8], at: usize, pseudo: u32, sound: bool) {
    let length = if pseudo == 0 { 0 } else { u32::try_from(bytes.len()).unwrap() };
    let mut sum = words(bytes) + pseudo + length;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = if sound { 0xffff - sum } else { sum ^ 0x5555 };
    bytes[at..at + 2].copy_from_slice(&u16::try_from(sum).unwrap().to_be_bytes());
}

pub(crate) fn len32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}
