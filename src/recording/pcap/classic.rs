//! The form of tcpdump: a header, and a record for each packet (draft-ietf-opsawg-pcap).

use super::SECOND;
use super::blocks::Place;
use crate::capture::Link;
use anyhow::Context;

/// What the header of a pcap says of its records.
#[derive(Debug)]
pub(super) struct Pcap {
    is_big_endian: bool,
    /// Nanoseconds of a unit of the second part of a time.
    unit: u64,
    /// Whether records have the longer header of some Linux of 1999.
    is_modified: bool,
    link: Link,
}

impl Pcap {
    /// The size of the header, in bytes.
    pub(super) const HEADER: usize = 24;

    /// Reads the header; `None` where it is none.
    pub(super) fn new(header: &[u8; Self::HEADER]) -> Option<Self> {
        let [magic, _, _, _, _, network] = *header.as_chunks::<4>().0.first_chunk()?;
        let is_big_endian = magic[0] == 0xa1;
        let (unit, is_modified) = match number(is_big_endian, magic) {
            0xa1b2_c3d4 => (1000, false),
            0xa1b2_3c4d => (1, false),
            0xa1b2_cd34 => (1000, true),
            _ => return None,
        };
        // The upper half can tell how long a checksum behind each packet is.
        let network = number(is_big_endian, network) & 0xffff;
        let link = Link::numbered(u16::try_from(network).ok()?);
        Some(Self { is_big_endian, unit, is_modified, link })
    }

    /// The size of the header of a record, in bytes.
    pub(super) const fn record_header(&self) -> usize {
        if self.is_modified { 24 } else { 16 }
    }

    /// The size of the record that begins with this header.
    pub(super) fn size(&self, header: &[u8]) -> usize {
        let kept = self.field(header, 2).unwrap_or_default();
        usize::try_from(kept).unwrap_or(usize::MAX).saturating_add(self.record_header())
    }

    /// Reads a record, which is whole; returns where in it the packet is.
    pub(super) fn take(&self, record: &[u8]) -> anyhow::Result<Place> {
        let field = |index| self.field(record, index).context("is too short");
        let (seconds, units, kept, length) = (field(0)?, field(1)?, field(2)?, field(3)?);
        let time = u64::from(seconds) * SECOND + u64::from(units) * self.unit;
        let data = self.record_header()..record.len();
        Ok(Place { time, link: self.link, cut: length.saturating_sub(kept), data })
    }

    fn field(&self, record: &[u8], index: usize) -> Option<u32> {
        record.as_chunks().0.get(index).map(|bytes| number(self.is_big_endian, *bytes))
    }
}

const fn number(is_big_endian: bool, bytes: [u8; 4]) -> u32 {
    if is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}
