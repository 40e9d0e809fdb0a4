//! A capture as a file: packets on a link, in a container, with times.

use super::base::Capture;
use super::containers::{Container, Frame, Magic, Order};
use super::links::Link;
use super::packets::{Ip, Packet};

/// When the first packet comes, in nanoseconds since 1970, and how long it is to the next.
pub(crate) const START: u64 = 1_290_000_000_123_456_789;
const STEP: u64 = 1_234_567;

/// How a capture is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) ip: Ip,
    pub(crate) link: Link,
    pub(crate) container: Container,
    pub(crate) clock: Clock,
    /// How much of a packet is kept, in bytes.
    pub(crate) snaplen: usize,
}

/// How times go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    Forward,
    /// Back now and then.
    Jumping,
}

/// A file, and what a reader is to count in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    pub(crate) packets: u64,
    /// Those that are not TCP over IP.
    pub(crate) others: u64,
    /// Those of which a part is missing.
    pub(crate) truncated: u64,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            ip: Ip::Plain,
            link: Link::Ethernet,
            container: Container::Pcap { magic: Magic::Micro, order: Order::Little },
            clock: Clock::Forward,
            snaplen: usize::MAX,
        }
    }
}

impl Form {
    /// Writes a capture.
    pub(crate) fn write(self, capture: &Capture) -> Written {
        let mut written = Written::default();
        let mut frames = Vec::new();
        for (number, packet) in capture.packets.iter().enumerate() {
            if *packet == Packet::Arp && !self.link.names_payload() {
                continue;
            }
            let identification = u32::try_from(number).unwrap();
            for ip in self.ip.packets(packet, identification) {
                let link = match self.link {
                    Link::Raw4 if ip[0] >> 4 == 6 => Link::Raw6,
                    link => link,
                };
                let mut bytes = link.frame(packet, &ip);
                let length = bytes.len();
                bytes.truncate(self.snaplen);
                written.packets += 1;
                written.others += u64::from(!matches!(packet, Packet::Segment(_)));
                written.truncated += u64::from(bytes.len() < length);
                let (at, link_number) = (self.clock.at(frames.len() as u64), link.number());
                frames.push(Frame { at, link: link_number, field: link.field(), bytes, length });
            }
        }
        written.bytes = self.container.write(&frames);
        written
    }
}

impl Clock {
    /// When packet `number` comes.
    pub(crate) const fn at(self, number: u64) -> u64 {
        let at = START + number * STEP;
        match self {
            Self::Jumping if number % 3 == 2 => at - 5 * STEP,
            Self::Forward | Self::Jumping => at,
        }
    }
}
