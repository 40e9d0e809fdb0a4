//! Sessions with permessage-deflate: what a peer compressed arrives as it was, what a peer is told it
//! can inflate, in any cutting; and what is wrong or too much is told. The other end is `flate2`.

use crate::cuts;
use crate::oracle;
use crate::packer::{Packer, agreement, hear};
use crate::peer::{DIALECTS, Line, Voice};
use crate::rig::Rig;
use hybridge::dialect::Dialect;
use hybridge::event::{Kind, Side, Sides};
use hybridge::fault::Fault;
use hybridge::limits::ONE_FRAME;
use hybridge::session::fact::{Cause, Fact};
use hybridge::session::policy::Policy;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const CLIENT: Voice = Voice { dialect: Dialect::RFC6455, side: Side::Client };

fn payload() -> impl Strategy<Value = (Kind, Vec<u8>)> {
    prop_oneof![
        6 => "[a-f\u{e9}\u{20ac}]{0,40}".prop_map(|text| (Kind::Text, text.into_bytes())),
        3 => vec(any::<u8>(), 0..200).prop_map(|data| (Kind::Binary, data)),
        1 => ("[ab\u{1f600}]{1,9}", 1_usize..9_000)
            .prop_map(|(text, times)| (Kind::Text, text.repeat(times).into_bytes())),
        1 => vec(any::<u8>(), 30_000..40_000).prop_map(|data| (Kind::Binary, data)),
    ]
}

fn places(at: &[Index], len: usize) -> Vec<usize> {
    let mut places: Vec<usize> = at.iter().map(|at| at.index(len + 1)).collect();
    places.sort_unstable();
    places
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 64,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_a_peer_compresses_arrives(
        from in select(&[Side::Client, Side::Backend][..]),
        other in select(&DIALECTS[..5]),
        takeover: bool,
        window_bits in 9_u8..=15,
        lines in vec((payload(), any::<bool>(), 1_usize..300), 1..6),
        at in vec(any::<Index>(), 0..9),
    ) {
        let voice = Voice { dialect: Dialect::RFC6455, side: from };
        let mut packer = Packer::new(takeover, window_bits);
        let bytes: Vec<u8> = lines.iter().flat_map(|((kind, data), compressed, part)| {
            let pings = Line::Ping(b"p".to_vec());
            let message = if *compressed {
                packer.say(voice, *kind, data, *part)
            } else {
                voice.say(&Line::Message(*kind, vec![data.clone()]), [1, 2, 3, 4])
            };
            [voice.say(&pings, [0; 4]), message].concat()
        }).collect();
        let mut agreed = Sides { client: other.into(), backend: other.into() };
        agreed[from] = agreement(takeover, window_bits);
        let mut rig = Rig::new(agreed, Policy::default(), Box::new(|bytes| bytes.fill(5)));
        for piece in cuts::pieces(&bytes, &places(&at, bytes.len())) {
            rig.feed(from, piece);
        }
        let wrote = oracle::decode(other, from, &rig.wrote[from.other()]);
        prop_assert_eq!(wrote.fault, None::<Fault>);
        let messages = wrote.messages();
        prop_assert_eq!(messages.len(), lines.len());
        for ((got, ((kind, data), ..)), frames) in messages.iter().zip(&lines).zip(&wrote.frames) {
            prop_assert!(*got == (*kind, &data[..]));
            prop_assert!(*frames == 1 || data.len() > ONE_FRAME);
        }
    }

    #[test]
    fn what_a_peer_is_told_it_can_inflate(
        to in select(&[Side::Client, Side::Backend][..]),
        other in select(&DIALECTS[..5]),
        takeover: bool,
        window_bits in 9_u8..=15,
        lines in vec((payload(), 1_usize..3), 1..6),
        at in vec(any::<Index>(), 0..9),
    ) {
        let voice = Voice { dialect: other, side: to.other() };
        let said = lines.iter().map(|((kind, data), parts)| {
            let parts = data.chunks(data.len().div_ceil(*parts).max(1)).map(<[u8]>::to_vec);
            let parts: Vec<_> = parts.collect();
            let parts = if parts.is_empty() { vec![Vec::new()] } else { parts };
            voice.say(&Line::Message(*kind, parts), [1, 2, 3, 4])
        });
        let bytes = said.collect::<Vec<_>>().concat();
        let mut agreed = Sides { client: other.into(), backend: other.into() };
        agreed[to] = agreement(takeover, window_bits);
        let mut rig = Rig::new(agreed, Policy::default(), Box::new(|bytes| bytes.fill(5)));
        for piece in cuts::pieces(&bytes, &places(&at, bytes.len())) {
            rig.feed(to.other(), piece);
        }
        let heard = hear(&rig.wrote[to], takeover, window_bits);
        prop_assert_eq!(heard.len(), lines.len());
        for (heard, ((kind, data), _)) in heard.iter().zip(&lines) {
            prop_assert!((heard.kind, &heard.data) == (*kind, data));
            let small = if takeover { 32 } else { 128 };
            prop_assert_eq!(heard.compressed, data.len() >= small);
            prop_assert!(heard.frames == 1 || data.len() > ONE_FRAME);
        }
    }

    /// Whatever it is: no panic, nothing but UTF-8 in a text, and no more than the limit.
    #[test]
    fn any_bytes_are_inflated_or_refused(
        lines in vec((vec(any::<u8>(), 0..60), any::<bool>()), 1..5),
        at in vec(any::<Index>(), 0..4),
    ) {
        let bytes: Vec<u8> = lines.iter().flat_map(|(packed, text)| {
            CLIENT.frame(if *text { 0xc1 } else { 0xc2 }, packed, [7, 7, 7, 7])
        }).collect();
        let agreed = Sides { client: agreement(true, 15), backend: Dialect::RFC6455.into() };
        let mut rig = Rig::new(agreed, Policy::default(), Box::new(|_| {}));
        for piece in cuts::pieces(&bytes, &places(&at, bytes.len())) {
            rig.feed(Side::Client, piece);
        }
        let wrote = oracle::decode(Dialect::RFC6455, Side::Client, &rig.wrote.backend);
        prop_assert_eq!(wrote.fault, None::<Fault>);
    }
}

/// A rig whose client compresses before a backend that does not.
fn rig(policy: Policy) -> Rig {
    let agreed = Sides { client: agreement(true, 15), backend: Dialect::RFC6455.into() };
    Rig::new(agreed, policy, Box::new(|_| {}))
}

/// What the end of a session came of, and the code that the client was told.
fn ended(rig: &Rig) -> (Option<Fault>, Option<u16>) {
    let fault = rig.facts.0.iter().find_map(|fact| match fact {
        Fact::Ended { by: Some(Side::Client), cause: Cause::Fault(fault) } => Some(*fault),
        _ => None,
    });
    let told = rig.facts.0.iter().find_map(|fact| match fact {
        Fact::Told { to: Side::Client, code } => *code,
        _ => None,
    });
    (fault, told)
}

#[test]
fn what_is_wrong_is_told() {
    let mut packer = Packer::new(true, 15);
    let hello = packer.pack(b"Hello, Hello");
    let bad_text = packer.pack(b"Hello \xff");
    let cut_text = packer.pack(b"Hello \xe2\x82");
    let frame = |start: u8, payload: &[u8]| CLIENT.frame(start, payload, [1, 2, 3, 4]);
    for (name, bytes, fault, code) in [
        ("no DEFLATE", frame(0xc1, &[0xff, 0xff]), Fault::Compression, 1007),
        ("too far back", frame(0xc2, &packer.pack(b"Hello, Hello")), Fault::Compression, 1007),
        ("no text", [frame(0xc1, &hello), frame(0xc1, &bad_text)].concat(), Fault::Utf8, 1007),
        (
            "a text that is cut",
            [frame(0xc1, &hello), frame(0xc2, &bad_text), frame(0xc1, &cut_text)].concat(),
            Fault::Utf8,
            1007,
        ),
        ("RSV1 on a ping", frame(0xc9, b""), Fault::ReservedBit, 1002),
        ("RSV1 on a close", frame(0xc8, b""), Fault::ReservedBit, 1002),
        ("RSV2", frame(0xa1, &hello), Fault::ReservedBit, 1002),
        (
            "RSV1 on a continuation",
            [frame(0x41, &hello[..3]), frame(0xc0, &hello[3..])].concat(),
            Fault::ReservedBit,
            1002,
        ),
    ] {
        let mut rig = rig(Policy::default());
        rig.feed(Side::Client, &bytes);
        assert_eq!(ended(&rig), (Some(fault), Some(code)), "{name}");
    }
    // Without negotiation the bit is reserved.
    let plain = Sides { client: Dialect::RFC6455, backend: Dialect::RFC6455 };
    let mut rig = Rig::new(plain, Policy::default(), Box::new(|_| {}));
    rig.feed(Side::Client, &frame(0xc1, &hello));
    assert_eq!(ended(&rig), (Some(Fault::ReservedBit), Some(1002)));
}

#[test]
fn a_message_may_become_as_long_as_its_limit() {
    let mut policy = Policy::default();
    policy.limits.inflated = 100_000;
    for (len, fault) in
        [(100_000, None), (100_001, Some(Fault::TooBig)), (9_000_000, Some(Fault::TooBig))]
    {
        for part in [7, 100_000] {
            let mut rig = rig(policy.clone());
            let message = vec![b'a'; len];
            rig.feed(
                Side::Client,
                &Packer::new(true, 15).say(CLIENT, Kind::Binary, &message, part),
            );
            let code = fault.map(|_| 1009);
            assert_eq!(ended(&rig), (fault, code), "{len}");
            assert!(rig.wrote.backend.len() < 101_000);
        }
    }
}

/// What one read becomes leaves in pieces, however much it is, and nothing is lost of it.
#[test]
fn a_read_becomes_no_more_than_can_leave() {
    let (mut rig, mut packer) = (rig(Policy::default()), Packer::new(true, 15));
    let message = vec![b'a'; 8 << 20];
    let said = [
        packer.say(CLIENT, Kind::Binary, &message, usize::MAX),
        CLIENT.say(&Line::Message(Kind::Text, vec![b"behind".to_vec()]), [0; 4]),
    ];
    rig.feed(Side::Client, &said.concat());
    assert!(rig.most < 1 << 21, "{} bytes at a time", rig.most);
    let wrote = oracle::decode(Dialect::RFC6455, Side::Client, &rig.wrote.backend);
    let messages = wrote.messages();
    assert!(messages == [(Kind::Binary, &message[..]), (Kind::Text, &b"behind"[..])]);
}

/// Little is read at a time of who compresses, and yet a large message leaves in large frames.
#[test]
fn a_large_message_has_few_frames() {
    let message: Vec<u8> = (0..1_u32 << 20)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 23).to_le_bytes()[0])
        .collect();
    let packed = Packer::new(true, 15).say(CLIENT, Kind::Binary, &message, usize::MAX);
    let plain = CLIENT.say(&Line::Message(Kind::Binary, vec![message.clone()]), [7, 0, 9, 1]);
    for bytes in [packed, plain] {
        let mut rig = rig(Policy::default());
        let reads = bytes.chunks(200_000);
        let most = message.len() / ONE_FRAME + 2 * reads.len();
        reads.for_each(|read| rig.feed(Side::Client, read));
        let wrote = oracle::decode(Dialect::RFC6455, Side::Client, &rig.wrote.backend);
        assert!(wrote.messages() == [(Kind::Binary, &message[..])]);
        assert!(wrote.frames[0] <= most, "{} frames of at most {most}", wrote.frames[0]);
    }
}
