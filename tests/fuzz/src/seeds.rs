//! Inputs to begin with, made of the vectors.

use crate::captures::base::{Addresses, Capture, small};
use crate::captures::containers::CONTAINERS;
use crate::captures::file::Form;
use crate::captures::links::LINKS;
use crate::captures::packets::{Ip, Packet};
use crate::form::{self, Case, Line};
use crate::peer::{self, DIALECTS, Voice};
use crate::reader::voice_byte;
use crate::script::{Script, Speech, Step, Tight, Word};
use arbitrary::{Arbitrary, Unstructured};
use hybridge::dialect::hixie::Draft;
use hybridge::dialect::{ALL, Dialect};
use hybridge::event::{Kind, Side, Sides};
use hybridge::session::translate::BinaryPolicy;
use std::path::Path;

/// The longest seed, in bytes; what goes beyond it, the tests run anyway.
const LONGEST: usize = 2048;

/// From how many bytes on a run of one byte is not spelled out.
const LONG_RUN: usize = 600;

/// The data of a speech that is a long run, in bytes, and how often it is said at a time.
const LINE: usize = 200;
const RUNS: u8 = 180;

/// A conversation that nothing comes before.
const NO_OPENING: u8 = 2 * 5;

/// What the proxy masks with in the vectors.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// An input of a target.
#[derive(Debug)]
pub struct Seed {
    /// The name of the target.
    pub target: &'static str,
    /// The input.
    pub bytes: Vec<u8>,
}

/// All seeds: of the vectors in a folder, of the recordings beside it, and small captures.
///
/// # Panics
/// When a recording cannot be read, a vector is malformed, or when a script that was written is not read back.
pub fn all(folder: &Path) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for case in form::load(folder) {
        match case.kind.as_str() {
            "server" | "client" => openings(&case, &mut seeds),
            "read" => readings(&case, &mut seeds),
            "session" => sessions(&case, &mut seeds),
            _ => {}
        }
    }
    captures(&mut seeds);
    recordings(folder, &mut seeds);
    compressions(&mut seeds);
    kits(&mut seeds);
    seeds.extend([BinaryPolicy::Frame, BinaryPolicy::Base64].map(long_message));
    seeds.retain(|seed| seed.bytes.len() <= LONGEST);
    seeds
}

/// A conversation in each form of file and on each link, and each conversation as a script.
fn captures(seeds: &mut Vec<Seed>) {
    let scripts = small();
    let capture = |at: usize| Capture::of(&scripts[at..=at], Addresses::Both);
    let forms = CONTAINERS.map(|container| Form { container, ..Form::default() });
    let links = LINKS.map(|link| Form { link, ..Form::default() });
    let ips = [Ip::Extended, Ip::FragmentsReversed].map(|ip| Form { ip, ..Form::default() });
    let all = forms.into_iter().chain(links).chain(ips);
    for (number, form) in all.enumerate() {
        let at = number % scripts.len();
        seeds.push(Seed { target: "capture", bytes: form.write(&capture(at)).bytes });
    }
    for number in 0..scripts.len() {
        let mut bytes = vec![u8::try_from(number).unwrap(), 0];
        for packet in capture(number).packets {
            let Packet::Segment(segment) = packet else { continue };
            for (piece, data) in segment.data.chunks(255).chain([&[][..]]).enumerate() {
                if data.is_empty() && piece > 0 {
                    continue;
                }
                bytes.extend([
                    segment.from as u8,
                    segment.flags,
                    0,
                    u8::try_from(data.len()).unwrap(),
                ]);
                bytes.extend(data);
            }
        }
        seeds.push(Seed { target: "segments", bytes });
    }
}

/// The examples of RFC 7692 section 7.2.3, alone and behind one another.
fn compressions(seeds: &mut Vec<Seed>) {
    let examples: [&[u8]; 6] = [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        &[0xf2, 0x00, 0x11, 0x00, 0x00],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        &[0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
    ];
    let said = |how: u8, message: &[u8]| {
        [&[how, u8::try_from(message.len()).expect("it is short")], message].concat()
    };
    for rules in 0..4 {
        for how in [0x00, 0x01, 0x30] {
            let all: Vec<u8> = examples.iter().flat_map(|message| said(how, message)).collect();
            let alone = examples.map(|message| said(how, message));
            for bytes in alone.iter().chain([&all]) {
                let bytes = [&[rules, 3, 2], &bytes[..]].concat();
                seeds.push(Seed { target: "compression", bytes });
            }
        }
    }
}

/// Every eighth case of every dialect with a peer that says a text and a close, and some that compress.
fn kits(seeds: &mut Vec<Seed>) {
    let all = ALL.iter().zip(0_u8..);
    let sides = [(Side::Backend, 0x00), (Side::Client, 0x10)];
    for ((dialect, number), (side, bit)) in all.flat_map(|one| sides.map(|side| (one, side))) {
        let voice = Voice { dialect: *dialect, side };
        let text = peer::Line::Message(Kind::Text, vec![b"Hello".to_vec()]);
        let mut said = voice.say(&text, MASK);
        said.extend(voice.say(&peer::Line::Close(None), MASK));
        for case in (0_u8..=240).step_by(8) {
            let bytes = [&[number | bit | 0x20, 0, case, 3, 2], &said[..]].concat();
            seeds.push(Seed { target: "kit", bytes });
        }
    }
    let packed = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let frame = Voice { dialect: Dialect::RFC6455, side: Side::Backend }.frame(0xc1, &packed, MASK);
    for case in 0..=2 {
        seeds.push(Seed { target: "kit", bytes: [&[0x60, case, 200, 3, 2], &frame[..]].concat() });
    }
}

/// Those that the tests have, whole and line by line, and a HAR.
fn recordings(vectors: &Path, seeds: &mut Vec<Seed>) {
    let golden = vectors.with_file_name("recordings").join("version-1.wsrec");
    let golden = std::fs::read_to_string(golden).expect("a recording");
    let lines: Vec<&str> = golden.lines().collect();
    for end in [lines.len(), lines.len() - 1, 2, 1] {
        let bytes = lines[..end].join("\n").into_bytes();
        seeds.push(Seed { target: "recording", bytes });
    }
    for har in [
        r#"{"log":{"version":"1.2","creator":{"name":"a","version":"1"},"entries":[{"startedDateTime":"2026-11-20T15:02:11.123Z","request":{"method":"GET","url":"ws://a/b?c=d","headers":[{"name":"Upgrade","value":"websocket"}]},"response":{"status":101,"headers":[{"name":"A","value":"b"}]},"_webSocketMessages":[{"type":"send","time":1763650931.5,"opcode":1,"data":"hi"},{"type":"receive","time":1763650932.5,"opcode":2,"data":"AP8="},{"type":"receive","time":1763650932.6,"opcode":8,"data":"A+g="},{"type":"error","time":1763650933,"opcode":1,"data":"no"}]}]}}"#,
        r#"{"log":{"entries":[{"request":{"url":"http://a/"},"response":{"status":200}}]}}"#,
        r#"{"log":{}}"#,
    ] {
        seeds.push(Seed { target: "har", bytes: har.as_bytes().to_vec() });
    }
}

fn openings(case: &Case, seeds: &mut Vec<Seed>) {
    let (request, answer) = (case.bytes(">"), case.bytes("<"));
    for head in [&request, &answer].into_iter().flatten() {
        seeds.push(Seed { target: "head", bytes: [&[5, 7], &head[..]].concat() });
    }
    let heads = [(0, &request), (1, &answer)];
    let speeches = heads.into_iter().filter_map(|(side, head)| Some((side, &head.as_ref()?[..])));
    seeds.push(conversation(NO_OPENING, speeches));
    let random = case.get("entropy").map_or_else(|| vec![0], form::bytes);
    let random: Vec<u8> = random.iter().copied().cycle().take(16).collect();
    let exchange = [request.unwrap_or_default(), answer.unwrap_or_default()].concat();
    // Each dialect of the backend, and each choice of a subprotocol.
    for choices in [0, 1, 2, 3, 4, 10, 13, 23] {
        let bytes = [&[choices, 5, 7], &random[..], &exchange].concat();
        seeds.push(Seed { target: "handshake", bytes });
    }
}

fn readings(case: &Case, seeds: &mut Vec<Seed>) {
    let sides = [(Side::Client, [">", "<>"]), (Side::Backend, ["<", "<>"])];
    for name in case.get("dialect").unwrap().split(' ') {
        // 01 and 02 are read as 03.
        let place = DIALECTS.iter().position(|dialect| dialect.name() == name);
        let Some(place) = place else { continue };
        for (side, markers) in sides {
            for said in markers.into_iter().filter_map(|marker| case.bytes(marker)) {
                let voice = voice_byte(name.parse().unwrap(), side);
                let bytes = [&[voice, 3, 5], &said[..]].concat();
                seeds.push(Seed { target: "reader", bytes });
                let opening = 2 * u8::try_from(place).unwrap();
                seeds.push(conversation(opening, [(side as u8, &said[..])]));
            }
        }
    }
}

/// A captured connection, of speeches of the client (0) and the backend (1).
fn conversation<'s>(opening: u8, speeches: impl IntoIterator<Item = (u8, &'s [u8])>) -> Seed {
    let mut bytes = vec![opening, 3, 5];
    for (side, speech) in speeches {
        for piece in speech.chunks(255) {
            bytes.extend([side, u8::try_from(piece.len()).unwrap()]);
            bytes.extend(piece);
        }
    }
    Seed { target: "conversation", bytes }
}

fn sessions(case: &Case, seeds: &mut Vec<Seed>) {
    let steps: Vec<Step> = case.lines.iter().flat_map(steps).collect();
    let has = |word: &str| case.get(word).is_some();
    for client in case.get("client").unwrap().split(' ') {
        for backend in case.get("backend").unwrap().split(' ') {
            let script = Script {
                dialects: Sides {
                    client: client.parse().unwrap(),
                    backend: backend.parse().unwrap(),
                },
                binary: match case.get("binary") {
                    Some("base64") => BinaryPolicy::Base64,
                    Some("refuse") => BinaryPolicy::Refuse,
                    Some("drop") => BinaryPolicy::Drop,
                    _ => BinaryPolicy::Frame,
                },
                tight: Tight {
                    streamed: has("streamed"),
                    collected: has("collected"),
                    drain: false,
                },
                coalesce: case.get("fragments") == Some("coalesce"),
                keepalive: has("keepalive"),
                key: MASK.map(|byte| !byte),
                steps: steps.clone(),
            };
            let bytes = script.write();
            if bytes.len() > LONGEST {
                continue;
            }
            let again = Script::arbitrary(&mut Unstructured::new(&bytes));
            assert!(again.is_ok_and(|again| again == script), "{}: not read back", case.place);
            seeds.push(Seed { target: "session", bytes });
        }
    }
}

/// A message that is longer than all that a session may hold, and comes in small reads.
fn long_message(binary: BinaryPolicy) -> Seed {
    // A length frame of 252 000 bytes, or a text.
    let start = if binary == BinaryPolicy::Base64 { "80 8fb060" } else { "00" };
    let run = Speech { word: Word::Raw, every: 1, parts: 1, times: RUNS, data: vec![b'a'; LINE] };
    let mut steps = says(Side::Client, start);
    steps.extend(vec![Step::Says(Side::Client, run); 7]);
    let script = Script {
        dialects: Sides { client: Dialect::Hixie(Draft::H76), backend: Dialect::RFC6455 },
        binary,
        tight: Tight { collected: true, ..Tight::default() },
        coalesce: false,
        keepalive: false,
        key: MASK,
        steps,
    };
    Seed { target: "session", bytes: script.write() }
}

/// What happens in a line of a session.
fn steps(line: &Line) -> Vec<Step> {
    let in_order = line.rest == "fin";
    match (line.word.as_str(), line.rest.as_str()) {
        ("c>", "fin" | "reset") => vec![Step::Ends { from: Side::Client, in_order }],
        ("<b", "fin" | "reset") => vec![Step::Ends { from: Side::Backend, in_order }],
        ("c>", items) => says(Side::Client, items),
        ("<b", items) => says(Side::Backend, items),
        ("wait", "") => vec![Step::WaitForDeadline],
        ("wait", time) => vec![Step::Wait(time.parse().unwrap_or(u16::MAX))],
        ("unsent", count) => vec![Step::Unsent(count.parse().unwrap())],
        ("leave", _) => vec![Step::Leave],
        _ => Vec::new(),
    }
}

/// Bytes, in as many speeches as they need; a long run of one byte is said as one.
fn says(from: Side, items: &str) -> Vec<Step> {
    let raw = |data: &[u8], times| {
        let data = data.to_vec();
        Step::Says(from, Speech { word: Word::Raw, every: 0, parts: 1, times, data })
    };
    let (mut steps, mut plain) = (Vec::new(), Vec::new());
    let bytes = form::bytes(items);
    for run in bytes.chunk_by(|a, b| a == b) {
        if run.len() < LONG_RUN {
            plain.extend_from_slice(run);
            continue;
        }
        steps.extend(plain.chunks(255).map(|piece| raw(piece, 1)));
        plain.clear();
        let (lines, rest) = run.as_chunks::<LINE>();
        for lines in lines.chunks(usize::from(RUNS)) {
            steps.push(raw(&lines[0], u8::try_from(lines.len()).unwrap()));
        }
        steps.extend((!rest.is_empty()).then(|| raw(rest, 1)));
    }
    steps.extend(plain.chunks(255).map(|piece| raw(piece, 1)));
    steps
}
