//! What else is on a network: other protocols, and TCP connections that are no WebSocket.

use crate::base::Capture;
use crate::conversation;
use crate::dice::Dice;
use crate::packets::{Flow, Packet, SYN};
use hybridge::event::Side;
use std::net::SocketAddr;

/// Above the numbers of all sessions.
const CONNECTIONS: usize = 10_000;

/// The hellos of TLS, as far as their heads.
const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03";
const SERVER_HELLO: &[u8] = b"\x16\x03\x03\x00\x05\x02\x00\x00\x01\x03";

/// What is said on a connection.
type Says<'s> = &'s [(Side, &'s [u8])];

fn flow(client: u16, server: u16) -> Flow {
    let address = |last, port| SocketAddr::from(([192, 0, 2, last], port));
    Flow { client: address(9, client), server: address(1, server) }
}

/// Puts packets and whole connections between those of a capture.
pub(crate) fn add(capture: &mut Capture, dice: &mut Dice) {
    const CLIENT: Side = Side::Client;
    const SERVER: Side = Side::Backend;
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let plain = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let connections: [(u16, Says<'_>); 5] = [
        (443, &[(CLIENT, CLIENT_HELLO), (SERVER, SERVER_HELLO), (CLIENT, b"\x17\x03\x03\0\x01x")]),
        (80, &[(CLIENT, http2), (SERVER, b"\0\0\0\x04\0\0\0\0\0")]),
        (
            22,
            &[(SERVER, b"SSH-2.0-a\r\n"), (CLIENT, b"SSH-2.0-b\r\n"), (CLIENT, b"\0\x81\x05\xff")],
        ),
        (80, &[(CLIENT, plain), (SERVER, answer)]),
        // From its middle on.
        (9000, &[(CLIENT, b"\x81\x05Hello\xff\0"), (SERVER, b"\0Hello\xff")]),
    ];
    let mut noise = Vec::new();
    for (number, (port, says)) in connections.into_iter().enumerate() {
        let flow = flow(u16::try_from(50_000 + number).unwrap(), port);
        let mut segments = conversation::other(CONNECTIONS + number, flow, says);
        if port == 9000 {
            segments.drain(..3);
            segments.retain(|segment| !segment.has(SYN));
        }
        noise.extend(segments.into_iter().map(Packet::Segment));
        noise.push(Packet::Udp(flow, b"\0\x81\x05Hello\xff".to_vec()));
        noise.push(Packet::Ping(flow));
        noise.push(Packet::Arp);
    }
    capture.tls += 1;
    capture.others += 4;
    let mut mixed = Vec::new();
    let mut noise = noise.into_iter();
    for packet in capture.packets.drain(..) {
        while dice.one_in(3)
            && let Some(packet) = noise.next()
        {
            mixed.push(packet);
        }
        mixed.push(packet);
    }
    mixed.extend(noise);
    capture.packets = mixed;
}
