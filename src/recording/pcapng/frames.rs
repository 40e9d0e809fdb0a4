//! What a side says, as the bytes of its dialect.

use crate::dialect::Dialect;
use crate::dialect::hixie::Draft;
use crate::dialect::hixie::frames::{CLOSE_FRAME, TEXT_END};
use crate::dialect::hybi::Version;
use crate::dialect::hybi::frames::{write_close, write_ping, write_pong};
use crate::dialect::writer::{Data, Piece, Writer};
use crate::event::{Control, Kind, Reason, Side};
use crate::transcript::event::Message;
use crate::wire::outbox::Outbox;

/// The key that clients mask with, which was not recorded: that of the example in RFC 6455 section
/// 5.7, so that the same recording becomes the same file.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A ping or a pong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Ping,
    Pong,
}

/// Writes a message in one frame, and tells what is not as it was.
pub(super) fn message(
    dialect: Dialect,
    message: &Message,
    out: &mut Vec<u8>,
) -> Option<&'static str> {
    let Message { from, data, .. } = message;
    let splits = matches!(dialect, Dialect::Hixie(_)) && data.contains(&TEXT_END);
    let (kind, note) = match message.kind {
        // The byte would end the frame.
        Kind::Text if splits => (Kind::Binary, Some("a text with the byte FF, in a length frame")),
        kind => (kind, None),
    };
    let mut outbox = Outbox::new(std::mem::take(out));
    let total = Some(data.len() as u64);
    let piece = Piece { kind, first: true, last: true, total, data: Data::Copied(data) };
    let mut entropy = |bytes: &mut [u8]| {
        bytes.iter_mut().zip(MASK).for_each(|(byte, key)| *byte = key);
    };
    Writer::new(dialect, from.other()).piece(piece, &mut entropy, &mut outbox);
    *out = outbox.into_scratch();
    note
}

/// Writes a ping or a pong, and tells what is not as it was.
pub(super) fn sign(
    dialect: Dialect,
    from: Side,
    sign: Sign,
    data: &[u8],
    out: &mut Vec<u8>,
) -> Option<&'static str> {
    out.clear();
    if let Dialect::Hixie(_) = dialect {
        return Some("which this dialect does not have");
    }
    let payload: Control = data.iter().copied().take(Control::new().capacity()).collect();
    match sign {
        Sign::Ping => write_ping(&payload, mask(from), out),
        Sign::Pong => write_pong(&payload, mask(from), out),
    }
    (payload.len() < data.len()).then_some("longer than 125 bytes and cut")
}

/// Writes a close, and tells what is not as it was.
pub(super) fn close(
    dialect: Dialect,
    from: Side,
    code: Option<u16>,
    reason: &str,
    out: &mut Vec<u8>,
) -> Option<&'static str> {
    out.clear();
    let version = match dialect {
        Dialect::Hixie(Draft::H75) => return Some("for which this dialect has no bytes"),
        Dialect::Hixie(Draft::H76) => {
            out.extend(CLOSE_FRAME);
            let more = code.is_some() || !reason.is_empty();
            return more.then_some("whose code and text this dialect does not have");
        }
        Dialect::Hybi(version) => version,
    };
    let Some(code) = code else {
        write_close(version, None, mask(from), out);
        return (!reason.is_empty()).then_some("whose text has no code");
    };
    let mut body = Reason::code(match (version, code) {
        // "Too large" up to draft-ietf-hybi-12.
        (Version::V7 | Version::V8, 1009) => 1004,
        _ => code,
    });
    let end = reason.floor_char_boundary(body.text.capacity());
    body.text.extend(reason.bytes().take(end));
    // What was on the wire is to be there again, be it a code that came later than the version.
    write_close(Version::V13, Some(&body), mask(from), out);
    (end < reason.len()).then_some("longer than 125 bytes and cut")
}

fn mask(from: Side) -> Option<[u8; 4]> {
    (from == Side::Client).then_some(MASK)
}
