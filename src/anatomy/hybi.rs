//! The frames of RFC 6455 section 5.2 and of its interim versions, named.

use super::kept::Kept;
use super::{Frame, Kind, Part, Role, SHOWN};
use crate::dialect::hybi::frame_mask::FrameMask;
use crate::dialect::hybi::frames::MAX_HEADER;
use crate::dialect::hybi::{CloseBody, Masking, Opcode, Version};
use crate::event::Side;
use crate::wire::mask::Masks;
use std::borrow::Cow;

#[derive(Debug)]
pub(super) struct Frames {
    version: Version,
    speaker: Side,
    /// Of what has come so far.
    header: Kept,
    payload: Option<Payload>,
    /// The opcode of the message that is not finished yet.
    message: Option<Opcode>,
}

/// The payload of the frame whose header is known.
#[derive(Debug)]
struct Payload {
    remaining: u64,
    mask: Option<FrameMask>,
    wire: Kept,
    unmasked: Kept,
}

/// A frame header, whatever it says.
#[derive(Debug, Clone, Copy)]
struct Header {
    version: Version,
    /// Its bytes without a mask.
    plain: [u8; MAX_HEADER],
    start: u8,
    second: u8,
    len: u64,
    /// How many bytes the length has behind the second byte.
    more: usize,
    /// The mask at the start of the payload.
    mask: Option<FrameMask>,
}

impl Header {
    /// Reads a header; `None` when it goes on. `whole`: whether its mask covers it too.
    fn read(version: Version, whole: bool, bytes: &[u8]) -> Option<Self> {
        let mut plain = [0; MAX_HEADER];
        plain.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        let mut frame_mask = None;
        let header = if whole {
            let (key, masked) = plain.split_first_chunk_mut::<4>()?;
            let mut mask = FrameMask::new(*key, None);
            let masked = masked.get_mut(..bytes.len().checked_sub(4)?)?;
            mask.apply(masked);
            frame_mask = Some(mask);
            &*masked
        } else {
            bytes
        };
        let [start, second, rest @ ..] = header else { return None };
        let (len, more, rest) = match (second & 0x7f, rest) {
            (126, [a, b, rest @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 2, rest),
            (127, [a, b, c, d, e, f, g, h, rest @ ..]) => {
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 8, rest)
            }
            (126.., _) => return None,
            (short, rest) => (u64::from(short), 0, rest),
        };
        let says_masked = version.framing().payload_masked && second & 0x80 != 0;
        let mask = match rest.first_chunk::<4>() {
            _ if !says_masked => frame_mask,
            Some(key) => Some(FrameMask::new(*key, None)),
            None => return None,
        };
        let (start, second) = (*start, *second);
        Some(Self { version, plain, start, second, len, more, mask })
    }

    fn opcode(self) -> Opcode {
        self.version.framing().opcode(self.start)
    }

    const fn fin(self) -> bool {
        self.start & 0x80 == self.version.framing().last
    }
}

impl Frames {
    pub(super) const fn new(version: Version, speaker: Side) -> Self {
        Self { version, speaker, header: Kept::new(MAX_HEADER), payload: None, message: None }
    }

    /// Whether its frames are masked header and all.
    fn masks_whole(&self) -> bool {
        self.speaker == Side::Client && matches!(self.version.masking(), Masking::Frames)
    }

    fn read_header(&self, bytes: &[u8]) -> Option<Header> {
        Header::read(self.version, self.masks_whole(), bytes)
    }

    /// Takes bytes up to the end of the next frame.
    pub(super) fn feed(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        while !bytes.is_empty() {
            match &mut self.payload {
                None => {
                    self.header.push(bytes.split_off(..1)?);
                    let Some(header) = self.read_header(self.header.bytes()) else { continue };
                    self.payload = Some(Payload {
                        remaining: header.len,
                        mask: header.mask,
                        wire: Kept::new(SHOWN),
                        unmasked: Kept::new(SHOWN),
                    });
                }
                Some(payload) => payload.feed(bytes),
            }
            if self.payload.as_ref().is_some_and(|payload| payload.remaining == 0) {
                return self.end(true);
            }
        }
        None
    }

    /// What there is of a frame whose rest never came.
    pub(super) fn cut(&mut self) -> Option<Frame> {
        if self.payload.is_some() {
            return self.end(false);
        }
        let header = self.header.take();
        (!header.is_empty())
            .then(|| Frame::cut("frame", vec![header.part(Role::Unknown, "a header that goes on")]))
    }

    fn end(&mut self, whole: bool) -> Option<Frame> {
        let payload = self.payload.take()?;
        let bytes = self.header.take();
        let header = self.read_header(bytes.bytes())?;
        let (name, kind) = self.name(header);
        let opcode = match header.opcode() {
            Opcode::Continuation => self.message,
            opcode => Some(opcode),
        };
        if !header.opcode().is_control() {
            // RFC 6455 section 5.4: control frames may come between the fragments.
            self.message = if header.fin() { None } else { opcode };
        }
        let plain = if header.mask.is_some() { &payload.unmasked } else { &payload.wire };
        let has_code = self.version.close_body() == CloseBody::Code;
        let text = match opcode {
            Some(Opcode::Text | Opcode::Ping | Opcode::Pong) => Some(plain.text()),
            Some(Opcode::Close) if has_code => {
                let reason = plain.bytes().get(2..).unwrap_or_default();
                Some(String::from_utf8_lossy(reason).into_owned())
            }
            Some(Opcode::Close) => Some(plain.text()),
            _ => None,
        };
        let mut parts = self.header_parts(header, bytes.bytes());
        if header.opcode() == Opcode::Close && has_code {
            self.close_parts(&payload, &mut parts);
        } else if !payload.wire.is_empty() {
            let what = match (opcode, self.version.close_body()) {
                (Some(Opcode::Text), _) => "text in UTF-8",
                (Some(Opcode::Close), CloseBody::Letter) => "C from a client, S from a server",
                (Some(Opcode::Close), _) => "a body that the answer has to repeat",
                _ => "payload",
            };
            parts.push(payload.part(what));
        }
        let last = header.fin() || kind != Kind::Message;
        Some(Frame { text, whole, last, ..Frame::new(name, kind, parts) })
    }

    fn name(&self, header: Header) -> (Cow<'static, str>, Kind) {
        let (name, kind) = match (header.opcode(), header.fin(), self.message) {
            (Opcode::Continuation, _, None) => ("continuation of nothing", Kind::Message),
            (Opcode::Continuation, true, _) => ("continuation, last fragment", Kind::Message),
            (Opcode::Continuation, false, _) => ("continuation", Kind::Message),
            (Opcode::Text | Opcode::Binary, _, Some(_)) => {
                ("message inside another", Kind::Message)
            }
            (Opcode::Text, true, _) => ("text", Kind::Message),
            (Opcode::Text, false, _) => ("text, first fragment", Kind::Message),
            (Opcode::Binary, true, _) => ("binary", Kind::Message),
            (Opcode::Binary, false, _) => ("binary, first fragment", Kind::Message),
            (Opcode::Close, ..) => ("close", Kind::Close),
            (Opcode::Ping, ..) => ("ping", Kind::Ping),
            (Opcode::Pong, ..) => ("pong", Kind::Pong),
            (Opcode::Reserved, ..) => {
                return (format!("unknown opcode {:X}", header.start & 0x0f).into(), Kind::Other);
            }
        };
        (name.into(), kind)
    }

    fn header_parts(&self, header: Header, bytes: &[u8]) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut bytes = bytes;
        let mut plain = header.plain.iter().copied();
        let whole = self.masks_whole();
        if whole && let Some(key) = bytes.split_off(..4) {
            plain.by_ref().nth(3);
            let note = "mask key: each byte of the frame is XORed with one of these";
            parts.push(Part::new(Role::Mask, key, note));
        }
        let mut part = |role, len: usize, note: String| {
            let here = bytes.split_off(..len).unwrap_or_default();
            let plain: Vec<u8> = plain.by_ref().take(len).collect();
            parts.push(Part { unmasked: whole.then_some(plain), ..Part::new(role, here, note) });
        };
        part(Role::Start, 1, start_note(header));
        part(Role::Length, 1, self.second_note(header));
        if header.more > 0 {
            part(Role::Length, header.more, length_note(header));
        }
        let rest = bytes;
        if !rest.is_empty() {
            let note = match rest {
                [0, 0, 0, 0] => "mask key: changes nothing",
                _ => "mask key: each payload byte is XORed with one of these",
            };
            parts.push(Part::new(Role::Mask, rest, note));
        }
        parts
    }

    fn second_note(&self, header: Header) -> String {
        // RFC 6455 section 5.1: "a client MUST mask all frames", "a server MUST NOT mask any".
        let mask = match (header.second & 0x80 != 0, self.speaker) {
            (false, _) if !self.version.framing().payload_masked => "",
            (true, _) if !self.version.framing().payload_masked => "RSV4 without an extension; ",
            (true, Side::Client) => "masked; ",
            (false, Side::Backend) => "not masked; ",
            (true, Side::Backend) => "masked, which a server must not do; ",
            (false, Side::Client) => "not masked, which a client must do; ",
        };
        match header.second & 0x7f {
            126 => format!("{mask}126: the length is in the next 2 bytes"),
            127 => format!("{mask}127: the length is in the next 8 bytes"),
            len => format!("{mask}length {len}"),
        }
    }

    /// RFC 6455 section 5.5.1: two bytes of code, and then UTF-8 for a person.
    fn close_parts(&self, payload: &Payload, parts: &mut Vec<Part>) {
        let masked = payload.mask.is_some();
        let split = |kept: &Kept| {
            let (code, reason) = kept.bytes().split_at(kept.bytes().len().min(2));
            (code.to_vec(), reason.to_vec())
        };
        let (wire, plain) = (split(&payload.wire), split(&payload.unmasked));
        let code = if masked { &plain.0 } else { &wire.0 };
        let note: Cow<'static, str> = match code[..] {
            [] => return,
            [high, low] => self.code_note(u16::from_be_bytes([high, low])).into(),
            _ => "half of a close code".into(),
        };
        let unmasked = masked.then_some(plain.0);
        parts.push(Part { unmasked, ..Part::new(Role::Code, &wire.0, note) });
        if !wire.1.is_empty() {
            let (unmasked, omitted) = (masked.then_some(plain.1), payload.wire.omitted());
            parts.push(Part { unmasked, omitted, ..Part::new(Role::Payload, &wire.1, "reason") });
        }
    }

    fn code_note(&self, code: u16) -> String {
        // RFC 6455 section 7.4.1 and the registry of section 11.7.
        let meaning = match self.version.code_from_wire(code) {
            Err(_) => "which must not be on the wire",
            Ok(1000) => "normal closure",
            Ok(1001) => "going away",
            Ok(1002) => "protocol error",
            Ok(1003) => "unsupported data",
            Ok(1007) => "invalid data",
            Ok(1008) => "policy violation",
            Ok(1009) => "message too big",
            Ok(1010) => "extension missing",
            Ok(1011) => "internal error",
            Ok(3000..=3999) => "of a library or framework",
            Ok(4000..) => "of an application",
            Ok(_) => "registered later",
        };
        format!("close code {code}, {meaning}")
    }
}

impl Payload {
    fn feed(&mut self, bytes: &mut &[u8]) {
        let here = usize::try_from(self.remaining).map_or(bytes.len(), |r| r.min(bytes.len()));
        let Some(here) = bytes.split_off(..here) else { return };
        self.remaining -= here.len() as u64;
        self.wire.push(here);
        if let Some(mask) = &mut self.mask {
            // A frame that is not kept to its end needs no unmasking there.
            let mut plain = here.get(..here.len().min(SHOWN)).unwrap_or_default().to_vec();
            mask.apply(&mut plain);
            let rest = here.len() - plain.len();
            self.unmasked.push(&plain);
            self.unmasked.omit(rest as u64);
        }
    }

    fn part(self, what: &'static str) -> Part {
        let note = match self.mask {
            Some(_) => format!("{what}, masked").into(),
            None => Cow::from(what),
        };
        let unmasked = self.mask.map(|_| self.unmasked.bytes().to_vec());
        Part { unmasked, ..self.wire.part(Role::Payload, note) }
    }
}

fn start_note(header: Header) -> String {
    let opcode = header.opcode();
    let meaning = match opcode {
        Opcode::Continuation => "continuation",
        Opcode::Text => "text",
        Opcode::Binary => "binary",
        Opcode::Close => "close",
        Opcode::Ping => "ping",
        Opcode::Pong => "pong",
        Opcode::Reserved => "not defined",
    };
    let fin = match (header.version.framing().last, header.fin()) {
        (0, true) => "not MORE",
        (0, false) => "MORE fragments follow",
        (_, true) => "FIN",
        (_, false) => "no FIN: more fragments follow",
    };
    let mut note = format!("{fin}; opcode {:X}: {meaning}", header.start & 0x0f);
    // RFC 6455 section 5.2: "MUST be 0 unless an extension is negotiated".
    for (bit, name) in [(0x40, "RSV1"), (0x20, "RSV2"), (0x10, "RSV3")] {
        if header.start & bit != 0 {
            note.push_str(&format!("; {name} without an extension"));
        }
    }
    // RFC 6455 section 5.5.
    if opcode.is_control() && (!header.fin() || header.second & 0x7f > 125) {
        note.push_str("; a control frame must be short and whole");
    }
    note
}

fn length_note(header: Header) -> String {
    let Header { len, more, .. } = header;
    // RFC 6455 section 5.2: "the minimal number of bytes MUST be used", which came late, and "the
    // most significant bit MUST be 0".
    let strict = header.version >= Version::V13;
    let fault = match more {
        2 if strict && len < 126 => ", in more bytes than it needs",
        8 if strict && len <= u64::from(u16::MAX) => ", in more bytes than it needs",
        8 if len >> 63 != 0 => ", beyond 63 bits",
        _ => "",
    };
    format!("length {len}{fault}")
}
