//! What a side says, as the bytes of its dialect.

use crate::dialect::hixie::Draft;
use crate::dialect::hixie::frames::{CLOSE_FRAME, TEXT_END};
use crate::dialect::hybi::{CloseBody, Opcode, Version};
use crate::dialect::writer::{Data, Piece, Writer};
use crate::dialect::{Agreement, Dialect};
use crate::event::{Control, Kind, Side};
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
    agreed: Agreement,
    message: &Message,
    out: &mut Vec<u8>,
) -> Option<&'static str> {
    let Message { from, data, .. } = message;
    let splits = matches!(agreed.dialect, Dialect::Hixie(_)) && data.contains(&TEXT_END);
    let (kind, note) = match message.kind {
        // The byte would end the frame.
        Kind::Text if splits => (Kind::Binary, Some("a text with the byte FF, in a length frame")),
        kind => (kind, None),
    };
    let total = Some(data.len() as u64);
    let piece =
        Piece { kind, first: true, last: true, total, compressed: false, data: Data::Copied(data) };
    let mut outbox = Outbox::new(std::mem::take(out));
    Writer::new(agreed, from.other()).piece(piece, &mut mask, &mut outbox);
    *out = outbox.into_scratch();
    note
}

/// Writes a ping or a pong, and tells what is not as it was.
pub(super) fn sign(
    agreed: Agreement,
    from: Side,
    sign: Sign,
    data: &[u8],
    out: &mut Vec<u8>,
) -> Option<&'static str> {
    let Dialect::Hybi(version) = agreed.dialect else {
        out.clear();
        return Some("which this dialect does not have");
    };
    let payload: Control = data.iter().copied().take(Control::new().capacity()).collect();
    let opcode = match sign {
        Sign::Ping => Opcode::Ping,
        Sign::Pong => Opcode::Pong,
    };
    control(agreed, from, version, opcode, &payload, out);
    (payload.len() < data.len()).then_some("longer than 125 bytes and cut")
}

/// Writes a close, and tells what is not as it was.
pub(super) fn close(
    agreed: Agreement,
    from: Side,
    code: Option<u16>,
    reason: &str,
    out: &mut Vec<u8>,
) -> Option<&'static str> {
    out.clear();
    let more = code.is_some() || !reason.is_empty();
    let version = match agreed.dialect {
        Dialect::Hixie(Draft::H75) => return Some("for which this dialect has no bytes"),
        Dialect::Hixie(Draft::H76) => {
            out.extend(CLOSE_FRAME);
            return more.then_some("whose code and text this dialect does not have");
        }
        Dialect::Hybi(version) => version,
    };
    let mut body = Control::new();
    let note = match (version.close_body(), code) {
        (CloseBody::Code, Some(code)) => {
            // What was on the wire is to be there again, be it a code that came later than the
            // version.
            let code = if code == 1009 { version.code_to_wire(code) } else { code };
            body.extend(code.to_be_bytes());
            let end = reason.floor_char_boundary(body.remaining_capacity());
            body.extend(reason.bytes().take(end));
            (end < reason.len()).then_some("longer than 125 bytes and cut")
        }
        (CloseBody::Code, None) => (!reason.is_empty()).then_some("whose text has no code"),
        (CloseBody::Letter, _) => {
            body.extend(Writer::new(agreed, from.other()).letter());
            more.then_some("whose code and text this dialect does not have")
        }
        (CloseBody::Echoed, _) => more.then_some("whose code and text this dialect does not have"),
    };
    control(agreed, from, version, Opcode::Close, &body, out);
    note
}

fn control(
    agreed: Agreement,
    from: Side,
    version: Version,
    opcode: Opcode,
    payload: &Control,
    out: &mut Vec<u8>,
) {
    let mut outbox = Outbox::new(std::mem::take(out));
    Writer::new(agreed, from.other()).control(version, opcode, payload, &mut mask, &mut outbox);
    *out = outbox.into_scratch();
}

fn mask(bytes: &mut [u8]) {
    bytes.iter_mut().zip(MASK).for_each(|(byte, key)| *byte = key);
}
