//! Packets of two connections, as a script has them, in two forms of file: what is told depends on
//! the packets alone.
//!
//! Input: the link, the way of IP with the second form, then packets: the connection with its side,
//! flags, how far the sequence number is from where its sender is, how long the data is, the data.

use crate::capture::check_order;
use crate::captures::containers::{CONTAINERS, Frame};
use crate::captures::links::{LINKS, Link};
use crate::captures::packets::{ACK, Flow, Ip, Packet, Segment};
use crate::told::Told;
use hybridge::event::{Side, Sides};
use std::net::SocketAddr;

/// The head of a packet in the script, in bytes.
pub(crate) const HEAD: usize = 4;

/// In the first byte of a packet: whose it is, and whether its number is believed from then on.
pub(crate) const BACKEND: u8 = 1;
pub(crate) const SECOND: u8 = 2;

/// Runs one input.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    let Some((&[link, way], rest)) = data.split_first_chunk() else { return };
    let link = LINKS[usize::from(link) % LINKS.len()];
    let frames = frames(link, Ip::ALL[usize::from(way) % Ip::ALL.len()], rest);
    // Those without times of their own, or with coarse ones, tell other times.
    let mut timed = CONTAINERS.into_iter().filter(|container| container.time(0).is_some()).cycle();
    let one = timed.next().expect("there are some");
    let another = timed.nth(usize::from(way) / Ip::ALL.len()).expect("they begin again");
    let told = [one, another].map(|container| {
        let told = Told::read_whole(&container.write(&frames)).expect("it is a capture");
        check_order(&told);
        assert!(told.is_whole(), "{container:?}: {:?}", told.account);
        (told.events, told.account)
    });
    assert_eq!(told[0], told[1], "{one:?} and {another:?}");
}

fn frames(link: Link, ip: Ip, mut script: &[u8]) -> Vec<Frame> {
    let mut next = [Sides { client: 1000_u32, backend: 0xffff_ff00 }; 2];
    let mut frames = Vec::new();
    while let Some((&[whose, flags, offset, length], rest)) = script.split_first_chunk::<HEAD>() {
        let from = if whose & BACKEND == 0 { Side::Client } else { Side::Backend };
        let connection = usize::from(whose & SECOND != 0);
        let (data, behind) = rest.split_at(usize::from(length).min(rest.len()));
        script = behind;
        let next = &mut next[connection];
        // Most of all small steps, to both sides.
        let distance = i32::from(offset.cast_signed());
        let seq = next[from].wrapping_add_signed(distance);
        let ack = if flags & ACK == 0 { 0 } else { next[from.other()] };
        let segment = Segment {
            connection,
            flow: flow(connection),
            from,
            seq,
            ack,
            flags: flags & 0x3f,
            window: 0xffff,
            urgent: 0,
            options: Vec::new(),
            data: data.to_vec(),
            is_opening: false,
        };
        if offset == 0 {
            next[from] = segment.end();
        }
        let number = u32::try_from(frames.len()).expect("a script is short");
        for bytes in ip.packets(&Packet::Segment(segment.clone()), number) {
            let bytes = link.frame(&Packet::Segment(segment.clone()), &bytes);
            let at = 1_290_000_000_000_000_000 + frames.len() as u64 * 1_000_000;
            let (number, field, length) = (link.number(), link.field(), bytes.len());
            frames.push(Frame { at, link: number, field, bytes, length });
        }
    }
    frames
}

fn flow(connection: usize) -> Flow {
    if connection == 0 {
        let address = |last, port| SocketAddr::from(([10, 0, 0, last], port));
        return Flow { client: address(7, 40_000), server: address(1, 80) };
    }
    let address = |last, port| SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], port));
    Flow { client: address(7, 40_000), server: address(1, 80) }
}
