//! A small decoder of all dialects, written for clearness: it sees the whole stream at once, keeps
//! no state, and shares nothing with the product but the names of the faults.

use crate::said::Said;
use hybridge::dialect::Dialect;
use hybridge::dialect::hixie::Draft;
use hybridge::dialect::hybi::Version;
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
        Dialect::Hybi(version) => {
            hybi(version, speaker == Side::Client, bytes.to_vec(), &mut decoded)
        }
    };
    match rest {
        Ok(behind_close) => decoded.behind_close = behind_close,
        Err(fault) => {
            decoded.fault = Some(fault);
            decoded.part = None;
        }
    }
    decoded
}

/// Returns how much is behind a close.
fn hixie(draft: Draft, mut rest: &[u8], decoded: &mut Decoded) -> Result<usize, Fault> {
    while let [kind, behind @ ..] = rest {
        match kind {
            0x00 => {
                let Some(end) = behind.iter().position(|byte| *byte == 0xff) else {
                    open_text(behind)?;
                    decoded.part = (!behind.is_empty()).then(|| (Kind::Text, behind.to_vec()));
                    return Ok(0);
                };
                let text = std::str::from_utf8(&behind[..end]).map_err(|_| Fault::Utf8)?;
                decoded.said.push(Said::Message(Kind::Text, text.into()));
                decoded.frames.push(1);
                rest = &behind[end + 1..];
            }
            0x80 | 0xff => {
                let Some((length, data)) = varint(behind)? else { return Ok(0) };
                match (kind, length) {
                    (0x80, _) if (data.len() as u64) < length => {
                        decoded.part = (!data.is_empty()).then(|| (Kind::Binary, data.to_vec()));
                        return Ok(0);
                    }
                    (0x80, _) => {
                        let (data, behind) = data.split_at(usize::try_from(length).unwrap());
                        decoded.said.push(Said::Message(Kind::Binary, data.to_vec()));
                        decoded.frames.push(1);
                        rest = behind;
                    }
                    (_, 0) if draft == Draft::H76 => {
                        decoded.said.push(Said::Close(None));
                        return Ok(data.len());
                    }
                    (_, 0) => rest = data,
                    _ => return Err(Fault::FrameType),
                }
            }
            _ => return Err(Fault::FrameType),
        }
    }
    Ok(0)
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

/// How the versions of draft-ietf-hybi differ in a frame.
struct Differs {
    /// The first bit of the last frame of a message.
    last: u8,
    /// The numbers of continuation, text, binary, close, ping and pong.
    opcodes: [u8; 6],
    /// Whether the first bit of the second byte says that the payload is masked.
    says_masked: bool,
    /// Whether clients mask the whole frame.
    masks_frame: bool,
    least_bytes: bool,
}

fn differs(version: Version) -> Differs {
    let old = version <= Version::V6;
    Differs {
        last: if version <= Version::V3 { 0 } else { 0x80 },
        opcodes: if old { [0, 4, 5, 1, 2, 3] } else { [0, 1, 2, 8, 9, 10] },
        says_masked: !old,
        masks_frame: old && version >= Version::V4,
        least_bytes: version == Version::V13,
    }
}

/// Returns how much is behind a close.
fn hybi(
    version: Version,
    client: bool,
    mut stream: Vec<u8>,
    decoded: &mut Decoded,
) -> Result<usize, Fault> {
    let differs = differs(version);
    let mut frames = 0;
    while !stream.is_empty() {
        if client && differs.masks_frame {
            if stream.len() < 4 {
                break;
            }
            // To the end: what is behind this frame is masked again when its turn comes.
            let behind = stream.split_off(4);
            let cycle = behind.iter().zip(stream.iter().cycle());
            let plain: Vec<u8> = cycle.map(|(byte, key)| byte ^ key).collect();
            let used = match frame(&differs, version, false, &plain, &mut frames, decoded)? {
                Frame::Cut => break,
                Frame::Whole { rest } => plain.len() - rest,
                Frame::Close { rest } => return Ok(rest),
            };
            stream = behind[used..].to_vec();
        } else {
            let masked = client && differs.says_masked;
            match frame(&differs, version, masked, &stream, &mut frames, decoded)? {
                Frame::Cut => break,
                Frame::Whole { rest } => stream.drain(..stream.len() - rest),
                Frame::Close { rest } => return Ok(rest),
            };
        }
    }
    Ok(0)
}

/// What the front of a stream is; `rest` is how much is behind it.
enum Frame {
    Cut,
    Whole { rest: usize },
    Close { rest: usize },
}

fn frame(
    differs: &Differs,
    version: Version,
    masked: bool,
    bytes: &[u8],
    frames: &mut usize,
    decoded: &mut Decoded,
) -> Result<Frame, Fault> {
    let [start, second, behind @ ..] = bytes else { return Ok(Frame::Cut) };
    let fin = start & 0x80 == differs.last;
    if start & 0x70 != 0 {
        return Err(Fault::ReservedBit);
    }
    let opcode = differs.opcodes.iter().position(|number| *number == start & 0x0f);
    let opcode = opcode.ok_or(Fault::Opcode)?;
    if !differs.says_masked && second & 0x80 != 0 {
        return Err(Fault::ReservedBit);
    }
    if masked != (second & 0x80 != 0) {
        return Err(Fault::Masking);
    }
    let short = usize::from(second & 0x7f);
    if opcode >= 3 && (!fin || short > 125) {
        return Err(Fault::ControlFrame);
    }
    let length_bytes = [0, 2, 8][short.saturating_sub(125)];
    let Some((length, behind)) = behind.split_at_checked(length_bytes) else {
        return Ok(Frame::Cut);
    };
    let length = match length {
        [] => short as u64,
        bytes => bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
    };
    let least = [0, 126, 65536][short.saturating_sub(125)];
    if differs.least_bytes && length < least || length >= 1 << 63 {
        return Err(Fault::Length);
    }
    let Some((key, behind)) = behind.split_at_checked(if masked { 4 } else { 0 }) else {
        return Ok(Frame::Cut);
    };
    let here = usize::try_from(length).unwrap().min(behind.len());
    let whole = here as u64 == length;
    let mut payload = behind[..here].to_vec();
    if masked {
        payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    }
    let rest = behind.len() - here;
    if opcode >= 3 {
        if !whole {
            return Ok(Frame::Cut);
        }
        decoded.said.push(control(version, opcode, payload)?);
        return Ok(if opcode == 3 { Frame::Close { rest } } else { Frame::Whole { rest } });
    }
    *frames = if opcode == 0 { *frames + 1 } else { 1 };
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
        decoded.frames.push(*frames);
    } else {
        decoded.part = begun.then_some((kind, data));
    }
    Ok(if whole { Frame::Whole { rest } } else { Frame::Cut })
}

fn control(version: Version, opcode: usize, payload: Vec<u8>) -> Result<Said, Fault> {
    match (opcode, &payload[..]) {
        (4, _) => Ok(Said::Ping(payload)),
        (5, _) => Ok(Said::Pong(payload)),
        // Codes came with 06.
        (_, _) if version <= Version::V5 => Ok(Said::Close(None)),
        (_, []) => Ok(Said::Close(None)),
        (_, [_]) => Err(Fault::CloseFrame),
        (_, [high, low, text @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            if std::str::from_utf8(text).is_err() {
                return Err(Fault::Utf8);
            }
            let old = version != Version::V13;
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
