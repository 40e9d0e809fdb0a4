//! The versions 7, 8 and 13, both roles, written from the drafts and RFC 6455.

use super::head::Head;
use super::wire::{Ended, Wire};
use super::{Kind, Offer, Reply, Said};
use base64::prelude::{BASE64_STANDARD, Engine};
use sha1::{Digest, Sha1};

/// The key of RFC 6455 section 1.3 and its answer.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

#[derive(Debug)]
pub(crate) struct Hybi {
    pub(crate) wire: Wire,
    /// Whether this is a client, whose frames are masked.
    client: bool,
    /// The message in fragments that is on its way.
    partial: Option<(u8, Vec<u8>)>,
}

impl Hybi {
    /// A peer behind its handshake.
    pub(crate) fn over(wire: Wire, client: bool) -> Self {
        Self { wire, client, partial: None }
    }

    pub(crate) async fn connect(kind: Kind, mut wire: Wire, offer: &Offer) -> (Self, Head) {
        wire.write(request(kind, offer)).await;
        let head = Head::read(&mut wire).await;
        assert_eq!(head.status(), 101, "{head:?}");
        head.assert_tidy();
        assert!(head.exact("Upgrade").eq_ignore_ascii_case("websocket"));
        assert_eq!(head.exact("Sec-WebSocket-Accept"), ACCEPT);
        (Self::over(wire, true), head)
    }

    pub(crate) async fn accept(kind: Kind, mut wire: Wire, reply: &Reply) -> (Self, Head) {
        let head = Head::read(&mut wire).await;
        check_request(kind, &head);
        assert!(wire.buffer.is_empty(), "bytes behind the handshake: {:?}", wire.buffer);
        let mut peer = Self::over(wire, false);
        let mut answer = answer_head(&head, reply);
        answer.extend(peer.encode(&reply.push));
        peer.wire.write(&answer).await;
        (peer, head)
    }

    pub(crate) async fn say(&mut self, all: &[Said]) {
        let bytes = self.encode(all);
        self.wire.write(bytes).await;
    }

    pub(crate) fn encode(&self, all: &[Said]) -> Vec<u8> {
        let frame = |opcode: u8, payload: &[u8]| frame(0x80 | opcode, payload, self.client);
        let each = all.iter().map(|said| match said {
            Said::Text(text) => frame(1, text.as_bytes()),
            Said::Binary(data) => frame(2, data),
            Said::Close(None) => frame(8, b""),
            Said::Close(Some((code, text))) => {
                frame(8, &[&code.to_be_bytes(), text.as_bytes()].concat())
            }
            Said::Ping(data) => frame(9, data),
            Said::Pong(data) => frame(10, data),
            Said::Fin | Said::Lost => panic!("not a frame"),
        });
        each.collect::<Vec<_>>().concat()
    }

    pub(crate) async fn hear(&mut self) -> Said {
        loop {
            match self.frame().await {
                Ok(Some(said)) => return said,
                Ok(None) => {}
                Err(ended) => return ended.into(),
            }
        }
    }

    /// One frame; `None` for a fragment that ends nothing.
    async fn frame(&mut self) -> Result<Option<Said>, Ended> {
        let start = self.wire.byte().await?;
        assert_eq!(start & 0x70, 0, "reserved bits");
        let (fin, opcode) = (start & 0x80 != 0, start & 0x0f);
        let second = self.wire.byte().await?;
        assert_eq!(second & 0x80 != 0, !self.client, "only clients mask");
        let length = match second & 0x7f {
            126 => {
                let bytes = self.wire.take(2).await?;
                usize::from(u16::from_be_bytes(bytes.try_into().unwrap()))
            }
            127 => {
                let bytes = self.wire.take(8).await?;
                u64::from_be_bytes(bytes.try_into().unwrap()) as usize
            }
            short => usize::from(short),
        };
        let mask = if self.client { vec![0; 4] } else { self.wire.take(4).await? };
        let mut payload = self.wire.take(length).await?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        if opcode >= 8 {
            assert!(fin && length < 126, "a control frame");
            return Ok(Some(match opcode {
                8 if payload.is_empty() => Said::Close(None),
                8 => Said::Close(Some((
                    u16::from_be_bytes([payload[0], payload[1]]),
                    String::from_utf8(payload.split_off(2)).unwrap(),
                ))),
                9 => Said::Ping(payload),
                10 => Said::Pong(payload),
                other => panic!("opcode {other}"),
            }));
        }
        let (opcode, mut whole) = match (opcode, self.partial.take()) {
            (0, Some(partial)) => partial,
            (1 | 2, None) => (opcode, Vec::new()),
            (opcode, partial) => panic!("opcode {opcode} inside {partial:?}"),
        };
        whole.extend(payload);
        if !fin {
            self.partial = Some((opcode, whole));
            return Ok(None);
        }
        Ok(Some(match opcode {
            1 => Said::Text(String::from_utf8(whole).expect("text in UTF-8")),
            _ => Said::Binary(whole),
        }))
    }
}

/// One frame; `start` is its first byte.
pub(crate) fn frame(start: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut bytes = match payload.len() {
        short @ 0..=125 => vec![start, bit | short as u8],
        medium @ 126..=0xffff => {
            let length = (medium as u16).to_be_bytes();
            vec![start, bit | 126, length[0], length[1]]
        }
        long => [&[start, bit | 127], &(long as u64).to_be_bytes()[..]].concat(),
    };
    if masked {
        bytes.extend(MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        bytes.extend(payload);
    }
    bytes
}

/// A client's request.
pub(crate) fn request(kind: Kind, offer: &Offer) -> Vec<u8> {
    let (version, origin) = match kind {
        Kind::Hybi07 => ("7", "Sec-WebSocket-Origin"),
        Kind::Hybi08 => ("8", "Sec-WebSocket-Origin"),
        _ => ("13", "Origin"),
    };
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: {version}\r\n",
        offer.target, offer.host
    );
    let mut field = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
    };
    field(origin, offer.origin.as_deref());
    field("Sec-WebSocket-Protocol", offer.subprotocol.as_deref());
    field("Cookie", offer.cookie.as_deref());
    request.push_str("\r\n");
    request.into_bytes()
}

fn check_request(kind: Kind, head: &Head) {
    head.assert_tidy();
    let version = match kind {
        Kind::Hybi07 => "7",
        Kind::Hybi08 => "8",
        _ => "13",
    };
    assert_eq!(head.exact("Sec-WebSocket-Version"), version);
    assert!(head.exact("Upgrade").eq_ignore_ascii_case("websocket"));
    let nonce = BASE64_STANDARD.decode(head.exact("Sec-WebSocket-Key")).unwrap();
    assert_eq!(nonce.len(), 16);
    let origin = if kind == Kind::Rfc6455 { "Origin" } else { "Sec-WebSocket-Origin" };
    assert!(head.get(origin).is_none_or(|origin| !origin.is_empty()));
    for hixie in ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2", "WebSocket-Protocol"] {
        assert_eq!(head.get(hixie), None, "{head:?}");
    }
}

/// The head of a server's answer.
pub(crate) fn answer_head(request: &Head, reply: &Reply) -> Vec<u8> {
    const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let digest = Sha1::digest([request.exact("Sec-WebSocket-Key"), GUID].concat());
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n",
        BASE64_STANDARD.encode(digest)
    );
    if let Some(subprotocol) = &reply.subprotocol {
        answer.push_str(&format!("Sec-WebSocket-Protocol: {subprotocol}\r\n"));
    }
    if let Some(cookie) = &reply.cookie {
        answer.push_str(&format!("Set-Cookie: {cookie}\r\n"));
    }
    answer.push_str("\r\n");
    answer.into_bytes()
}
