//! The vocabulary of opening handshakes: what a client offers, what a server answers, and how
//! either can fail. Each dialect reads and writes these and knows no other dialect.

use crate::wire::head::{self, Fields};
use crate::wire::{body, grammar};
use std::collections::HashSet;

/// A header field, in the case it came in.
pub type Field = (String, Vec<u8>);

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The request target in origin form, byte for byte; towards Hixie clients it may hold raw
    /// spaces.
    pub target: Vec<u8>,
    /// The `Host` field, byte for byte, or the host of a target in absolute form.
    pub host: Vec<u8>,
    /// The origin, byte for byte; it is not always one (`null`, `file://`, a bare host).
    pub origin: Option<Vec<u8>>,
    /// The subprotocols the client can speak.
    pub subprotocols: Subprotocols,
    /// The extensions that a client offers, as they came; those of its own connection are not for the
    /// other side.
    pub extensions: Vec<Vec<u8>>,
    /// The end-to-end fields beside these, such as cookies, in order.
    pub fields: Vec<Field>,
    /// What the answer has to prove.
    pub proof: Proof,
}

/// The subprotocols of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subprotocols {
    /// None asked for.
    None,
    /// The one string of a Hixie client, which wants it back unchanged.
    Opaque(Vec<u8>),
    /// A list of tokens, best first.
    List(Vec<String>),
}

impl Subprotocols {
    /// The offer as a list of tokens, as RFC 6455 has it; a Hixie string is split at its commas
    /// and spaces (the drafts between had it so). `None` when a part of it is not a token.
    pub fn tokens(&self) -> Option<Vec<&str>> {
        match self {
            Self::None => Some(Vec::new()),
            Self::List(tokens) => Some(tokens.iter().map(String::as_str).collect()),
            Self::Opaque(value) => value
                .split(|b| matches!(b, b',' | b' '))
                .filter(|part| !part.is_empty())
                .map(|part| std::str::from_utf8(part).ok().filter(|_| grammar::is_token(part)))
                .collect(),
        }
    }

    /// The one string that a Hixie server can be offered: the client's own, or its first token.
    pub fn opaque(&self) -> Option<&[u8]> {
        match self {
            Self::None => None,
            Self::Opaque(value) => Some(value),
            Self::List(tokens) => tokens.first().map(String::as_bytes),
        }
    }
}

/// What the answer of a server has to prove to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Nothing (Hixie-75).
    None,
    /// The numbers of Key1 and Key2; key3 follows the head (Hixie-76).
    Keys([u32; 2]),
    /// `Sec-WebSocket-Key` as it came (RFC 6455).
    Key(Vec<u8>),
}

/// What a server answers when it accepts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The subprotocol it chose.
    pub subprotocol: Option<Vec<u8>>,
    /// The end-to-end fields beside it, such as `Set-Cookie`, in order.
    pub fields: Vec<Field>,
}

/// Why a client's handshake is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The head is malformed.
    #[error(transparent)]
    Head(#[from] head::Fault),
    /// The head is longer than the limit.
    #[error("request head too long")]
    HeadTooLong,
    /// Not a GET with `Upgrade: websocket` and `Connection: upgrade`.
    #[error("not a WebSocket request")]
    NotWebSocket,
    /// An opening of HTTP/1.0.
    #[error("WebSocket needs HTTP/1.1")]
    HttpVersion,
    /// A version that is not spoken, or one whose fields are missing.
    #[error("unsupported WebSocket version")]
    Version,
    /// A dialect that is not accepted here.
    #[error("dialect not accepted")]
    NotAccepted,
    /// The fields of two drafts in one request.
    #[error("signs of more than one draft")]
    MixedDrafts,
    /// A body, or a length that a WebSocket request cannot have.
    #[error("request announces a body")]
    Body,
    /// It is not certain where the body of a plain request ends.
    #[error(transparent)]
    Framing(#[from] body::Fault),
    /// A method that only a forward proxy has.
    #[error("CONNECT is for forward proxies")]
    Connect,
    /// The target is neither in origin form nor, but for Hixie clients, in absolute form; or it holds
    /// what only Hixie clients may send.
    #[error("malformed request target")]
    Target,
    /// No `Host`, or one that cannot be reflected.
    #[error("missing or malformed Host")]
    Host,
    /// An `Origin` that cannot be reflected.
    #[error("malformed Origin")]
    Origin,
    /// A subprotocol that is not a token, or a string that cannot be reflected.
    #[error("malformed subprotocol")]
    Subprotocol,
    /// `Sec-WebSocket-Key` is not 16 bytes in base64 (RFC 6455 section 4.2.1).
    #[error("malformed Sec-WebSocket-Key")]
    Key,
    /// Only one of Key1 and Key2.
    #[error("one of two keys missing")]
    MissingKey,
    /// Key1 or Key2 is wrong.
    #[error(transparent)]
    HixieKey(#[from] KeyFault),
}

impl Refusal {
    /// The HTTP status that tells the client.
    pub const fn status(self) -> u16 {
        match self {
            Self::HeadTooLong | Self::Head(head::Fault::TooManyFields) => 431,
            Self::NotWebSocket | Self::Version | Self::NotAccepted => 426,
            // RFC 9112 section 6.1: "A server that receives a request message with a transfer coding
            // it does not understand SHOULD respond with 501".
            Self::Connect | Self::Framing(body::Fault::UnknownCoding) => 501,
            Self::Head(head::Fault::Version) => 505,
            _ => 400,
        }
    }
}

/// What is wrong with Key1 or Key2 (draft-hixie-76, "Sending the server's opening handshake").
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// No digit at all.
    #[error("key without digits")]
    NoDigits,
    /// "If `spaces_1` or `spaces_2` is zero, then abort": the sign of a cross-protocol attack.
    #[error("key without spaces")]
    NoSpaces,
    /// "If `key-number_1` is not an integral multiple of `spaces_1`, then abort".
    #[error("key number is not a multiple of its spaces")]
    NotAMultiple,
    /// Beyond 4,294,967,295, which no conforming client can send.
    #[error("key number too large")]
    TooLarge,
}

/// Why a backend's answer is not the start of a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The head is malformed.
    #[error("backend: {0}")]
    Head(#[from] head::Fault),
    /// The head is longer than the limit.
    #[error("backend: response head too long")]
    HeadTooLong,
    /// It answered with another status than 101.
    #[error("backend: answered with status {status}")]
    Status {
        /// The status code.
        status: u16,
        /// Its end-to-end fields.
        fields: Vec<Field>,
    },
    /// A 101 without `Upgrade: websocket` and `Connection: upgrade`.
    #[error("backend: 101 does not upgrade to WebSocket")]
    NotWebSocket,
    /// The proof is missing or wrong.
    #[error("backend: wrong proof of the handshake")]
    Proof,
    /// A subprotocol that was not offered.
    #[error("backend: chose a subprotocol that was not offered")]
    Subprotocol,
    /// An extension that was not offered, or with parameters that cannot be.
    #[error("backend: chose an extension that was not offered")]
    Extension,
    /// The connection ended before a whole answer.
    #[error("backend: connection ended during the handshake")]
    End {
        /// Whether a status had come, so that it was an answer.
        status: bool,
    },
}

/// Whether a field concerns the other end: not this hop (RFC 9110 section 7.6.1), nor the WebSocket
/// handshake.
pub fn is_end_to_end(name: &str) -> bool {
    const OF_THIS_HOP: [&str; 13] = [
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "origin",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let lower = name.to_ascii_lowercase();
    !OF_THIS_HOP.contains(&lower.as_str())
        && !lower.starts_with("sec-websocket-")
        && !lower.starts_with("websocket-")
}

/// The fields of a head that concern the other end, but for those that `Connection` names and the
/// empty ones, which some old peers cannot read.
pub fn end_to_end(fields: &Fields<'_>) -> Vec<Field> {
    let nominated: HashSet<String> = fields
        .all("connection")
        .filter_map(grammar::token_list)
        .flatten()
        .map(str::to_ascii_lowercase)
        // What a front proxy says of a client is not the client's to take out.
        .filter(|name| name != "forwarded" && !name.starts_with("x-forwarded-"))
        .collect();
    fields
        .iter()
        .filter(|(name, value)| {
            !value.is_empty()
                && is_end_to_end(name)
                && !nominated.contains(&name.to_ascii_lowercase())
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Whether a `Host` can stand in a URL of ours.
pub fn is_host(host: &[u8]) -> bool {
    !host.is_empty() && host.iter().all(|b| b.is_ascii_graphic() && !b"/?#@\\\"<>".contains(b))
}

/// Appends `name: value` and the line end.
pub fn write_field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The header fields of a request or a response, whatever keeps them.
pub trait Headers: Send + Sync {
    /// All values of a field, in order; the name is matched without regard to case.
    fn all(&self, name: &str) -> Vec<&[u8]>;

    /// Takes all fields of a name out.
    fn remove(&mut self, name: &str);

    /// Puts a field behind the others.
    fn add(&mut self, name: &str, value: Vec<u8>);

    /// Puts a field in the place of all of that name.
    fn set(&mut self, name: &str, value: Vec<u8>) {
        self.remove(name);
        self.add(name, value);
    }
}

/// The first value of a field; empty where there is none.
pub fn first(headers: &dyn Headers, name: &str) -> Vec<u8> {
    headers.all(name).first().copied().unwrap_or_default().to_vec()
}

impl Headers for Vec<Field> {
    fn all(&self, name: &str) -> Vec<&[u8]> {
        let same = self.iter().filter(|field| field.0.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_slice()).collect()
    }

    fn remove(&mut self, name: &str) {
        self.retain(|field| !field.0.eq_ignore_ascii_case(name));
    }

    fn add(&mut self, name: &str, value: Vec<u8>) {
        self.push((name.to_owned(), value));
    }

    /// The new field stands where the first of the old ones stood, for old peers know an order.
    fn set(&mut self, name: &str, value: Vec<u8>) {
        let mut new = Some((name.to_owned(), value));
        self.retain_mut(|field| {
            if !field.0.eq_ignore_ascii_case(name) {
                return true;
            }
            let first = new.take();
            let kept = first.is_some();
            if let Some(first) = first {
                *field = first;
            }
            kept
        });
        self.extend(new);
    }
}
