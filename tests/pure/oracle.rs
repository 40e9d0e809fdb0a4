//! A small decoder of all dialects, written for clearness: it sees the whole stream at once, keeps
//! no state, and shares nothing with the product but the names of the faults.

use crate::said::Said;
use hybridge::dialect::Dialect;
use hybridge::dialect::hixie::Draft;
use hybridge::event::{Kind, Side};
use hybridge::fault::Fault;

/// What a stream says.
#[derive(Debug, Default, Clone)]
pub(crate) struct Decoded {
    /// Close codes are those on the wire.
    pub(crate) said: Vec<Said>,
    /// Of how many frames each message was made, in the order of the messages.
    pub(crate) frames: Vec<usize>,
    /// The message that is open at the end.
    pub(crate) part: Option<(Kind, Vec<u8>)>,
    pub(crate) fault: Option<Fault>,
    /// What follows a close.
    pub(crate) behind_close: usize,
}

impl Decoded {
    /// The messages alone.
    pub(crate) fn messages(&self) -> Vec<(Kind, &[u8])> {
        let message = |said| {
            if let &Said::Message(kind, ref data) = said { Some((kind, &data[..])) } else { None }
        };
        self.said.iter().filter_map(message).collect()
    }
}

/// Decodes all that `speaker` sent.
pub(crate) fn decode(dialect: Dialect, speaker: Side, bytes: &[u8]) -> Decoded {
    let mut decoded = Decoded::default();
    let rest = match dialect {
        Dialect::Hixie(draft) => hixie(draft, bytes, &mut decoded),
        Dialect::Hybi(_) => hybi(dialect, speaker == Side::Client, bytes, &mut decoded),
    };
    match rest {
        Ok(rest) => decoded.behind_close = rest.len(),
        Err(fault) => {
            decoded.fault = Some(fault);
            decoded.part = None;
        }
    }
    decoded
}

/// Returns what is behind a close.
fn hixie<'b>(draft: Draft, mut rest: &'b [u8], decoded: &mut Decoded) -> Result<&'b [u8], Fault> {
    while let [kind, behind @ ..] = rest {
        match kind {
            0x00 => {
                let Some(end) = behind.iter().position(|byte| *byte == 0xff) else {
                    open_text(behind)?;
                    decoded.part = (!behind.is_empty()).then(|| (Kind::Text, behind.to_vec()));
                    return Ok(&[]);
                };
                let text = std::str::from_utf8(&behind[..end]).map_err(|_| Fault::Utf8)?;
                decoded.said.push(Said::Message(Kind::Text, text.into()));
                decoded.frames.push(1);
                rest = &behind[end + 1..];
            }
            0x80 | 0xff => {
                let Some((length, data)) = varint(behind)? else { return Ok(&[]) };
                match (kind, length) {
                    (0x80, _) if (data.len() as u64) < length => {
                        decoded.part = (!data.is_empty()).then(|| (Kind::Binary, data.to_vec()));
                        return Ok(&[]);
                    }
                    (0x80, _) => {
                        let (data, behind) = data.split_at(usize::try_from(length).unwrap());
                        decoded.said.push(Said::Message(Kind::Binary, data.to_vec()));
                        decoded.frames.push(1);
                        rest = behind;
                    }
                    (_, 0) if draft == Draft::H76 => {
                        decoded.said.push(Said::Close(None));
                        return Ok(data);
                    }
                    (_, 0) => rest = data,
                    _ => return Err(Fault::FrameType),
                }
            }
            _ => return Err(Fault::FrameType),
        }
    }
    Ok(&[])
}

/// A length in base 128 and what is behind it; `None` when it goes on.
fn varint(bytes: &[u8]) -> Result<Option<(u64, &[u8])>, Fault> {
    let mut value = 0_u128;
    for (at, byte) in bytes.iter().enumerate() {
        value = value * 128 + u128::from(byte % 128);
        if at == 10 || value > u128::from(u64::MAX) {
            return Err(Fault::LengthOverflow);
        }
        if *byte < 128 {
            return Ok(Some((u64::try_from(value).unwrap(), &bytes[at + 1..])));
        }
    }
    Ok(None)
}

/// Returns what is behind a close.
fn hybi<'b>(
    dialect: Dialect,
    masked: bool,
    mut rest: &'b [u8],
    decoded: &mut Decoded,
) -> Result<&'b [u8], Fault> {
    let mut frames = 0;
    while let [start, second, behind @ ..] = rest {
        let (fin, opcode) = (start & 0x80 != 0, start & 0x0f);
        if start & 0x70 != 0 {
            return Err(Fault::ReservedBit);
        }
        if !matches!(opcode, 0..=2 | 8..=10) {
            return Err(Fault::Opcode);
        }
        if masked != (second & 0x80 != 0) {
            return Err(Fault::Masking);
        }
        let short = usize::from(second & 0x7f);
        if opcode >= 8 && (!fin || short > 125) {
            return Err(Fault::ControlFrame);
        }
        let length_bytes = [0, 2, 8][short.saturating_sub(125)];
        let Some((length, behind)) = behind.split_at_checked(length_bytes) else { break };
        let length = match length {
            [] => short as u64,
            bytes => bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        let least = [0, 126, 65536][short.saturating_sub(125)];
        if length < least || length >= 1 << 63 {
            return Err(Fault::Length);
        }
        let Some((key, behind)) = behind.split_at_checked(if masked { 4 } else { 0 }) else {
            break;
        };
        let here = usize::try_from(length).unwrap().min(behind.len());
        let whole = here as u64 == length;
        let mut payload = behind[..here].to_vec();
        if masked {
            payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        }
        rest = &behind[here..];
        if opcode >= 8 {
            if !whole {
                break;
            }
            let close = opcode == 8;
            decoded.said.push(control(dialect, opcode, payload)?);
            if close {
                return Ok(rest);
            }
            continue;
        }
        frames = if opcode == 0 { frames + 1 } else { 1 };
        let (kind, data) = match (opcode, decoded.part.take()) {
            (0, Some(part)) => part,
            (1, None) => (Kind::Text, Vec::new()),
            (2, None) => (Kind::Binary, Vec::new()),
            _ => return Err(Fault::Fragment),
        };
        let begun = opcode == 0 || whole || here > 0;
        let data = [data, payload].concat();
        let last = fin && whole;
        if kind == Kind::Text {
            open_text(&data)?;
            if last && std::str::from_utf8(&data).is_err() {
                return Err(Fault::Utf8);
            }
        }
        if last {
            decoded.said.push(Said::Message(kind, data));
            decoded.frames.push(frames);
        } else {
            decoded.part = begun.then_some((kind, data));
        }
        if !whole {
            break;
        }
    }
    Ok(&[])
}

fn control(dialect: Dialect, opcode: u8, payload: Vec<u8>) -> Result<Said, Fault> {
    match (opcode, &payload[..]) {
        (9, _) => Ok(Said::Ping(payload)),
        (10, _) => Ok(Said::Pong(payload)),
        (_, []) => Ok(Said::Close(None)),
        (_, [_]) => Err(Fault::CloseFrame),
        (_, [high, low, text @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            if std::str::from_utf8(text).is_err() {
                return Err(Fault::Utf8);
            }
            let old = dialect != Dialect::RFC6455;
            match code {
                1004 if !old => Err(Fault::CloseCode),
                1000..=1004 | 1007..=1014 | 3000..=4999 => {
                    Ok(Said::Close(Some((code, text.into()))))
                }
                _ => Err(Fault::CloseCode),
            }
        }
    }
}

/// Whether a text can still become valid.
fn open_text(text: &[u8]) -> Result<(), Fault> {
    match std::str::from_utf8(text) {
        Err(error) if error.error_len().is_some() => Err(Fault::Utf8),
        _ => Ok(()),
    }
}
