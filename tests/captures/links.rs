//! Link layers: what stands before an IP packet in a capture, and behind it.

use super::packets::Packet;

/// How packets are on their link; the numbers are those of the registry of link types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Ethernet,
    /// Filled up to sixty bytes, and with a trailer behind longer ones: both look like frames.
    Padded,
    /// With a check sum of four bytes behind it, whose length the link type tells.
    Summed,
    Vlan,
    /// IEEE 802.1ad: two tags.
    Stacked,
    /// Two tags of 802.1Q.
    DoubleVlan,
    /// Linux, `-i any`: version 1 and 2.
    Cooked,
    Cooked2,
    /// BSD loopback, in the order of bytes of the host.
    NullLittle,
    NullBig,
    /// That of OpenBSD, in network order.
    Loop,
    Raw,
    /// The number that some systems write for it.
    RawBsd,
    /// Only IPv4, only IPv6.
    Raw4,
    Raw6,
}

/// Every link that can carry both versions of IP.
pub(crate) const LINKS: [Link; 13] = [
    Link::Ethernet,
    Link::Padded,
    Link::Summed,
    Link::Vlan,
    Link::Stacked,
    Link::DoubleVlan,
    Link::Cooked,
    Link::Cooked2,
    Link::NullLittle,
    Link::NullBig,
    Link::Loop,
    Link::Raw,
    Link::RawBsd,
];

const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/// What a reader of frames would take for something that was said.
const TRAILER: &[u8] = b"\xff\0lies\xff\0\x81\x02no\xff\0";

impl Link {
    /// The number of its type.
    pub(crate) const fn number(self) -> u16 {
        match self {
            Self::NullLittle | Self::NullBig => 0,
            Self::RawBsd => 12,
            Self::Raw => 101,
            Self::Loop => 108,
            Self::Cooked => 113,
            Self::Raw4 => 228,
            Self::Raw6 => 229,
            Self::Cooked2 => 276,
            _ => 1,
        }
    }

    /// The field of a pcap head: the length of the frame check sequence stands above the type, in
    /// words of two bytes, behind a bit that says that it does.
    pub(crate) fn field(self) -> u32 {
        let sums = if self == Self::Summed { 2 << 28 | 1 << 26 } else { 0 };
        u32::from(self.number()) | sums
    }

    /// Whether it says what its payload is, so that it can be ARP.
    pub(crate) const fn names_payload(self) -> bool {
        !matches!(
            self,
            Self::NullLittle
                | Self::NullBig
                | Self::Loop
                | Self::Raw
                | Self::RawBsd
                | Self::Raw4
                | Self::Raw6
        )
    }

    /// Puts a packet on the link.
    pub(crate) fn frame(self, packet: &Packet, ip: &[u8]) -> Vec<u8> {
        let v6 = ip[0] >> 4 == 6;
        let kind: u16 = match packet {
            Packet::Arp => 0x0806,
            _ if v6 => 0x86dd,
            _ => 0x0800,
        };
        let kind = kind.to_be_bytes();
        // AF_INET is 2 everywhere; AF_INET6 is 30, 28 or 24.
        let family: u32 = if v6 { [30, 28, 24][ip.len() % 3] } else { 2 };
        let tag = b"\x20\x07";
        let head = match self {
            Self::Ethernet | Self::Padded | Self::Summed => [&MACS[..], &kind].concat(),
            Self::Vlan => [&MACS[..], b"\x81\0", tag, &kind].concat(),
            Self::Stacked => [&MACS[..], b"\x88\xa8", tag, b"\x81\0", tag, &kind].concat(),
            Self::DoubleVlan => [&MACS[..], b"\x81\0", tag, b"\x81\0", tag, &kind].concat(),
            // The type of packet, ARPHRD_ETHER, the address with its length, the protocol.
            Self::Cooked => [&b"\0\0\0\x01\0\x06"[..], &MACS[..6], b"\0\0", &kind].concat(),
            Self::Cooked2 => {
                let interface = b"\0\0\0\0\0\x02\0\x01\0\x06";
                [&kind[..], interface, &MACS[..6], b"\0\0"].concat()
            }
            Self::NullLittle => family.to_le_bytes().to_vec(),
            Self::NullBig | Self::Loop => family.to_be_bytes().to_vec(),
            Self::Raw | Self::RawBsd | Self::Raw4 | Self::Raw6 => Vec::new(),
        };
        let mut frame = [&head, ip].concat();
        match self {
            Self::Padded if frame.len() < 60 => {
                let missing = 60 - frame.len();
                frame.extend(TRAILER.iter().cycle().take(missing));
            }
            Self::Padded => frame.extend(TRAILER),
            Self::Summed => frame.extend(b"\xff\0\xff\0"),
            _ => {}
        }
        frame
    }
}
