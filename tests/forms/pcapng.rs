//! pcapng that is written: foreign readers find whole packets, and on them what was said.

use crate::any::recording;
use crate::packets::{Capture, Connection};
use crate::{GOLDEN, Told};
use futures_util::StreamExt;
use hybridge::dialect::{ALL, Dialect};
use hybridge::event::{Kind, Side};
use hybridge::recording::Sink;
use hybridge::recording::lines;
use hybridge::recording::pcapng::{Leg, Writer};
use hybridge::recording::source;
use hybridge::transcript::account::Account;
use hybridge::transcript::event::{Accept, End, Event, Header, How, Message, Open, What};
use proptest::prelude::*;
use tokio_websockets::ServerBuilder;

fn bytes(told: &Told) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    told.tell(&mut writer);
    writer.into_inner()
}

fn written(told: &Told) -> Capture {
    Capture::read(&bytes(told))
}

/// A recording of one session.
fn session(dialect: &str, whats: Vec<What>) -> Told {
    let header = Header { start: 1_795_186_931_123_456_789, source: "a test".to_owned() };
    let open = Open {
        dialect: dialect.parse().unwrap(),
        client: "10.0.0.7:39088".to_owned(),
        server: "10.0.0.1:8080".to_owned(),
        target: "/chat?room=1".to_owned(),
        fields: vec![("Host".to_owned(), "old.example".to_owned())],
    };
    let accept = Accept { status: 101, fields: vec![("Server".to_owned(), "old".to_owned())] };
    let whats = [What::Open(open), What::Accept(accept)].into_iter().chain(whats);
    let events = (0..)
        .zip(whats)
        .map(|(at, what)| Event { session: 1, at: 1000 * at, packet: None, what })
        .collect();
    Told { header: Some(header), events, account: Some(Account::default()) }
}

fn message(from: Side, kind: Kind, data: &[u8], seen: u64) -> What {
    What::Message(Message { from, kind, data: data.to_vec(), seen })
}

fn text(from: Side, text: &str, seen: u64) -> What {
    message(from, Kind::Text, text.as_bytes(), seen)
}

fn fin(by: Side, clean: bool) -> What {
    What::End(End { by: Some(by), how: How::Fin, clean })
}

fn close(from: Side, code: u16, reason: &str) -> What {
    What::Close { from, code: Some(code), reason: reason.to_owned() }
}

/// The only connection, and what is said behind its handshake.
fn one(told: &Told) -> (Connection, Vec<What>) {
    let mut connections = written(told).connections();
    let connection = connections.remove(0);
    assert!(connections.is_empty());
    let mut said: Vec<_> = connection.said().into_iter().map(|(_, what)| what).collect();
    let What::Open(open) = said.remove(0) else { panic!("{said:?}") };
    let What::Open(due) = &told.events[0].what else { panic!("{told:?}") };
    assert_eq!((open.dialect, &open.target), (due.dialect, &due.target));
    assert!(due.fields.iter().all(|field| open.fields.contains(field)), "{open:?}");
    (connection, said)
}

/// Whether the same is said behind the handshake.
fn same(told: &Told) -> Connection {
    let (connection, said) = one(told);
    let What::Accept(accept) = &said[0] else { panic!("{said:?}") };
    assert_eq!(accept.status, 101);
    let due = told.events[2..].iter().map(|event| &event.what);
    let due: Vec<_> = due.collect();
    assert_eq!(said[1..].iter().collect::<Vec<_>>(), due);
    // What `inspect` reads in the file is the same. Behind a gap it waits, so that both sides may be told
    // in another order.
    if due.iter().any(|what| matches!(what, What::Gap { .. })) {
        return connection;
    }
    let mut inspected = Told::default();
    let account = source::read(&bytes(told)[..], &mut inspected).unwrap();
    let said: Vec<_> = inspected.events.iter().skip(2).map(|event| &event.what).collect();
    assert_eq!(said, due);
    let packets = account.packets;
    let sound = Account { packets, flows: 1, sessions: 1, ..Account::default() };
    assert_eq!(account, sound);
    connection
}

proptest! {
    /// Whatever is told, packets are whole; each connection has addresses of its own.
    #[test]
    fn anything_can_be_written(told in recording()) {
        let capture = written(&told);
        prop_assert_eq!(capture.connections().len(), 4);
        prop_assert_eq!(&capture.interfaces[..], ["client leg"]);
        for connection in capture.connections() {
            connection.said();
        }
    }

    /// What a dialect can say is read again, and what had been seen.
    #[test]
    fn what_can_be_said_is_read_again(
        dialect in prop::sample::select(&ALL[..]),
        said in prop::collection::vec((any::<bool>(), any::<bool>(), ".{0,40}", 0..5_u64), 0..40),
        reset: bool,
    ) {
        let mut counts = [0_u64; 2];
        let mut seen = [0_u64; 2];
        let whats = said.into_iter().map(|(is_client, is_text, said, lag)| {
            let side = if is_client { Side::Client } else { Side::Backend };
            let (own, other) = (usize::from(is_client), usize::from(!is_client));
            // Who had seen something has not forgotten it.
            seen[own] = seen[own].max(counts[other].saturating_sub(lag));
            counts[own] += 1;
            let kind = if is_text { Kind::Text } else { Kind::Binary };
            message(side, kind, said.as_bytes(), seen[own])
        });
        let mut whats: Vec<_> = whats.collect();
        let is_clean = !reset && matches!(dialect, Dialect::Hixie(_));
        let how = if reset { How::Reset } else { How::Fin };
        whats.push(What::End(End { by: Some(Side::Backend), how, clean: is_clean }));
        // 02 has the marks of 03.
        let name = if dialect.name() == "hybi-02" { "hybi-03" } else { dialect.name() };
        same(&session(name, whats));
    }
}

#[test]
fn the_packets_of_a_session() {
    let told = session(
        "rfc6455",
        vec![
            text(Side::Client, "hello", 0),
            text(Side::Backend, "a", 0),
            text(Side::Backend, "b", 1),
            text(Side::Client, "had seen one", 1),
            What::Ping { from: Side::Backend, data: b"?".to_vec() },
            What::Pong { from: Side::Client, data: b"?".to_vec() },
            close(Side::Client, 1000, "bye"),
            close(Side::Backend, 1000, ""),
            fin(Side::Backend, true),
        ],
    );
    let connection = same(&told);
    let packets = connection.packets.iter();
    let flags: Vec<_> = packets.clone().map(|packet| &*packet.flags).collect();
    assert_eq!(
        flags,
        ["S", "SA", "A", "A", "A", "A", "A", "A", "A", "A", "A", "A", "A", "FA", "FA", "A"]
    );
    let times: Vec<_> = packets.map(|packet| packet.at - 1_795_186_931_123_456_789).collect();
    assert_eq!(times[..6], [0, 0, 0, 0, 1000, 2000]);
    assert_eq!(
        connection.comments(),
        [
            "session 1, request of rfc6455",
            "session 1, answer",
            "session 1, message 1 of the client",
            "session 1, message 1 of the server",
            "session 1, message 2 of the server",
            "session 1, message 2 of the client",
            "session 1, ping of the server",
            "session 1, pong of the client",
            "session 1, close of the client",
            "session 1, close of the server",
        ]
    );
    let capture = written(&told);
    assert_eq!(capture.about, ["decrypted / rebuilt by hybridge, from: a test"]);
}

/// A foreign library reads the frames of RFC 6455.
#[test]
fn frames_are_those_of_the_rfc() {
    let large = "\u{e4}".repeat(100_000);
    let texts = ["hello", "", "\u{1f389}", &large];
    let whats = texts.iter().map(|said| text(Side::Client, said, 0));
    let told = session("rfc6455", whats.chain([close(Side::Client, 4000, "bye")]).collect());
    let connection = written(&told).connections().remove(0);
    let stream = connection.streams().client;
    let end = stream.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let said = runtime.block_on(async {
        let stream = tokio::io::join(&stream[end..], tokio::io::sink());
        let mut server = ServerBuilder::new().serve(stream);
        let mut said = Vec::new();
        while let Some(Ok(message)) = server.next().await {
            said.push(message);
        }
        said
    });
    let read: Vec<_> = said.iter().filter_map(|message| message.as_text()).collect();
    assert_eq!(read, texts);
    let (code, reason) = said.last().unwrap().as_close().unwrap();
    assert_eq!((u16::from(code), reason), (4000, "bye"));
}

/// The handshake of the draft, with its example, and frames byte for byte.
#[test]
fn hixie_76_byte_for_byte() {
    let mut told = session(
        "hixie-76",
        vec![
            text(Side::Client, "hi", 0),
            message(Side::Backend, Kind::Binary, &[0xff; 200], 1),
            What::Close { from: Side::Client, code: None, reason: String::new() },
            What::Close { from: Side::Backend, code: None, reason: String::new() },
            fin(Side::Client, true),
        ],
    );
    let What::Open(open) = &mut told.events[0].what else { unreachable!() };
    for (name, value) in [
        ("Upgrade", "WebSocket"),
        ("Connection", "Upgrade"),
        // The example of the draft, whose third key is that which is made up.
        ("Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5"),
        ("Sec-WebSocket-Key2", "12998 5 Y3 1  .P00"),
    ] {
        open.fields.push((name.to_owned(), value.to_owned()));
    }
    let streams = same(&told).streams();
    let (client, server) = (streams.client, streams.backend);
    assert!(client.ends_with(b"\r\n\r\n^n:ds[4U\x00hi\xff\xff\x00"));
    let start = server.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    assert!(server.starts_with(b"HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: "));
    assert_eq!(server[start..start + 16], *b"8jKS'y:G*Co,Wxa-");
    assert_eq!(server[start + 16..start + 19], [0x80, 0x81, 0x48]);
    assert_eq!(server[server.len() - 2..], [0xff, 0]);
}

#[test]
fn what_a_dialect_hardly_has() {
    for (dialect, codes) in [("hybi-07", &[1007, 1009, 1011][..]), ("hybi-08", &[1008, 1009, 3000])]
    {
        for code in codes {
            same(&session(
                dialect,
                vec![
                    close(Side::Client, *code, "why"),
                    close(Side::Backend, *code, ""),
                    fin(Side::Client, true),
                ],
            ));
        }
    }
    for said in [&b""[..], b"\xff\x00\xff", &[7; 70_000]] {
        for dialect in ["hixie-75", "hixie-76"] {
            let whats = vec![message(Side::Client, Kind::Binary, said, 0), fin(Side::Client, true)];
            same(&session(dialect, whats));
        }
    }
    // Texts that are none are on the wire as they were; one that would end its frame becomes binary.
    let (_, said) = one(&session("rfc6455", vec![message(Side::Client, Kind::Text, b"\xff", 0)]));
    let fault = What::Fault { from: Side::Client, fault: "invalid UTF-8".to_owned() };
    assert_eq!(said[1], fault);
    let whats = vec![message(Side::Client, Kind::Text, b"a\xffb", 0)];
    let (connection, said) = one(&session("hixie-76", whats));
    assert_eq!(said[1], message(Side::Client, Kind::Binary, b"a\xffb", 0));
    let due = "session 1, message 1 of the client: a text with the byte FF, in a length frame";
    assert_eq!(connection.comments()[2], due);
}

#[test]
fn gaps_and_faults() {
    let gap = |from, bytes| What::Gap { from, bytes };
    for dialect in ["hixie-75", "hixie-76"] {
        let whats = vec![
            text(Side::Backend, "before", 0),
            gap(Side::Backend, 1460),
            text(Side::Backend, "behind", 0),
            text(Side::Client, "had seen both", 2),
            gap(Side::Client, 1),
            text(Side::Client, "more", 2),
            fin(Side::Client, false),
        ];
        same(&session(dialect, whats));
    }
    // Larger than what sequence numbers tell apart.
    let whats = vec![gap(Side::Backend, u64::MAX), fin(Side::Backend, false)];
    let (connection, said) = one(&session("rfc6455", whats));
    assert_eq!(said[1], gap(Side::Backend, 1 << 28));
    let due = "session 1: 18446744073709551615 bytes of the server are missing";
    assert_eq!(connection.comments().last(), Some(&due));
    // Where the recording is cut there is a packet for it too.
    let fault = What::Fault { from: Side::Client, fault: "reserved bit set".to_owned() };
    let cut = What::End(End { by: None, how: How::Cut, clean: false });
    let connection = one(&session("rfc6455", vec![fault, cut])).0;
    let due = "session 1, fault of the client: reserved bit set";
    assert_eq!(connection.comments().last(), Some(&due));
}

/// Far more than can be on its way: nothing is kept without bound, and it is all acknowledged.
#[test]
fn a_server_that_is_never_answered() {
    let mut whats: Vec<_> = (0..5)
        .map(|_| message(Side::Backend, Kind::Binary, &vec![0; 16 << 20], 0))
        .chain((0..3000).map(|_| text(Side::Backend, "tick", 0)))
        .collect();
    whats.push(text(Side::Client, "late", 17));
    let connection = written(&session("rfc6455", whats)).connections().remove(0);
    let pure = |from, flags: &str| {
        let packets = connection.packets.iter().filter(move |packet| packet.from == from);
        packets.filter(|packet| packet.data.is_empty() && packet.flags == flags).count()
    };
    // That of the handshake, one for bytes, and the others for messages.
    assert_eq!(pure(connection.client, "A"), 2 + 4);
    let said = connection.said();
    let What::Message(late) = &said[said.len() - 2].1 else { panic!("{:?}", said.last()) };
    assert!((3005 - 1024..3005 - 512).contains(&late.seen), "{}", late.seen);
}

#[test]
fn the_sessions_of_a_recording() {
    let mut told = Told::default();
    lines::read(GOLDEN.as_bytes(), &mut told).unwrap();
    let connections = written(&told).connections();
    let ends = |connection: &Connection| (connection.client, connection.server);
    let due = |a: &str, b: &str| (a.parse().unwrap(), b.parse().unwrap());
    assert_eq!(ends(&connections[0]), due("10.0.0.7:39088", "10.0.0.1:80"));
    assert_eq!(ends(&connections[1]), due("[::1]:39090", "[::1]:80"));
    for (session, connection) in (1..).zip(&connections) {
        let said = connection.said();
        let messages = |what: &What| matches!(what, What::Message(_));
        let due = told.events.iter().filter(|event| event.session == session);
        let due: Vec<_> = due.map(|event| event.what.clone()).filter(messages).collect();
        let said: Vec<_> = said.into_iter().map(|(_, what)| what).filter(messages).collect();
        // The last of the second session is a text that is not UTF-8.
        let most = if session == 2 { 1 } else { 4 };
        assert_eq!(said, due[..most]);
    }
}

#[test]
fn both_legs_have_interfaces() {
    let mut writer = Writer::of_both_legs(Vec::new());
    let told = session("hixie-76", vec![text(Side::Client, "old", 0)]);
    let new = session("rfc6455", vec![text(Side::Client, "new", 0)]);
    writer.begin(told.header.as_ref().unwrap()).unwrap();
    for (old, new) in told.events.iter().zip(&new.events) {
        writer.on(Leg::Client);
        writer.take(old).unwrap();
        writer.on(Leg::Backend);
        writer.take(new).unwrap();
    }
    writer.end(&Account::default()).unwrap();
    let capture = Capture::read(&writer.into_inner());
    assert_eq!(capture.interfaces, ["client leg", "backend leg"]);
    let connections = capture.connections();
    let on: Vec<_> = connections.iter().map(|connection| connection.packets[0].interface).collect();
    assert_eq!(on, [0, 1]);
    for (connection, due) in connections.iter().zip(["old", "new"]) {
        let said = connection.said();
        assert_eq!(said[2].1, text(Side::Client, due, 0));
    }
}
