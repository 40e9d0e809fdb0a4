//! The dialects for other programs: `tokio_util`'s [`Decoder`] and [`Encoder`], so that a program
//! can speak an old draft with [`Framed`](tokio_util::codec::Framed) once the opening handshake of
//! [`crate::dialect::opening`] is done.
//!
//! A thin adapter over the readers and writers that the proxy itself uses. It deals in whole
//! messages and copies each once, which the proxy does not.
//!
//! ```
//! use bytes::BytesMut;
//! use hybridge::codec::{Codec, Message};
//! use hybridge::dialect::Dialect;
//! use hybridge::event::Side;
//! use tokio_util::codec::{Decoder, Encoder};
//!
//! // We are the server, and the client speaks Hixie-76.
//! let mut codec = Codec::new("hixie-76".parse::<Dialect>()?, Side::Backend, 1 << 20, rand_bytes);
//! let mut bytes = BytesMut::from(&b"\x00Hello\xff"[..]);
//! assert_eq!(codec.decode(&mut bytes)?, Some(Message::Text("Hello".into())));
//! codec.encode(Message::Text("Hi".into()), &mut bytes)?;
//! assert_eq!(bytes, &b"\x00Hi\xff"[..]);
//! # fn rand_bytes(bytes: &mut [u8]) { bytes.fill(7) }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::dialect::Agreement;
use crate::dialect::hybi::Version;
use crate::dialect::reader::Reader;
use crate::dialect::writer::{Data, Piece, Writer};
use crate::event::{Control, Event, Kind, Reason, Side};
use crate::fault::Fault;
use crate::wire::entropy::Entropy;
use crate::wire::outbox::Outbox;
use bytes::{Buf, Bytes, BytesMut};
use std::io;
use tokio_util::codec::{Decoder, Encoder};

/// A whole message, or a control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes; a length frame in the Hixie drafts.
    Binary(Bytes),
    /// A ping; Hixie peers cannot be told one.
    Ping(Control),
    /// A pong; Hixie peers cannot be told one.
    Pong(Control),
    /// The closing handshake. In Hixie-75 it is the end of the TCP stream and has no bytes; the
    /// reason reaches no Hixie peer.
    Close(Option<Reason>),
}

/// The frames of one dialect, from the view of one side.
#[derive(Debug)]
pub struct Codec<E> {
    reader: Reader,
    writer: Writer,
    entropy: E,
    /// The message that has begun.
    message: Vec<u8>,
    scratch: Vec<u8>,
    largest: usize,
    /// Whether the peer has closed, so that nothing of what follows counts.
    heard: bool,
    /// Whether we have closed, so that nothing may follow.
    told: bool,
}

/// Why a codec cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The peer broke a rule; [`Fault::close_code`] tells it.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The transport failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<E: Entropy> Codec<E> {
    /// A codec behind the opening handshake: a dialect, or what was agreed on there. `own` is the side that we are: a client masks, a
    /// server does not. `largest` bounds a message, in bytes. `entropy` makes the mask keys and has
    /// to be unpredictable (RFC 6455 section 10.3).
    pub fn new(agreed: impl Into<Agreement>, own: Side, largest: usize, entropy: E) -> Self {
        let agreed = agreed.into();
        Self {
            reader: Reader::new(agreed, own.other()),
            writer: Writer::new(agreed, own.other()),
            entropy,
            message: Vec::new(),
            scratch: Vec::new(),
            largest,
            heard: false,
            told: false,
        }
    }

    fn read(&mut self, input: &mut &mut [u8]) -> Result<Option<Message>, Fault> {
        while let Some(event) = self.reader.read(input)? {
            let chunk = match event {
                Event::Chunk(chunk) => chunk,
                Event::Ping(payload) => return Ok(Some(Message::Ping(payload))),
                Event::Pong(payload) => return Ok(Some(Message::Pong(payload))),
                Event::Close(reason) => {
                    self.heard = true;
                    return Ok(Some(Message::Close(reason)));
                }
            };
            if self.message.len() + chunk.data.len() > self.largest {
                return Err(Fault::TooBig);
            }
            self.message.extend_from_slice(chunk.data);
            if chunk.last {
                let message = std::mem::take(&mut self.message);
                return Ok(Some(match chunk.kind {
                    // The reader has checked it already.
                    Kind::Text => {
                        String::from_utf8(message).map(Message::Text).map_err(|_| Fault::Utf8)?
                    }
                    Kind::Binary => Message::Binary(message.into()),
                }));
            }
        }
        Ok(None)
    }

    fn write(&mut self, message: &Message, out: &mut Outbox<'_>) {
        let (kind, data) = match message {
            Message::Text(text) => (Kind::Text, text.as_bytes()),
            Message::Binary(data) => (Kind::Binary, &data[..]),
            Message::Ping(payload) => {
                return self.writer.ping(payload, &mut self.entropy, out);
            }
            Message::Pong(payload) => {
                return self.writer.pong(payload, &mut self.entropy, out);
            }
            Message::Close(reason) => {
                let heard = self.reader.close_body();
                self.writer.close(reason.as_ref(), heard, &mut self.entropy, out);
                return;
            }
        };
        let total = Some(data.len() as u64);
        let piece = Piece {
            kind,
            first: true,
            last: true,
            total,
            compressed: false,
            data: Data::Copied(data),
        };
        self.writer.piece(piece, &mut self.entropy, out);
    }
}

impl<E: Entropy> Decoder for Codec<E> {
    type Item = Message;
    type Error = CodecError;

    /// Takes the next message; behind the peer's close there is none.
    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Message>, CodecError> {
        if self.heard {
            bytes.clear();
            return Ok(None);
        }
        let before = bytes.len();
        let mut input = &mut bytes[..];
        let result = self.read(&mut input);
        let used = before - input.len();
        bytes.advance(used);
        Ok(result?)
    }

    /// The end of the stream is an error inside a message, and else none.
    fn decode_eof(&mut self, bytes: &mut BytesMut) -> Result<Option<Message>, CodecError> {
        match self.decode(bytes)? {
            None if self.reader.in_message() => {
                Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
            }
            message => Ok(message),
        }
    }
}

impl<E: Entropy> Encoder<Message> for Codec<E> {
    type Error = CodecError;

    /// Writes a message; behind our close there can be none, and a close must have a code that may be
    /// on the wire (RFC 6455 section 7.4).
    fn encode(&mut self, message: Message, bytes: &mut BytesMut) -> Result<(), CodecError> {
        if self.told {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        }
        if let Message::Close(reason) = &message {
            if let Some(reason) = reason {
                Version::V13.code_from_wire(reason.code)?;
                std::str::from_utf8(&reason.text).map_err(|_| Fault::Utf8)?;
            }
            self.told = true;
        }
        let mut out = Outbox::new(std::mem::take(&mut self.scratch));
        self.write(&message, &mut out);
        out.slices().iter().for_each(|slice| bytes.extend_from_slice(slice));
        self.scratch = out.into_scratch();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;

    fn codec(dialect: &str) -> Codec<impl Entropy> {
        Codec::new(dialect.parse::<Dialect>().unwrap(), Side::Backend, 100, |bytes: &mut [u8]| {
            bytes.fill(1);
        })
    }

    #[test]
    fn nothing_follows_a_close() {
        let mut codec = codec("hixie-76");
        let mut bytes = BytesMut::from(&b"\xff\x00\x00after\xff"[..]);
        assert_eq!(codec.decode(&mut bytes).unwrap(), Some(Message::Close(None)));
        assert_eq!(codec.decode(&mut bytes).unwrap(), None);
        assert!(bytes.is_empty());
        codec.encode(Message::Close(None), &mut bytes).unwrap();
        assert!(codec.encode(Message::Text("x".into()), &mut bytes).is_err());
        assert_eq!(bytes, &b"\xff\x00"[..]);
    }

    #[test]
    fn refuses_what_must_not_be_on_the_wire() {
        let mut bytes = BytesMut::new();
        for code in [999, 1004, 1005, 1006, 1015, 2000, 5000] {
            let close = Message::Close(Some(Reason::code(code)));
            let fault = codec("rfc6455").encode(close, &mut bytes).unwrap_err();
            assert!(matches!(fault, CodecError::Fault(Fault::CloseCode)), "{code}");
        }
        assert!(bytes.is_empty());
        let mut codec = codec("hixie-76");
        let mut long = BytesMut::from(&[b"\x00".to_vec(), vec![b'a'; 101]].concat()[..]);
        let fault = codec.decode(&mut long).unwrap_err();
        assert!(matches!(fault, CodecError::Fault(Fault::TooBig)));
    }
}
