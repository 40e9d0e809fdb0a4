//! The opening handshake as bytes: the fields as they were, and what is missing for its dialect made
//! up.

use crate::dialect::Dialect;
use crate::dialect::detect::detect;
use crate::dialect::hixie::Draft;
use crate::dialect::hixie::keys::{ANSWER_LEN, KEY3_LEN, answer, part};
use crate::dialect::hybi::frame_mask::ConnectionKey;
use crate::dialect::hybi::{Version, opening as hybi};
use crate::handshake::write_field;
use crate::transcript::event::{Accept, Open};
use crate::wire::grammar::is_token;
use crate::wire::head::{Request, Response};

/// key3, which was not recorded: that of the example in draft-hixie-76.
const KEY3: [u8; KEY3_LEN] = *b"^n:ds[4U";

/// A request, and what its answer has to prove.
#[derive(Debug)]
pub(super) struct Asked {
    /// With key3 behind the head, in Hixie-76.
    pub(super) bytes: Vec<u8>,
    pub(super) proof: Proof,
}

/// What an answer has to prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proof {
    Nothing,
    /// Bytes behind the head.
    Bytes([u8; ANSWER_LEN]),
    /// The field `Sec-WebSocket-Accept` for this key.
    Key(Vec<u8>),
}

impl Proof {
    /// What a client of draft-ietf-hybi-04 masks with who was answered so.
    pub(super) fn connection_key(&self, answer: &[u8]) -> Option<ConnectionKey> {
        let Self::Key(key) = self else { return None };
        let answer = Response::parse(answer).ok()?;
        Some(ConnectionKey::new(key, answer.fields.only("Sec-WebSocket-Nonce").ok()??))
    }
}

/// The request of a client.
pub(super) fn request(open: &Open) -> Asked {
    let mut bytes = head(open, open.fields.iter());
    let parsed = Request::parse(&bytes);
    if parsed.ok().and_then(|request| detect(&request).ok()) != Some(open.dialect) {
        let made_up = made_up(open);
        bytes = head(open, made_up.iter());
    }
    let parsed = Request::parse(&bytes);
    let field = |name| parsed.as_ref().ok().and_then(|request| request.fields.only(name).ok()?);
    let number = |name| field(name).and_then(|key| part(key).ok()).unwrap_or_default();
    let proof = match open.dialect {
        Dialect::Hixie(Draft::H75) => Proof::Nothing,
        dialect if dialect.has_key3() => {
            Proof::Bytes(answer(["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"].map(number), KEY3))
        }
        _ => field("Sec-WebSocket-Key").map_or(Proof::Nothing, |key| Proof::Key(key.to_owned())),
    };
    if matches!(proof, Proof::Bytes(_)) {
        bytes.extend(KEY3);
    }
    Asked { bytes, proof }
}

fn head<'f>(open: &Open, fields: impl Iterator<Item = &'f (String, String)>) -> Vec<u8> {
    let mut bytes = b"GET ".to_vec();
    bytes.extend(target(&open.target));
    bytes.extend(b" HTTP/1.1\r\n");
    write_fields(fields, &mut bytes);
    bytes
}

/// The fields without what contradicts the dialect, and with what it needs.
fn made_up(open: &Open) -> Vec<(String, String)> {
    const COMMON: [(&str, &str); 2] = [("Upgrade", "WebSocket"), ("Connection", "Upgrade")];
    // Those of the example in draft-hixie-76.
    const KEYS: [(&str, &str); 2] = [
        ("Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5"),
        ("Sec-WebSocket-Key2", "12998 5 Y3 1  .P00"),
    ];
    // That of the example in RFC 6455 section 1.3.
    const KEY: [(&str, &str); 1] = [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")];
    let (mark, needed): (_, &[(&str, &str)]) = match open.dialect {
        Dialect::Hixie(Draft::H75) => (None, &[("Origin", "null")]),
        Dialect::Hixie(Draft::H76) => (None, &KEYS),
        Dialect::Hybi(version) if version.opens_as_hixie() => {
            (Some(("Sec-WebSocket-Draft", version.number())), &KEYS)
        }
        Dialect::Hybi(version) => (Some(("Sec-WebSocket-Version", version.number())), &KEY),
    };
    let contradicts = |name: &str| {
        let name = name.to_ascii_lowercase();
        let other = match open.dialect {
            Dialect::Hixie(Draft::H75) => name.starts_with("sec-websocket-"),
            dialect if dialect.has_key3() => name == "sec-websocket-key",
            _ => matches!(&*name, "sec-websocket-key1" | "sec-websocket-key2"),
        };
        let told = ["upgrade", "connection", "sec-websocket-version", "sec-websocket-draft"];
        let body = ["content-length", "transfer-encoding"];
        other || told.iter().chain(&body).any(|field| name == *field)
    };
    let mut fields: Vec<_> =
        open.fields.iter().filter(|(name, _)| !contradicts(name)).cloned().collect();
    for (name, value) in COMMON.iter().chain(needed).copied().chain(mark) {
        if !fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            fields.push((name.to_owned(), value.to_owned()));
        }
    }
    fields
}

/// The answer of a server.
pub(super) fn response(dialect: Dialect, proof: &Proof, accept: &Accept) -> Vec<u8> {
    let Accept { status, fields } = accept;
    let reason = match (status, dialect) {
        (101, Dialect::Hixie(Draft::H75)) => "Web Socket Protocol Handshake",
        (101, dialect) if dialect.has_key3() => "WebSocket Protocol Handshake",
        (101, _) => "Switching Protocols",
        _ => "",
    };
    let mut bytes = format!("HTTP/1.1 {status:03} {reason}\r\n").into_bytes();
    let start = bytes.len();
    write_fields(fields.iter(), &mut bytes);
    if *status != 101 {
        return bytes;
    }
    let upgrades = Response::parse(&bytes).is_ok_and(|r| r.fields.lists("Upgrade", "websocket"));
    if !upgrades {
        let mut more = Vec::new();
        write_field("Upgrade", b"WebSocket", &mut more);
        write_field("Connection", b"Upgrade", &mut more);
        if let Proof::Key(key) = proof {
            write_field("Sec-WebSocket-Accept", hybi::accept(key).as_bytes(), &mut more);
        }
        if dialect == Dialect::Hybi(Version::V4) {
            // That of the example in draft-ietf-hybi-04.
            write_field("Sec-WebSocket-Nonce", b"H+cNj5elaybfGIQv1esl2w==", &mut more);
        }
        bytes.splice(start..start, more);
    }
    if let Proof::Bytes(proof) = proof {
        bytes.extend(proof);
    }
    bytes
}

/// Writes fields and the empty line behind them. What cannot stand there, which no head had, is
/// replaced.
fn write_fields<'f>(fields: impl Iterator<Item = &'f (String, String)>, out: &mut Vec<u8>) {
    for (name, value) in fields {
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii() && is_token(c.to_string().as_bytes()) { c } else { '_' })
            .collect();
        let value = value
            .chars()
            .map(|c| if matches!(c, '\0'..' ' | '\x7f') && c != '\t' { ' ' } else { c });
        let name = if name.is_empty() { "_" } else { &name };
        write_field(name, &latin1(value), out);
    }
    out.extend(b"\r\n");
}

/// Characters as they stand in a head: of Latin-1 in one byte, as they are read, others as UTF-8,
/// such as those around a pseudonym.
fn latin1(text: impl Iterator<Item = char>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for c in text {
        match u8::try_from(c) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    bytes
}

/// A target as it can stand in a request line.
fn target(target: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for byte in target.bytes() {
        match byte {
            b' '..=b'~' => bytes.push(byte),
            byte => bytes.extend(format!("%{byte:02X}").bytes()),
        }
    }
    if bytes.is_empty() {
        bytes.push(b'/');
    }
    bytes
}
