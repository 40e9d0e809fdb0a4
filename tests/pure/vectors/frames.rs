//! Runs the vectors of frames: bytes to events, and events to bytes.

use super::{Verdict, same, same_bytes};
use crate::cuts;
use crate::form::{self, Case};
use crate::said::{self, Heard, Said};
use hybridge::dialect::hybi::frame_mask::ConnectionKey;
use hybridge::dialect::reader::Reader;
use hybridge::dialect::writer::{Data, Farewell, Piece, Writer};
use hybridge::dialect::{Agreement, Dialect};
use hybridge::event::{Kind, Reason, Side};
use hybridge::wire::outbox::Outbox;

fn dialects(case: &Case) -> Result<Vec<Dialect>, String> {
    let names = case.get("dialect").ok_or("no dialect")?;
    names.split(' ').map(|name| name.parse().map_err(|_| format!("dialect {name}?"))).collect()
}

/// The line `connection` has the key and the nonce of an opening handshake.
fn agreed(case: &Case, dialect: Dialect) -> Agreement {
    let said = case.get("connection").map(form::strings).unwrap_or_default();
    let connection_key = match &said[..] {
        [key, nonce] => Some(ConnectionKey::new(key, nonce)),
        _ => None,
    };
    Agreement { connection_key, ..dialect.into() }
}

/// The bytes of a case that has one direction, or both for what looks alike in both.
fn directions(case: &Case) -> Vec<(Side, Vec<u8>)> {
    let marked =
        [(Side::Client, ">"), (Side::Backend, "<"), (Side::Client, "<>"), (Side::Backend, "<>")];
    let bytes = |(side, marker): (_, &str)| Some((side, case.bytes(marker)?));
    marked.into_iter().filter_map(bytes).collect()
}

/// `read`: what a reader makes of bytes.
pub(super) fn read(case: &Case) -> Verdict {
    let expected: Vec<Said> =
        case.all("=").filter(|line| !line.starts_with("part ")).map(Said::parse).collect();
    let part = case.all("=").find_map(|line| line.strip_prefix("part ")).map(Said::parse);
    for dialect in dialects(case)? {
        for (speaker, bytes) in directions(case) {
            for cuts in cuts::ways(bytes.len()) {
                let mut reader = Reader::new(agreed(case, dialect), speaker);
                let Heard { said, part: open, fault } =
                    said::hear(&mut reader, &cuts::pieces(&bytes, &cuts));
                let how = format!("{dialect} from {speaker:?}, {}: ", cuts::describe(&cuts));
                same(&format!("{how}events"), &expected, &said)?;
                let fault = fault.map(|fault| format!("{fault:?}"));
                same(&format!("{how}fault"), &case.get("!").map(str::to_owned), &fault)?;
                let open = open.map(|(kind, data)| Said::Message(kind, data));
                same(&format!("{how}open message"), &part, &open)?;
            }
        }
    }
    Ok(())
}

/// `write`: what a writer makes of events.
pub(super) fn write(case: &Case) -> Verdict {
    for dialect in dialects(case)? {
        for (speaker, bytes) in directions(case) {
            let how = format!("{dialect} from {speaker:?}");
            let wrote =
                written(case, dialect, speaker.other()).map_err(|what| format!("{how}: {what}"))?;
            same_bytes(&how, &bytes, &wrote)?;
        }
    }
    Ok(())
}

fn written(case: &Case, dialect: Dialect, to: Side) -> Result<Vec<u8>, String> {
    // The body of the close that is answered.
    let heard = case.get("heard").map(form::bytes).unwrap_or_default();
    let key = case.get("mask").map_or_else(|| vec![0; 4], form::bytes);
    let mut entropy = |bytes: &mut [u8]| bytes.copy_from_slice(&key);
    let mut writer = Writer::new(agreed(case, dialect), to);
    let mut out = Outbox::new(Vec::new());
    let mut farewell = None;
    for line in case.all("=") {
        // `text` is a whole message; `open text`, `more text` and `last text` are pieces of one.
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (first, last, event) = match word {
            "open" => (true, false, rest),
            "more" => (false, false, rest),
            "last" => (false, true, rest),
            _ => (true, true, line),
        };
        let total =
            |data: &[u8]| case.get("total").map_or(data.len() as u64, |n| n.parse().unwrap());
        match Said::parse(event) {
            Said::Message(kind, data) => {
                let total = (last || kind == Kind::Binary).then(|| total(&data));
                let piece = Piece {
                    kind,
                    first,
                    last,
                    total,
                    compressed: false,
                    data: Data::Copied(&data),
                };
                writer.piece(piece, &mut entropy, &mut out);
            }
            Said::Ping(payload) => {
                writer.ping(&payload[..].try_into().unwrap(), &mut entropy, &mut out);
            }
            Said::Pong(payload) => {
                writer.pong(&payload[..].try_into().unwrap(), &mut entropy, &mut out);
            }
            Said::Close(reason) => {
                let reason =
                    reason.map(|(code, text)| Reason { code, text: text[..].try_into().unwrap() });
                farewell = Some(writer.close(reason.as_ref(), &heard, &mut entropy, &mut out));
            }
        }
    }
    let expected = case.get("farewell").or_else(|| farewell.map(|_| "Frame"));
    same("farewell", &expected, &farewell.map(name))?;
    Ok(out.slices().iter().flat_map(|slice| slice.to_vec()).collect())
}

fn name(farewell: Farewell) -> &'static str {
    match farewell {
        Farewell::Frame => "Frame",
        Farewell::Fin => "Fin",
    }
}
