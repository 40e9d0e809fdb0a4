//! Segments of TCP over IPv4 on Ethernet, as the records of a pcap.

use std::io::{self, Write};

/// The time between two packets, in microseconds: some 50,000 a second.
const STEP: u64 = 20;

/// 2010-11-17.
const START: u64 = 1_290_000_000;

const MACS: &[u8] = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0";
const RECORD: usize = 16;
const ETHERNET: usize = 14;
const IP: usize = 20;
const TCP: usize = 20;

/// Where a segment comes from, and what its head says.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub from: ([u8; 4], u16),
    pub to: ([u8; 4], u16),
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
}

/// A capture that is written.
pub struct Packets<W> {
    out: W,
    written: u64,
    number: u64,
    packet: Vec<u8>,
    /// A segment that is to come again, and behind how many others.
    again: Vec<(u32, Vec<u8>)>,
}

impl<W: Write> Packets<W> {
    /// Begins a capture.
    pub fn new(mut out: W) -> io::Result<Self> {
        let mut head = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
        head.extend([2, 0, 4, 0]);
        head.extend([0; 8]);
        head.extend(262_144_u32.to_le_bytes());
        head.extend(1_u32.to_le_bytes());
        out.write_all(&head)?;
        let written = head.len() as u64;
        Ok(Self { out, written, number: 0, packet: Vec::new(), again: Vec::new() })
    }

    /// How many bytes it has.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes a segment; a copy of it comes behind so many others, if it is to come again.
    pub fn write(&mut self, head: Head, data: &[u8], again: Option<u32>) -> io::Result<()> {
        let mut packet = std::mem::take(&mut self.packet);
        build(head, data, &mut packet);
        self.put(&mut packet)?;
        if let Some(behind) = again {
            self.again.push((behind, packet.clone()));
        }
        self.packet = packet;
        let (ready, later) = std::mem::take(&mut self.again)
            .into_iter()
            .partition::<Vec<_>, _>(|(left, _)| *left == 0);
        self.again = later.into_iter().map(|(left, packet)| (left - 1, packet)).collect();
        for (_, mut packet) in ready {
            self.put(&mut packet)?;
        }
        Ok(())
    }

    /// Writes what is to come again yet, and all that is buffered.
    pub fn finish(&mut self) -> io::Result<()> {
        for (_, mut packet) in std::mem::take(&mut self.again) {
            self.put(&mut packet)?;
        }
        self.out.flush()
    }

    /// Writes a record, whose time is now.
    fn put(&mut self, packet: &mut [u8]) -> io::Result<()> {
        let microseconds = self.number * STEP;
        let seconds = START + microseconds / 1_000_000;
        packet[..4].copy_from_slice(&low32(seconds));
        packet[4..8].copy_from_slice(&low32(microseconds % 1_000_000));
        self.number += 1;
        self.written += packet.len() as u64;
        self.out.write_all(packet)
    }
}

fn low32(number: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = number.to_le_bytes();
    [a, b, c, d]
}

/// The check sum of TCP is left to the card, as in captures of who sends.
fn build(head: Head, data: &[u8], packet: &mut Vec<u8>) {
    let total = IP + TCP + data.len();
    let length = low32((ETHERNET + total) as u64);
    let [.., high, low] = total.to_be_bytes();
    packet.clear();
    packet.resize(RECORD - 8, 0);
    packet.extend(length);
    packet.extend(length);
    packet.extend(MACS);
    let start = packet.len();
    packet.extend([0x45, 0, high, low, 0, 0, 0x40, 0, 64, 6, 0, 0]);
    packet.extend(head.from.0);
    packet.extend(head.to.0);
    let sum = check_sum(&packet[start..]);
    packet[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(head.from.1.to_be_bytes());
    packet.extend(head.to.1.to_be_bytes());
    packet.extend(head.seq.to_be_bytes());
    packet.extend(head.ack.to_be_bytes());
    packet.extend([0x50, head.flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    packet.extend_from_slice(data);
}

/// RFC 1071.
fn check_sum(bytes: &[u8]) -> u16 {
    let (words, _) = bytes.as_chunks::<2>();
    let sum: u32 = words.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}
