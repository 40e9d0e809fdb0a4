//! Conversations, and what is to be told of them: scripts of sessions become the segments of TCP
//! connections, and the truth.

use super::packets::{ACK, FIN, Flow, PSH, RST, SYN, Segment, len32};
use super::peer::{Line, Voice};
use super::said::Said;
use flate2::{Compress, Compression, FlushCompress};
use hybridge::dialect::Dialect;
use hybridge::dialect::hixie::Draft;
use hybridge::dialect::hybi::Version;
use hybridge::event::{Kind, Side, Sides};
use hybridge::transcript::event::How;

const KEY3: &[u8] = b"^n:ds[4U";
const ANSWER: &[u8] = b"8jKS'y:G*Co,Wxa-";

/// A session to be.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) dialect: Dialect,
    pub(crate) target: String,
    /// permessage-deflate, with or without a context that lasts.
    pub(crate) deflate: Option<Takeover>,
    /// Requests and responses before the opening.
    pub(crate) plain: Vec<(Vec<u8>, Vec<u8>)>,
    /// More fields of the request.
    pub(crate) fields: String,
    pub(crate) status: u16,
    pub(crate) says: Vec<Say>,
    pub(crate) end: Ending,
    /// How long the data of a segment is at most.
    pub(crate) segment: usize,
}

/// Whether what was compressed before is referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takeover {
    Context,
    None,
}

/// Who ends a connection first, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) by: Side,
    pub(crate) how: How,
}

/// One thing to be said.
#[derive(Debug, Clone)]
pub(crate) struct Say {
    pub(crate) from: Side,
    pub(crate) line: Line,
    /// A ping behind the first fragment of the message.
    pub(crate) ping: Option<Vec<u8>>,
    /// Whether it is sent before what the other side said last has come.
    pub(crate) crossing: bool,
}

/// What is to be told of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) connection: usize,
    pub(crate) flow: Flow,
    pub(crate) dialect: Dialect,
    pub(crate) target: String,
    pub(crate) status: u16,
    /// In the order of both sides, with what had been seen.
    pub(crate) said: Vec<(Side, Said, u64)>,
    pub(crate) by: Side,
    pub(crate) how: How,
    /// Whether both sides have said a close.
    pub(crate) closed: bool,
}

impl Session {
    /// Whether it has ended in order: RFC 6455 section 7.1.4, and the drafts that end by FIN.
    pub(crate) fn is_clean(&self) -> bool {
        let fin = self.how == How::Fin;
        let refused = self.status != 101;
        (self.closed && !refused) || fin && (refused || matches!(self.dialect, Dialect::Hixie(_)))
    }

    /// What a side said.
    pub(crate) fn said_by(&self, side: Side) -> Vec<&Said> {
        self.said.iter().filter(|(from, ..)| *from == side).map(|(_, said, _)| said).collect()
    }
}

impl Script {
    pub(crate) fn new(dialect: Dialect, target: &str) -> Self {
        Self {
            dialect,
            target: target.to_owned(),
            deflate: None,
            plain: Vec::new(),
            fields: String::new(),
            status: 101,
            says: Vec::new(),
            end: Ending { by: Side::Client, how: How::Fin },
            segment: 1448,
        }
    }

    pub(crate) fn say(mut self, from: Side, line: Line) -> Self {
        self.says.push(Say { from, line, ping: None, crossing: false });
        self
    }

    /// A text that the sender says when it has heard all of the other side.
    pub(crate) fn text(self, from: Side, text: &str) -> Self {
        self.say(from, Line::Message(Kind::Text, vec![text.into()]))
    }

    pub(crate) fn binary(self, from: Side, bytes: Vec<u8>) -> Self {
        self.say(from, Line::Message(Kind::Binary, vec![bytes]))
    }

    /// Changes what was added last.
    pub(crate) fn crossing(mut self) -> Self {
        self.says.last_mut().unwrap().crossing = true;
        self
    }

    pub(crate) fn close(self, first: Side, code: Option<(u16, &str)>) -> Self {
        let line = Line::Close(code.map(|(code, text)| (code, text.into())));
        self.say(first, line.clone()).say(first.other(), line)
    }

    pub(crate) const fn end(mut self, by: Side, how: How) -> Self {
        self.end = Ending { by, how };
        self
    }

    /// The segments of the session, and what is to be told of it.
    pub(crate) fn play(&self, number: usize, flow: Flow) -> (Vec<Segment>, Session) {
        let mut line = Connection::open(number, flow, self.segment);
        for (request, response) in &self.plain {
            line.send(Side::Client, request, false);
            line.send(Side::Backend, response, false);
        }
        let has_keys = match self.dialect {
            Dialect::Hixie(draft) => draft == Draft::H76,
            Dialect::Hybi(version) => version <= Version::V3,
        };
        line.send(Side::Client, &self.request(), false);
        if has_keys {
            line.send(Side::Client, KEY3, false);
        }
        line.send(Side::Backend, &self.response(), false);
        if has_keys && self.status == 101 {
            line.send(Side::Backend, ANSWER, false);
        }
        line.is_opening = false;
        let mut said = Vec::new();
        let mut ends = Sides::<Vec<u32>>::default();
        let mut coders = Sides { client: Coder::new(self), backend: Coder::new(self) };
        let mut closed = Sides::<bool>::default();
        for say in &self.says {
            let from = say.from;
            let spoken = coders[from].speak(Voice { dialect: self.dialect, side: from }, say);
            line.prepare(from, say.crossing);
            let heard = line.received[from];
            let seen = ends[from.other()].iter().filter(|end| **end <= heard).count() as u64;
            line.send(from, &spoken.bytes, say.crossing);
            for one in spoken.said {
                match &one {
                    Said::Message(..) => ends[from].push(line.sent[from]),
                    Said::Close(_) => closed[from] = true,
                    Said::Ping(_) | Said::Pong(_) => {}
                }
                said.push((from, one, seen));
            }
        }
        line.close(self.end);
        let session = Session {
            connection: number,
            flow,
            dialect: self.dialect,
            target: self.target.clone(),
            status: self.status,
            said,
            by: self.end.by,
            how: self.end.how,
            closed: closed.client && closed.backend,
        };
        (line.segments, session)
    }

    fn request(&self) -> Vec<u8> {
        const KEYS: &str = "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
            Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n";
        let keys = match self.dialect {
            Dialect::Hixie(Draft::H75) => String::new(),
            Dialect::Hixie(Draft::H76) => KEYS.to_owned(),
            Dialect::Hybi(version) if version <= Version::V3 => {
                format!("{KEYS}Sec-WebSocket-Draft: {}\r\n", version.number())
            }
            Dialect::Hybi(version) => format!(
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {}\r\n",
                version.number()
            ),
        };
        let (target, fields, extension) = (&self.target, &self.fields, self.extension());
        format!(
            "GET {target} HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
             Host: example.com\r\nOrigin: http://example.com\r\n{keys}{extension}{fields}\r\n"
        )
        .into_bytes()
    }

    fn response(&self) -> Vec<u8> {
        if self.status != 101 {
            let status = self.status;
            return format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno").into_bytes();
        }
        let accept = match self.dialect {
            Dialect::Hixie(Draft::H75) => {
                "WebSocket-Origin: http://example.com\r\n\
                 WebSocket-Location: ws://example.com/\r\n"
            }
            Dialect::Hixie(Draft::H76) => {
                "Sec-WebSocket-Origin: http://example.com\r\n\
                 Sec-WebSocket-Location: ws://example.com/\r\n"
            }
            Dialect::Hybi(_) => "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        };
        let extension = self.extension();
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
             {accept}{extension}\r\n"
        )
        .into_bytes()
    }

    const fn extension(&self) -> &'static str {
        match self.deflate {
            None => "",
            Some(Takeover::Context) => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
            Some(Takeover::None) => {
                "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; \
                 server_no_context_takeover\r\n"
            }
        }
    }
}

/// What one thing that is said comes to.
struct Spoken {
    bytes: Vec<u8>,
    said: Vec<Said>,
}

/// How a side makes bytes of what it says.
struct Coder {
    deflate: Option<(Takeover, Compress)>,
    key: [u8; 4],
}

impl Coder {
    fn new(script: &Script) -> Self {
        let compress = |takeover| (takeover, Compress::new(Compression::default(), false));
        Self { deflate: script.deflate.map(compress), key: [0x37, 0xfa, 0x21, 0x3d] }
    }

    fn speak(&mut self, voice: Voice, say: &Say) -> Spoken {
        self.key = self.key.map(|byte| byte.wrapping_mul(5).wrapping_add(1));
        let key = self.key;
        let silent = !voice.is_hybi();
        let said = match &say.line {
            Line::Ping(_) | Line::Pong(_) if silent => None,
            Line::Close(_) if voice.dialect == Dialect::Hixie(Draft::H75) => None,
            Line::Close(_) if !voice.has_codes() => Some(Said::Close(None)),
            Line::Message(kind, parts) => Some(Said::Message(*kind, parts.concat())),
            Line::Ping(data) => Some(Said::Ping(data.clone())),
            Line::Pong(data) => Some(Said::Pong(data.clone())),
            Line::Close(reason) => Some(Said::Close(reason.clone())),
            Line::Raw(_) => None,
        };
        let mut said: Vec<Said> = said.into_iter().collect();
        let bytes = match &say.line {
            Line::Message(kind, parts) if voice.is_hybi() => {
                let (rsv1, parts) = match &mut self.deflate {
                    Some(deflate) => (0x40, deflated(deflate, parts)),
                    None => (0, parts.clone()),
                };
                let mut bytes = Vec::new();
                for (at, part) in parts.iter().enumerate() {
                    let start = if *kind == Kind::Text { 1 } else { 2 };
                    let start = if at == 0 { start | rsv1 } else { 0 };
                    let fin = if at + 1 == parts.len() { 0x80 } else { 0 };
                    bytes.extend(voice.frame(start | fin, part, key));
                    if let (0, false, Some(ping)) = (at, fin == 0x80, &say.ping) {
                        bytes.extend(voice.frame(0x89, ping, key));
                        said.insert(0, Said::Ping(ping.clone()));
                    }
                }
                bytes
            }
            line => voice.say(line, key),
        };
        Spoken { bytes, said }
    }
}

/// RFC 7692 section 7.2.1: each message is flushed, and the empty block behind it left out. The
/// parts are as many as before, and of other lengths.
fn deflated(deflate: &mut (Takeover, Compress), parts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (takeover, compress) = deflate;
    if *takeover == Takeover::None {
        compress.reset();
    }
    let data = parts.concat();
    let mut out = Vec::with_capacity(data.len() + 1024);
    compress.compress_vec(&data, &mut out, FlushCompress::Sync).unwrap();
    if data.is_empty() {
        // Section 7.2.3.6: nothing to flush is an empty block of its own.
        out = vec![0x00, 0x00, 0x00, 0xff, 0xff];
    }
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]), "there was room for all of it");
    out.truncate(out.len() - 4);
    let each = out.len().div_ceil(parts.len()).max(1);
    let mut pieces: Vec<Vec<u8>> = out.chunks(each).map(<[u8]>::to_vec).collect();
    pieces.resize(parts.len(), Vec::new());
    pieces
}

/// The segments of a connection on which something else is said.
pub(crate) fn other(number: usize, flow: Flow, says: &[(Side, &[u8])]) -> Vec<Segment> {
    let mut line = Connection::open(number, flow, 1448);
    says.iter().for_each(|(from, bytes)| line.send(*from, bytes, false));
    line.close(Ending { by: Side::Client, how: How::Fin });
    line.segments
}

/// A TCP connection.
struct Connection {
    number: usize,
    flow: Flow,
    segment: usize,
    /// How many bytes each side has sent.
    sent: Sides<u32>,
    /// How many bytes of the other side each has received and acknowledged.
    received: Sides<u32>,
    first: Sides<u32>,
    segments: Vec<Segment>,
    is_opening: bool,
}

impl Connection {
    fn open(number: usize, flow: Flow, segment: usize) -> Self {
        let salt = u32::try_from(number).unwrap();
        let first = Sides {
            client: 0x1234_5678_u32.wrapping_add(salt.wrapping_mul(0x0101_0101)),
            backend: 0x9abc_def0_u32.wrapping_sub(salt.wrapping_mul(0x0203_0405)),
        };
        let (sent, received) = (Sides::default(), Sides::default());
        let segments = Vec::new();
        let is_opening = true;
        let mut line = Self { number, flow, segment, sent, received, first, segments, is_opening };
        line.push(Side::Client, SYN, &[]);
        line.push(Side::Backend, SYN | ACK, &[]);
        line.push(Side::Client, ACK, &[]);
        line
    }

    fn push(&mut self, from: Side, flags: u8, data: &[u8]) {
        let behind_syn = u32::from(flags & SYN == 0);
        let seq = self.first[from].wrapping_add(behind_syn).wrapping_add(self.sent[from]);
        let other = self.first[from.other()].wrapping_add(1);
        let ack = if flags & ACK == 0 { 0 } else { other.wrapping_add(self.received[from]) };
        self.segments.push(Segment {
            connection: self.number,
            flow: self.flow,
            from,
            seq,
            ack,
            flags,
            window: 64_240,
            urgent: 0,
            options: Vec::new(),
            data: data.to_vec(),
            is_opening: self.is_opening,
        });
        self.sent[from] += len32(data);
    }

    /// Receives what is on its way, unless what comes crosses it; now and then that is acknowledged
    /// by a segment of its own.
    fn prepare(&mut self, from: Side, crossing: bool) {
        let there = self.sent[from.other()];
        if crossing || self.received[from] == there {
            return;
        }
        self.received[from] = there;
        if there.is_multiple_of(2) {
            self.push(from, ACK, &[]);
        }
    }

    fn send(&mut self, from: Side, bytes: &[u8], crossing: bool) {
        self.prepare(from, crossing);
        for piece in bytes.chunks(self.segment) {
            self.push(from, PSH | ACK, piece);
        }
    }

    fn close(&mut self, end: Ending) {
        let (by, other) = (end.by, end.by.other());
        self.prepare(by, false);
        if end.how == How::Reset {
            return self.push(by, RST | ACK, &[]);
        }
        self.push(by, FIN | ACK, &[]);
        self.sent[by] += 1;
        self.received[other] = self.sent[by];
        self.push(other, ACK, &[]);
        self.push(other, FIN | ACK, &[]);
        self.sent[other] += 1;
        self.received[by] = self.sent[other];
        self.push(by, ACK, &[]);
    }
}
