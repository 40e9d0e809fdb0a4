//! Sockets between a `Poll` of ours and a blocking peer: plain ones, and TLS of both versions with us
//! on either end.

mod ends;

use super::*;
use crate::net::stream::Conduit;
use crate::wire::mask::Mask;
use ends::*;
use rustls::AlertDescription;
use rustls::version::{TLS12, TLS13};
use std::io::Read;
use std::net::Shutdown;
use std::thread;
use tokio::net::UnixStream;

/// Bytes that are not the same a record or a page later.
fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| ((at * 31) ^ (at >> 8)).to_le_bytes()[0]).collect()
}

/// The plaintext of the records that `sealed` has whole, where `cost` is what sealing adds to each.
fn whole(mut sealed: &[u8], cost: usize) -> usize {
    let mut count = 0;
    while let Some((head, rest)) = sealed.split_first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
        if rest.len() < length {
            break;
        }
        count += length - cost;
        sealed = &rest[length..];
    }
    count
}

#[test]
fn ciphertext_cut_at_any_place_gives_the_same_plaintext() {
    let messages = [pattern(1), pattern(40), pattern(90)];
    let plain = messages.concat();
    for (we, version) in ALL {
        let (mut ours, mut peer) = tls(we, version);
        for cut in 1.. {
            let sealed = messages.each_ref().map(|message| peer.seal(message)).concat();
            if cut == sealed.len() {
                break;
            }
            let cost = (sealed.len() - plain.len()) / messages.len() - 5;
            let mut received = Vec::new();
            for (piece, so_far) in [(&sealed[..cut], cut), (&sealed[cut..], sealed.len())] {
                peer.stream.write_all(piece).unwrap();
                ours.wait();
                received.extend(ours.receive_now().unwrap());
                let whole = whole(&sealed[..so_far], cost);
                assert_eq!(received, plain[..whole], "{we:?} {version:?}: cut at {cut}");
            }
        }
    }
}

#[test]
fn large_transfers_pass_both_ways_at_once() {
    const TOTAL: usize = 4 << 20;
    let plain = pattern(TOTAL);
    for (we, version) in ALL {
        let (mut ours, mut peer) = tls(we, version);
        let echo = thread::spawn(move || {
            let mut buffer = vec![0; 50_000];
            loop {
                match peer.read(&mut buffer).unwrap() {
                    0 => break peer.close(),
                    count => peer.send(&buffer[..count]),
                }
            }
        });
        let mut left = plain.chunks(100_000);
        let mut received = Vec::new();
        while received.len() < TOTAL {
            // First what is new, that it has to wait behind what is unsent.
            while !ours.socket.is_full() {
                let Some(chunk) = left.next() else { break };
                ours.send(chunk);
            }
            assert!(ours.socket.unsent() < HIGH_WATER + 110_000);
            ours.socket.flush(&mut ours.spare);
            match ours.receive_now().unwrap() {
                more if more.is_empty() => ours.wait(),
                more => received.extend(more),
            }
        }
        assert!(received == plain, "{we:?} {version:?}");
        ours.end();
        assert!(matches!(ours.receive(), Err(End::InOrder)));
        echo.join().unwrap();
    }
}

#[test]
fn a_slow_reader_is_waited_for_in_bounds_and_gets_everything_before_the_end() {
    for (we, version) in ALL {
        let (mut ours, mut peer) = tls(we, version);
        let chunk = pattern(32 * 1024);
        let mut sent = 0;
        // Nobody reads, so that the system is full at some time.
        while !ours.socket.is_full() {
            ours.send(&chunk);
            sent += 1;
        }
        let (unsent, most) = (ours.socket.unsent(), HIGH_WATER + chunk.len() + 1000);
        assert!((HIGH_WATER..most).contains(&unsent), "{unsent}");
        let read = chunk.clone();
        let reader = thread::spawn(move || {
            for _ in 0..=sent {
                assert!(peer.read_exact(read.len()) == read);
            }
            assert!(peer.is_at_the_end());
            peer
        });
        // When there is room again, what is new still waits behind what is unsent, and the end
        // behind all of it.
        while !ours.socket.writable {
            ours.wait();
        }
        ours.send(&chunk);
        ours.socket.end(&mut ours.spare);
        assert_eq!(ours.socket.write, WriteSide::Ending);
        ours.send(b"too late");
        while !ours.socket.flush(&mut ours.spare) {
            assert_eq!(ours.socket.is_full(), ours.socket.unsent() > LOW_WATER);
            ours.wait();
        }
        assert!(!ours.socket.is_full());
        ours.end();
        drop(reader.join().unwrap());
    }
}

#[test]
fn what_tls_holds_at_the_hand_over_needs_no_event() {
    for version in [&TLS13, &TLS12] {
        let (mut ours, mut peer) = begin(We::Serve, version, b"early");
        // Not registered: no event can come.
        assert_eq!(ours.receive_now().unwrap(), b"early", "{version:?}");
        let mut ours = ours.registered();
        peer.send(b"later");
        assert_eq!(ours.receive().unwrap(), b"later");
    }
}

#[test]
fn close_notify_ends_each_direction_by_itself() {
    for (we, version) in ALL {
        let (mut ours, mut peer) = tls(we, version);
        // In one write: the end must not hide behind the bytes.
        let last = [peer.seal(b"last words"), {
            peer.tls.send_close_notify();
            peer.sealed()
        }];
        peer.stream.write_all(&last.concat()).unwrap();
        assert_eq!(ours.receive().unwrap(), b"last words");
        assert!(matches!(ours.receive(), Err(End::InOrder)));
        assert!(ours.socket.has_ended());
        ours.send(b"answer");
        ours.end();
        assert_eq!(peer.read_exact(6), b"answer");
        assert!(peer.is_at_the_end(), "{we:?} {version:?}");
    }
}

#[test]
fn we_can_end_first_and_still_read() {
    for (we, version) in ALL {
        let (mut ours, mut peer) = tls(we, version);
        ours.send(b"question");
        ours.end();
        assert_eq!(peer.read_exact(8), b"question");
        assert!(peer.is_at_the_end());
        peer.send(b"answer");
        peer.close();
        assert_eq!(ours.receive().unwrap(), b"answer");
        assert!(matches!(ours.receive(), Err(End::InOrder)));
    }
}

#[test]
fn an_end_by_tcp_alone_is_a_truncation() {
    for (we, version) in ALL {
        for cut in [0, 5, 20] {
            let (mut ours, mut peer) = tls(we, version);
            peer.send(b"whole");
            let sealed = peer.seal(b"cut off");
            peer.stream.write_all(&sealed[..cut]).unwrap();
            peer.stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(ours.receive().unwrap(), b"whole");
            assert!(matches!(ours.receive(), Err(End::Truncated)), "{we:?} {version:?} {cut}");
            assert!(ours.socket.has_ended());
        }
    }
}

#[test]
fn a_bad_record_is_answered_by_an_alert_and_nothing_else() {
    for (we, version) in ALL {
        let (mut ours, mut peer) = tls(we, version);
        let good = peer.seal(b"good");
        let mut bad = peer.seal(b"bad");
        *bad.last_mut().unwrap() ^= 1;
        peer.stream.write_all(&[good, bad].concat()).unwrap();
        assert_eq!(ours.receive().unwrap(), b"good");
        ours.send(b"said between the two");
        let end = ours.receive();
        assert!(matches!(end, Err(End::Fault(rustls::Error::DecryptError))), "{end:?}");
        ours.send(b"not heard");
        ours.end();
        let told = peer.read(&mut [0]).unwrap_err().into_inner().unwrap();
        let told = *told.downcast::<rustls::Error>().unwrap();
        assert_eq!(told, rustls::Error::AlertReceived(AlertDescription::BadRecordMac));
        assert_eq!(peer.stream.read(&mut [0]).unwrap(), 0);
        // What still comes is read and dropped, or the socket would be reset.
        peer.stream.write_all(&pattern(100_000)).unwrap();
        peer.stream.shutdown(Shutdown::Write).unwrap();
        while !ours.socket.has_ended() {
            assert_eq!(ours.receive_now().unwrap(), b"");
            if !ours.socket.has_ended() {
                ours.wait();
            }
        }
    }
}

#[test]
fn what_is_no_tls_is_a_fault() {
    let (mut ours, mut peer) = tls(We::Serve, &TLS13);
    peer.stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let end = ours.receive();
    assert!(matches!(end, Err(End::Fault(rustls::Error::InvalidMessage(_)))), "{end:?}");
}

#[test]
fn a_peer_that_cannot_be_understood_may_say_so() {
    let (mut ours, mut peer) = tls(We::Connect, &TLS13);
    ours.send(b"sound");
    let mut sealed = vec![0; 1000];
    let count = peer.stream.read(&mut sealed).unwrap();
    sealed[count - 1] ^= 1;
    peer.tls.read_tls(&mut &sealed[..count]).unwrap();
    peer.tls.process_new_packets().unwrap_err();
    peer.send(b"");
    let end = ours.receive();
    let Err(End::Fault(fault)) = end else { panic!("{end:?}") };
    assert_eq!(fault, rustls::Error::AlertReceived(AlertDescription::BadRecordMac));
}

#[test]
fn keys_may_change_at_any_time() {
    for we in [We::Serve, We::Connect] {
        let (mut ours, mut peer) = tls(we, &TLS13);
        for round in 0..100 {
            peer.tls.refresh_traffic_keys().unwrap();
            let plain = pattern(round);
            peer.send(&plain);
            assert_eq!(ours.receive_exact(round), plain);
            ours.send(b"new keys");
            assert_eq!(peer.read_exact(8), b"new keys");
        }
    }
}

#[test]
fn a_message_that_fits_in_a_record_is_one() {
    for (we, version) in ALL {
        let (mut ours, mut peer) = tls(we, version);
        // A payload that is left in place, so that there are three runs.
        let mut payload = pattern(9000);
        let mut outbox = Outbox::new(Vec::new());
        outbox.scratch().push(0);
        outbox.payload(&mut payload, None::<Mask>);
        outbox.scratch().push(0xFF);
        assert_eq!(outbox.slices().len(), 3);
        ours.socket.send(&outbox, &mut ours.spare);
        let mut head = [0; 5];
        peer.stream.read_exact(&mut head).unwrap();
        let mut rest = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        peer.stream.read_exact(&mut rest).unwrap();
        // Some at a time, as it would be read.
        let sealed = [&head[..], &rest].concat();
        let mut sealed = &sealed[..];
        while !sealed.is_empty() {
            peer.tls.read_tls(&mut sealed).unwrap();
            peer.tls.process_new_packets().unwrap();
        }
        let plain = peer.read_exact(9002);
        assert!(plain[0] == 0 && plain[1..9001] == pattern(9000) && plain[9001] == 0xFF);
    }
}

#[test]
fn a_socket_is_closed_without_a_wait() {
    let (mut ours, mut peer) = tls(We::Serve, &TLS13);
    let chunk = pattern(32 * 1024);
    while !ours.socket.is_full() {
        ours.send(&chunk);
    }
    // With much unsent; the peer, which has to get all that the system took, reads only later.
    drop(ours);
    let mut read = 0;
    let end = loop {
        match peer.read(&mut [0; 32 * 1024]) {
            Ok(count) => read += count,
            Err(error) => break error,
        }
    };
    assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    assert!(read > 0);
}

#[test]
fn plain_sockets_are_of_either_kind() {
    let runtime = runtime();
    let _context = runtime.enter();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut theirs = theirs.into_std().unwrap();
    theirs.set_nonblocking(false).unwrap();
    theirs.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut ours = Ours::new(Stream::Plain(Conduit::Unix(ours))).registered();
    theirs.write_all(b"there").unwrap();
    assert_eq!(ours.receive().unwrap(), b"there");
    let chunk = pattern(32 * 1024);
    let mut sent = 0;
    while !ours.socket.is_full() {
        ours.send(&chunk);
        sent += 1;
    }
    let reader = thread::spawn(move || {
        let mut read = Vec::new();
        theirs.read_to_end(&mut read).unwrap();
        read
    });
    ours.end();
    assert!(reader.join().unwrap() == chunk.repeat(sent));
    assert!(matches!(ours.receive(), Err(End::InOrder)));
}

#[test]
fn a_lost_connection_is_lost_for_both_directions() {
    for (we, version) in ALL {
        let (mut ours, peer) = tls(we, version);
        ours.send(b"unread, so that closing resets");
        let mut head = [0; 1];
        peer.stream.peek(&mut head).unwrap();
        drop(peer);
        assert!(matches!(ours.receive(), Err(End::Lost)));
        ours.send(b"into the void");
        assert!(!ours.socket.is_writable());
        assert_eq!(ours.socket.unsent(), 0);
    }
}
