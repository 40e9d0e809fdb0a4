//! The headers below IP, in each of the link types that captures of servers come in. The numbers and
//! forms are those of the registry of libpcap's link-layer header types.

/// What the first header of a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    /// None (`LINKTYPE_NULL`): a protocol family in the byte order of who captured it.
    Null,
    /// The same in the order of the network (`LINKTYPE_LOOP`).
    Loop,
    /// Ethernet, with or without VLAN tags.
    Ethernet,
    /// IP itself (`LINKTYPE_RAW`, `LINKTYPE_IPV4`, `LINKTYPE_IPV6`).
    Ip,
    /// What Linux gives in the place of several links at once (`LINKTYPE_LINUX_SLL`).
    Sll,
    /// The same, newer (`LINKTYPE_LINUX_SLL2`).
    Sll2,
    /// One that is not read here, with its number.
    Other(u16),
}

/// Types of Ethernet. A tag is followed by two bytes of its own and another type.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// The families of IP: 2 is `AF_INET` everywhere; `AF_INET6` differs among NetBSD and Linux' own
/// (24 and 10), FreeBSD (28) and macOS (30).
const FAMILIES: [u32; 5] = [2, 10, 24, 28, 30];

impl Link {
    /// The link type of this number.
    pub const fn numbered(number: u16) -> Self {
        match number {
            0 => Self::Null,
            108 => Self::Loop,
            1 => Self::Ethernet,
            // 12 and 14 are what some systems write for 101.
            12 | 14 | 101 | 228 | 229 => Self::Ip,
            113 => Self::Sll,
            276 => Self::Sll2,
            _ => Self::Other(number),
        }
    }

    /// What follows the headers below IP; `None` where that is no IP.
    pub(super) fn ip(self, packet: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Null => family(packet, |family| {
                // Whose order it is nobody says; a family is a small number.
                FAMILIES.contains(&family) || FAMILIES.contains(&family.swap_bytes())
            }),
            Self::Loop => family(packet, |family| FAMILIES.contains(&family)),
            Self::Ethernet => behind_type(packet.get(12..)?),
            Self::Ip => Some(packet),
            Self::Other(_) => None,
            Self::Sll => behind_type(packet.get(14..)?),
            Self::Sll2 => {
                let (kind, rest) = packet.split_first_chunk()?;
                let rest = rest.get(18..)?;
                let kind = u16::from_be_bytes(*kind);
                if TAGS.contains(&kind) { behind_type(rest.get(2..)?) } else { ip(kind, rest) }
            }
        }
    }
}

fn family(packet: &[u8], is_ip: impl Fn(u32) -> bool) -> Option<&[u8]> {
    let (family, rest) = packet.split_first_chunk()?;
    is_ip(u32::from_be_bytes(*family)).then_some(rest)
}

/// What is behind an `EtherType` and the tags that it may announce.
fn behind_type(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (kind, behind) = rest.split_first_chunk()?;
        let kind = u16::from_be_bytes(*kind);
        if !TAGS.contains(&kind) {
            return ip(kind, behind);
        }
        rest = behind.get(2..)?;
    }
}

fn ip(kind: u16, rest: &[u8]) -> Option<&[u8]> {
    matches!(kind, IPV4 | IPV6).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_ip() {
        let addresses = [7; 12];
        let ethernet = |more: &[u8]| [&addresses[..], more, b"ip"].concat();
        let sll2 = |kind: [u8; 2], more: &[u8]| [&kind[..], &[7; 18], more, b"ip"].concat();
        for (link, packet) in [
            (Link::Ethernet, ethernet(&[0x08, 0x00])),
            (Link::Ethernet, ethernet(&[0x81, 0x00, 0, 5, 0x86, 0xdd])),
            (Link::Ethernet, ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0x00, 0, 6, 0x08, 0x00])),
            (Link::Null, [&[2, 0, 0, 0][..], b"ip"].concat()),
            (Link::Null, [&[0, 0, 0, 30][..], b"ip"].concat()),
            (Link::Loop, [&[0, 0, 0, 24][..], b"ip"].concat()),
            (Link::Ip, b"ip".to_vec()),
            (Link::Sll, [&[7; 14][..], &[0x08, 0x00], b"ip"].concat()),
            (Link::Sll2, sll2([0x86, 0xdd], &[])),
            (Link::Sll2, sll2([0x81, 0x00], &[0, 5, 0x08, 0x00])),
        ] {
            assert_eq!(link.ip(&packet), Some(&b"ip"[..]), "{link:?} {packet:x?}");
            for end in 0..packet.len() - 2 {
                let cut = link.ip(&packet[..end]);
                assert!(cut.is_none_or(<[u8]>::is_empty) || link == Link::Ip, "{link:?} {end}");
            }
        }
    }

    #[test]
    fn passes_over_what_is_no_ip() {
        for (link, packet) in [
            (Link::Ethernet, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x06, 1, 2][..]),
            (Link::Null, &[7, 0, 0, 0, 1]),
            (Link::Loop, &[2, 0, 0, 0, 1]),
            (Link::Sll2, &[0x08, 0x06, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ] {
            assert_eq!(link.ip(packet), None, "{link:?}");
        }
        assert_eq!(Link::numbered(147).ip(b"ip"), None);
    }
}
