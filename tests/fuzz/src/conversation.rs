//! A captured connection: anything on both streams, with gaps and ends, in any cutting.
//!
//! Input: what comes before it, the length of the first piece of every speech and of every other
//! one, then speeches: what happens, how long it is, its bytes.

use crate::cut::Cut;
use crate::memory;
use crate::oracle;
use crate::peer::DIALECTS;
use crate::reader::heard;
use crate::said::Said;
use hybridge::dialect::Dialect;
use hybridge::dialect::hixie::Draft;
use hybridge::event::{Side, Sides};
use hybridge::transcript::conversation::{Conversation, Found, Mark};
use hybridge::transcript::event::{Message, What};

/// What a connection may keep beside what it was fed, in bytes: its state, heads whose room has
/// grown, and what a pipeline or the ends of messages take.
const KEPT: usize = 256 * 1024;

/// How much longer than its input a compressed message can be (RFC 1951: 258 bytes in two bits), and
/// the room it has grown to.
const INFLATED: usize = 2 * 1032;

const EXTENSION: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

enum Step<'i> {
    Says(Side, &'i [u8]),
    Gap(Side, u8),
    Ends { from: Side, reset: bool },
}

/// Runs one input.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    let Some((&[choice, first, every], rest)) = data.split_first_chunk() else { return };
    let known = DIALECTS.get(usize::from(choice >> 1) % (DIALECTS.len() + 1)).copied();
    let compressed = choice & 1 == 1;
    let before = known.map_or_else(Vec::new, |dialect| opening(dialect, compressed));
    let steps = steps(rest);
    let cut = Cut { first, every };
    let (told, found) = hear(&before, &steps, cut, 0);
    for way in 1..3 {
        let (again, found_again) = hear(&before, &steps, cut, way);
        assert_eq!(again, told, "what is told depends on the cutting");
        assert_eq!(found_again, found);
    }
    check_order(&told, found);
    if let (Some(dialect), false) = (known, compressed) {
        for side in Side::BOTH {
            check_said(dialect, side, &steps, &told);
        }
    }
    check_memory(&before, &steps);
}

fn steps(mut bytes: &[u8]) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    while let Some((&[what, length], rest)) = bytes.split_first_chunk() {
        let from = if what & 1 == 0 { Side::Client } else { Side::Backend };
        let (said, behind) = rest.split_at(usize::from(length).min(rest.len()));
        let (step, rest) = match what >> 1 {
            120.. => (Step::Ends { from, reset: length & 1 == 1 }, rest),
            110.. => (Step::Gap(from, length), rest),
            _ => (Step::Says(from, said), behind),
        };
        steps.push(step);
        bytes = rest;
    }
    steps
}

/// The opening of a dialect, as both sides said it.
fn opening(dialect: Dialect, compressed: bool) -> Vec<(Side, Vec<u8>)> {
    const KEYS: &str = "Sec-WebSocket-Key1: 1 0\r\nSec-WebSocket-Key2: 1 0\r\n";
    let keys = match dialect {
        Dialect::Hixie(Draft::H75) => String::new(),
        Dialect::Hixie(Draft::H76) => KEYS.to_owned(),
        Dialect::Hybi(version) if dialect.has_key3() => {
            format!("{KEYS}Sec-WebSocket-Draft: {}\r\n", version.number())
        }
        Dialect::Hybi(version) => format!("Sec-WebSocket-Version: {}\r\n", version.number()),
    };
    let hybi = dialect.version().is_some();
    let extension = if compressed && hybi { EXTENSION } else { "" };
    let upgrade = "Upgrade: WebSocket\r\nConnection: Upgrade\r\nOrigin: null\r\n";
    let request = format!("GET / HTTP/1.1\r\n{upgrade}{keys}{extension}\r\n");
    let response = format!("HTTP/1.1 101 x\r\n{extension}\r\n");
    let proof = |length| vec![b'a'; if dialect.has_key3() { length } else { 0 }];
    vec![
        (Side::Client, [request.into_bytes(), proof(8)].concat()),
        (Side::Backend, [response.into_bytes(), proof(16)].concat()),
    ]
}

/// What is told of all of it, to the end of the recording.
fn hear(
    before: &[(Side, Vec<u8>)],
    steps: &[Step<'_>],
    cut: Cut,
    way: usize,
) -> (Vec<What>, Found) {
    let mut conversation = Conversation::default();
    let (mut told, mark) = (Vec::new(), Mark::default());
    let tell = &mut |_: Mark, what: What| told.push(what);
    for (from, bytes) in before {
        conversation.feed(*from, bytes, mark, tell);
    }
    for step in steps {
        match step {
            Step::Says(from, bytes) => {
                let ways = cut.ways(bytes);
                for piece in &ways[way.min(ways.len() - 1)] {
                    conversation.feed(*from, piece, mark, tell);
                }
            }
            Step::Gap(from, bytes) => conversation.gap(*from, (*bytes).into(), mark, tell),
            Step::Ends { from, reset } => conversation.end(*from, *reset, mark, tell),
        }
    }
    conversation.cut(mark, tell);
    (told, conversation.found())
}

/// A session is one from its opening to its end, and a message has seen what there was to see.
fn check_order(told: &[What], found: Found) {
    assert_eq!(found == Found::WebSocket, !told.is_empty(), "{found:?}: {told:?}");
    let Some((last, others)) = told.split_last() else { return };
    assert!(matches!(told[0], What::Open(_)) && matches!(last, What::End(_)), "{told:?}");
    assert!(!others[1..].iter().any(|what| matches!(what, What::Open(_) | What::End(_))));
    let (mut messages, mut seen, mut broken) =
        (Sides::<u64>::default(), Sides::<u64>::default(), Sides::<bool>::default());
    for what in others {
        match what {
            What::Message(message) => {
                let from = message.from;
                assert!(!broken[from], "a message behind a fault: {told:?}");
                assert!(message.seen >= seen[from] && message.seen <= messages[from.other()]);
                seen[from] = message.seen;
                messages[from] += 1;
            }
            What::Fault { from, .. } => broken[*from] = true,
            _ => {}
        }
    }
}

/// What the decoder of the tests makes of a side up to its first gap is what is told first.
fn check_said(dialect: Dialect, side: Side, steps: &[Step<'_>], told: &[What]) {
    let whole = steps.iter().take_while(|step| matches!(step, Step::Says(..)));
    let said = whole.filter_map(|step| match step {
        Step::Says(from, bytes) if *from == side => Some(*bytes),
        _ => None,
    });
    let bytes: Vec<u8> = said.flatten().copied().collect();
    let expected = heard(dialect, &oracle::decode(dialect, side, &bytes)).said;
    let heard = told.iter().filter_map(|what| said_by(side, what)).collect::<Vec<_>>();
    assert!(heard.starts_with(&expected), "{dialect}, {side:?}: {expected:?}, told {told:?}");
}

fn said_by(side: Side, what: &What) -> Option<Said> {
    match what {
        What::Message(Message { from, kind, data, .. }) if *from == side => {
            Some(Said::Message(*kind, data.clone()))
        }
        What::Ping { from, data } if *from == side => Some(Said::Ping(data.clone())),
        What::Pong { from, data } if *from == side => Some(Said::Pong(data.clone())),
        What::Close { from, code, reason } if *from == side => {
            Some(Said::Close(code.map(|code| (code, reason.clone().into_bytes()))))
        }
        _ => None,
    }
}

fn check_memory(before: &[(Side, Vec<u8>)], steps: &[Step<'_>]) {
    let start = memory::live();
    let mut conversation = Conversation::default();
    let (mark, mut fed) = (Mark::default(), 0);
    let tell = &mut |_: Mark, _: What| {};
    for (from, bytes) in before {
        conversation.feed(*from, bytes, mark, tell);
    }
    for step in steps {
        if let Step::Says(from, bytes) = step {
            conversation.feed(*from, bytes, mark, tell);
            fed += bytes.len();
        }
        let kept = memory::live() - start;
        match conversation.found() {
            Found::Tls | Found::Other => assert_eq!(kept, 0, "kept of what is no WebSocket"),
            Found::Nothing => assert!(kept <= KEPT, "{kept} bytes of {fed}"),
            Found::WebSocket => assert!(kept <= KEPT + INFLATED * fed, "{kept} bytes of {fed}"),
        }
    }
}
