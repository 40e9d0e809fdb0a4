//! A section of pcapng: its order of bytes, its interfaces, and what its blocks say of packets
//! (draft-ietf-opsawg-pcapng).

use super::SECOND;
use super::blocks::Place;
use crate::capture::Link;
use anyhow::{Context, bail};
use pcap_parser::pcapng::{
    EPB_MAGIC, IDB_MAGIC, SHB_MAGIC, SPB_MAGIC, parse_block_be, parse_block_le,
};
use pcap_parser::{
    Block, EnhancedPacketBlock, InterfaceDescriptionBlock, OptionCode, SectionHeaderBlock,
};

/// The type of a section header, which is the same in both orders of bytes.
pub(super) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// What a block begins with: its type, its length, and in a section header what tells the order.
pub(super) const HEADER: usize = 12;

/// The most interfaces of a section. One takes 32 bytes.
const INTERFACES: usize = 64 << 10;

/// The blocks of packets that were written before there were enhanced ones.
const OLD_PACKET: u32 = 2;

/// The blocks that are read: sections, interfaces, packets.
const READ: [u32; 5] = [SHB_MAGIC, IDB_MAGIC, OLD_PACKET, SPB_MAGIC, EPB_MAGIC];

/// Where data stand in the blocks of packets.
const ENHANCED_DATA: usize = 28;
const SIMPLE_DATA: usize = 12;

/// A section.
#[derive(Debug, Default)]
pub(super) struct Section {
    is_big_endian: bool,
    interfaces: Vec<Interface>,
    /// The time of the last packet, which those have that have none.
    time: u64,
}

/// What an interface says of its packets.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: Link,
    /// The most that was kept of a packet, in bytes; 0 is all.
    most: u32,
    /// `if_tsresol`: ten to so many, or with the highest bit two to so many, units are a second.
    resolution: u8,
    /// `if_tsoffset`: so many seconds are added to each time.
    offset: i64,
}

impl Section {
    /// The size of the block that begins so.
    pub(super) fn size(&mut self, start: &[u8]) -> anyhow::Result<usize> {
        let Some([kind, size, order]) = start.as_chunks::<4>().0.first_chunk() else {
            return Ok(0);
        };
        if *kind == MAGIC {
            self.is_big_endian = match order {
                [0x1a, 0x2b, 0x3c, 0x4d] => true,
                [0x4d, 0x3c, 0x2b, 0x1a] => false,
                _ => bail!("the section does not tell its order of bytes"),
            };
        }
        let size = usize::try_from(self.number(*size))?;
        if size < HEADER || !size.is_multiple_of(4) {
            bail!("no block has {size} bytes")
        }
        Ok(size)
    }

    /// Reads a block, which is whole; returns where in it a packet is, if it has one. What it says of
    /// who wrote it goes to `source`.
    pub(super) fn take(
        &mut self,
        block: &[u8],
        source: &mut String,
    ) -> anyhow::Result<Option<Place>> {
        // Of what is not read only the length has to be right.
        let kind = block.first_chunk().map(|kind| self.number(*kind));
        if block.get(4..8) != block.last_chunk::<4>().map(|size| &size[..]) {
            bail!("says another length at its end than at its beginning")
        }
        if !kind.is_some_and(|kind| READ.contains(&kind)) {
            return Ok(None);
        }
        let parse = if self.is_big_endian { parse_block_be } else { parse_block_le };
        let Ok((_, parsed)) = parse(block) else { bail!("is malformed") };
        match parsed {
            Block::SectionHeader(header) => {
                self.interfaces.clear();
                name(&header, source);
                Ok(None)
            }
            Block::InterfaceDescription(interface) => {
                if self.interfaces.len() == INTERFACES {
                    bail!("more than {INTERFACES} interfaces")
                }
                let interface = self.interface(&interface);
                self.interfaces.push(interface);
                Ok(None)
            }
            Block::EnhancedPacket(packet) => self.enhanced(&packet).map(Some),
            Block::SimplePacket(packet) => {
                let interface = self.of(0)?;
                let most = if interface.most == 0 { u32::MAX } else { interface.most };
                let kept = packet.origlen.min(most).min(u32::try_from(packet.data.len())?);
                self.place(interface, self.time, SIMPLE_DATA, kept, packet.origlen).map(Some)
            }
            Block::Unknown(unknown) if kind == Some(OLD_PACKET) => self.old(unknown.data).map(Some),
            _ => Ok(None),
        }
    }

    fn enhanced(&mut self, packet: &EnhancedPacketBlock<'_>) -> anyhow::Result<Place> {
        let interface = self.of(packet.if_id)?;
        self.time = interface.time(packet.ts_high, packet.ts_low);
        self.place(interface, self.time, ENHANCED_DATA, packet.caplen, packet.origlen)
    }

    /// Reads a packet block: interface and drops in 16 bits each, time, lengths, data.
    fn old(&mut self, data: &[u8]) -> anyhow::Result<Place> {
        let fields = data.first_chunk::<20>().context("is cut short")?;
        let mut words = fields.as_chunks::<4>().0.iter().map(|word| self.number(*word));
        let mut next = || words.next().unwrap_or_default();
        let (first, high, low, kept, length) = (next(), next(), next(), next(), next());
        let interface = if self.is_big_endian { first >> 16 } else { first & 0xffff };
        let interface = self.of(interface)?;
        self.time = interface.time(high, low);
        if usize::try_from(kept)? > data.len() - fields.len() {
            bail!("is shorter than its packet")
        }
        self.place(interface, self.time, ENHANCED_DATA, kept, length)
    }

    fn place(
        &self,
        interface: Interface,
        time: u64,
        start: usize,
        kept: u32,
        length: u32,
    ) -> anyhow::Result<Place> {
        let data = start..start + usize::try_from(kept)?;
        Ok(Place { time, link: interface.link, cut: length.saturating_sub(kept), data })
    }

    fn of(&self, number: u32) -> anyhow::Result<Interface> {
        let interface = self.interfaces.get(usize::try_from(number)?);
        interface.copied().with_context(|| format!("there is no interface {number}"))
    }

    /// Of its options the order of bytes is ours to know: pcap-parser takes it for the usual one.
    fn interface(&self, block: &InterfaceDescriptionBlock<'_>) -> Interface {
        let option = |code| block.options.iter().find(|option| option.code == code);
        let resolution = option(OptionCode::IfTsresol).and_then(|option| option.value.first());
        let offset = option(OptionCode::IfTsoffset).and_then(|option| option.value.first_chunk());
        let number = if self.is_big_endian { i64::from_be_bytes } else { i64::from_le_bytes };
        Interface {
            link: Link::numbered(u16::try_from(block.linktype.0).unwrap_or(u16::MAX)),
            most: block.snaplen,
            resolution: resolution.copied().unwrap_or(6),
            offset: offset.map_or(0, |bytes| number(*bytes)),
        }
    }

    const fn number(&self, bytes: [u8; 4]) -> u32 {
        if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

impl Interface {
    /// The time of a packet, in nanoseconds since 1970.
    fn time(self, high: u32, low: u32) -> u64 {
        let units = u128::from(u64::from(high) << 32 | u64::from(low)) * u128::from(SECOND);
        let exponent = u32::from(self.resolution & 0x7f);
        let nanoseconds = if self.resolution & 0x80 == 0 {
            10_u128.checked_pow(exponent).map_or(0, |unit| units / unit)
        } else {
            units.checked_shr(exponent).unwrap_or(0)
        };
        let offset = i128::from(self.offset) * i128::from(SECOND);
        let time = i128::try_from(nanoseconds).unwrap_or(i128::MAX).saturating_add(offset);
        u64::try_from(time.max(0)).unwrap_or(u64::MAX)
    }
}

/// Adds who wrote it, if it says so.
fn name(header: &SectionHeaderBlock<'_>, source: &mut String) {
    let application = header.options.iter().find(|option| option.code == OptionCode::ShbUserAppl);
    let name = application.and_then(|option| option.as_str().ok());
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        *source = format!("pcapng, {name}");
    }
}
