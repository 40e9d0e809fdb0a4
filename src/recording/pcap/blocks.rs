//! The blocks of a capture, one after the other, and the packets in them; taken apart by pcap-parser.

use super::buffer::Buffer;
use super::section::{self, Place, SECOND, Section};
use crate::capture::Link;
use anyhow::{Context, anyhow, bail};
use pcap_parser::{PcapError, PcapHeader, nom, pcap};
use std::collections::HashSet;
use std::io::Read;

/// The longest packet that is believed in, in bytes: four times what tcpdump keeps of one, and twice
/// what Linux makes of several.
const PACKET: usize = 1 << 20;

/// The longest block of pcapng, in bytes. Secrets and names can be longer than a packet.
const BLOCK: usize = 16 << 20;

/// The size of the header of a pcap, of that of its records, and of the longer ones.
const PCAP_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const MODIFIED_HEADER: usize = 24;

/// A packet as it stands in a capture.
#[derive(Debug)]
pub(super) struct Record<'b> {
    /// In nanoseconds since 1970.
    pub(super) time: u64,
    pub(super) link: Link,
    /// Whether no packet before it had this link.
    pub(super) is_first_of_its_link: bool,
    pub(super) data: &'b [u8],
    /// How many bytes of its end were not kept.
    pub(super) cut: u32,
    /// What the capture says of who wrote it.
    pub(super) source: &'b str,
}

/// Reads one block after the other.
pub(super) struct Blocks<R> {
    buffer: Buffer<R>,
    form: Form,
    source: String,
    /// How many blocks came, and the size of the last, which is in the buffer until the next.
    number: u64,
    used: usize,
    links: HashSet<Link>,
}

enum Form {
    Pcap { header: PcapHeader, link: Link },
    Pcapng(Section),
}

impl<R: Read> Blocks<R> {
    /// Reads what a capture begins with.
    ///
    /// # Errors
    /// When that is no capture.
    pub(super) fn open(input: R) -> anyhow::Result<Self> {
        let mut buffer = Buffer::new(input);
        let length = buffer.fill(PCAP_HEADER)?;
        let (form, used) = if buffer.data().starts_with(&section::MAGIC) {
            (Form::Pcapng(Section::default()), 0)
        } else {
            let (_, header) = pcap::parse_pcap_header(buffer.data())
                .map_err(|_| anyhow!("the header of a pcap is cut: {length} of 24 bytes"))?;
            // The upper half can tell how long a checksum behind each packet is.
            let link = Link::numbered(u16::try_from(header.network.0 & 0xffff)?);
            (Form::Pcap { header, link }, PCAP_HEADER)
        };
        let source = if used == 0 { "pcapng" } else { "pcap" }.to_owned();
        Ok(Self { buffer, form, source, number: 0, used, links: HashSet::new() })
    }

    /// What the capture says of who wrote it.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Reads up to the next packet; `None` behind the last.
    ///
    /// # Errors
    /// When what comes next cannot be read, which ends the capture.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Record<'_>>> {
        let place = loop {
            self.buffer.consume(self.used);
            let Some(size) = self.next_size()? else { return Ok(None) };
            self.used = size;
            self.number += 1;
            let block = self.buffer.data().get(..size).unwrap_or_default();
            let found = match &mut self.form {
                Form::Pcap { header, link } => record(header, *link, block),
                Form::Pcapng(section) => section.take(block, &mut self.source),
            };
            if let Some(place) = found.with_context(|| self.here())? {
                break place;
            }
        };
        let Place { time, link, cut, data } = place;
        let is_first_of_its_link = !self.links.contains(&link) && self.links.insert(link);
        let data = self.buffer.data().get(data).unwrap_or_default();
        Ok(Some(Record { time, link, is_first_of_its_link, data, cut, source: &self.source }))
    }

    /// The size of the next block, which is there then; `None` behind the last.
    fn next_size(&mut self) -> anyhow::Result<Option<usize>> {
        self.used = 0;
        let header = match &self.form {
            Form::Pcap { header, .. } if header.is_modified_format() => MODIFIED_HEADER,
            Form::Pcap { .. } => RECORD_HEADER,
            Form::Pcapng(_) => section::HEADER,
        };
        let there = self.buffer.fill(header).with_context(|| self.here())?;
        if there == 0 {
            return Ok(None);
        }
        let start = self.buffer.data().first_chunk::<{ section::HEADER }>();
        let Some(start) = start.filter(|_| there >= header) else {
            bail!("{}: is cut, {there} bytes of its header of {header} are there", self.here())
        };
        let (size, most) = match &mut self.form {
            Form::Pcap { header: pcap, .. } => {
                let [.., a, b, c, d] = *start;
                let number =
                    if pcap.is_bigendian() { u32::from_be_bytes } else { u32::from_le_bytes };
                (header + usize::try_from(number([a, b, c, d]))?, PACKET + header)
            }
            Form::Pcapng(section) => (section.size(start)?, BLOCK),
        };
        if size > most {
            bail!("{}: says that it has {size} bytes, more than {most}", self.here())
        }
        let there = self.buffer.fill(size).with_context(|| self.here())?;
        if there < size {
            bail!("{}: is cut, {there} of {size} bytes are there", self.here())
        }
        Ok(Some(size))
    }

    /// Where it is reading, for a person.
    fn here(&self) -> String {
        let word = if matches!(self.form, Form::Pcap { .. }) { "record" } else { "block" };
        // What was read counts from 1, and what is about to be has no number yet.
        let number = self.number + u64::from(self.used == 0);
        format!("{word} {number}, at byte {}", self.buffer.position())
    }
}

/// Reads a record of a pcap, which is whole.
fn record(header: &PcapHeader, link: Link, block: &[u8]) -> anyhow::Result<Option<Place>> {
    let (parse, size): (Parse, usize) = if header.is_modified_format() {
        (pcap::parse_pcap_frame_modified, MODIFIED_HEADER)
    } else if header.is_bigendian() {
        (pcap::parse_pcap_frame_be, RECORD_HEADER)
    } else {
        (pcap::parse_pcap_frame, RECORD_HEADER)
    };
    let Ok((_, packet)) = parse(block) else { bail!("is malformed") };
    let unit = if header.is_nanosecond_precision() { 1 } else { 1000 };
    let time = u64::from(packet.ts_sec) * SECOND + u64::from(packet.ts_usec) * unit;
    let cut = packet.origlen.saturating_sub(packet.caplen);
    Ok(Some(Place { time, link, cut, data: size..block.len() }))
}

type Parse = fn(&[u8]) -> nom::IResult<&[u8], pcap::LegacyPcapBlock<'_>, PcapError<&[u8]>>;
