//! The transcript of a connection: what both streams say, in any cutting, and what is said of streams
//! that are damaged or something else.

mod damage;
mod opening;
mod session;

use crate::cuts;
use crate::peer::Voice;
use hybridge::dialect::Dialect;
use hybridge::dialect::hixie::Draft;
use hybridge::dialect::hybi::Version;
use hybridge::event::{Kind, Side};
use hybridge::transcript::conversation::{Conversation, Found, Mark};
use hybridge::transcript::event::{End, How, Message, What};

/// A key3, and what answers the keys of [`request`] and it.
const KEY3: &[u8] = b"^n:ds[4U";
const ANSWER: &[u8] = b"8jKS'y:G*Co,Wxa-";

/// What a client sends to open a session, without key3.
fn request(dialect: Dialect, more: &str) -> Vec<u8> {
    const KEYS: &str = "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
        Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n";
    let fields = match dialect {
        Dialect::Hixie(Draft::H75) => String::new(),
        Dialect::Hixie(Draft::H76) => KEYS.to_owned(),
        Dialect::Hybi(version) if version <= Version::V3 => {
            format!("{KEYS}Sec-WebSocket-Draft: {}\r\n", version.number())
        }
        Dialect::Hybi(version) => {
            let number = version.number();
            format!(
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {number}\r\n"
            )
        }
    };
    format!(
        "GET /demo HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: example.com\r\n\
         Origin: http://example.com\r\n{fields}{more}\r\n"
    )
    .into_bytes()
}

/// What a server sends that takes it, without the answer to the keys. It says what no client could
/// take for a proof: a capture shows what was said.
fn response(more: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\n\
         Connection: Upgrade\r\n{more}\r\n"
    )
    .into_bytes()
}

/// The whole opening of a dialect.
fn opening(dialect: Dialect) -> Vec<(Side, Vec<u8>)> {
    let keys = match dialect {
        Dialect::Hixie(draft) => draft == Draft::H76,
        Dialect::Hybi(version) => version <= Version::V3,
    };
    let (key3, answer) = if keys { (KEY3, ANSWER) } else { (&b""[..], &b""[..]) };
    vec![
        (Side::Client, [&request(dialect, "")[..], key3].concat()),
        (Side::Backend, [&response("")[..], answer].concat()),
    ]
}

/// A connection, and all that was told of it.
#[derive(Debug, Default)]
struct Listener {
    conversation: Conversation,
    told: Vec<What>,
}

impl Listener {
    /// One that has heard the opening of a dialect, which is not told again.
    fn behind_opening(dialect: Dialect) -> Self {
        let mut listener = Self::default();
        for (from, bytes) in opening(dialect) {
            listener.feed(from, &bytes);
        }
        assert!(matches!(listener.take()[..], [What::Open(_), What::Accept(_)]));
        listener
    }

    fn feed(&mut self, from: Side, bytes: &[u8]) {
        self.feed_acked(from, bytes, None);
    }

    fn feed_acked(&mut self, from: Side, bytes: &[u8], acked: Option<u64>) {
        let mark = Mark { acked, ..Mark::default() };
        self.conversation.feed(from, bytes, mark, &mut |_, what| self.told.push(what));
    }

    fn gap(&mut self, from: Side, bytes: u64) {
        self.conversation.gap(from, bytes, Mark::default(), &mut |_, what| self.told.push(what));
    }

    fn end(&mut self, from: Side, reset: bool) {
        self.conversation.end(from, reset, Mark::default(), &mut |_, what| self.told.push(what));
    }

    fn cut(&mut self) {
        self.conversation.cut(Mark::default(), &mut |_, what| self.told.push(what));
    }

    fn take(&mut self) -> Vec<What> {
        std::mem::take(&mut self.told)
    }

    fn found(&self) -> Found {
        self.conversation.found()
    }
}

/// What is told of a script whose every speech is cut so.
fn heard(script: &[(Side, Vec<u8>)], cuts: &[Vec<usize>]) -> Listener {
    let mut listener = Listener::default();
    for (at, (from, bytes)) in script.iter().enumerate() {
        let places = cuts.get(at).map_or(&[][..], Vec::as_slice);
        for piece in cuts::pieces(bytes, places) {
            listener.feed(*from, piece);
        }
    }
    listener
}

/// Hears a script in every way it can be cut, one speech at a time, and as it is; each way must tell
/// the same.
fn heard_in_any_cutting(script: &[(Side, Vec<u8>)]) -> Listener {
    let whole = heard(script, &[]);
    for (at, (_, bytes)) in script.iter().enumerate() {
        for way in cuts::ways(bytes.len()) {
            let mut cuts = vec![Vec::new(); script.len()];
            cuts[at] = way;
            let told = heard(script, &cuts);
            let shown = cuts::describe(&cuts[at]);
            assert_eq!(told.told, whole.told, "speech {at}, {shown}");
            assert_eq!(told.found(), whole.found(), "speech {at}, {shown}");
        }
    }
    whole
}

fn text(from: Side, data: &str, seen: u64) -> What {
    What::Message(Message { from, kind: Kind::Text, data: data.into(), seen })
}

fn binary(from: Side, data: &[u8], seen: u64) -> What {
    What::Message(Message { from, kind: Kind::Binary, data: data.into(), seen })
}

fn end(by: Option<Side>, how: How, clean: bool) -> What {
    What::End(End { by, how, clean })
}

fn fault(from: Side, words: &str) -> What {
    What::Fault { from, fault: words.to_owned() }
}

const fn voice(dialect: Dialect, side: Side) -> Voice {
    Voice { dialect, side }
}
