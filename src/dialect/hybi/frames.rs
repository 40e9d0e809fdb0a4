//! The frames of RFC 6455 section 5 and of its interim versions, in the terms of `Framing`: reader
//! and writer side by side. The masking of whole frames in 04 to 06 is in [`super::frame_mask`].

use super::{CloseBody, Framing, Opcode, Version};
use crate::event::{Chunk, Control, Event, Kind, Reason, Side};
use crate::fault::Fault;
use crate::wire::mask::{Mask, Masks};
use crate::wire::utf8::Validator;
use std::mem;

/// FIN, or MORE.
const LAST: u8 = 0x80;
const RESERVED: u8 = 0x70;
/// Marks a compressed message in its first frame (RFC 7692 section 6).
const COMPRESSED: u8 = 0x40;
const MASKED: u8 = 0x80;

/// The longest frame header: two bytes, a length of eight, a mask key of four.
pub(crate) const MAX_HEADER: usize = 14;

/// Reads the frames of one peer.
#[derive(Debug)]
pub struct Reader {
    rules: Rules,
    state: State,
    /// The message that is not finished yet.
    message: Option<Kind>,
    /// Whether the last message that began is compressed.
    compressed: bool,
    utf8: Validator,
}

/// What frames are held to.
#[derive(Debug)]
struct Rules {
    version: Version,
    speaker: Side,
    /// Whether a frame is read that is masked and should not be, or should be and is not.
    any_mask: bool,
    /// Whether there was one.
    wrong_mask: bool,
    /// Whether a message may be compressed.
    compression: bool,
}

#[derive(Debug)]
enum State {
    /// Before or inside a frame header; what was cut off is kept.
    Header { bytes: [u8; MAX_HEADER], have: u8 },
    /// Inside a data frame. `first`: nothing of its message has been handed out.
    Data { first: bool, fin: bool, kind: Kind, remaining: u64, mask: Option<Mask> },
    /// Inside a control frame whose payload was cut.
    Control(Box<ControlFrame>),
    /// Right behind a close whose body has to be said again.
    Closed(Box<Control>),
}

const NO_HEADER: State = State::Header { bytes: [0; MAX_HEADER], have: 0 };

#[derive(Debug)]
struct ControlFrame {
    opcode: Opcode,
    missing: usize,
    mask: Option<Mask>,
    payload: Control,
}

#[derive(Debug, Clone, Copy)]
struct Header {
    fin: bool,
    opcode: Opcode,
    compressed: bool,
    len: u64,
    mask: Option<Mask>,
}

impl Reader {
    /// A reader behind the opening handshake, of frames that come from `speaker`: where a header says
    /// whether there is a mask, a client masks and a server does not (RFC 6455 section 5.1).
    pub fn new(version: Version, speaker: Side) -> Self {
        let rules =
            Rules { version, speaker, any_mask: false, wrong_mask: false, compression: false };
        Self {
            rules,
            state: NO_HEADER,
            message: None,
            compressed: false,
            utf8: Validator::default(),
        }
    }

    /// A reader of what was captured: it reads frames all the same whose masking is wrong, which real
    /// old peers send, and notes it.
    pub fn lenient(version: Version, speaker: Side) -> Self {
        let reader = Self::new(version, speaker);
        Self { rules: Rules { any_mask: true, ..reader.rules }, ..reader }
    }

    /// Allows messages that are compressed, or forbids them: whether permessage-deflate was
    /// negotiated (RFC 7692 section 5). They are handed out as they came, text unchecked.
    pub const fn allow_compression(&mut self, allowed: bool) {
        self.rules.compression = allowed;
    }

    /// Whether the last message that began is compressed.
    pub const fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Whether a frame was masked that should not be, or was not and should be.
    pub const fn masks_wrongly(&self) -> bool {
        self.rules.wrong_mask
    }

    /// The body of the close frame that came last, where it is to be echoed.
    pub(crate) fn close_body(&self) -> &[u8] {
        match &self.state {
            State::Closed(body) => body,
            _ => &[],
        }
    }

    /// Whether the peer is in the middle of a frame or of a message.
    pub const fn in_message(&self) -> bool {
        let between = matches!(self.state, State::Header { have: 0, .. } | State::Closed(_));
        self.message.is_some() || !between
    }

    /// Reads the next event from the front of `input`; `None` when all of it is used up.
    ///
    /// # Errors
    /// The peer's [`Fault`]; the reader must not be used after it.
    #[inline]
    pub fn read<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Event<'a>>, Fault> {
        loop {
            match &mut self.state {
                State::Header { bytes, have } => {
                    let Some(header) = read_header(&mut self.rules, bytes, have, input)? else {
                        return Ok(None);
                    };
                    *have = 0;
                    if !header.opcode.is_control() {
                        self.begin(header)?;
                        continue;
                    }
                    let mut frame = ControlFrame::new(header);
                    if frame.fill(input) {
                        return self.control(&mut frame).map(Some);
                    }
                    self.state = State::Control(Box::new(frame));
                    return Ok(None);
                }
                State::Data { remaining, .. } if *remaining > 0 && input.is_empty() => {
                    return Ok(None);
                }
                State::Data { .. } => {
                    if let Some(chunk) = self.data(input)? {
                        return Ok(Some(Event::Chunk(chunk)));
                    }
                }
                State::Control(frame) => {
                    if !frame.fill(input) {
                        return Ok(None);
                    }
                    let State::Control(mut frame) = mem::replace(&mut self.state, NO_HEADER) else {
                        continue;
                    };
                    return self.control(&mut frame).map(Some);
                }
                State::Closed(_) if input.is_empty() => return Ok(None),
                // Who reads on behind a close will not answer it.
                State::Closed(_) => self.state = NO_HEADER,
            }
        }
    }

    /// What a control frame says that is whole.
    fn control(&mut self, frame: &mut ControlFrame) -> Result<Event<'static>, Fault> {
        let payload = mem::take(&mut frame.payload);
        match frame.opcode {
            Opcode::Ping => Ok(Event::Ping(payload)),
            Opcode::Pong => Ok(Event::Pong(payload)),
            _ => match self.rules.version.close_body() {
                CloseBody::Code => parse_reason(self.rules.version, &payload).map(Event::Close),
                CloseBody::Letter => Ok(Event::Close(None)),
                CloseBody::Echoed => {
                    self.state = State::Closed(Box::new(payload));
                    Ok(Event::Close(None))
                }
            },
        }
    }

    fn begin(&mut self, header: Header) -> Result<(), Fault> {
        let Header { fin, opcode, compressed, len, mask } = header;
        // RFC 6455 section 5.4: a continuation continues, and anything else does not.
        let (kind, first) = match (opcode, self.message) {
            (Opcode::Continuation, Some(kind)) => (kind, false),
            (Opcode::Text, None) => (Kind::Text, true),
            (Opcode::Binary, None) => (Kind::Binary, true),
            _ => return Err(Fault::Fragment),
        };
        if first {
            self.compressed = compressed;
        }
        self.message = Some(kind);
        self.state = State::Data { first, fin, kind, remaining: len, mask };
        Ok(())
    }

    /// The next run of a data frame; `None` for an empty fragment in the middle of a message.
    #[inline]
    fn data<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Chunk<'a>>, Fault> {
        let State::Data { first, fin, kind, remaining, mask } = &mut self.state else {
            return Ok(None);
        };
        let here = usize::try_from(*remaining).map_or(input.len(), |r| r.min(input.len()));
        let data = input.split_off_mut(..here).unwrap_or_default();
        if let Some(mask) = mask {
            mask.apply(data);
        }
        if *kind == Kind::Text && !self.compressed {
            self.utf8.feed(data)?;
        }
        let total = (*first && *fin).then_some(*remaining);
        *remaining -= here as u64;
        let ended = *remaining == 0;
        let chunk =
            Chunk { kind: *kind, first: mem::take(first), last: ended && *fin, total, data };
        if ended {
            self.state = NO_HEADER;
        }
        if chunk.last {
            self.message = None;
            self.utf8.finish()?;
        }
        let says_nothing = chunk.data.is_empty() && !chunk.first && !chunk.last;
        Ok((!says_nothing).then_some(chunk))
    }
}

/// Reads a header from what was kept and the front of `input`; keeps what is not whole.
#[inline]
fn read_header(
    rules: &mut Rules,
    bytes: &mut [u8; MAX_HEADER],
    have: &mut u8,
    input: &mut &mut [u8],
) -> Result<Option<Header>, Fault> {
    if *have == 0
        && let Some((header, len)) = parse_header(rules, input)?
        && input.split_off_mut(..len).is_some()
    {
        return Ok(Some(header));
    }
    while let Some(byte) = input.split_off_first_mut() {
        if let Some(place) = bytes.get_mut(usize::from(*have)) {
            *place = *byte;
            *have += 1;
        }
        let so_far = bytes.get(..usize::from(*have)).unwrap_or_default();
        if let Some((header, _)) = parse_header(rules, so_far)? {
            return Ok(Some(header));
        }
    }
    Ok(None)
}

/// Parses a frame header (RFC 6455 section 5.2) and tells its length; `None` when it is cut.
#[inline]
fn parse_header(rules: &mut Rules, bytes: &[u8]) -> Result<Option<(Header, usize)>, Fault> {
    let [start, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    let framing = rules.version.framing();
    let (fin, opcode) = (start & LAST == framing.last, framing.opcode(*start));
    let reserved = start & RESERVED;
    if reserved != 0 {
        // RFC 7692 section 6: in the first frame of a message, and in no control frame.
        let compressed = reserved == COMPRESSED && matches!(opcode, Opcode::Text | Opcode::Binary);
        if !(compressed && rules.compression) {
            return Err(Fault::ReservedBit);
        }
    }
    if opcode == Opcode::Reserved {
        return Err(Fault::Opcode);
    }
    let masked = second & MASKED != 0;
    if !framing.payload_masked {
        // RSV4 up to draft-ietf-hybi-06.
        if masked {
            return Err(Fault::ReservedBit);
        }
    } else if masked != (rules.speaker == Side::Client) {
        if !rules.any_mask {
            return Err(Fault::Masking);
        }
        rules.wrong_mask = true;
    }
    let short = second & !MASKED;
    if opcode.is_control() && (!fin || short > 125) {
        return Err(Fault::ControlFrame);
    }
    let (len, rest) = match (short, rest) {
        (126, [a, b, rest @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), rest),
        (127, [a, b, c, d, e, f, g, h, rest @ ..]) => {
            (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), rest)
        }
        (126.., _) => return Ok(None),
        (_, rest) => (u64::from(short), rest),
    };
    // "The most significant bit MUST be 0" in all versions, "the minimal number of bytes MUST be
    // used" from draft-ietf-hybi-14 on.
    let minimal = match short {
        126 => len >= 126,
        127 => len > u64::from(u16::MAX),
        _ => true,
    };
    if len >> 63 != 0 || !minimal && rules.version >= Version::V13 {
        return Err(Fault::Length);
    }
    let (mask, rest) = match rest {
        rest if !masked => (None, rest),
        [a, b, c, d, rest @ ..] => (Some(Mask::new([*a, *b, *c, *d])), rest),
        _ => return Ok(None),
    };
    let compressed = reserved != 0;
    Ok(Some((Header { fin, opcode, compressed, len, mask }, bytes.len() - rest.len())))
}

impl ControlFrame {
    fn new(header: Header) -> Self {
        let Header { opcode, len, mask, .. } = header;
        // The header bounds it to 125.
        let missing = usize::try_from(len).unwrap_or(usize::MAX);
        Self { opcode, missing, mask, payload: Control::new() }
    }

    /// Takes what there is of the payload; whether it is whole.
    fn fill(&mut self, input: &mut &mut [u8]) -> bool {
        let data = input.split_off_mut(..self.missing.min(input.len())).unwrap_or_default();
        if let Some(mask) = &mut self.mask {
            mask.apply(data);
        }
        self.missing -= data.len();
        self.payload.extend(data.iter().copied());
        self.missing == 0
    }
}

/// The body of a close frame (RFC 6455 section 5.5.1).
fn parse_reason(version: Version, body: &[u8]) -> Result<Option<Reason>, Fault> {
    let (code, text) = match body {
        [] => return Ok(None),
        [_] => return Err(Fault::CloseFrame),
        [high, low, text @ ..] => (u16::from_be_bytes([*high, *low]), text),
    };
    std::str::from_utf8(text).map_err(|_| Fault::Utf8)?;
    let text = text.try_into().map_err(|_| Fault::ControlFrame)?;
    Ok(Some(Reason { code: version.code_from_wire(code)?, text }))
}

/// What a data frame of ours holds.
#[derive(Debug, Clone, Copy)]
pub struct DataFrame {
    /// The kind of the message.
    pub kind: Kind,
    /// Whether the frame opens the message.
    pub first: bool,
    /// Whether the frame ends the message.
    pub last: bool,
    /// Whether the message is compressed.
    pub compressed: bool,
    /// The length of the payload, in bytes.
    pub len: usize,
}

/// Writes the header of a data frame; the payload that follows is to be masked by `key`.
#[inline]
pub(crate) fn write_data_header(
    framing: &Framing,
    frame: &DataFrame,
    key: Option<[u8; 4]>,
    out: &mut Vec<u8>,
) {
    let opcode = match (frame.first, frame.kind) {
        (false, _) => Opcode::Continuation,
        (true, Kind::Text) => Opcode::Text,
        (true, Kind::Binary) => Opcode::Binary,
    };
    let last = if frame.last { framing.last } else { framing.last ^ LAST };
    // RFC 7692 section 6: only the first frame says so.
    let compressed = if frame.compressed && frame.first { COMPRESSED } else { 0 };
    let start = last | compressed | framing.number(opcode);
    let masked = if key.is_some() { MASKED } else { 0 };
    match (u8::try_from(frame.len), u16::try_from(frame.len)) {
        (Ok(len @ ..=125), _) => out.extend([start, masked | len]),
        (_, Ok(len)) => {
            let [a, b] = len.to_be_bytes();
            out.extend([start, masked | 126, a, b]);
        }
        _ => {
            out.extend([start, masked | 127]);
            out.extend((frame.len as u64).to_be_bytes());
        }
    }
    out.extend(key.into_iter().flatten());
}

/// The body of a close frame of a version that has codes.
pub(crate) fn close_body(version: Version, reason: Option<&Reason>) -> Control {
    let mut body = Control::new();
    if let Some(reason) = reason {
        let code = version.code_to_wire(reason.code);
        body.extend(code.to_be_bytes().into_iter().chain(reason.text.iter().copied()));
    }
    body
}

/// Writes a control frame. `payload` is at most 125 bytes, as [`Control`] is.
pub(crate) fn write_control(
    framing: &Framing,
    opcode: Opcode,
    payload: &[u8],
    key: Option<[u8; 4]>,
    out: &mut Vec<u8>,
) {
    let masked = if key.is_some() { MASKED } else { 0 };
    let len = u8::try_from(payload.len()).unwrap_or(125).min(125);
    out.extend([framing.last | framing.number(opcode), masked | len]);
    out.extend(key.into_iter().flatten());
    let start = out.len();
    out.extend(payload.iter().take(usize::from(len)));
    if let (Some(key), Some(written)) = (key, out.get_mut(start..)) {
        Mask::new(key).apply(written);
    }
}
