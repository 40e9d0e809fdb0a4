//! Packets at odd times and of other connections: what they leave behind, and what they do not.

use crate::base::{Addresses, Capture, small};
use crate::conversation::Script;
use crate::damage::{is_whole, places};
use crate::file::Form;
use crate::packets::{ACK, FIN, Ip, Packet, RST, SYN, Segment};
use crate::told::{Told, check};
use hybridge::dialect::Dialect;
use hybridge::event::Side;
use hybridge::transcript::account::Account;
use hybridge::transcript::event::What;

const CLIENT: Side = Side::Client;
const SERVER: Side = Side::Backend;

/// A session in which each says `count` texts, after one another.
fn talk(count: usize) -> Capture {
    let mut script = Script::new(Dialect::RFC6455, "/talk");
    for number in 0..count {
        script = script.text(CLIENT, &format!("ask {number}"));
        script = script.text(SERVER, &format!("answer {number}"));
    }
    Capture::of(&[script.close(CLIENT, None)], Addresses::V4)
}

/// The segment at a place.
fn segment(capture: &Capture, at: usize) -> Segment {
    let Packet::Segment(segment) = &capture.packets[at] else { panic!("no segment at {at}") };
    segment.clone()
}

/// A segment without data.
fn bare(of: &Segment, from: Side, seq: u32, ack: u32, flags: u8) -> Packet {
    let of = of.clone();
    Packet::Segment(Segment { from, seq, ack, flags, data: Vec::new(), options: Vec::new(), ..of })
}

fn told(capture: &Capture) -> Told {
    Told::read(&Form::default().write(capture).bytes[..]).unwrap()
}

#[test]
fn the_tail_of_the_connection_before() {
    for (offset, name) in [(0x4000_0000, "ahead"), (0xf000_0000, "behind")] {
        for script in small() {
            let mut capture = Capture::of(std::slice::from_ref(&script), Addresses::V4);
            let syn = segment(&capture, 0);
            let old = syn.seq.wrapping_add(offset);
            let tail = [
                bare(&syn, CLIENT, old, 7, FIN | ACK),
                bare(&syn, SERVER, 7, old.wrapping_add(1), FIN | ACK),
                bare(&syn, CLIENT, old.wrapping_add(1), 8, ACK),
            ];
            capture.packets.splice(0..0, tail);
            // What came before is a connection of its own, of whose beginning nothing was seen.
            capture.others += 1;
            let name = format!("{}, a FIN {name}", script.target);
            check(&capture, &Form::default().write(&capture), &name);
        }
    }
}

#[test]
fn what_is_acknowledged_by_mistake() {
    for script in small() {
        let mut capture = Capture::of(std::slice::from_ref(&script), Addresses::V4);
        let at = places(&capture, Segment::has_data)[0];
        let of = segment(&capture, at);
        let (seq, ack) = (of.ack, of.end().wrapping_add(0x1000_0000));
        capture.packets.insert(at + 1, bare(&of, SERVER, seq, ack, ACK));
        check(
            &capture,
            &Form::default().write(&capture),
            &format!("{}, a bogus ACK", script.target),
        );
    }
}

/// As Windows asks again where a connection was refused.
#[test]
fn a_refusal_and_the_same_syn_again() {
    let mut capture = talk(3);
    let syn = segment(&capture, 0);
    let refusal =
        [Packet::Segment(syn.clone()), bare(&syn, SERVER, 0, syn.seq.wrapping_add(1), RST | ACK)];
    capture.packets.splice(0..0, refusal);
    // One that has no beginning yet is not hasty behind the refusal.
    let texts = places(&capture, |one| one.has_data() && !one.is_opening);
    capture.packets.swap(texts[0], texts[0] + 1);
    capture.in_order = false;
    check(&capture, &Form::default().write(&capture), "a refusal");
}

/// Who goes on is told as it goes on, though what it answers will not come.
#[test]
fn the_last_of_a_side_that_falls_silent() {
    let mut script = Script::new(Dialect::RFC6455, "/silent").text(SERVER, "lost");
    for number in 0..300 {
        script = script.text(CLIENT, &format!("on {number}"));
    }
    let mut capture = Capture::of(&[script], Addresses::V4);
    let lost = places(&capture, |one| one.from == SERVER && one.has_data() && !one.is_opening)[0];
    capture.packets.remove(lost);
    let told = told(&capture);
    let heard = &told.sessions()[0];
    assert_eq!(heard.said_by(CLIENT).len(), 300);
    let late = told.events.iter().filter(|event| {
        let is_message = matches!(event.what, What::Message(_));
        // Of which the packet came long before it was told.
        let due = told.events.iter().filter(|other| other.packet < event.packet);
        is_message && due.map(|other| other.at).max() > Some(event.at)
    });
    assert_eq!(late.count(), 0);
    let first = told.events.iter().find(|event| matches!(event.what, What::Message(_))).unwrap();
    assert!(first.at < told.events.last().unwrap().at / 2, "{first:?}");
}

#[test]
fn fragments_of_other_protocols() {
    let mut capture = talk(1);
    let flow = segment(&capture, 0).flow;
    // At the place of the header length of TCP stands a length that TCP could have.
    let data = [0x50; 200].to_vec();
    capture.packets.insert(3, Packet::Udp(flow, data));
    let form = Form { ip: Ip::Fragments, ..Form::default() };
    check(&capture, &form.write(&capture), "a datagram in fragments");
}

/// What is no session counts once, however much it says.
#[test]
fn a_large_connection_of_something_else() {
    for (data, due) in [
        (b"\x16\x03\x01\x02\0\x01".to_vec(), Account { tls_flows: 1, ..Account::default() }),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), Account { other_flows: 1, ..Account::default() }),
    ] {
        let mut capture = talk(1);
        let syn = segment(&capture, 0);
        capture.packets.truncate(3);
        let mut seq = syn.seq.wrapping_add(1);
        for number in 0..200 {
            let data = if number == 0 { data.clone() } else { vec![b'x'; 16_000] };
            let one = Segment { seq, ack: 1, flags: ACK, data, options: Vec::new(), ..syn.clone() };
            seq = one.end();
            capture.packets.push(Packet::Segment(one));
        }
        let Account { flows, tls_flows, other_flows, .. } = told(&capture).account;
        assert_eq!((flows, tls_flows, other_flows), (1, due.tls_flows, due.other_flows));
    }
}

/// A capture loses a segment, and the network another one, which comes again.
#[test]
fn only_what_was_acknowledged_is_given_up() {
    let mut script = Script::new(Dialect::RFC6455, "/lossy");
    for number in 0..120 {
        script = script.text(SERVER, &format!("tick {number}"));
    }
    let mut capture = Capture::of(&[script], Addresses::V4);
    let said = places(&capture, |one| one.from == SERVER && one.has_data() && !one.is_opening);
    let (again, lost) = (segment(&capture, said[1]), segment(&capture, said[0]));
    // The receiver has the first and waits for the second, up to where that comes.
    let ack = lost.end();
    for one in capture.segments_mut().filter(|one| one.from == CLIENT && one.ack > ack) {
        one.ack = ack;
    }
    let last = *said.last().unwrap();
    capture.packets.insert(last + 1, Packet::Segment(again));
    capture.packets.remove(said[1]);
    capture.packets.remove(said[0]);
    let told = told(&capture);
    let account = &told.account;
    assert_eq!(account.gap_bytes, lost.data.len() as u64, "{account:?}");
    assert_eq!(account.duplicates, 0, "{account:?}");
}

/// Half of a request is heard when an earlier answer turns out to miss bytes: it may be a session.
#[test]
fn a_request_that_is_half_heard() {
    let mut script = Script::new(Dialect::RFC6455, "/half").text(CLIENT, "hello");
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";
    script.plain = vec![(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), response.to_vec())];
    let mut capture = Capture::of(&[script], Addresses::V4);
    let lost = places(&capture, |one| one.from == SERVER && one.has_data())[0];
    capture.packets.remove(lost);
    let told = told(&capture);
    let whole = told.sessions().iter().any(|heard| is_whole(&capture.sessions[0], heard));
    assert!(whole || told.account.cut_flows == 1, "{:?}", told.account);
    assert_eq!(told.account.gap_bytes, response.len() as u64);
}

#[test]
fn a_syn_that_comes_again_is_no_other_connection() {
    for script in small() {
        let mut capture = Capture::of(std::slice::from_ref(&script), Addresses::V4);
        let again: Vec<_> = (0..2).map(|at| capture.packets[at].clone()).collect();
        assert!(segment(&capture, 0).has(SYN) && segment(&capture, 1).has(SYN | ACK));
        capture.packets.splice(2..2, again);
        check(
            &capture,
            &Form::default().write(&capture),
            &format!("{}, SYNs twice", script.target),
        );
    }
}
