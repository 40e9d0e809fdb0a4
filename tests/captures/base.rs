//! The conversations that every variant is made of, and captures of them.

use super::conversation::{Script, Session, Takeover};
use super::packets::{Flow, Packet, Segment};
use super::peer::Line;
use hybridge::dialect::Dialect;
use hybridge::dialect::hixie::Draft;
use hybridge::dialect::hybi::Version;
use hybridge::event::{Kind, Side};
use hybridge::transcript::event::How;
use std::net::SocketAddr;

const H75: Dialect = Dialect::Hixie(Draft::H75);
const H76: Dialect = Dialect::Hixie(Draft::H76);
const RFC: Dialect = Dialect::RFC6455;

const CLIENT: Side = Side::Client;
const SERVER: Side = Side::Backend;

/// Packets, and what is to be told of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Capture {
    pub(crate) packets: Vec<Packet>,
    pub(crate) sessions: Vec<Session>,
    /// How many connections hold TLS, and something else.
    pub(crate) tls: u64,
    pub(crate) others: u64,
    /// Whether the order of the packets is that in which all was said, so that the order of both
    /// sides and what was seen are certain.
    pub(crate) in_order: bool,
    /// Whether segments were repeated.
    pub(crate) repeats: bool,
}

impl Capture {
    /// Each script on a connection of its own, one behind the other.
    pub(crate) fn of(scripts: &[Script], addresses: Addresses) -> Self {
        let mut capture = Self { in_order: true, ..Self::default() };
        for (number, script) in scripts.iter().enumerate() {
            let (segments, session) = script.play(number, addresses.flow(number));
            capture.packets.extend(segments.into_iter().map(Packet::Segment));
            capture.sessions.push(session);
        }
        capture
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.packets.iter().filter_map(|packet| match packet {
            Packet::Segment(segment) => Some(segment),
            _ => None,
        })
    }

    pub(crate) fn segments_mut(&mut self) -> impl Iterator<Item = &mut Segment> {
        self.packets.iter_mut().filter_map(|packet| match packet {
            Packet::Segment(segment) => Some(segment),
            _ => None,
        })
    }

    /// Puts others in the place of each segment.
    pub(crate) fn replace(&mut self, mut by: impl FnMut(Segment) -> Vec<Segment>) {
        let packets = std::mem::take(&mut self.packets);
        for packet in packets {
            match packet {
                Packet::Segment(segment) => {
                    self.packets.extend(by(segment).into_iter().map(Packet::Segment));
                }
                other => self.packets.push(other),
            }
        }
    }
}

/// What addresses connections have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addresses {
    V4,
    V6,
    Both,
    /// The same for all, so that each connection has those of the one before it.
    Same,
}

impl Addresses {
    pub(crate) fn flow(self, number: usize) -> Flow {
        let port = u16::try_from(40_000 + number).unwrap();
        let (v6, port) = match self {
            Self::V4 => (false, port),
            Self::V6 => (true, port),
            Self::Both => (number % 2 == 1, port),
            Self::Same => (false, 40_000),
        };
        let address = |v4: [u8; 4], last: u16, port| {
            let v6_address = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], port));
            if v6 { v6_address } else { SocketAddr::from((v4, port)) }
        };
        Flow { client: address([10, 0, 0, 7], 7, port), server: address([10, 0, 0, 1], 1, 80) }
    }
}

/// Small conversations in every dialect.
pub(crate) fn small() -> Vec<Script> {
    let emoji = "Zoë 🎉 – 日本語";
    let parts = |parts: &[&str]| {
        Line::Message(Kind::Text, parts.iter().map(|part| part.as_bytes().to_vec()).collect())
    };
    let mut scripts = vec![
        Script::new(H75, "/75")
            .text(CLIENT, "hello")
            .text(SERVER, emoji)
            .text(SERVER, "")
            .text(CLIENT, "crossing")
            .crossing()
            .binary(SERVER, vec![1, 2, 3, 4])
            .text(CLIENT, emoji)
            .end(CLIENT, How::Fin),
        Script::new(H76, "/76?a=b")
            .text(SERVER, "welcome")
            .text(CLIENT, emoji)
            .text(CLIENT, "")
            .text(SERVER, "tick")
            .crossing()
            .text(CLIENT, "tock")
            .binary(CLIENT, vec![7; 200])
            .close(SERVER, None)
            .end(SERVER, How::Fin),
        Script::new(H76, "/76-fin").text(CLIENT, "one").text(SERVER, "two").end(CLIENT, How::Fin),
        Script::new(RFC, "/refused").end(SERVER, How::Fin),
        Script::new(RFC, "/lost")
            .text(CLIENT, "anyone?")
            .text(SERVER, "no")
            .end(SERVER, How::Reset),
        Script::new(H76, "/reset").text(SERVER, "bye").close(CLIENT, None).end(CLIENT, How::Reset),
    ];
    scripts[3].status = 403;
    for (version, target) in [(Version::V7, "/07"), (Version::V8, "/08"), (Version::V13, "/rfc")] {
        let mut script = Script::new(Dialect::Hybi(version), target)
            .text(CLIENT, emoji)
            .say(SERVER, parts(&["Hel", "", "lo"]))
            .say(CLIENT, Line::Pong(b"first".to_vec()))
            .say(SERVER, Line::Ping(b"second".to_vec()))
            .binary(CLIENT, (0..=255).collect())
            .crossing()
            .say(CLIENT, Line::Pong(b"second".to_vec()))
            .text(SERVER, "")
            .say(SERVER, Line::Ping(Vec::new()))
            .close(CLIENT, Some((1000, "done")))
            .end(SERVER, How::Fin);
        script.says[1].ping = Some(b"first".to_vec());
        scripts.push(script);
    }
    for (takeover, target) in [(Takeover::Context, "/deflate"), (Takeover::None, "/deflate-none")] {
        let mut script = Script::new(RFC, target);
        for line in ["{\"op\":\"subscribe\"}", "{\"op\":\"subscribe\"}", "", emoji] {
            // Where a fragment ends may be inside a character.
            let (first, second) = line.as_bytes().split_at(line.len().min(3));
            let both = Line::Message(Kind::Text, vec![first.into(), second.into()]);
            script = script.text(CLIENT, line).say(SERVER, both);
        }
        script = script.binary(SERVER, vec![0; 5000]).close(SERVER, None);
        script.deflate = Some(takeover);
        script.fields = format!("Cookie: sid={}\r\n", "0123456789abcdef".repeat(200));
        scripts.push(script);
    }
    let mut kept = Script::new(RFC, "/kept").text(SERVER, "here").close(CLIENT, Some((1001, "")));
    kept.plain = [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nGET "),
        (
            "POST /poll HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nHTTP\r\n0\r\n\r\n",
        ),
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
        ("GET /b HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n\r\n"),
    ]
    .map(|(request, response)| (request.into(), response.into()))
    .into();
    scripts.push(kept);
    scripts
}

/// Those with messages of many segments.
pub(crate) fn large() -> Vec<Script> {
    let text: String = "äöü🎉 0123456789abcdef ".chars().cycle().take(250_000).collect();
    let binary: Vec<u8> = (0..=250).cycle().take(70_000).collect();
    let large = |dialect, target| {
        Script::new(dialect, target)
            .text(CLIENT, &text)
            .text(SERVER, "got it")
            .text(SERVER, &text[..text.floor_char_boundary(100_000)])
            .crossing()
            .binary(CLIENT, binary.clone())
            .close(CLIENT, None)
    };
    let mut deflate = large(RFC, "/large-deflate");
    deflate.deflate = Some(Takeover::Context);
    vec![large(H76, "/large-76"), large(RFC, "/large-rfc"), deflate]
}
