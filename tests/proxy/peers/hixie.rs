//! Hixie-75 and 76, both roles, written from the drafts.

use super::head::Head;
use super::wire::{Ended, Wire};
use super::{Kind, Offer, Reply, Said};
use md5::{Digest, Md5};

/// The keys of the overview in draft-hixie-76, with the answer it prints.
pub(crate) const KEY1: &str = "4 @1  46546xW%0l 1 5";
pub(crate) const KEY2: &str = "12998 5 Y3 1  .P00";
pub(crate) const KEY3: &[u8; 8] = b"^n:ds[4U";
pub(crate) const ANSWER: &[u8; 16] = b"8jKS'y:G*Co,Wxa-";

#[derive(Debug)]
pub(crate) struct Hixie {
    pub(crate) wire: Wire,
    kind: Kind,
}

impl Hixie {
    /// A peer behind its handshake.
    pub(crate) fn over(wire: Wire, kind: Kind) -> Self {
        Self { wire, kind }
    }

    pub(crate) async fn connect(kind: Kind, mut wire: Wire, offer: &Offer) -> (Self, Head) {
        let head = ask(kind, &mut wire, offer).await;
        (Self::over(wire, kind), head)
    }

    /// The handshake of a server, answered in one write with what it pushes.
    pub(crate) async fn accept(kind: Kind, mut wire: Wire, reply: &Reply) -> (Self, Head) {
        let (head, mut answer) = answer(kind, &mut wire, reply).await;
        assert!(wire.buffer.is_empty(), "bytes behind the handshake: {:?}", wire.buffer);
        answer.extend(encode(&reply.push));
        wire.write(&answer).await;
        (Self::over(wire, kind), head)
    }

    pub(crate) async fn say(&mut self, all: &[Said]) {
        match all {
            [Said::Close(None)] if self.kind == Kind::Hixie75 => self.wire.finish().await,
            all => self.wire.write(encode(all)).await,
        }
    }

    pub(crate) async fn hear(&mut self) -> Said {
        self.frame().await.unwrap_or_else(Said::from)
    }

    async fn frame(&mut self) -> Result<Said, Ended> {
        match self.wire.byte().await? {
            0x00 => {
                let text = self.wire.until(&[0xff]).await?;
                Ok(Said::Text(String::from_utf8(text).expect("text in UTF-8")))
            }
            0xff => {
                assert_eq!(self.kind, Kind::Hixie76, "75 has no closing handshake");
                assert_eq!(self.wire.byte().await?, 0x00, "a length of the close");
                Ok(Said::Close(None))
            }
            0x80 => {
                let mut length = 0;
                loop {
                    let digit = self.wire.byte().await?;
                    length = length * 128 + usize::from(digit & 0x7f);
                    if digit & 0x80 == 0 {
                        break;
                    }
                }
                Ok(Said::Binary(self.wire.take(length).await?))
            }
            other => panic!("frame of type {other:02x}"),
        }
    }
}

/// The handshake of a client, checked as strictly as the strictest clients of the time did. That of 76
/// is also that of draft-ietf-hybi-01 to 03, with a mark.
pub(crate) async fn ask(kind: Kind, wire: &mut Wire, offer: &Offer) -> Head {
    wire.write(request(kind, offer)).await;
    let head = Head::read(wire).await;
    check_answer(kind, offer, &head);
    if kind != Kind::Hixie75 {
        assert_eq!(wire.take(16).await.unwrap(), ANSWER, "the proof of the draft");
    }
    head
}

/// The handshake of a server: what it was asked, and its answer, which is still to be written.
pub(crate) async fn answer(kind: Kind, wire: &mut Wire, reply: &Reply) -> (Head, Vec<u8>) {
    let head = Head::read(wire).await;
    check_request(kind, &head);
    let mut answer = answer_head(kind, &head, reply);
    if kind != Kind::Hixie75 {
        let key3 = wire.take(8).await.unwrap();
        answer.extend(proof(&head, &key3));
    }
    (head, answer)
}

/// A client's request, key3 included, in the order that draft 75 demands and WebKit sent.
pub(crate) fn request(kind: Kind, offer: &Offer) -> Vec<u8> {
    let mut request = format!(
        "GET {} HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: {}\r\n",
        offer.target, offer.host
    );
    let mut field = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
    };
    field("Origin", offer.origin.as_deref());
    field(kind.subprotocol_field(), offer.subprotocol.as_deref());
    field("Cookie", offer.cookie.as_deref());
    field("Sec-WebSocket-Draft", kind.mark());
    if kind != Kind::Hixie75 {
        field("Sec-WebSocket-Key1", Some(KEY1));
        field("Sec-WebSocket-Key2", Some(KEY2));
    }
    let mut request = [request.as_bytes(), b"\r\n"].concat();
    if kind != Kind::Hixie75 {
        request.extend(KEY3);
    }
    request
}

/// What a strict client checks, byte by byte.
fn check_answer(kind: Kind, offer: &Offer, head: &Head) {
    let (phrase, prefix) = match kind {
        Kind::Hixie75 => ("Web Socket Protocol Handshake", ""),
        _ => ("WebSocket Protocol Handshake", "Sec-"),
    };
    let start = format!("HTTP/1.1 101 {phrase}\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n");
    assert!(head.raw.starts_with(start.as_bytes()), "the fixed start: {head:?}");
    head.assert_tidy();
    let location = format!("ws://{}{}", offer.host, offer.target);
    assert_eq!(head.exact(&format!("{prefix}WebSocket-Location")), location);
    if let Some(origin) = &offer.origin {
        assert_eq!(head.exact(&format!("{prefix}WebSocket-Origin")), origin);
    }
    // A requested subprotocol must come back, and no other: to hybi-01 to 03, which have a list, one of it.
    let (chosen, asked) = (head.get(kind.subprotocol_field()), offer.subprotocol.as_deref());
    if kind.is_hixie() {
        assert_eq!(chosen, asked);
    } else {
        let mut list = asked.unwrap_or_default().split(' ');
        assert!(chosen.is_none_or(|one| list.any(|asked| asked == one)), "{chosen:?} of {asked:?}");
    }
}

/// What strict servers check.
fn check_request(kind: Kind, head: &Head) {
    head.assert_tidy();
    assert_eq!(head.exact("Upgrade"), "WebSocket");
    assert_eq!(head.exact("Connection"), "Upgrade");
    let foreign = ["Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Origin"];
    assert!(foreign.iter().all(|name| head.get(name).is_none()), "fields of hybi: {head:?}");
    assert_eq!(head.get("Sec-WebSocket-Draft"), kind.mark(), "{head:?}");
    if kind == Kind::Hixie75 {
        let order: Vec<_> = head.fields.iter().take(4).map(|(name, _)| name.as_str()).collect();
        assert_eq!(order, ["Upgrade", "Connection", "Host", "Origin"]);
    }
}

fn answer_head(kind: Kind, request: &Head, reply: &Reply) -> Vec<u8> {
    let (phrase, prefix) = match kind {
        Kind::Hixie75 => ("Web Socket Protocol Handshake", ""),
        _ => ("WebSocket Protocol Handshake", "Sec-"),
    };
    let mut answer = format!(
        "HTTP/1.1 101 {phrase}\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
         {prefix}WebSocket-Origin: {}\r\n{prefix}WebSocket-Location: ws://{}{}\r\n",
        request.exact("Origin"),
        request.exact("Host"),
        request.target(),
    );
    if let Some(subprotocol) = &reply.subprotocol {
        answer.push_str(&format!("{}: {subprotocol}\r\n", kind.subprotocol_field()));
    }
    if let Some(cookie) = &reply.cookie {
        answer.push_str(&format!("Set-Cookie: {cookie}\r\n"));
    }
    answer.push_str("\r\n");
    answer.into_bytes()
}

/// The 16 bytes for the keys of a request.
pub(crate) fn proof(head: &Head, key3: &[u8]) -> [u8; 16] {
    let number = |name: &str| {
        let key = head.exact(name);
        let digits: String = key.chars().filter(char::is_ascii_digit).collect();
        let spaces = key.chars().filter(|c| *c == ' ').count() as u64;
        let number: u64 = digits.parse().unwrap();
        assert!(spaces > 0 && number.is_multiple_of(spaces), "a bad key: {key:?}");
        (number / spaces) as u32
    };
    let mut md5 = Md5::new();
    md5.update(number("Sec-WebSocket-Key1").to_be_bytes());
    md5.update(number("Sec-WebSocket-Key2").to_be_bytes());
    md5.update(key3);
    md5.finalize().into()
}

/// The frames of all that is said, one behind the other.
pub(crate) fn encode(all: &[Said]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for said in all {
        match said {
            Said::Text(text) => bytes.extend([&[0], text.as_bytes(), &[0xff]].concat()),
            Said::Binary(data) => {
                bytes.push(0x80);
                let digits = (0..10).rev().map(|digit| (data.len() >> (7 * digit)) as u8 & 0x7f);
                let digits: Vec<_> = digits.skip_while(|digit| *digit == 0).collect();
                match digits.split_last() {
                    Some((last, others)) => {
                        bytes.extend(others.iter().map(|digit| digit | 0x80));
                        bytes.push(*last);
                    }
                    None => bytes.push(0),
                }
                bytes.extend(data);
            }
            Said::Close(None) => bytes.extend([0xff, 0x00]),
            other => panic!("{other:?} cannot be said in Hixie"),
        }
    }
    bytes
}
