//! Captures that have lost something: what was not said is never told, and that something is missing
//! can be seen.

use crate::base::{Addresses, Capture, small};
use crate::conversation::{Script, Session};
use crate::dice::Dice;
use crate::file::{Form, Written};
use crate::packets::{ACK, FIN, Packet, RST, SYN, Segment};
use crate::said::Said;
use crate::sound::{form, scripts};
use crate::told::{Heard, Told, check};
use crate::variants::Variant;
use hybridge::event::Side;
use hybridge::transcript::account::Account;
use hybridge::transcript::event::How;
use proptest::prelude::*;

/// Holds what is told of a capture that has lost something to the truth: each side has said what is
/// told of it, in that order, and what is not told is missed.
fn check_damaged(capture: &Capture, written: &Written, name: &str) -> Told {
    let told = Told::read(&written.bytes[..]).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    let heard = told.sessions();
    for heard in &heard {
        let session = capture.sessions.iter().find(|session| heard.is(session));
        let session = session.unwrap_or_else(|| panic!("{name}: no such session: {heard:?}"));
        for side in Side::BOTH {
            let (due, said) = (session.said_by(side), heard.said_by(side));
            let more = |said: &[&Said]| format!("{name}: {side:?} never said that: {said:?}");
            assert!(is_among(&said, &due), "{}", more(&said));
        }
        if !is_whole(session, heard) {
            let shown = heard.gaps > 0
                || !heard.faults.is_empty()
                || heard.end.how == How::Cut
                || tells_of_loss(&told.account);
            assert!(shown, "{name}: nobody sees that something is missing in {}", session.target);
            assert!(!heard.end.clean, "{name}: {} is clean", session.target);
        }
    }
    for session in &capture.sessions {
        let found = heard.iter().any(|heard| heard.is(session));
        assert!(found || tells_of_loss(&told.account), "{name}: {} is gone", session.target);
    }
    let account = &told.account;
    let known = account.sessions + account.tls_flows + account.other_flows;
    let flows = known + account.mid_stream_flows + account.cut_flows;
    assert_eq!(account.flows, flows, "{name}: {account:?}");
    told
}

fn is_among(said: &[&Said], due: &[&Said]) -> bool {
    let mut due = due.iter();
    said.iter().all(|said| due.any(|due| due == said))
}

pub(crate) fn is_whole(session: &Session, heard: &Heard<'_>) -> bool {
    let said = |side| heard.said_by(side) == session.said_by(side);
    heard.accept.is_some() && Side::BOTH.into_iter().all(said)
}

fn tells_of_loss(account: &Account) -> bool {
    let counts = [
        account.truncated_packets,
        account.stray_segments,
        account.lost_fragments,
        account.gap_bytes,
        account.mid_stream_flows,
        account.cut_flows,
        account.one_way_flows,
        account.forgotten_flows,
    ];
    account.damage.is_some() || counts.into_iter().any(|count| count > 0)
}

/// Scripts that end by FIN: behind a reset nothing tells what came before it.
fn ended(mut scripts: Vec<Script>) -> Vec<Script> {
    scripts.iter_mut().for_each(|script| script.end.how = How::Fin);
    scripts
}

pub(crate) fn places(capture: &Capture, which: impl Fn(&Segment) -> bool) -> Vec<usize> {
    let is = |packet: &Packet| matches!(packet, Packet::Segment(segment) if which(segment));
    (0..capture.packets.len()).filter(|at| is(&capture.packets[*at])).collect()
}

#[test]
fn each_segment_missing() {
    for script in ended(small()) {
        let mut capture = Capture::of(&[script], Addresses::V4);
        Variant::SplitAnywhere.apply(&mut capture, &mut Dice::new(1));
        for at in places(&capture, Segment::has_data) {
            let mut capture = capture.clone();
            let Packet::Segment(lost) = capture.packets.remove(at) else { unreachable!() };
            let name = format!("{}, without packet {}", capture.sessions[0].target, at + 1);
            let told = check_damaged(&capture, &Form::default().write(&capture), &name);
            let account = &told.account;
            assert!(account.gap_bytes >= lost.data.len() as u64, "{name}: {account:?}");
            if account.sessions == 1 {
                assert_eq!(account.gap_bytes, lost.data.len() as u64, "{name}: {account:?}");
            }
            // What was lost may have been a session.
            assert_eq!(account.other_flows, 0, "{name}: {account:?}");
        }
    }
}

/// What is lost of draft 76 between two texts is those texts alone.
#[test]
fn hixie_goes_on_behind_a_gap() {
    let texts: Vec<String> = (0..9).map(|number| format!("text {number}")).collect();
    for dialect in ["hixie-75", "hixie-76"] {
        let mut script = Script::new(dialect.parse().unwrap(), "/");
        for text in &texts {
            script = script.text(Side::Backend, text);
        }
        let mut capture = Capture::of(&[script], Addresses::V4);
        let is_text = |segment: &Segment| segment.data.first() == Some(&0);
        let lost = places(&capture, is_text)[4];
        capture.packets.remove(lost);
        let written = Form::default().write(&capture);
        let told = check_damaged(&capture, &written, dialect);
        let heard = &told.sessions()[0];
        // That behind the gap is not known to be whole, for its start is where the gap ends.
        assert_eq!(heard.said.len(), 7, "{dialect}: {heard:?}");
        assert_eq!((heard.gaps, told.account.sessions_with_gaps), (1, 1), "{dialect}");
    }
}

#[test]
fn packets_cut_by_a_snaplen() {
    for snaplen in [14, 20, 34, 40, 54, 55, 60, 68, 96, 128, 160, 200, 300, 1000] {
        for script in ended(small()) {
            let capture = Capture::of(&[script], Addresses::Both);
            let written = Form { snaplen, ..Form::default() }.write(&capture);
            let name = format!("{}, snaplen {snaplen}", capture.sessions[0].target);
            let told = check_damaged(&capture, &written, &name);
            assert_eq!(told.account.packets, written.packets, "{name}");
            let truncated = told.account.truncated_packets;
            // What was cut within the headers is none of TCP.
            let all = truncated + told.account.other_packets;
            assert!(all >= written.truncated && truncated <= written.truncated, "{name}: {told:?}");
        }
    }
}

/// Other bytes at a place that nobody has taken: those that came first are told.
#[test]
fn bytes_in_conflict() {
    for script in small() {
        let mut capture = Capture::of(&[script], Addresses::V4);
        Variant::SplitAnywhere.apply(&mut capture, &mut Dice::new(3));
        let all = places(&capture, Segment::has_data);
        for at in all {
            let (Packet::Segment(first), Some(Packet::Segment(second))) =
                (&capture.packets[at], capture.packets.get(at + 1))
            else {
                continue;
            };
            let adjacent = first.connection == second.connection
                && first.from == second.from
                && first.end() == second.seq
                && second.has_data();
            if !adjacent {
                continue;
            }
            // The second waits for the first, and another one comes in its place.
            let mut capture = capture.clone();
            let mut lie = second.clone();
            lie.data.iter_mut().for_each(|byte| *byte ^= 0x55);
            capture.packets.swap(at, at + 1);
            capture.packets.insert(at + 1, Packet::Segment(lie));
            let name = format!("{}, a lie at {}", capture.sessions[0].target, at + 2);
            let written = Form::default().write(&capture);
            let told = check_damaged(&capture, &written, &name);
            let heard = &told.sessions()[0];
            assert!(is_whole(&capture.sessions[0], heard), "{name}: {heard:?}");
            assert_eq!(told.account.conflicts, 1, "{name}: {:?}", told.account);
        }
    }
}

#[test]
fn cut_at_each_byte() {
    for (at, script) in ended(small()).into_iter().enumerate() {
        let capture = Capture::of(&[script], Addresses::V4);
        let container = crate::containers::CONTAINERS[at % crate::containers::CONTAINERS.len()];
        let written = Form { container, ..Form::default() }.write(&capture);
        for end in 0..written.bytes.len() {
            let name = format!("{}, {container:?} cut at {end}", capture.sessions[0].target);
            let cut = &written.bytes[..end];
            let told = match Told::read(cut) {
                Ok(told) => told,
                Err(error) => {
                    assert!(end < 100, "{name}: {error:#}");
                    continue;
                }
            };
            let sessions = told.sessions();
            for heard in &sessions {
                let due = &capture.sessions[0];
                for side in Side::BOTH {
                    let said = heard.said_by(side);
                    assert!(due.said_by(side).starts_with(&said), "{name}: {heard:?}");
                }
                let whole = is_whole(due, heard);
                assert!(whole || heard.end.how == How::Cut, "{name}: {heard:?}");
                assert!(!heard.end.clean || whole, "{name}: {heard:?}");
            }
            // Between two records nothing can tell.
            let damaged = told.account.damage.is_some();
            let all = told.account.packets == written.packets;
            assert!(damaged || !all || sessions[0].end.how == capture.sessions[0].how, "{name}");
            assert!(!damaged || !told.account.damage.as_ref().unwrap().is_empty());
        }
    }
}

#[test]
fn one_direction_only() {
    for script in small() {
        for side in Side::BOTH {
            let mut capture = Capture::of(std::slice::from_ref(&script), Addresses::V4);
            let of_side =
                |packet: &Packet| matches!(packet, Packet::Segment(one) if one.from == side);
            capture.packets.retain(of_side);
            let name = format!("{}, only the {}", script.target, side.name());
            let told = check_damaged(&capture, &Form::default().write(&capture), &name);
            assert_eq!(told.account.one_way_flows, 1, "{name}: {:?}", told.account);
            assert_eq!(told.account.flows, 1, "{name}");
            let sessions = u64::from(side == Side::Client);
            assert_eq!(told.account.sessions, sessions, "{name}: {:?}", told.account);
        }
    }
}

/// What begins behind the request is no session that anything is known of.
#[test]
fn from_the_middle_on() {
    for script in small() {
        let capture = Capture::of(std::slice::from_ref(&script), Addresses::V4);
        let upgrade = |segment: &Segment| segment.data.windows(8).any(|bytes| bytes == b"Upgrade:");
        let request = places(&capture, upgrade)[0];
        let last = *places(&capture, |segment| segment.flags & (FIN | RST) != 0).last().unwrap();
        for start in request + 1..last {
            let mut capture = capture.clone();
            capture.packets.drain(..start);
            let name = format!("{}, from packet {}", script.target, start + 1);
            let told = Told::read(&Form::default().write(&capture).bytes[..]).unwrap();
            let account = &told.account;
            assert_eq!((account.sessions, told.events.len()), (0, 0), "{name}: {account:?}");
            let flows = account.mid_stream_flows + account.cut_flows + account.other_flows;
            assert_eq!((account.flows, flows), (1, 1), "{name}: {account:?}");
        }
    }
}

/// A request may open a session though what came before it on the connection is not there.
#[test]
fn from_the_middle_of_plain_requests_on() {
    let script = small().into_iter().find(|script| !script.plain.is_empty()).unwrap();
    let capture = Capture::of(&[script], Addresses::V4);
    let upgrade = |segment: &Segment| segment.data.windows(8).any(|bytes| bytes == b"Upgrade:");
    let request = places(&capture, upgrade)[0];
    for start in 0..=request {
        let mut capture = capture.clone();
        capture.packets.drain(..start);
        let told = Told::read(&Form::default().write(&capture).bytes[..]).unwrap();
        let sessions = told.sessions();
        let name = format!("from packet {}: {:?}", start + 1, told.account);
        assert_eq!(sessions.len(), 1, "{name}");
        assert!(is_whole(&capture.sessions[0], &sessions[0]), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any packets missing, and any order of the others.
    #[test]
    fn missing_packets_are_missed(
        scripts in scripts(),
        form in form(),
        lost in proptest::collection::vec(any::<prop::sample::Index>(), 1..4),
        reordered in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut capture = Capture::of(&ended(scripts), Addresses::Both);
        let mut dice = Dice::new(seed);
        Variant::SplitAnywhere.apply(&mut capture, &mut dice);
        for index in lost {
            let places = places(&capture, Segment::has_data);
            if !places.is_empty() {
                capture.packets.remove(places[index.index(places.len())]);
            }
        }
        if reordered {
            Variant::Reordered.apply(&mut capture, &mut dice);
        }
        Variant::Interleaved.apply(&mut capture, &mut dice);
        check_damaged(&capture, &form.write(&capture), &format!("{form:?}"));
    }

    /// Any byte another one: it comes to an end, and tells no more than there is.
    #[test]
    fn any_byte_flipped(
        scripts in scripts(),
        form in form(),
        at in any::<prop::sample::Index>(),
        by in 1..=255_u8,
    ) {
        let mut capture = Capture::of(&scripts, Addresses::Both);
        Variant::Interleaved.apply(&mut capture, &mut Dice::new(7));
        let mut written = form.write(&capture);
        let at = at.index(written.bytes.len());
        written.bytes[at] ^= by;
        if let Ok(told) = Told::read(&written.bytes[..]) {
            told.sessions();
            prop_assert!(told.account.packets <= written.packets * 4 + 4);
            prop_assert!(told.events.len() <= 100 + 2 * written.bytes.len());
        }
    }

    /// Bytes that differ from those before, wherever they come: never two truths.
    #[test]
    fn lies_are_counted(
        scripts in scripts(),
        at in any::<prop::sample::Index>(),
        later in 1..4_usize,
    ) {
        let mut capture = Capture::of(&ended(scripts), Addresses::V4);
        let all = places(&capture, Segment::has_data);
        let at = all[at.index(all.len())];
        let Packet::Segment(mut lie) = capture.packets[at].clone() else { unreachable!() };
        lie.data.iter_mut().for_each(|byte| *byte ^= 0x55);
        lie.flags = ACK;
        let place = (at + later).min(capture.packets.len());
        capture.packets.insert(place, Packet::Segment(lie));
        let told = check_damaged(&capture, &Form::default().write(&capture), "a lie");
        let account = &told.account;
        prop_assert!(account.conflicts + account.duplicates + account.stray_segments > 0);
        for (heard, session) in told.sessions().iter().zip(&capture.sessions) {
            prop_assert!(is_whole(session, heard));
        }
    }
}

/// A SYN of somebody else in the middle takes nothing away.
#[test]
fn a_stray_reset_ends_nothing_that_goes_on() {
    for script in small() {
        let mut capture = Capture::of(std::slice::from_ref(&script), Addresses::V4);
        let all = places(&capture, Segment::has_data);
        let at = all[all.len() / 2];
        let Packet::Segment(mut stray) = capture.packets[at].clone() else { unreachable!() };
        // Far outside of any window.
        stray.seq = stray.seq.wrapping_add(0x4000_0000);
        stray.flags = RST | ACK;
        stray.data.clear();
        assert_eq!(stray.flags & SYN, 0);
        capture.packets.insert(at, Packet::Segment(stray));
        let written = Form::default().write(&capture);
        let name = format!("{}, a stray reset", script.target);
        let told = Told::read(&written.bytes[..]).unwrap();
        assert!(told.account.stray_segments > 0, "{name}: {:?}", told.account);
        assert!(is_whole(&capture.sessions[0], &told.sessions()[0]), "{name}");
        capture.packets.remove(at);
        check(&capture, &Form::default().write(&capture), &name);
    }
}
