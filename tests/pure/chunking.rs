//! Properties over any cutting: a reader hears the same, a session hands on the same, and what
//! leaves keeps the promises of the writer, whatever the cuts.

use crate::cuts;
use crate::oracle::{self, Decoded};
use crate::peer::{DIALECTS, Line, Voice};
use crate::rig::Rig;
use crate::said::{self, Heard, Said};
use base64::prelude::{BASE64_STANDARD, Engine};
use hybridge::dialect::Dialect;
use hybridge::dialect::reader::Reader;
use hybridge::event::{Kind, Side, Sides};
use hybridge::fault::Fault;
use hybridge::limits::ONE_FRAME;
use hybridge::session::policy::{Fragments, Policy};
use hybridge::session::translate::BinaryPolicy;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn voice() -> impl Strategy<Value = Voice> {
    (select(&DIALECTS[..]), select(&[Side::Client, Side::Backend][..]))
        .prop_map(|(dialect, side)| Voice { dialect, side })
}

/// Text with all that could go wrong in it.
fn text() -> impl Strategy<Value = Vec<u8>> {
    "[a\0\u{7f}\u{e9}\u{20ac}\u{fffd}\u{10ffff}\u{1f600}]{0,10}".prop_map(String::into_bytes)
}

fn payload() -> impl Strategy<Value = (Kind, Vec<u8>)> {
    let long =
        |len: usize| "[a\u{e9}\u{20ac}]{5}".prop_map(move |s| s.repeat(len / s.len()).into());
    prop_oneof![
        8 => text().prop_map(|text| (Kind::Text, text)),
        4 => vec(any::<u8>(), 0..20).prop_map(|data| (Kind::Binary, data)),
        1 => (120_usize..400).prop_flat_map(long).prop_map(|text| (Kind::Text, text)),
        1 => (32_700_usize..32_900).prop_flat_map(long).prop_map(|text| (Kind::Text, text)),
        1 => (24_500_usize..33_000, any::<u8>())
            .prop_map(|(len, byte)| (Kind::Binary, vec![byte; len])),
    ]
}

/// What peers rightly say.
fn line() -> impl Strategy<Value = Line> {
    let message = (payload(), vec(any::<Index>(), 0..4)).prop_map(|((kind, data), at)| {
        let parts = cuts::pieces(&data, &places(&at, data.len()));
        let parts = if parts.is_empty() { vec![Vec::new(); at.len() + 1] } else { owned(&parts) };
        Line::Message(kind, parts)
    });
    prop_oneof![
        8 => message,
        1 => vec(any::<u8>(), 0..=125).prop_map(Line::Ping),
        1 => vec(any::<u8>(), 0..5).prop_map(Line::Pong),
    ]
}

/// A close, or what is wrong.
fn last_line() -> impl Strategy<Value = Option<Line>> {
    let code = prop_oneof![any::<u16>(), 995_u16..1020, 2995_u16..5005];
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(Line::Close(None))),
        2 => (code, text()).prop_map(|reason| Some(Line::Close(Some(reason)))),
        2 => vec(any::<u8>(), 0..24).prop_map(|bytes| Some(Line::Raw(bytes))),
    ]
}

/// A byte; often one that means something.
fn hostile() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), select(&[0_u8, 0x7f, 0x80, 0x81, 0xfe, 0xff][..])]
}

fn owned(parts: &[&[u8]]) -> Vec<Vec<u8>> {
    parts.iter().map(|part| part.to_vec()).collect()
}

fn places(at: &[Index], len: usize) -> Vec<usize> {
    let mut places: Vec<usize> = at.iter().map(|at| at.index(len + 1)).collect();
    places.sort_unstable();
    places
}

fn stream(voice: Voice, lines: &[Line], key: [u8; 4]) -> Vec<u8> {
    lines.iter().flat_map(|line| voice.say(line, key)).collect()
}

/// What a reader is to hear of what the oracle decoded.
fn expected(dialect: Dialect, decoded: Decoded) -> Heard {
    let Decoded { mut said, part, fault, .. } = decoded;
    if let Some(Said::Close(Some((code @ 1004, _)))) = said.last_mut()
        && dialect != Dialect::RFC6455
    {
        *code = 1009;
    }
    Heard { said, part, fault }
}

fn hear(voice: Voice, bytes: &[u8], cuts: &[usize]) -> Heard {
    said::hear(&mut Reader::new(voice.dialect, voice.side), &cuts::pieces(bytes, cuts))
}

/// What becomes of a message on its way to the other side; `None` when it is dropped.
fn translated(
    kind: Kind,
    data: &[u8],
    hixie: bool,
    policy: BinaryPolicy,
) -> Option<(Kind, Vec<u8>)> {
    match (kind, policy) {
        (Kind::Binary, BinaryPolicy::Base64) if hixie => {
            Some((Kind::Text, BASE64_STANDARD.encode(data).into_bytes()))
        }
        (Kind::Binary, BinaryPolicy::Drop | BinaryPolicy::Refuse) if hixie => None,
        _ => Some((kind, data.to_vec())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_hears_the_same_however_it_is_cut(
        voice in voice(),
        lines in vec(line(), 0..5),
        last in last_line(),
        key: [u8; 4],
        at in vec(any::<Index>(), 0..9),
    ) {
        let lines: Vec<Line> = lines.into_iter().chain(last).collect();
        let bytes = stream(voice, &lines, key);
        let expected = expected(voice.dialect, oracle::decode(voice.dialect, voice.side, &bytes));
        prop_assert_eq!(&hear(voice, &bytes, &[]), &expected);
        prop_assert_eq!(&hear(voice, &bytes, &places(&at, bytes.len())), &expected);
        if bytes.len() < 1000 {
            let all: Vec<usize> = (1..bytes.len()).collect();
            prop_assert_eq!(&hear(voice, &bytes, &all), &expected);
        }
    }

    #[test]
    fn a_reader_judges_garbage_the_same_however_it_is_cut(
        voice in voice(),
        lines in vec(line(), 0..3),
        key: [u8; 4],
        damage in vec((any::<Index>(), any::<u8>()), 0..3),
        tail in vec(hostile(), 0..30),
        at in vec(any::<Index>(), 0..9),
    ) {
        let mut bytes = stream(voice, &lines, key);
        bytes.extend(tail);
        for (at, byte) in damage {
            let len = bytes.len();
            if let Some(place) = bytes.get_mut(at.index(len + 1)) {
                *place = byte;
            }
        }
        let expected = expected(voice.dialect, oracle::decode(voice.dialect, voice.side, &bytes));
        prop_assert_eq!(&hear(voice, &bytes, &[]), &expected);
        prop_assert_eq!(&hear(voice, &bytes, &places(&at, bytes.len())), &expected);
    }

    #[test]
    fn a_session_hands_on_the_same_however_it_is_cut(
        voice in voice(),
        other in select(&DIALECTS[..]),
        binary in select(&[BinaryPolicy::Frame, BinaryPolicy::Base64, BinaryPolicy::Drop][..]),
        fragments in select(&[Fragments::Keep, Fragments::Coalesce][..]),
        lines in vec(line(), 1..5),
        broken: bool,
        key: [u8; 4],
        at in vec(any::<Index>(), 0..9),
    ) {
        let mut bytes = stream(voice, &lines, key);
        if broken {
            // A reserved type in Hixie, reserved bits in RFC 6455.
            bytes.extend(if voice.is_hybi() { voice.frame(0xf1, b"", key) } else { vec![0x71] });
        }
        let heard = oracle::decode(voice.dialect, voice.side, &bytes);
        prop_assert_eq!(heard.fault.is_some(), broken);
        let to = voice.side.other();
        let mut dialects = Sides { client: other, backend: other };
        dialects[voice.side] = voice.dialect;
        let hixie = !voice.is_hybi() || matches!(other, Dialect::Hixie(_));
        let expected: Vec<_> = heard.messages().into_iter()
            .filter_map(|(kind, data)| translated(kind, data, hixie, binary))
            .collect();
        let policy = Policy { binary, fragments, ..Policy::default() };
        let coalesced = fragments == Fragments::Coalesce && to == Side::Backend;
        for cuts in [Vec::new(), places(&at, bytes.len())] {
            let mut rig = Rig::new(dialects, policy.clone(), Box::new(move |bytes| {
                bytes.copy_from_slice(&key[..bytes.len()]);
            }));
            for piece in cuts::pieces(&bytes, &cuts) {
                rig.feed(voice.side, piece);
            }
            let wrote = oracle::decode(other, voice.side, &rig.wrote[to]);
            prop_assert_eq!(wrote.fault, None::<Fault>);
            let messages: Vec<_> =
                wrote.messages().into_iter().map(|(kind, data)| (kind, data.to_vec())).collect();
            prop_assert!(messages == expected, "{:?} {:?}", messages, expected);
            for ((_, data), frames) in messages.iter().zip(&wrote.frames) {
                let whole = *frames == 1 || (data.len() > ONE_FRAME && !coalesced);
                prop_assert!(whole, "{} bytes in {frames}", data.len());
            }
            let open = wrote.part.is_some();
            prop_assert!(!open, "a message is open behind whole ones");
            if broken {
                let told = wrote.said.last() == Some(&Said::Close(Some((1002, Vec::new()))))
                    || wrote.said.last() == Some(&Said::Close(None))
                    || rig.session.wants_fin(to);
                prop_assert!(told, "the fault was not told: {:?}", wrote.said.last());
            }
        }
    }

    /// Where the whole of a message is not known, its text streams; a fault then ends the frame of
    /// a Hixie peer in the middle, and nothing may look like its end.
    #[test]
    fn a_text_that_streams_to_hixie_and_breaks_is_cut(
        backend in select(&DIALECTS[3..5]),
        len in 33_000_usize..70_000,
        bad in select(&[0xff_u8, 0xc0, 0x80, 0xfe][..]),
        at in vec(any::<Index>(), 1..6),
        key: [u8; 4],
    ) {
        let voice = Voice { dialect: DIALECTS[0], side: Side::Client };
        let bytes = [
            voice.frame(0x01, &vec![b'a'; len], key),
            voice.frame(0x80, &[b'b', bad, 0, b'e', 0xff], key),
        ].concat();
        let dialects = Sides { client: voice.dialect, backend };
        let mut rig = Rig::new(dialects, Policy::default(), Box::new(|_| {}));
        for piece in cuts::pieces(&bytes, &places(&at, bytes.len())) {
            rig.feed(Side::Client, piece);
        }
        let wrote = &rig.wrote.backend;
        let ended = wrote.ends_with(&[0xff, 0x00]) || rig.session.wants_fin(Side::Backend);
        prop_assert!(ended);
        let wrote = oracle::decode(backend, Side::Client, wrote);
        prop_assert!(wrote.fault.is_none() && wrote.messages().is_empty());
        if let Some((_, part)) = wrote.part {
            prop_assert!(part.iter().all(|byte| matches!(byte, b'a' | b'b')));
            prop_assert!(rig.session.wants_fin(Side::Backend));
        }
    }
}

/// What does not fill a group of base64 waits for more, and is no fragment of its own.
#[test]
fn base64_that_streams_has_no_empty_fragments() {
    let dialects = Sides { client: DIALECTS[3], backend: DIALECTS[0] };
    let policy = Policy { binary: BinaryPolicy::Base64, ..Policy::default() };
    let mut rig = Rig::new(dialects, policy, Box::new(|_| {}));
    // A length frame of 60 000 bytes, half of which are more than leaves as one frame.
    rig.feed(Side::Client, &[0x80, 0x83, 0xd4, 0x60]);
    rig.feed(Side::Client, &[b'a'; 30_000]);
    for (count, fragment) in [(1, 0), (1, 0), (1, 6 + 4), (4, 6 + 4), (2, 6 + 4)] {
        let before = rig.wrote.backend.len();
        rig.feed(Side::Client, &b"aaaa"[..count]);
        assert_eq!(rig.wrote.backend.len() - before, fragment);
    }
}
