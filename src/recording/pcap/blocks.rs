//! The blocks of a capture, one after the other, and where in them packets are.

use super::buffer::Buffer;
use super::classic::Pcap;
use super::section::{self, Section};
use crate::capture::Link;
use anyhow::{Context, bail};
use std::collections::HashSet;
use std::io::Read;
use std::ops::Range;

/// The longest packet that is believed in, in bytes: four times what tcpdump keeps of one, and twice
/// what Linux makes of several.
const PACKET: usize = 1 << 20;

/// The longest block of pcapng, in bytes. Secrets and names can be longer than a packet.
const BLOCK: usize = 16 << 20;

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

/// Where a packet stands in its block, and what is said of it.
#[derive(Debug)]
pub(super) struct Place {
    /// In nanoseconds since 1970.
    pub(super) time: u64,
    pub(super) link: Link,
    /// How many bytes of its end were not kept.
    pub(super) cut: u32,
    pub(super) data: Range<usize>,
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
    Pcap(Pcap),
    Pcapng(Section),
}

impl<R: Read> Blocks<R> {
    /// Reads what a capture begins with.
    ///
    /// # Errors
    /// When that is no capture.
    pub(super) fn open(input: R) -> anyhow::Result<Self> {
        let mut buffer = Buffer::new(input);
        let length = buffer.fill(Pcap::HEADER)?;
        let (form, used) = if buffer.data().starts_with(&section::MAGIC) {
            (Form::Pcapng(Section::default()), 0)
        } else {
            let Some(header) = buffer.data().first_chunk().filter(|_| length >= Pcap::HEADER)
            else {
                bail!("the header of a pcap is cut: {length} of {} bytes", Pcap::HEADER)
            };
            let pcap = Pcap::new(header).context("it is no capture")?;
            (Form::Pcap(pcap), Pcap::HEADER)
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
                Form::Pcap(pcap) => pcap.take(block).map(Some),
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
            Form::Pcap(pcap) => pcap.record_header(),
            Form::Pcapng(_) => section::HEADER,
        };
        let there = self.buffer.fill(header).with_context(|| self.here())?;
        if there == 0 {
            return Ok(None);
        }
        if there < header {
            bail!("{}: is cut, {there} bytes of its header of {header} are there", self.here())
        }
        let (size, most) = match &mut self.form {
            Form::Pcap(pcap) => (pcap.size(self.buffer.data()), PACKET + header),
            Form::Pcapng(section) => {
                let size = section.size(self.buffer.data());
                (size.with_context(|| self.here())?, BLOCK)
            }
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
        let word = if matches!(self.form, Form::Pcap(_)) { "record" } else { "block" };
        // What was read counts from 1, and what is about to be has no number yet.
        let number = self.number + u64::from(self.used == 0);
        format!("{word} {number}, at byte {}", self.buffer.position())
    }
}
