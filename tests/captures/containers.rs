//! Files of packets: pcap in its magics and both orders of bytes, and pcapng.

/// A packet as a file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// In nanoseconds since 1970.
    pub(crate) at: u64,
    /// The number of the link type, and the field of a pcap head.
    pub(crate) link: u16,
    pub(crate) field: u32,
    /// What was captured of it.
    pub(crate) bytes: Vec<u8>,
    /// How long it was.
    pub(crate) length: usize,
}

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    /// Its magic number says the unit of its times, and what stands in its records.
    Pcap {
        magic: Magic,
        order: Order,
    },
    Pcapng {
        layout: Layout,
        order: Order,
    },
}

/// The magic number of a pcap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Magic {
    Micro,
    Nano,
    /// Records have eight bytes more, for the interface.
    Modified,
}

/// The order of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

/// What stands in a pcapng.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A section, an interface, a block for each packet.
    Plain,
    /// Sections in both orders, each with several interfaces of other units of time, comments, and
    /// blocks that are to be passed over.
    Rich,
    /// Simple blocks, which have neither times nor interfaces.
    Simple,
}

/// Every form.
pub(crate) const CONTAINERS: [Container; 12] = {
    const fn pcap(magic: Magic, order: Order) -> Container {
        Container::Pcap { magic, order }
    }
    const fn pcapng(layout: Layout, order: Order) -> Container {
        Container::Pcapng { layout, order }
    }
    [
        pcap(Magic::Micro, Order::Little),
        pcap(Magic::Micro, Order::Big),
        pcap(Magic::Nano, Order::Little),
        pcap(Magic::Nano, Order::Big),
        pcap(Magic::Modified, Order::Little),
        pcap(Magic::Modified, Order::Big),
        pcapng(Layout::Plain, Order::Little),
        pcapng(Layout::Plain, Order::Big),
        pcapng(Layout::Rich, Order::Little),
        pcapng(Layout::Rich, Order::Big),
        pcapng(Layout::Simple, Order::Little),
        pcapng(Layout::Simple, Order::Big),
    ]
};

const SECOND: u64 = 1_000_000_000;

/// The largest packet that a file says it may have.
const SNAPLEN: u32 = 262_144;

/// Units of time that interfaces of a pcapng have: `if_tsresol`, and how many are in a second.
const UNITS: [(Option<u8>, u64); 4] =
    [(None, 1_000_000), (Some(9), SECOND), (Some(0x80 | 20), 1 << 20), (Some(6), 1_000_000)];

/// After how many packets the rich layout begins another section.
const SECTION: usize = 7;

impl Container {
    /// The file. A pcap has one link type: that of the first packet.
    pub(crate) fn write(self, frames: &[Frame]) -> Vec<u8> {
        match self {
            Self::Pcap { magic, order } => pcap(magic, order, frames),
            Self::Pcapng { layout, order } => pcapng(layout, order, frames),
        }
    }

    /// What a reader can know of the time of a packet; `None` where the file has no times.
    pub(crate) const fn time(self, at: u64) -> Option<u64> {
        match self {
            Self::Pcapng { layout: Layout::Simple, .. } => None,
            // Its units are several.
            Self::Pcapng { layout: Layout::Rich, .. } => None,
            Self::Pcap { magic: Magic::Nano, .. } => Some(at),
            Self::Pcap { .. } | Self::Pcapng { .. } => Some(at / 1000 * 1000),
        }
    }
}

impl Order {
    pub(crate) const fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub(crate) const fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    const fn u64(self, value: u64) -> [u8; 8] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Little => Self::Big,
            Self::Big => Self::Little,
        }
    }
}

fn u32_of(value: usize) -> u32 {
    u32::try_from(value).unwrap()
}

fn pcap(magic: Magic, order: Order, frames: &[Frame]) -> Vec<u8> {
    let (number, unit) = match magic {
        Magic::Micro => (0xa1b2_c3d4, 1000),
        Magic::Nano => (0xa1b2_3c4d, 1),
        Magic::Modified => (0xa1b2_cd34, 1000),
    };
    let field = frames.first().map_or(1, |frame| frame.field);
    let mut out = pcap_head(number, order, field);
    for frame in frames {
        out.extend(order.u32(u32::try_from(frame.at / SECOND).unwrap()));
        out.extend(order.u32(u32::try_from(frame.at % SECOND / unit).unwrap()));
        out.extend(order.u32(u32_of(frame.bytes.len())));
        out.extend(order.u32(u32_of(frame.length)));
        if magic == Magic::Modified {
            // The interface, the protocol, the type of packet and a byte of nothing.
            out.extend(order.u32(2));
            out.extend(order.u16(0x0800));
            out.extend([0, 0]);
        }
        out.extend(&frame.bytes);
    }
    out
}

/// The head of a pcap.
pub(crate) fn pcap_head(magic: u32, order: Order, field: u32) -> Vec<u8> {
    let mut out = order.u32(magic).to_vec();
    out.extend(order.u16(2));
    out.extend(order.u16(4));
    out.extend([0; 8]);
    out.extend(order.u32(SNAPLEN));
    out.extend(order.u32(field));
    out
}

/// A block of a pcapng, filled up to four bytes.
pub(crate) fn block(order: Order, kind: u32, mut body: Vec<u8>) -> Vec<u8> {
    pad(&mut body);
    let length = order.u32(u32_of(12 + body.len()));
    [&order.u32(kind)[..], &length, &body, &length].concat()
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let length = order.u16(u16::try_from(value.len()).unwrap());
    let mut out = [&order.u16(code)[..], &length, value].concat();
    pad(&mut out);
    out
}

/// The Section Header Block; its length is not told.
pub(crate) fn section(order: Order, options: &[u8]) -> Vec<u8> {
    let mut body = order.u32(0x1a2b_3c4d).to_vec();
    body.extend(order.u16(1));
    body.extend(order.u16(0));
    body.extend(order.u64(u64::MAX));
    body.extend(options);
    block(order, 0x0a0d_0d0a, body)
}

/// An Interface Description Block.
pub(crate) fn interface(order: Order, link: u16, options: &[u8]) -> Vec<u8> {
    let mut body = order.u16(link).to_vec();
    body.extend(order.u16(0));
    body.extend(order.u32(SNAPLEN));
    body.extend(options);
    block(order, 1, body)
}

fn enhanced(order: Order, interface: usize, time: u64, frame: &Frame, options: &[u8]) -> Vec<u8> {
    let mut body = order.u32(u32_of(interface)).to_vec();
    body.extend(order.u32(u32::try_from(time >> 32).unwrap()));
    body.extend(order.u32(u32::try_from(time & 0xffff_ffff).unwrap()));
    body.extend(order.u32(u32_of(frame.bytes.len())));
    body.extend(order.u32(u32_of(frame.length)));
    body.extend(&frame.bytes);
    pad(&mut body);
    body.extend(options);
    block(order, 6, body)
}

fn pcapng(layout: Layout, order: Order, frames: &[Frame]) -> Vec<u8> {
    match layout {
        Layout::Rich => return rich(order, frames),
        Layout::Plain | Layout::Simple => {}
    }
    let mut out = section(order, &[]);
    let mut links: Vec<u16> = Vec::new();
    for frame in frames {
        let known = links.iter().position(|link| *link == frame.link);
        let number = known.unwrap_or_else(|| {
            links.push(frame.link);
            out.extend(interface(order, frame.link, &[]));
            links.len() - 1
        });
        if layout == Layout::Plain {
            out.extend(enhanced(order, number, frame.at / 1000, frame, &[]));
        } else {
            let mut body = order.u32(u32_of(frame.length)).to_vec();
            body.extend(&frame.bytes);
            out.extend(block(order, 3, body));
        }
    }
    out
}

fn rich(order: Order, frames: &[Frame]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, frames) in frames.chunks(SECTION).enumerate() {
        let order = if number % 2 == 0 { order } else { order.other() };
        let text = [option(order, 1, b"one of several"), option(order, 4, b"tests")].concat();
        out.extend(section(order, &[&text[..], &[0; 4]].concat()));
        // One before that nothing came from, of a link that nothing is known of.
        out.extend(interface(order, 147, &[]));
        let mut known: Vec<(u16, usize)> = Vec::new();
        for (at, frame) in frames.iter().enumerate() {
            let unit = at % UNITS.len();
            let interface_known = known.iter().position(|one| *one == (frame.link, unit));
            let place = interface_known.unwrap_or_else(|| {
                known.push((frame.link, unit));
                let mut options = option(order, 2, b"eth0");
                options
                    .extend(UNITS[unit].0.map_or_else(Vec::new, |unit| option(order, 9, &[unit])));
                if unit == 1 {
                    // Times count from a hundred seconds later than they are told.
                    options.extend(option(order, 14, &order.u64(100)));
                }
                options.extend([0; 4]);
                out.extend(interface(order, frame.link, &options));
                known.len() - 1
            });
            let offset = if unit == 1 { 100 } else { 0 };
            let (seconds, rest) = (frame.at / SECOND - offset, frame.at % SECOND);
            let time = seconds * UNITS[unit].1 + rest * UNITS[unit].1 / SECOND;
            let comment = [option(order, 1, b"a comment"), option(order, 2, &[0; 4])].concat();
            let options = if at % 2 == 0 { [&comment[..], &[0; 4]].concat() } else { Vec::new() };
            out.extend(enhanced(order, place + 1, time, frame, &options));
            out.extend(passed_over(order, at));
        }
        // Interface statistics, of the first.
        out.extend(block(order, 5, [0; 12].to_vec()));
    }
    if frames.is_empty() {
        out.extend(section(order, &[]));
    }
    out
}

/// Blocks without packets: names, secrets, those of somebody else, those that nobody knows.
fn passed_over(order: Order, at: usize) -> Vec<u8> {
    match at % 5 {
        0 => {
            let name = b"\x0a\0\0\x07old.example\0";
            let record = [&order.u16(1)[..], &order.u16(16), name, &[0; 4]].concat();
            block(order, 4, record)
        }
        1 => {
            let keys = b"CLIENT_RANDOM 00 00\n";
            block(order, 10, [&order.u32(0x544c_534b)[..], &order.u32(20), keys].concat())
        }
        2 => block(order, 0x0bad, [&order.u32(32_473)[..], b"anything"].concat()),
        3 => block(order, 0x4000_0bad, [&order.u32(32_473)[..], b"anything else"].concat()),
        _ => block(order, 0x0000_7777, b"not known".to_vec()),
    }
}
