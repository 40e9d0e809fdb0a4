//! One TCP segment over IPv4 or IPv6, with its checksums.

use super::address::Ends;
use crate::event::Side;

/// How many bytes a segment carries at most: headers and all, an IP packet has 65,535.
pub(super) const MOST: usize = 60_000;

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;

/// The number of TCP in the headers of IP.
const TCP: u8 = 6;

/// The length of a TCP header, in bytes.
const HEADER: usize = 20;

/// Of a SYN: segments of 60,000 bytes, and windows that count in units of 2^14 bytes (RFC 7323
/// section 2.3), so that whatever was said fits in.
const OPTIONS: [u8; 8] = [2, 4, 0xea, 0x60, 1, 3, 3, 14];

/// A segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'a> {
    pub(super) ends: &'a Ends,
    pub(super) from: Side,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    /// At most [`MOST`] bytes.
    pub(super) data: &'a [u8],
}

impl Segment<'_> {
    /// Writes all of it before its data.
    pub(super) fn write_head(&self, out: &mut Vec<u8>) {
        let options: &[u8] = if self.flags & SYN != 0 { &OPTIONS } else { &[] };
        let length = HEADER + options.len() + self.data.len();
        let ports = match self.ends {
            Ends::V4(ends) => {
                let (from, to) = (ends[self.from], ends[self.from.other()]);
                write_v4(&from.ip().octets(), &to.ip().octets(), length, out);
                [from.port(), to.port()]
            }
            Ends::V6(ends) => {
                let (from, to) = (ends[self.from], ends[self.from.other()]);
                write_v6(&from.ip().octets(), &to.ip().octets(), length, out);
                [from.port(), to.port()]
            }
        };
        // Both addresses, the protocol and the length are summed up too (RFC 9293 section 3.1).
        let addresses = match self.ends {
            Ends::V4(ends) => Side::BOTH.map(|side| sum(&ends[side].ip().octets())),
            Ends::V6(ends) => Side::BOTH.map(|side| sum(&ends[side].ip().octets())),
        };
        let pseudo = addresses.iter().sum::<u64>() + u64::from(TCP) + length as u64;
        let words = (HEADER + options.len()) / 4;
        let offset = u8::try_from(words << 4).unwrap_or(u8::MAX);
        let start = out.len();
        ports.iter().for_each(|port| out.extend(port.to_be_bytes()));
        out.extend(self.seq.to_be_bytes());
        out.extend(self.ack.to_be_bytes());
        out.extend([offset, self.flags, 0xff, 0xff]);
        let fixed = sum(out.get(start..).unwrap_or_default());
        out.extend(checksum(pseudo + fixed + sum(options) + sum(self.data)));
        out.extend([0, 0]);
        out.extend(options);
    }
}

/// RFC 791 section 3.1.
fn write_v4(from: &[u8; 4], to: &[u8; 4], length: usize, out: &mut Vec<u8>) {
    // A segment is bounded.
    let [high, low] = u16::try_from(20 + length).unwrap_or(u16::MAX).to_be_bytes();
    let fixed = [0x45, 0, high, low, 0, 0, 0x40, 0, 64, TCP];
    out.extend(fixed);
    out.extend(checksum(sum(&fixed) + sum(from) + sum(to)));
    out.extend(from);
    out.extend(to);
}

/// RFC 8200 section 3.
fn write_v6(from: &[u8; 16], to: &[u8; 16], length: usize, out: &mut Vec<u8>) {
    let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    out.extend([0x60, 0, 0, 0, high, low, TCP, 64]);
    out.extend(from);
    out.extend(to);
}

/// The sum of words of 16 bits; a byte that is left over is the higher one of a word.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let words: u64 = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum();
    words + rest.first().map_or(0, |byte| u64::from(*byte) << 8)
}

/// The checksum of RFC 1071.
fn checksum(mut sum: u64) -> [u8; 2] {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [.., high, low] = sum.to_be_bytes();
    [!high, !low]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1071 section 3.
    #[test]
    fn sums_up() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(sum(&bytes)), [!0xdd, !0xf2]);
        assert_eq!(checksum(sum(&[1])), [!1, !0]);
    }
}
