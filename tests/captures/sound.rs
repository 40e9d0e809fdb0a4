//! Captures that have lost nothing: whatever was done to them, the same is told.

use crate::base::{Addresses, Capture, large, small};
use crate::containers::{CONTAINERS, Container, Layout, Magic, Order};
use crate::conversation::{Ending, Say, Script, Takeover};
use crate::dice::Dice;
use crate::file::{Clock, Form, START};
use crate::links::{LINKS, Link};
use crate::packets::{Ip, Packet};
use crate::peer::{DIALECTS, Line};
use crate::told::{Told, check};
use crate::variants::Variant;
use hybridge::dialect::Dialect;
use hybridge::dialect::hybi::Version;
use hybridge::event::{Kind, Side};
use hybridge::transcript::event::How;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// What is done to segments, each with the name of what it stands for.
const VARIANTS: [(&str, &[Variant]); 28] = [
    ("as it is", &[]),
    ("split anywhere", &[Variant::SplitAnywhere]),
    ("split to bytes", &[Variant::SplitToBytes]),
    ("coalesced", &[Variant::Coalesced]),
    ("overlapping", &[Variant::SplitAnywhere, Variant::Overlapping]),
    ("coalesced and overlapping", &[Variant::Coalesced, Variant::Overlapping]),
    ("retransmitted", &[Variant::Retransmitted]),
    ("bytes retransmitted", &[Variant::SplitToBytes, Variant::Retransmitted]),
    ("zero window", &[Variant::ZeroWindow]),
    ("late SYN", &[Variant::LateSyn]),
    ("reordered", &[Variant::SplitAnywhere, Variant::Reordered]),
    ("bytes reordered", &[Variant::SplitToBytes, Variant::Reordered]),
    ("late SYN, reordered", &[Variant::SplitAnywhere, Variant::LateSyn, Variant::Reordered]),
    ("overlapping, reordered", &[Variant::Overlapping, Variant::Retransmitted, Variant::Reordered]),
    ("kept alive", &[Variant::KeptAlive]),
    ("kept alive, split", &[Variant::SplitAnywhere, Variant::KeptAlive]),
    ("every packet twice", &[Variant::Twice]),
    ("wrapping", &[Variant::Wrapping]),
    ("wrapping, reordered", &[Variant::SplitToBytes, Variant::Reordered, Variant::Wrapping]),
    ("wrapping, overlapping", &[Variant::Overlapping, Variant::KeptAlive, Variant::Wrapping]),
    ("options", &[Variant::Options]),
    ("urgent", &[Variant::Urgent]),
    ("no SYN", &[Variant::NoSyn]),
    ("no SYN of the client", &[Variant::NoClientSyn]),
    ("no SYN of the server", &[Variant::NoSynAck]),
    ("no SYN, every packet twice", &[Variant::Twice, Variant::NoSyn]),
    ("interleaved", &[Variant::Interleaved]),
    ("noise", &[Variant::Interleaved, Variant::Noise]),
];

/// Scripts, done to so, and written.
fn checked(
    scripts: &[Script],
    addresses: Addresses,
    variants: &[Variant],
    form: Form,
    seed: u64,
    name: &str,
) {
    let mut capture = Capture::of(scripts, addresses);
    let mut dice = Dice::new(seed);
    for variant in variants {
        variant.apply(&mut capture, &mut dice);
    }
    check(&capture, &form.write(&capture), name);
}

#[test]
fn each_variant_of_each_conversation() {
    for (name, variants) in VARIANTS {
        for script in small() {
            for addresses in [Addresses::V4, Addresses::V6] {
                let script = std::slice::from_ref(&script);
                checked(script, addresses, variants, Form::default(), 1, name);
            }
        }
    }
}

#[test]
fn each_variant_of_all_conversations() {
    for (name, variants) in VARIANTS {
        for seed in 0..5 {
            let name = format!("{name}, seed {seed}");
            checked(&small(), Addresses::Both, variants, Form::default(), seed, &name);
            let interleaved = [&[Variant::Interleaved], variants].concat();
            let name = format!("{name}, interleaved");
            checked(&small(), Addresses::Both, &interleaved, Form::default(), seed, &name);
        }
    }
}

/// The capture has what a server says before what it answers, as where each direction is captured by
/// a queue of its own.
#[test]
fn answers_before_what_they_answer() {
    let variants = [Variant::SplitAnywhere, Variant::ReorderedAcross];
    for script in small() {
        for seed in 0..5 {
            let name = format!("an answer first, seed {seed}");
            let scripts = std::slice::from_ref(&script);
            checked(scripts, Addresses::V4, &variants, Form::default(), seed, &name);
        }
    }
}

/// A probe before the first request of a connection whose SYN is not there.
#[test]
fn a_probe_before_the_first_request() {
    for script in small() {
        let mut capture = Capture::of(&[script], Addresses::V4);
        Variant::NoSyn.apply(&mut capture, &mut Dice::new(1));
        let Packet::Segment(mut probe) = capture.packets[0].clone() else { unreachable!() };
        probe.seq = probe.seq.wrapping_sub(1);
        probe.data = vec![0xa5];
        capture.packets.insert(0, Packet::Segment(probe));
        check(&capture, &Form::default().write(&capture), "a probe first");
    }
}

/// Each conversation has the addresses of the one before it, which has ended by FIN or reset.
#[test]
fn addresses_are_used_again() {
    for (name, variants) in VARIANTS {
        if !variants.iter().any(hides_the_next) {
            let name = format!("{name}, the same addresses");
            checked(&small(), Addresses::Same, variants, Form::default(), 2, &name);
        }
    }
}

/// Whether nothing says that it is another connection: no SYN, one behind data, or the number of the
/// one before it, which streams of equal length have when they all wrap in the middle.
const fn hides_the_next(variant: &Variant) -> bool {
    matches!(variant, Variant::NoSyn | Variant::NoClientSyn | Variant::LateSyn | Variant::Wrapping)
}

#[test]
fn large_messages() {
    for (name, variants) in VARIANTS {
        // A million packets are for another test.
        if !variants.contains(&Variant::SplitToBytes) {
            checked(&large(), Addresses::Both, variants, Form::default(), 3, name);
        }
    }
}

#[test]
fn each_way_of_ip() {
    for ip in Ip::ALL {
        for variants in [&[][..], &[Variant::Coalesced], &[Variant::Interleaved, Variant::Noise]] {
            let form = Form { ip, ..Form::default() };
            let name = format!("{ip:?}, {variants:?}");
            checked(&small(), Addresses::Both, variants, form, 4, &name);
            if ip != Ip::NoLength {
                checked(&large(), Addresses::Both, variants, form, 4, &name);
            }
        }
    }
}

#[test]
fn each_link_in_each_file() {
    for link in LINKS {
        for container in CONTAINERS {
            let form = Form { link, container, ..Form::default() };
            let name = format!("{link:?} in {container:?}");
            checked(&small(), Addresses::Both, &[Variant::Noise], form, 5, &name);
        }
    }
    for (link, addresses) in [(Link::Raw4, Addresses::V4), (Link::Raw6, Addresses::V6)] {
        let form = Form { link, ..Form::default() };
        checked(&small(), addresses, &[], form, 5, &format!("{link:?}"));
    }
    // An interface for each version of IP.
    for order in [Order::Little, Order::Big] {
        for layout in [Layout::Plain, Layout::Rich] {
            let container = Container::Pcapng { layout, order };
            let form = Form { link: Link::Raw4, container, ..Form::default() };
            checked(&small(), Addresses::Both, &[Variant::Interleaved], form, 5, "two links");
        }
    }
}

/// The order is that of the file, whatever its times are.
#[test]
fn times_that_go_back() {
    for container in CONTAINERS {
        let form = Form { container, clock: Clock::Jumping, ..Form::default() };
        let name = format!("{container:?}, times that go back");
        checked(&small(), Addresses::Both, &[Variant::Interleaved], form, 6, &name);
        let mut capture = Capture::of(&small(), Addresses::V4);
        Variant::Interleaved.apply(&mut capture, &mut Dice::new(6));
        let told = Told::read(&form.write(&capture).bytes[..]).unwrap();
        assert!(told.events.is_sorted_by_key(|event| event.at), "{container:?}");
    }
}

/// Each event has the number and the time of its packet.
#[test]
fn numbers_and_times_of_packets() {
    for container in CONTAINERS {
        let script = &small()[2];
        let capture = Capture::of(std::slice::from_ref(script), Addresses::V4);
        let written = Form { container, ..Form::default() }.write(&capture);
        let told = Told::read(&written.bytes[..]).unwrap();
        let start = told.header.as_ref().unwrap().start;
        // Three of the opening, the request, key3.
        assert_eq!(told.events[0].packet, Some(4), "{container:?}");
        let last = told.events.last().unwrap();
        let fin = capture.packets.len() as u64 - 1;
        assert!(last.packet == Some(fin) || last.packet == Some(fin + 1), "{container:?}");
        for event in &told.events {
            let packet = event.packet.unwrap();
            assert!(packet >= 1 && packet <= written.packets);
            let at = Clock::Forward.at(packet - 1);
            if let Some(at) = container.time(at) {
                assert_eq!(start + event.at, at, "{container:?}, packet {packet}");
            } else if !matches!(container, Container::Pcapng { layout: Layout::Simple, .. }) {
                // Cut to the coarsest unit, the 2^20th of a second.
                assert!(at - (start + event.at) <= 1000, "{container:?}, packet {packet}");
            }
        }
        if container.time(0).is_some() {
            assert!(start >= START - 1000 && start <= told_open(&told), "{container:?}");
        }
    }
}

fn told_open(told: &Told) -> u64 {
    told.header.as_ref().unwrap().start + told.events[0].at
}

fn line() -> impl Strategy<Value = Line> {
    let length = prop_oneof![4 => 0..20_usize, 2 => 100..300_usize, 1 => 3000..9000_usize];
    let text = (length, select(&['a', 'é', '日', '🎉'][..])).prop_map(|(length, letter)| {
        std::iter::repeat_n(letter, length).collect::<String>().into_bytes()
    });
    let binary = (any::<u8>(), 0..300_usize).prop_map(|(byte, length)| vec![byte; length]);
    let control = vec(any::<u8>(), 0..20);
    prop_oneof![
        6 => vec(text, 1..3).prop_map(|parts| Line::Message(Kind::Text, parts)),
        2 => vec(binary, 1..3).prop_map(|parts| Line::Message(Kind::Binary, parts)),
        1 => control.clone().prop_map(Line::Ping),
        1 => control.prop_map(Line::Pong),
    ]
}

fn side() -> impl Strategy<Value = Side> {
    select(&Side::BOTH[..])
}

pub(crate) fn script() -> impl Strategy<Value = Script> {
    let say = (side(), line(), any::<bool>(), any::<bool>()).prop_map(
        |(from, line, crossing, interrupted)| {
            let ping = interrupted.then(|| b"still there?".to_vec());
            Say { from, line, ping, crossing }
        },
    );
    let deflate = select(&[None, Some(Takeover::Context), Some(Takeover::None)][..]);
    let how = select(&[How::Fin, How::Fin, How::Reset][..]);
    let segment = select(&[1448_usize, 536, 60_000][..]);
    let ending = (side(), how, proptest::option::of(side()));
    (select(&DIALECTS[..]), deflate, vec(say, 0..10), ending, segment).prop_map(
        |(dialect, deflate, says, (by, how, closes), segment)| {
            let mut script = Script::new(dialect, "/");
            // The masks of 04 to 06 hide whether there is a mark, and the rest is older.
            let compresses = matches!(dialect, Dialect::Hybi(version) if version >= Version::V7);
            script = Script { deflate: deflate.filter(|_| compresses), says, segment, ..script };
            if let Some(first) = closes {
                script = script.close(first, Some((1000, "bye")));
            }
            script.end = Ending { by, how };
            script
        },
    )
}

pub(crate) fn scripts() -> impl Strategy<Value = Vec<Script>> {
    vec(script(), 1..5).prop_map(|mut scripts| {
        for (number, script) in scripts.iter_mut().enumerate() {
            script.target = format!("/{number}");
        }
        scripts
    })
}

pub(crate) fn form() -> impl Strategy<Value = Form> {
    const IPS: [Ip; 7] = [
        Ip::Plain,
        Ip::Plain,
        Ip::Unsummed,
        Ip::Extended,
        Ip::Fragments,
        Ip::FragmentsReversed,
        Ip::FragmentsTwice,
    ];
    let clock = select(&[Clock::Forward, Clock::Jumping][..]);
    (select(&IPS[..]), select(&LINKS[..]), select(&CONTAINERS[..]), clock).prop_map(
        |(ip, link, container, clock)| Form { ip, link, container, clock, snaplen: usize::MAX },
    )
}

/// Variants that can be done together, in their order.
fn chain() -> impl Strategy<Value = Vec<Variant>> {
    let all = vec![
        Variant::SplitAnywhere,
        Variant::Coalesced,
        Variant::Overlapping,
        Variant::Retransmitted,
        Variant::ZeroWindow,
        Variant::LateSyn,
        Variant::Reordered,
        Variant::KeptAlive,
        Variant::Twice,
        Variant::Wrapping,
        Variant::Options,
        Variant::Urgent,
        Variant::NoSyn,
        Variant::Interleaved,
        Variant::Noise,
    ];
    subsequence(all, 0..6).prop_map(|mut chain| {
        chain.sort_unstable();
        let has = |chain: &[Variant], variant| chain.contains(&variant);
        if has(&chain, Variant::Reordered) {
            // A probe that overtakes what it repeats is no probe.
            chain.retain(|variant| *variant != Variant::KeptAlive);
        }
        if has(&chain, Variant::NoSyn) {
            // What comes first is the start, and nothing can say what it was.
            let unknown = [Variant::LateSyn, Variant::Reordered, Variant::KeptAlive];
            chain.retain(|variant| !unknown.contains(variant));
        }
        chain
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_done_the_same_is_told(
        scripts in scripts(),
        chain in chain(),
        form in form(),
        addresses in select(&[Addresses::V4, Addresses::V6, Addresses::Both, Addresses::Same][..]),
        seed in any::<u64>(),
    ) {
        let again = addresses == Addresses::Same;
        prop_assume!(!again || !chain.iter().any(hides_the_next));
        let name = format!("{chain:?}, {form:?}");
        checked(&scripts, addresses, &chain, form, seed, &name);
    }
}

/// The magic numbers are what other programs have.
#[test]
fn files_begin_as_they_should() {
    let capture = Capture::of(&small()[..1], Addresses::V4);
    let magics = |magic, order| {
        let container = Container::Pcap { magic, order };
        Form { container, ..Form::default() }.write(&capture).bytes[..4].to_vec()
    };
    assert_eq!(magics(Magic::Micro, Order::Little), b"\xd4\xc3\xb2\xa1");
    assert_eq!(magics(Magic::Nano, Order::Big), b"\xa1\xb2\x3c\x4d");
    assert_eq!(magics(Magic::Modified, Order::Little), b"\x34\xcd\xb2\xa1");
}
