//! The headers of IP and TCP, taken off by etherparse.

use super::fragments::{Fragment, Id};
use core::net::{IpAddr, SocketAddr};
use etherparse::{Ipv6ExtensionSlice, LaxIpSlice, TcpSlice, ip_number};

/// A segment of TCP.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'p> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) sequence: u32,
    /// The acknowledgement number, where it says one.
    pub(super) acknowledges: Option<u32>,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    pub(super) data: &'p [u8],
    /// How many bytes behind the data were sent and not captured.
    pub(super) missing: u32,
}

/// What a packet of IP holds.
#[derive(Debug)]
pub(super) enum Content<'p> {
    Segment(Segment<'p>),
    Fragment(Fragment<'p>),
    /// Anything else, or what cannot be read.
    Other,
}

/// Reads a packet of IP, of whose end `cut` bytes were not captured.
pub(super) fn read(packet: &[u8], cut: u32) -> Content<'_> {
    // What has no length has one that is larger than its field: the sender's hardware will divide it
    // (TSO). Then the packet ends where it was captured to end; a length is believed before that, for
    // Ethernet pads.
    let Ok((ip, None)) = LaxIpSlice::from_slice(packet) else { return Content::Other };
    let payload = ip.payload();
    if payload.ip_number != ip_number::TCP {
        return Content::Other;
    }
    let missing = if payload.incomplete { missing(&ip, packet) } else { 0 };
    let missing = if announces_no_length(&ip) { cut } else { missing };
    let addresses = (ip.source_addr(), ip.destination_addr());
    if payload.fragmented {
        return fragment(&ip, addresses, missing).map_or(Content::Other, Content::Fragment);
    }
    segment(addresses, payload.payload, missing)
}

/// Reads a segment out of the payload of IP.
pub(super) fn segment((from, to): (IpAddr, IpAddr), payload: &[u8], missing: u32) -> Content<'_> {
    let Ok(tcp) = TcpSlice::from_slice(payload) else { return Content::Other };
    Content::Segment(Segment {
        from: SocketAddr::new(from, tcp.source_port()),
        to: SocketAddr::new(to, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        acknowledges: tcp.ack().then(|| tcp.acknowledgment_number()),
        syn: tcp.syn(),
        fin: tcp.fin(),
        rst: tcp.rst(),
        data: tcp.payload(),
        missing,
    })
}

fn announces_no_length(ip: &LaxIpSlice<'_>) -> bool {
    match ip {
        LaxIpSlice::Ipv4(ip) => ip.header().total_len() == 0,
        LaxIpSlice::Ipv6(ip) => ip.header().payload_length() == 0,
    }
}

/// How many bytes were announced that are not there.
fn missing(ip: &LaxIpSlice<'_>, packet: &[u8]) -> u32 {
    let announced = match ip {
        LaxIpSlice::Ipv4(ip) => usize::from(ip.header().total_len()),
        LaxIpSlice::Ipv6(ip) => {
            ip.header().slice().len() + usize::from(ip.header().payload_length())
        }
    };
    u32::try_from(announced.saturating_sub(packet.len())).unwrap_or(u32::MAX)
}

fn fragment<'p>(
    ip: &LaxIpSlice<'p>,
    (from, to): (IpAddr, IpAddr),
    missing: u32,
) -> Option<Fragment<'p>> {
    let (identification, offset, more) = match ip {
        LaxIpSlice::Ipv4(ip) => {
            let header = ip.header();
            let identification = u32::from(header.identification());
            (identification, header.fragments_offset(), header.more_fragments())
        }
        LaxIpSlice::Ipv6(ip) => {
            let found = ip.extensions().clone().into_iter().find_map(|extension| match extension {
                Ipv6ExtensionSlice::Fragment(fragment) => Some(fragment),
                _ => None,
            });
            let header = found?;
            (header.identification(), header.fragment_offset(), header.more_fragments())
        }
    };
    let payload = ip.payload();
    let id = Id { from, to, protocol: payload.ip_number, identification };
    Some(Fragment { id, offset, more, data: payload.payload, is_cut: missing > 0 })
}
