//! The opening handshake of a client under test: its request judged, and the answer that the kit gives.

use super::agreement::{FIELD, is_offered};
use super::case::{Change, Grade};
use super::head::Head;
use super::proof::{accept, answer, connection_key, is_sixteen_bytes, number};
use super::request::{self, Draught, Findings, has_key3};
use crate::dialect::Dialect;
use crate::dialect::hixie::Draft;
use crate::dialect::hybi::Version;

/// The nonce of the kit as a server of draft-ietf-hybi-04.
const NONCE: &str = "H+cNj5elaybfGIQv1esl2w==";

/// A client's request, whole.
#[derive(Debug, Clone)]
pub struct Asked {
    pub(super) head: Head,
    pub(super) key3: Vec<u8>,
    /// What came behind it.
    pub(super) rest: Vec<u8>,
    /// What the client may speak, the likeliest first.
    pub dialects: Vec<Dialect>,
    /// The request target.
    pub target: String,
}

impl Asked {
    /// Whether it offers permessage-deflate.
    pub fn offers_compression(&self) -> bool {
        is_offered(&self.head.all(FIELD))
    }

    /// Reads a request; `None` when it goes on. What it takes is gone from `bytes`.
    ///
    /// # Errors
    /// When it is none, or has no end.
    pub fn read(bytes: &mut Vec<u8>) -> Result<Option<Self>, String> {
        let mut rest = bytes.clone();
        let Some(head) = Head::take(&mut rest) else {
            return match bytes.len() {
                ..=super::head::LONGEST => Ok(None),
                _ => Err("a request without an end".to_owned()),
            };
        };
        let dialects = dialects(&head);
        let first = dialects.first().ok_or("a request of no dialect that is known")?;
        let mut key3 = Vec::new();
        if has_key3(*first) {
            if rest.len() < 8 {
                return Ok(None);
            }
            key3 = rest.drain(..8).collect();
        }
        bytes.clear();
        let target = head.line.split(' ').nth(1).unwrap_or_default().to_owned();
        Ok(Some(Self { head, key3, rest, dialects, target }))
    }
}

/// What a client may speak, by the marks of its request.
fn dialects(head: &Head) -> Vec<Dialect> {
    const HIXIE: Dialect = Dialect::Hixie(Draft::H76);
    let hybi = Dialect::Hybi;
    if let Some(version) = head.only("Sec-WebSocket-Version") {
        let all = [Version::V4, Version::V5, Version::V6, Version::V7, Version::V8, Version::V13];
        let same = all.into_iter().filter(|known| request::number(*known).as_bytes() == version);
        return same.map(hybi).collect();
    }
    let has_keys = head.all("Sec-WebSocket-Key1").len() + head.all("Sec-WebSocket-Key2").len() > 0;
    match head.only("Sec-WebSocket-Draft") {
        Some(b"1") if has_keys => vec![hybi(Version::V1)],
        Some(b"2" | b"3") if has_keys => vec![hybi(Version::V3), hybi(Version::V2), HIXIE],
        // draft-ietf-hybi-01 defined no mark.
        _ if has_keys => vec![HIXIE, hybi(Version::V1)],
        _ if head.is("Upgrade", "WebSocket") => vec![Dialect::Hixie(Draft::H75)],
        _ => Vec::new(),
    }
}

/// What is wrong with a request.
pub(super) fn judge(dialect: Dialect, asked: &Asked) -> Findings {
    let head = &asked.head;
    let mut findings: Findings = head.faults.iter().map(|f| (Grade::Fail, f.clone())).collect();
    let mut find = |grade, is_wrong: bool, what: &str| {
        if is_wrong {
            findings.push((grade, what.to_owned()));
        }
    };
    let (fail, lax) = (Grade::Fail, Grade::NonStrict);
    let is_get = head.line.starts_with("GET ") && head.line.ends_with(" HTTP/1.1");
    find(fail, !is_get, "it is no GET of HTTP/1.1");
    find(fail, head.only("Host").is_none_or(<[u8]>::is_empty), "there is not one Host");
    for name in ["Upgrade", "Connection"] {
        find(fail, head.all(name).len() != 1, &format!("there is not one {name}"));
    }
    let has_body = ["Content-Length", "Transfer-Encoding"].iter().any(|n| !head.all(n).is_empty());
    find(lax, has_body, "it announces a body");
    find(fail, !asked.rest.is_empty(), "it says something before it is answered");
    if !matches!(dialect, Dialect::Hixie(_)) && !has_key3(dialect) {
        find(fail, !head.is("Upgrade", "websocket"), "Upgrade is not websocket");
        find(fail, !head.lists("Connection", "upgrade"), "Connection does not list Upgrade");
        let key = head.only("Sec-WebSocket-Key");
        find(fail, !key.is_some_and(is_sixteen_bytes), "the key is not 16 bytes in base64");
        find(fail, !head.all("Sec-WebSocket-Accept").is_empty(), "it has an Accept of its own");
        return findings;
    }
    let upgrade = head.only("Upgrade");
    find(fail, upgrade != Some(b"WebSocket"), "Upgrade is not exactly WebSocket");
    find(fail, head.only("Connection") != Some(b"Upgrade"), "Connection is not exactly Upgrade");
    find(fail, head.only("Origin").is_none(), "there is not one Origin");
    if has_key3(dialect) {
        for name in ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"] {
            let is_sound = head.only(name).is_some_and(|key| number(key).is_some());
            find(fail, !is_sound, &format!("{name} is no key"));
        }
    } else {
        // "Always the first name-value pair" and so on to the fourth (draft-hixie-75, "Reading the
        // client's opening handshake").
        let names = head.fields.iter().take(4).map(|(name, _)| name.as_str());
        let is_in_order = names.eq(["Upgrade", "Connection", "Host", "Origin"]);
        find(fail, !is_in_order, "the first four fields are not those of the draft");
    }
    findings
}

/// The kit's answer, and the key of the connection in draft-ietf-hybi-04.
pub(super) fn respond(dialect: Dialect, asked: &Asked, changes: &[Change]) -> (Draught, Vec<u8>) {
    let head = &asked.head;
    let (mut made, mut key) = (Draught::default(), Vec::new());
    let value = |name: &str| head.only(name).unwrap_or_default();
    if matches!(dialect, Dialect::Hixie(_)) || has_key3(dialect) {
        let is_75 = dialect == Dialect::Hixie(Draft::H75);
        let (phrase, prefix) = if is_75 { ("Web Socket", "") } else { ("WebSocket", "Sec-") };
        made.line = format!("HTTP/1.1 101 {phrase} Protocol Handshake");
        made.add("Upgrade", "WebSocket");
        made.add("Connection", "Upgrade");
        made.add(&format!("{prefix}WebSocket-Origin"), value("Origin"));
        let host = String::from_utf8_lossy(value("Host"));
        let location = format!("ws://{host}{}", asked.target);
        made.add(&format!("{prefix}WebSocket-Location"), location);
        let name = format!("{prefix}WebSocket-Protocol");
        if let Some(subprotocol) = head.only(&name).filter(|value| !value.is_empty()) {
            made.add(&name, subprotocol);
        }
        if has_key3(dialect) {
            let [key1, key2] = ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"].map(value);
            made.behind = answer(key1, key2, &asked.key3).unwrap_or_default();
        }
    } else {
        made.line = "HTTP/1.1 101 Switching Protocols".to_owned();
        made.add("Upgrade", "websocket");
        made.add("Connection", "Upgrade");
        made.add("Sec-WebSocket-Accept", accept(value("Sec-WebSocket-Key")));
        if dialect == Dialect::Hybi(Version::V4) {
            made.add("Sec-WebSocket-Nonce", NONCE);
            key = connection_key(value("Sec-WebSocket-Key"), NONCE.as_bytes());
        }
        let offered = String::from_utf8_lossy(value("Sec-WebSocket-Protocol"));
        let first = offered.split(',').map(str::trim).find(|token| !token.is_empty());
        if let Some(subprotocol) = first {
            made.add("Sec-WebSocket-Protocol", subprotocol);
        }
    }
    for change in changes {
        made.change(change, &asked.target);
    }
    (made, key)
}
