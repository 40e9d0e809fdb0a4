//! draft-ietf-hybi-01 to RFC 6455, both roles, written from the drafts.

use super::framing::{CloseBody, Framing, Opcode, connection_key};
use super::head::Head;
use super::wire::{Ended, Wire};
use super::{Kind, Offer, Reply, Said, hixie};
use base64::prelude::{BASE64_STANDARD, Engine};
use sha1::{Digest, Sha1};

/// The key of RFC 6455 section 1.3 and its answer.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The nonce of draft-ietf-hybi-04 section 1.3.
const NONCE: &str = "H+cNj5elaybfGIQv1esl2w==";

#[derive(Debug)]
pub(crate) struct Hybi {
    pub(crate) wire: Wire,
    framing: &'static Framing,
    /// Whether this is a client, whose frames are masked.
    client: bool,
    /// What masks frames beside their own four bytes, in 04.
    connection: Option<Vec<u8>>,
    /// The message in fragments that is on its way.
    partial: Option<(Opcode, Vec<u8>)>,
    /// What its close holds where that can be anything (draft-ietf-hybi-01 to 04 section 4.5.1).
    pub(crate) closing: Vec<u8>,
    /// Whether this side has said its close.
    closed: bool,
}

impl Hybi {
    /// A peer behind its handshake; one of 04 has agreed on a key with the other side.
    pub(crate) fn over(kind: Kind, wire: Wire, client: bool, connection: Option<Vec<u8>>) -> Self {
        Self {
            wire,
            framing: Framing::of(kind),
            client,
            connection,
            partial: None,
            closing: b"\xff\x00 any \x01".to_vec(),
            closed: false,
        }
    }

    pub(crate) async fn connect(kind: Kind, mut wire: Wire, offer: &Offer) -> (Self, Head) {
        if kind.opens_as_hixie() {
            let head = hixie::ask(kind, &mut wire, offer).await;
            return (Self::over(kind, wire, true, None), head);
        }
        wire.write(request(kind, offer)).await;
        let head = Head::read(&mut wire).await;
        assert_eq!(head.status(), 101, "{head:?}");
        head.assert_tidy();
        assert!(head.exact("Upgrade").eq_ignore_ascii_case("websocket"));
        assert_eq!(head.exact("Sec-WebSocket-Accept"), ACCEPT);
        let connection = if kind == Kind::Hybi04 {
            let nonce = head.exact("Sec-WebSocket-Nonce");
            assert_eq!(BASE64_STANDARD.decode(nonce).unwrap().len(), 16);
            Some(connection_key(KEY, nonce))
        } else {
            assert_eq!(head.get("Sec-WebSocket-Nonce"), None, "{head:?}");
            None
        };
        (Self::over(kind, wire, true, connection), head)
    }

    pub(crate) async fn accept(kind: Kind, mut wire: Wire, reply: &Reply) -> (Self, Head) {
        let (head, mut answer, connection) = if kind.opens_as_hixie() {
            let (head, answer) = hixie::answer(kind, &mut wire, reply).await;
            (head, answer, None)
        } else {
            let head = Head::read(&mut wire).await;
            check_request(kind, &head);
            let mut answer = answer_head(&head, reply);
            let mut connection = None;
            if kind == Kind::Hybi04 {
                let end = answer.len() - 2;
                answer.splice(end..end, format!("Sec-WebSocket-Nonce: {NONCE}\r\n").into_bytes());
                connection = Some(connection_key(head.exact("Sec-WebSocket-Key"), NONCE));
            }
            (head, answer, connection)
        };
        assert!(wire.buffer.is_empty(), "bytes behind the handshake: {:?}", wire.buffer);
        let mut peer = Self::over(kind, wire, false, connection);
        answer.extend(peer.encode(&reply.push));
        peer.wire.write(&answer).await;
        (peer, head)
    }

    pub(crate) async fn say(&mut self, all: &[Said]) {
        let bytes = self.encode(all);
        self.closed |= all.iter().any(|said| matches!(said, Said::Close(_)));
        self.wire.write(bytes).await;
    }

    pub(crate) fn encode(&self, all: &[Said]) -> Vec<u8> {
        let frame = |opcode, payload: &[u8]| {
            self.framing.write(opcode, payload, self.client, self.connection.as_deref())
        };
        let each = all.iter().map(|said| match said {
            Said::Text(text) => frame(Opcode::Text, text.as_bytes()),
            Said::Binary(data) => frame(Opcode::Binary, data),
            Said::Close(why) => frame(Opcode::Close, &self.close_body(why.as_ref())),
            Said::Ping(data) => frame(Opcode::Ping, data),
            Said::Pong(data) => frame(Opcode::Pong, data),
            Said::Fin | Said::Lost => panic!("not a frame"),
        });
        each.collect::<Vec<_>>().concat()
    }

    fn close_body(&self, why: Option<&(u16, String)>) -> Vec<u8> {
        match (self.framing.close, why) {
            (CloseBody::Echoed, None) => self.closing.clone(),
            (CloseBody::Letter, None) => letter(self.client).to_vec(),
            (CloseBody::Code, None) => Vec::new(),
            (CloseBody::Code, Some((code, text))) => {
                [&code.to_be_bytes(), text.as_bytes()].concat()
            }
            (_, Some(why)) => panic!("{why:?} cannot be said"),
        }
    }

    /// Says a close again, byte for byte where the draft wants it.
    pub(crate) async fn answer_close(&mut self, heard: &Said) {
        if self.framing.close != CloseBody::Echoed {
            return self.say(std::slice::from_ref(heard)).await;
        }
        // It is checked where it is heard that the proxy began with an empty one.
        let connection = self.connection.as_deref();
        let bytes = self.framing.write(Opcode::Close, b"", self.client, connection);
        self.closed = true;
        self.wire.write(bytes).await;
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
        let connection = self.connection.as_deref();
        let frame = self.framing.read(&mut self.wire, !self.client, connection).await?;
        let (last, opcode, payload) = frame;
        let (opcode, mut whole) = match (opcode, self.partial.take()) {
            (Opcode::Close, _) => return Ok(Some(Said::Close(self.read_close(payload)))),
            (Opcode::Ping, partial) => {
                self.partial = partial;
                return Ok(Some(Said::Ping(payload)));
            }
            (Opcode::Pong, partial) => {
                self.partial = partial;
                return Ok(Some(Said::Pong(payload)));
            }
            (Opcode::Continuation, Some(partial)) => partial,
            (Opcode::Text | Opcode::Binary, None) => (opcode, Vec::new()),
            (opcode, partial) => panic!("{opcode:?} inside {partial:?}"),
        };
        whole.extend(payload);
        if !last {
            self.partial = Some((opcode, whole));
            return Ok(None);
        }
        Ok(Some(match opcode {
            Opcode::Text => Said::Text(String::from_utf8(whole).expect("text in UTF-8")),
            _ => Said::Binary(whole),
        }))
    }

    fn read_close(&self, mut body: Vec<u8>) -> Option<(u16, String)> {
        match self.framing.close {
            CloseBody::Echoed => {
                let due = if self.closed { &self.closing[..] } else { b"" };
                assert_eq!(body, due, "the body of a close, closed: {}", self.closed);
                None
            }
            CloseBody::Letter => {
                assert_eq!(body, letter(!self.client));
                None
            }
            CloseBody::Code if body.is_empty() => None,
            CloseBody::Code => {
                let text = String::from_utf8(body.split_off(2)).unwrap();
                Some((u16::from_be_bytes([body[0], body[1]]), text))
            }
        }
    }
}

/// What a side says in its close (draft-ietf-hybi-05 section 4.5.1).
fn letter(client: bool) -> &'static [u8] {
    if client { b"C" } else { b"S" }
}

/// A client's request.
pub(crate) fn request(kind: Kind, offer: &Offer) -> Vec<u8> {
    let version = kind.version().unwrap();
    let origin = if kind == Kind::Rfc6455 { "Origin" } else { "Sec-WebSocket-Origin" };
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
    assert_eq!(Some(head.exact("Sec-WebSocket-Version")), kind.version());
    assert!(head.exact("Upgrade").eq_ignore_ascii_case("websocket"));
    let nonce = BASE64_STANDARD.decode(head.exact("Sec-WebSocket-Key")).unwrap();
    assert_eq!(nonce.len(), 16);
    let origin = if kind == Kind::Rfc6455 { "Origin" } else { "Sec-WebSocket-Origin" };
    assert!(head.get(origin).is_none_or(|origin| !origin.is_empty()));
    for hixie in ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2", "WebSocket-Protocol"] {
        assert_eq!(head.get(hixie), None, "{head:?}");
    }
    assert_eq!(head.get("Sec-WebSocket-Draft"), None, "{head:?}");
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
