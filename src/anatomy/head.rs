//! The heads of an opening handshake, line by line, with what follows them in draft-hixie-76: key3
//! behind the request, 16 bytes behind the answer.

use super::kept::Kept;
use super::{Frame, Hex, Kind, Part, Role};
use crate::dialect::Dialect;
use crate::dialect::hixie::keys;
use crate::dialect::hybi::opening::accept;
use crate::event::Side;
use crate::wire::grammar;
use memchr::memchr;
use std::borrow::Cow;

/// How much of a line is kept, in bytes: any field of a handshake, and a long target.
const LINE_SHOWN: usize = 512;

/// How many lines are kept. Browsers of today send about fifteen.
const LINES_SHOWN: usize = 40;

/// What a bystander is not to read (RFC 9110 section 17.16.1): only the name is kept.
const SECRETS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "set-cookie"];

/// A head that is being read.
#[derive(Debug)]
pub(super) struct Head {
    dialect: Option<Dialect>,
    speaker: Side,
    line: Kept,
    parts: Vec<Part>,
    state: State,
    start: Start,
    /// The numbers of Key1 and Key2.
    numbers: [Option<u32>; 2],
}

#[derive(Debug, Clone, Copy)]
enum State {
    Lines,
    /// In the bytes behind the head.
    Tail {
        missing: usize,
    },
}

/// What the start line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Missing,
    Request,
    Status(u16),
    Malformed,
}

/// What comes behind a head.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next {
    Head,
    Frames,
    Body,
    Garbage,
}

impl Head {
    pub(super) const fn new(dialect: Option<Dialect>, speaker: Side) -> Self {
        Self {
            dialect,
            speaker,
            line: Kept::new(LINE_SHOWN),
            parts: Vec::new(),
            state: State::Lines,
            start: Start::Missing,
            numbers: [None; 2],
        }
    }

    /// Takes bytes up to the end of the head and what belongs to it.
    pub(super) fn feed(&mut self, bytes: &mut &[u8]) -> Option<(Option<Frame>, Next)> {
        while !bytes.is_empty() {
            match self.state {
                State::Lines => {
                    // No method and no version begins otherwise: TLS on a port that has none, say.
                    let begins = self.line.is_empty() && self.start == Start::Missing;
                    if begins && bytes.first().is_some_and(|first| !first.is_ascii_alphabetic()) {
                        return Some((None, Next::Garbage));
                    }
                    let end = memchr(b'\n', bytes);
                    self.line.push(bytes.split_off(..end.map_or(bytes.len(), |at| at + 1))?);
                    if end.is_none() || !self.end_line() {
                        continue;
                    }
                    match self.tail() {
                        0 => return Some(self.end()),
                        missing => {
                            self.line = Kept::new(missing);
                            self.state = State::Tail { missing };
                        }
                    }
                }
                State::Tail { missing } => {
                    let tail = bytes.split_off(..missing.min(bytes.len()))?;
                    self.line.push(tail);
                    let missing = missing - tail.len();
                    self.state = State::Tail { missing };
                    if missing == 0 {
                        let tail = self.line.take();
                        let note = self.tail_note(tail.bytes());
                        self.parts.push(tail.part(Role::Key, note));
                        return Some(self.end());
                    }
                }
            }
        }
        None
    }

    /// What there is of a head whose rest never came.
    pub(super) fn cut(&mut self) -> Option<Frame> {
        let rest = self.line.take();
        if !rest.is_empty() {
            self.parts.push(rest.part(Role::Unknown, "the stream ended here"));
        }
        let parts = std::mem::take(&mut self.parts);
        (!parts.is_empty()).then(|| Frame::cut("opening handshake", parts))
    }

    /// Takes the line that has ended; whether it is the empty one behind the head.
    fn end_line(&mut self) -> bool {
        let line = self.line.take();
        let text = line.bytes();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text).to_vec();
        if text.is_empty() && line.is_whole() {
            self.parts.push(line.part(Role::Line, "end of the head"));
            return true;
        }
        if self.parts.len() >= LINES_SHOWN {
            // All that is too much becomes one part.
            if let Some(last) = self.parts.last_mut() {
                last.omitted += line.bytes().len() as u64 + line.omitted();
                last.note = "and lines that are not shown".into();
            }
            return false;
        }
        let part = if self.start == Start::Missing {
            let note = self.start_line(&text);
            line.part(Role::Line, note)
        } else {
            self.field(&text, line)
        };
        self.parts.push(part);
        false
    }

    fn start_line(&mut self, line: &[u8]) -> Cow<'static, str> {
        let (start, note) = match self.speaker {
            Side::Client if grammar::request_line(line).is_some() => {
                (Start::Request, "request line".into())
            }
            Side::Backend => match grammar::status_line(line) {
                Some((status, _)) => (Start::Status(status), status_note(status).into()),
                None => (Start::Malformed, "no status line".into()),
            },
            Side::Client => (Start::Malformed, "no request line of HTTP/1.1".into()),
        };
        self.start = start;
        note
    }

    fn field(&mut self, text: &[u8], line: Kept) -> Part {
        let Some((name, value)) = grammar::field_line(text) else {
            return line.part(Role::Unknown, "no header field");
        };
        let lower = name.to_ascii_lowercase();
        if SECRETS.contains(&lower.as_str()) {
            let mut shown = Kept::new(LINE_SHOWN);
            shown.push(name.as_bytes());
            shown.omit(line.bytes().len() as u64 + line.omitted() - name.len() as u64);
            return shown.part(Role::Line, "its value is not shown");
        }
        let (role, note) = self.field_note(&lower, value);
        line.part(role, note)
    }

    fn field_note(&mut self, name: &str, value: &[u8]) -> (Role, Cow<'static, str>) {
        let asks = self.speaker == Side::Client;
        let note = match name {
            "host" => "the server that is meant",
            "upgrade" if asks => "asks to speak WebSocket",
            "upgrade" => "agrees to speak WebSocket",
            "connection" => "Upgrade is for this hop alone",
            "origin" => "the page that the client runs in",
            "sec-websocket-origin" if asks => "the page, by the name of the drafts up to 10",
            "sec-websocket-origin" | "websocket-origin" => "the origin, said again",
            "sec-websocket-location" | "websocket-location" => "the address, said again",
            "sec-websocket-protocol" | "websocket-protocol" if asks => "subprotocols offered",
            "sec-websocket-protocol" | "websocket-protocol" => "the subprotocol chosen",
            "sec-websocket-extensions" if asks => "extensions offered",
            "sec-websocket-extensions" => "extensions chosen",
            "sec-websocket-version" => match value {
                b"13" => "RFC 6455",
                b"8" => "draft-ietf-hybi-08 to 12",
                b"7" => "draft-ietf-hybi-07",
                b"6" => "draft-ietf-hybi-06",
                b"5" => "draft-ietf-hybi-05",
                b"4" => "draft-ietf-hybi-04",
                _ => "a version that is not spoken here",
            },
            "sec-websocket-draft" => match value {
                b"0" => "draft-ietf-hybi-00, which is draft-hixie-76",
                b"1" => "draft-ietf-hybi-01",
                b"2" | b"3" => "draft-ietf-hybi-02 or 03",
                _ => "a draft that is not spoken here",
            },
            "sec-websocket-nonce" => {
                return (Role::Key, "random; makes the masks together with the key".into());
            }
            "sec-websocket-key" => {
                let due = accept(value);
                return (Role::Key, format!("random; the answer that is due: {due}").into());
            }
            "sec-websocket-accept" => {
                let note =
                    "SHA-1 of the key and a fixed text, in base64: proves a WebSocket server";
                return (Role::Key, note.into());
            }
            "sec-websocket-key1" => return (Role::Key, self.key_note(0, value).into()),
            "sec-websocket-key2" => return (Role::Key, self.key_note(1, value).into()),
            _ => "",
        };
        (Role::Line, note.into())
    }

    /// Draft-hixie-76, 5.2: the digits of a key as a number, divided by its spaces.
    fn key_note(&mut self, index: usize, key: &[u8]) -> String {
        let digits: Vec<u8> = key.iter().copied().filter(u8::is_ascii_digit).collect();
        let spaces = key.iter().filter(|byte| **byte == b' ').count();
        match keys::part(key) {
            Ok(number) => {
                if let Some(place) = self.numbers.get_mut(index) {
                    *place = Some(number);
                }
                let digits = String::from_utf8_lossy(&digits);
                format!("digits {digits} ÷ {spaces} spaces = {number}")
            }
            Err(fault) => fault.to_string(),
        }
    }

    /// How many bytes behind the head belong to the handshake.
    fn tail(&self) -> usize {
        match self.start {
            _ if !self.dialect.is_some_and(Dialect::has_key3) => 0,
            Start::Request => keys::KEY3_LEN,
            Start::Status(101) => keys::ANSWER_LEN,
            _ => 0,
        }
    }

    fn tail_note(&self, tail: &[u8]) -> Cow<'static, str> {
        if self.speaker == Side::Backend {
            return "MD5 over both numbers and key3: proves a WebSocket server".into();
        }
        match (self.numbers, tail.first_chunk::<{ keys::KEY3_LEN }>()) {
            ([Some(first), Some(second)], Some(key3)) => {
                let due = keys::answer([first, second], *key3);
                format!("key3; the MD5 that is due: {}", Hex(&due)).into()
            }
            _ => "key3".into(),
        }
    }

    fn end(&mut self) -> (Option<Frame>, Next) {
        let parts = std::mem::take(&mut self.parts);
        let (name, kind, next): (Cow<'static, str>, _, _) = match self.start {
            Start::Request => ("opening handshake".into(), Kind::Opening, Next::Frames),
            Start::Status(101) => ("opening handshake, answer".into(), Kind::Opening, Next::Frames),
            // RFC 9110 section 15.2: the final answer is still to come.
            Start::Status(status @ 100..=199) => {
                (format!("interim answer {status}").into(), Kind::Other, Next::Head)
            }
            Start::Status(status) => {
                (format!("refusal {status}").into(), Kind::Opening, Next::Body)
            }
            Start::Missing | Start::Malformed => ("malformed head".into(), Kind::Other, Next::Body),
        };
        (Some(Frame::new(name, kind, parts)), next)
    }
}

const fn status_note(status: u16) -> &'static str {
    match status {
        101 => "accepted: what follows is WebSocket",
        100..=199 => "an interim answer",
        _ => "refused",
    }
}
