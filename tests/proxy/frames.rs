//! Peers that break the rules of their framing, or leave in the middle: who is told what, on each
//! side, and that nobody beside them notices.

use crate::harness::{Stage, millis, pass, step, within};
use crate::peers::framing::frame;
use crate::peers::{Kind, Peer, Said};
use hybridge::config::values::Size;

const ALL: [Kind; 5] = [Kind::Hixie75, Kind::Hixie76, Kind::Hybi07, Kind::Hybi08, Kind::Rfc6455];

/// Raw bytes of a peer of any dialect.
async fn write_raw(peer: &mut Peer, bytes: &[u8]) {
    match peer {
        Peer::Hixie(peer) => peer.wire.write(bytes).await,
        Peer::Hybi(peer) => peer.wire.write(bytes).await,
        Peer::Foreign(peer) => peer.write_raw(bytes).await,
    }
}

/// What a side of a dialect hears when the session ends with a code that the proxy gives.
fn ending(kind: Kind, code: u16) -> Said {
    match (kind, code) {
        (Kind::Hixie75, _) => Said::Fin,
        (Kind::Hixie76, _) => Said::Close(None),
        // 1009 was 1004 up to draft 12; 1007 came with draft 10.
        (Kind::Hybi07 | Kind::Hybi08, 1009) => Said::close(1004, ""),
        (Kind::Hybi07, 1007) => Said::close(1002, ""),
        (_, code) => Said::close(code, ""),
    }
}

/// The faults of a frame of hybi, with the close code they get; `masked` as their sender masks.
fn hybi_faults(kind: Kind, masked: bool) -> Vec<(&'static str, Vec<u8>, u16)> {
    let close = |code: u16| frame(0x88, &code.to_be_bytes(), masked);
    let bit = if masked { 0x80 } else { 0 };
    let key: &[u8] = if masked { &[0; 4] } else { &[] };
    let mut faults = vec![
        ("wrong mask", frame(0x81, b"hello", !masked), 1002),
        ("wrong mask of a ping", frame(0x89, b"", !masked), 1002),
        ("reserved bit", frame(0xc1, b"hello", masked), 1002),
        ("opcode 3", frame(0x83, b"hello", masked), 1002),
        ("opcode 11", frame(0x8b, b"", masked), 1002),
        ("2^63", [&[0x82, bit | 127, 0x80, 0, 0, 0, 0, 0, 0, 0], key].concat(), 1002),
        ("a ping in fragments", frame(0x09, b"", masked), 1002),
        ("a ping of 126", frame(0x89, &[0; 126], masked), 1002),
        ("a continuation of nothing", frame(0x80, b"hello", masked), 1002),
        (
            "a message in a message",
            [frame(0x01, b"", masked), frame(0x81, b"", masked)].concat(),
            1002,
        ),
        ("a close of one byte", frame(0x88, b"x", masked), 1002),
        ("UTF-8: overlong", frame(0x81, b"a\xc0\xaf", masked), 1007),
        ("UTF-8: a surrogate", frame(0x81, b"\xed\xa0\x80", masked), 1007),
        ("UTF-8: FF", frame(0x81, b"a\xff\x00b", masked), 1007),
        ("UTF-8: beyond", frame(0x81, b"\xf4\x90\x80\x80", masked), 1007),
        ("UTF-8: cut", frame(0x81, b"a\xe2\x82", masked), 1007),
        (
            "UTF-8: cut by a fragment",
            [frame(0x01, b"\xe2\x82", masked), frame(0x80, b"x", masked)].concat(),
            1007,
        ),
        ("UTF-8 in a close", frame(0x88, b"\x03\xe8\xff", masked), 1007),
    ];
    for code in [0, 999, 1005, 1006, 1015, 1016, 1999, 2999, 5000, 65_535] {
        faults.push(("a code not for the wire", close(code), 1002));
    }
    if kind == Kind::Rfc6455 {
        faults.push(("1004", close(1004), 1002));
        let long = [&[0x81, bit | 126, 0, 125], key, &[b'x'; 125]].concat();
        faults.push(("a length too long", long, 1002));
    }
    faults
}

/// The faults of a Hixie frame.
fn hixie_faults(kind: Kind) -> Vec<(&'static str, Vec<u8>, u16)> {
    let mut faults = vec![
        ("type 01", b"\x01hello\xff".to_vec(), 1002),
        ("type 7F", b"\x7fhello\xff".to_vec(), 1002),
        ("type 81", b"\x81\x03abc".to_vec(), 1002),
        ("type FE", b"\xfe\x03abc".to_vec(), 1002),
        ("FF with a length", b"\xff\x01a".to_vec(), 1002),
        ("overflow", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00".to_vec(), 1009),
        ("overflow of 80", b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00".to_vec(), 1009),
        ("a length without end", [&[0x80][..], &[0x80; 40]].concat(), 1009),
        ("a length beyond all", b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\x7fa".to_vec(), 1009),
        ("UTF-8: overlong", b"\x00a\xc0\xaf\xff".to_vec(), 1007),
        ("UTF-8: a surrogate", b"\x00\xed\xa0\x80\xff".to_vec(), 1007),
        ("UTF-8: FE", b"\x00a\xfe\xff".to_vec(), 1007),
        ("UTF-8: cut", b"\x00a\xe2\x82\xff".to_vec(), 1007),
    ];
    if kind == Kind::Hixie76 {
        faults.push(("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec(), 1002));
    }
    faults
}

fn faults(kind: Kind, masked: bool) -> Vec<(&'static str, Vec<u8>, u16)> {
    if kind.is_hixie() { hixie_faults(kind) } else { hybi_faults(kind, masked) }
}

/// The speaker says something right, breaks a rule in the same write, and both sides are told.
async fn breaks(
    speaker: &mut Peer,
    kind: Kind,
    other: &mut Peer,
    others: Kind,
    bad: &[u8],
    code: u16,
) {
    let good = match speaker {
        Peer::Hixie(_) => b"\x00fine\xff".to_vec(),
        Peer::Hybi(peer) => peer.encode(&[Said::text("fine")]),
        Peer::Foreign(_) => Vec::new(),
    };
    let fine = !good.is_empty();
    write_raw(speaker, &[&good, bad].concat()).await;
    if fine {
        assert_eq!(other.hear().await, Said::text("fine"));
    }
    assert_eq!(other.hear().await, ending(others, code));
    assert_eq!(speaker.hear().await, ending(kind, code));
    assert_eq!(speaker.hear().await, Said::Fin, "nothing more is taken from {kind:?}");
}

#[tokio::test]
async fn clients_that_break_the_rules() {
    within("bad clients", async {
        for backend in [Kind::Hixie75, Kind::Hixie76, Kind::Hybi07, Kind::Rfc6455] {
            let stage = Stage::new(backend).await;
            let mut bystander = stage.bystander().await;
            for client in [Kind::Hixie75, Kind::Hixie76, Kind::Hybi07, Kind::Hybi08] {
                for (name, bad, code) in faults(client, true) {
                    let (mut at_client, mut at_backend) = stage.session(client).await;
                    step(
                        &format!("{name}, {client:?} to {backend:?}"),
                        breaks(&mut at_client, client, &mut at_backend, backend, &bad, code),
                    )
                    .await;
                    bystander.is_well().await;
                }
            }
            drop(bystander);
            stage.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn backends_that_break_the_rules() {
    within("bad backends", async {
        for backend in [Kind::Hixie75, Kind::Hixie76, Kind::Hybi07, Kind::Hybi08] {
            let stage = Stage::new(backend).await;
            let mut bystander = stage.bystander().await;
            for client in [Kind::Hixie75, Kind::Hixie76, Kind::Hybi07, Kind::Rfc6455] {
                for (name, bad, code) in faults(backend, false) {
                    let (mut at_client, mut at_backend) = stage.session(client).await;
                    step(
                        &format!("{name}, {backend:?} to {client:?}"),
                        breaks(&mut at_backend, backend, &mut at_client, client, &bad, code),
                    )
                    .await;
                    bystander.is_well().await;
                }
            }
            drop(bystander);
            stage.stop().await;
        }
    })
    .await;
}

/// RFC 6455 by its raw frames: the same faults with the same codes.
#[tokio::test]
async fn peers_of_rfc6455_that_break_the_rules() {
    within("bad RFC 6455", async {
        let stage = Stage::new(Kind::Rfc6455).await;
        for (name, bad, code) in hybi_faults(Kind::Rfc6455, true) {
            let (mut client, mut backend) = stage.session(Kind::Rfc6455).await;
            step(name, async {
                write_raw(&mut client, &bad).await;
                assert_eq!(backend.hear().await, Said::close(code, ""));
                assert_eq!(client.hear().await, Said::close(code, ""));
            })
            .await;
        }
        for (name, bad, code) in hybi_faults(Kind::Rfc6455, false) {
            let (mut client, mut backend) = stage.session(Kind::Rfc6455).await;
            step(name, async {
                write_raw(&mut backend, &bad).await;
                assert_eq!(backend.hear().await, Said::close(code, ""));
                assert_eq!(client.hear().await, Said::close(code, ""));
            })
            .await;
        }
        stage.stop().await;
    })
    .await;
}

/// What looks odd and is right.
#[tokio::test]
async fn odd_frames_that_are_right() {
    within("odd frames", async {
        let stage = Stage::with(Kind::Rfc6455, |settings| {
            settings.routes[0].limits.close = millis(300);
            settings.routes[0].limits.linger = millis(300);
        })
        .await;
        for kind in [Kind::Hixie75, Kind::Hixie76] {
            let (mut client, mut backend) = stage.session(kind).await;
            write_raw(&mut client, &[&[0x80, 0x80, 0x80, 0x40][..], &[7; 64]].concat()).await;
            assert_eq!(backend.hear().await, Said::Binary(vec![7; 64]));
            if kind == Kind::Hixie75 {
                // An empty frame of a reserved type, which has nothing to say in 75.
                write_raw(&mut client, b"\xff\x00\x00behind\xff").await;
                assert_eq!(backend.hear().await, Said::text("behind"));
            } else {
                write_raw(&mut client, b"\xff\x80\x80\x00\x00behind\xff").await;
                assert_eq!(backend.hear().await, Said::Close(None));
            }
        }
        // Every byte on its own.
        let (mut client, mut backend) = stage.session(Kind::Hixie76).await;
        for byte in "\0h\u{e9}\u{1f600}\u{0}\x7f".as_bytes() {
            write_raw(&mut client, &[*byte]).await;
        }
        write_raw(&mut client, b"\xff\x80").await;
        write_raw(&mut client, b"\x01a\xff").await;
        assert_eq!(backend.hear().await, Said::text("h\u{e9}\u{1f600}\0\x7f"));
        assert_eq!(backend.hear().await, Said::Binary(b"a".to_vec()));
        write_raw(&mut client, b"\0").await;
        assert_eq!(backend.hear().await, Said::Close(None), "FF 00 in two pieces");
        let (mut client, mut backend) = stage.session(Kind::Hybi08).await;
        let fragments = [
            frame(0x01, b"", true),
            frame(0x00, b"caf\xc3", true),
            frame(0x89, b"inside", true),
            frame(0x00, b"", true),
            frame(0x80, b"\xa9", true),
        ];
        for byte in fragments.concat() {
            write_raw(&mut client, &[byte]).await;
        }
        assert_eq!(backend.hear().await, Said::Ping(b"inside".to_vec()));
        assert_eq!(backend.hear().await, Said::text("caf\u{e9}"));
        drop((client, backend));
        stage.stop().await;
    })
    .await;
}

/// A text may stream; an unterminated one ends at the limit, and is never presented as whole.
#[tokio::test]
async fn messages_beyond_the_limit() {
    const LIMIT: usize = 100_000;
    within("too big", async {
        for backend in [Kind::Hixie75, Kind::Hixie76, Kind::Hybi08, Kind::Rfc6455] {
            let stage = Stage::with(backend, |settings| {
                settings.routes[0].limits.streamed = Size(LIMIT as u64);
            })
            .await;
            let mut bystander = stage.bystander().await;
            for client in [Kind::Hixie75, Kind::Hixie76, Kind::Hybi07, Kind::Hybi08] {
                let (mut at_client, mut at_backend) = stage.session(client).await;
                let largest = [Said::Text("x".repeat(LIMIT))];
                pass(&mut at_client, &mut at_backend, &largest).await;
                let endless = if client.is_hixie() {
                    [&[0][..], &vec![b'x'; LIMIT + 1]].concat()
                } else {
                    let fragment = frame(0x00, &[b'x'; 1000], true);
                    [frame(0x01, b"x", true), fragment.repeat(LIMIT / 1000)].concat()
                };
                write_raw(&mut at_client, &endless).await;
                assert_eq!(at_client.hear().await, ending(client, 1009), "{client:?}");
                assert_eq!(at_client.hear().await, Said::Fin);
                // A Hixie frame that was begun can only be cut.
                let due = if backend.is_hixie() { Said::Fin } else { ending(backend, 1009) };
                assert_eq!(at_backend.hear().await, due, "{client:?} to {backend:?}");
                bystander.is_well().await;
            }
            // A length that is announced counts before all of its bytes come.
            for (client, announced) in [
                (Kind::Hixie76, b"\x80\x86\x8d\x21x".to_vec()),
                (Kind::Hybi08, b"\x82\xff\0\0\0\0\0\x01\x86\xa1\0\0\0\0x".to_vec()),
            ] {
                let (mut at_client, mut at_backend) = stage.session(client).await;
                write_raw(&mut at_client, &announced).await;
                assert_eq!(at_client.hear().await, ending(client, 1009));
                assert_eq!(at_backend.hear().await, ending(backend, 1009));
            }
            drop(bystander);
            stage.stop().await;
        }
    })
    .await;
}

/// A cut message is never presented as a clean end: no close, only the end of the stream.
#[tokio::test]
async fn peers_that_leave_in_the_middle_of_a_message() {
    within("cut messages", async {
        for backend in ALL {
            let stage = Stage::new(backend).await;
            let mut bystander = stage.bystander().await;
            for client in ALL {
                for (by_client, reset) in
                    [(true, false), (true, true), (false, false), (false, true)]
                {
                    let (at_client, at_backend) = stage.session(client).await;
                    let (mut leaver, kind, mut other) = if by_client {
                        (at_client, client, at_backend)
                    } else {
                        (at_backend, backend, at_client)
                    };
                    let half = if kind.is_hixie() {
                        b"\x00half".to_vec()
                    } else {
                        frame(0x01, b"half", by_client)
                    };
                    write_raw(&mut leaver, &half).await;
                    // So that the half is there before the end: a reset destroys what is unread.
                    bystander.is_well().await;
                    if reset {
                        leaver.reset();
                    } else {
                        leaver.finish().await;
                    }
                    let heard = other.hear().await;
                    assert_eq!(heard, Said::Fin, "{kind:?} left, reset {reset}");
                    bystander.is_well().await;
                }
            }
            drop(bystander);
            stage.stop().await;
        }
    })
    .await;
}

/// Between two messages: many of 76 only ever close so, 75 has nothing else, hybi has it not.
#[tokio::test]
async fn peers_that_leave_between_messages() {
    within("bare ends", async {
        for backend in ALL {
            let stage = Stage::new(backend).await;
            for client in ALL {
                for by_client in [true, false] {
                    let (at_client, at_backend) = stage.session(client).await;
                    let (mut leaver, kind, mut other, others) = if by_client {
                        (at_client, client, at_backend, backend)
                    } else {
                        (at_backend, backend, at_client, client)
                    };
                    leaver.say(&[Said::text("bye")]).await;
                    leaver.finish().await;
                    assert_eq!(other.hear().await, Said::text("bye"));
                    let due = match (kind, others) {
                        (_, Kind::Hixie75) => Said::Fin,
                        (kind, _) if !kind.is_hixie() => Said::Fin,
                        (_, Kind::Hixie76) | (Kind::Hixie75, _) => Said::Close(None),
                        _ => Said::close(1001, ""),
                    };
                    assert_eq!(other.hear().await, due, "{kind:?} left {others:?}");
                }
            }
            stage.stop().await;
        }
    })
    .await;
}

/// Close codes that one version has and the other has not.
#[tokio::test]
async fn close_codes_of_other_versions() {
    within("codes", async {
        let stage = Stage::new(Kind::Rfc6455).await;
        for (client, said, heard) in [
            (Kind::Hybi07, 1004, 1009),
            (Kind::Hybi08, 1004, 1009),
            (Kind::Hybi08, 1000, 1000),
            (Kind::Hybi08, 3000, 3000),
            (Kind::Hybi08, 4999, 4999),
        ] {
            let (mut at_client, mut at_backend) = stage.session(client).await;
            at_client.say(&[Said::close(said, "why")]).await;
            assert_eq!(at_backend.hear().await, Said::close(heard, "why"));
        }
        for (client, said, heard) in [
            (Kind::Hybi07, 1009, 1004),
            (Kind::Hybi08, 1009, 1004),
            (Kind::Hybi07, 1007, 1002),
            (Kind::Hybi08, 1007, 1007),
            (Kind::Hybi08, 1008, 1002),
            (Kind::Hybi08, 1011, 1001),
            (Kind::Rfc6455, 1011, 1011),
            (Kind::Rfc6455, 1012, 1012),
            (Kind::Hixie76, 4000, 0),
        ] {
            let (mut at_client, mut at_backend) = stage.session(client).await;
            at_backend.say(&[Said::close(said, "why")]).await;
            let due = if heard == 0 { Said::Close(None) } else { Said::close(heard, "why") };
            assert_eq!(at_client.hear().await, due);
        }
        stage.stop().await;
    })
    .await;
}
