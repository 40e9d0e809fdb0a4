//! Reads captures with foreign readers, which hold what was written to its checksums and sequence
//! numbers.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use hybridge::event::{Side, Sides};
use hybridge::transcript::conversation::{Conversation, Mark};
use hybridge::transcript::event::What;
use pcap_parser::{Block, Linktype, OptionCode, PcapBlockOwned, PcapNGOption, PcapNGSlice};
use std::collections::HashMap;
use std::net::SocketAddr;

/// A capture.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    /// The comments of the section.
    pub(crate) about: Vec<String>,
    pub(crate) interfaces: Vec<String>,
    pub(crate) packets: Vec<Packet>,
}

/// A packet of TCP.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) interface: u32,
    /// In nanoseconds.
    pub(crate) at: u64,
    pub(crate) comments: Vec<String>,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) seq: u32,
    pub(crate) ack: Option<u32>,
    pub(crate) flags: String,
    pub(crate) data: Vec<u8>,
}

/// A connection, and what is behind its handshake.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
    pub(crate) packets: Vec<Packet>,
}

impl Capture {
    /// Reads a capture, each packet with right checksums.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut capture = Self::default();
        for block in PcapNGSlice::from_slice(bytes).unwrap() {
            let PcapBlockOwned::NG(block) = block.unwrap() else { panic!("no pcapng") };
            match block {
                Block::SectionHeader(section) => capture.about = comments(&section.options),
                Block::InterfaceDescription(interface) => {
                    assert_eq!((interface.linktype, interface.if_tsresol), (Linktype::RAW, 9));
                    let name = options(&interface.options, OptionCode(2));
                    capture.interfaces.extend(name);
                }
                Block::EnhancedPacket(packet) => {
                    assert_eq!(packet.caplen, packet.origlen);
                    let at = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                    let data = &packet.data[..packet.caplen as usize];
                    let comments = comments(&packet.options);
                    assert!((packet.if_id as usize) < capture.interfaces.len());
                    capture.packets.push(Packet::read(packet.if_id, at, comments, data));
                }
                other => panic!("{other:?}"),
            }
        }
        capture
    }

    /// The connections in the order of their SYNs, each of which has addresses of its own.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        let mut places = HashMap::new();
        let mut connections: Vec<Connection> = Vec::new();
        for packet in &self.packets {
            let (from, to) = (packet.from, packet.to);
            if packet.flags == "S" {
                assert_eq!(places.insert((from, to), connections.len()), None, "{packet:?}");
                let packets = Vec::new();
                connections.push(Connection { client: from, server: to, packets });
            }
            let place = places.get(&(from, to)).or_else(|| places.get(&(to, from)));
            connections[*place.unwrap()].packets.push(packet.clone());
        }
        connections
    }
}

impl Packet {
    fn read(interface: u32, at: u64, comments: Vec<String>, bytes: &[u8]) -> Self {
        let packet = SlicedPacket::from_ip(bytes).unwrap();
        let Some(TransportSlice::Tcp(tcp)) = packet.transport else { panic!("no TCP") };
        let (from, to) = match packet.net.unwrap() {
            NetSlice::Ipv4(ip) => {
                let header = ip.header();
                assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
                assert_eq!(usize::from(header.total_len()), bytes.len());
                let (from, to) = (header.source(), header.destination());
                assert_eq!(tcp.checksum(), tcp.calc_checksum_ipv4(from, to).unwrap());
                (from.into(), to.into())
            }
            NetSlice::Ipv6(ip) => {
                let (from, to) = (ip.header().source(), ip.header().destination());
                assert_eq!(usize::from(ip.header().payload_length()) + 40, bytes.len());
                assert_eq!(tcp.checksum(), tcp.calc_checksum_ipv6(from, to).unwrap());
                (from.into(), to.into())
            }
            NetSlice::Arp(_) => panic!("no IP"),
        };
        assert!(tcp.payload().len() <= 60_000);
        let flags = [(tcp.syn(), 'S'), (tcp.fin(), 'F'), (tcp.rst(), 'R'), (tcp.ack(), 'A')];
        Self {
            interface,
            at,
            comments,
            from: SocketAddr::new(from, tcp.source_port()),
            to: SocketAddr::new(to, tcp.destination_port()),
            seq: tcp.sequence_number(),
            ack: tcp.ack().then(|| tcp.acknowledgment_number()),
            flags: flags.iter().filter(|(is, _)| *is).map(|(_, c)| c).collect(),
            data: tcp.payload().to_vec(),
        }
    }
}

impl Connection {
    /// What each side has sent, without what is missing.
    pub(crate) fn streams(&self) -> Sides<Vec<u8>> {
        let mut streams = Sides::<Vec<u8>>::default();
        for packet in &self.packets {
            streams[self.side(packet)].extend(&packet.data);
        }
        streams
    }

    /// What is said on it. Nothing is sent twice or out of order, nothing acknowledged that was not
    /// sent, and nothing without need.
    pub(crate) fn said(&self) -> Vec<(u64, What)> {
        let mut told = Vec::new();
        let mut tell = |mark: Mark, what| told.push((mark.at, what));
        let mut conversation = Conversation::default();
        let mut next = Sides::<Option<u32>>::default();
        let mut first = Sides::<u32>::default();
        let mut last_ack = Sides::<Option<u32>>::default();
        let mut over = false;
        for packet in &self.packets {
            assert!(!over, "{packet:?}");
            let side = self.side(packet);
            let due = *next[side].get_or_insert(packet.seq);
            if packet.flags.contains('S') {
                first[side] = packet.seq.wrapping_add(1);
            }
            let gap = packet.seq.wrapping_sub(due);
            assert!(gap < 1 << 31, "{packet:?}");
            let acked = packet.ack.map(|ack| ack.wrapping_sub(first[side.other()]));
            let mut mark = Mark { at: packet.at, packet: None, acked: acked.map(u64::from) };
            if let (Some(ack), Some(last)) = (packet.ack, last_ack[side]) {
                assert!(ack.wrapping_sub(last) < 1 << 31, "it goes back: {packet:?}");
                let is_pure = packet.data.is_empty() && packet.flags == "A";
                assert!(!is_pure || ack != last, "a duplicate: {packet:?}");
            }
            if let Some(ack) = packet.ack {
                let sent = next[side.other()].unwrap();
                assert!(sent.wrapping_sub(ack) < 1 << 31, "it was not sent: {packet:?}");
                last_ack[side] = Some(ack);
            }
            if gap > 0 {
                conversation.gap(side, gap.into(), mark, &mut tell);
            }
            conversation.feed(side, &packet.data, mark, &mut tell);
            mark.acked = None;
            let turns = u32::from(packet.flags.contains(['S', 'F']));
            next[side] = Some(packet.seq.wrapping_add(packet.data.len() as u32 + turns));
            if packet.flags.contains('F') {
                conversation.end(side, false, mark, &mut tell);
            }
            if packet.flags.contains('R') {
                conversation.end(side, true, mark, &mut tell);
                over = true;
            }
        }
        conversation.cut(Mark::default(), &mut tell);
        told
    }

    /// The comments of its packets, in order.
    pub(crate) fn comments(&self) -> Vec<&str> {
        let comments = self.packets.iter().flat_map(|packet| &packet.comments);
        comments.map(String::as_str).collect()
    }

    fn side(&self, packet: &Packet) -> Side {
        if packet.from == self.client { Side::Client } else { Side::Backend }
    }
}

fn comments(of: &[PcapNGOption<'_>]) -> Vec<String> {
    options(of, OptionCode::Comment)
}

fn options(of: &[PcapNGOption<'_>], code: OptionCode) -> Vec<String> {
    let wanted = of.iter().filter(|option| option.code == code);
    let values = wanted.map(|option| &option.value[..usize::from(option.len)]);
    values.map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}
