//! The writer of any dialect: events to the bytes of one peer.

use super::hixie::{self, Draft};
use super::hybi::frame_mask::{ConnectionKey, FrameMask};
use super::hybi::frames::{self, DataFrame};
use super::hybi::{CloseBody, Masking, Opcode, Version};
use super::{Agreement, Dialect};
use crate::event::{Chunk, Control, Kind, Reason, Side};
use crate::wire::entropy::Entropy;
use crate::wire::mask::{Mask, Masks};
use crate::wire::outbox::Outbox;

/// Writes frames to one peer.
#[derive(Debug)]
pub struct Writer {
    dialect: Dialect,
    to: Side,
    in_message: bool,
    /// Whether the stream is to end behind what is written.
    ended: bool,
    /// With what whole frames are masked beside their own key.
    connection_key: Option<Box<ConnectionKey>>,
}

/// A run of bytes to write, as a frame or a part of one.
#[derive(Debug)]
pub struct Piece<'a, 's> {
    /// The kind of the message.
    pub kind: Kind,
    /// Whether this opens the message.
    pub first: bool,
    /// Whether this ends the message.
    pub last: bool,
    /// The length of the whole message; a binary message towards a Hixie peer must have it.
    pub total: Option<u64>,
    /// Whether the message is compressed, which only a peer may be sent that has agreed to it.
    pub compressed: bool,
    /// The bytes.
    pub data: Data<'a, 's>,
}

impl<'a> From<Chunk<'a>> for Piece<'a, '_> {
    fn from(Chunk { kind, first, last, total, data }: Chunk<'a>) -> Self {
        Self { kind, first, last, total, compressed: false, data: Data::InPlace(data) }
    }
}

/// Where the bytes of a piece are.
#[derive(Debug)]
pub enum Data<'a, 's> {
    /// In the read buffer, where they may stay until they are written.
    InPlace(&'a mut [u8]),
    /// Elsewhere; they are copied.
    Copied(&'s [u8]),
}

/// How a dialect says the end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// With the frame that was written.
    Frame,
    /// With the end of the TCP stream, and nothing else.
    Fin,
}

impl Writer {
    /// A writer of what is sent to `to` behind the opening handshake.
    pub fn new(agreement: impl Into<Agreement>, to: Side) -> Self {
        let Agreement { dialect, connection_key, .. } = agreement.into();
        Self {
            dialect,
            to,
            in_message: false,
            ended: false,
            connection_key: connection_key.map(Box::new),
        }
    }

    /// What is written.
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The stream is to end behind what has been written.
    pub const fn end(&mut self) {
        self.ended = true;
    }

    /// Whether the stream is to end behind what has been written.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether a message has been begun and not ended.
    pub const fn in_message(&self) -> bool {
        self.in_message
    }

    /// Writes a piece of a message.
    #[inline]
    pub fn piece<'a>(
        &mut self,
        piece: Piece<'a, '_>,
        entropy: &mut dyn Entropy,
        out: &mut Outbox<'a>,
    ) {
        self.in_message = !piece.last;
        match self.dialect {
            Dialect::Hixie(_) => write_hixie(piece, out),
            Dialect::Hybi(version) => self.write_hybi(version, piece, entropy, out),
        }
    }

    #[inline]
    fn write_hybi<'a>(
        &self,
        version: Version,
        piece: Piece<'a, '_>,
        entropy: &mut dyn Entropy,
        out: &mut Outbox<'a>,
    ) {
        let Piece { kind, first, last, compressed, data, .. } = piece;
        let frame = DataFrame { kind, first, last, compressed, len: data.len() };
        match self.masking(version) {
            Masking::Frames => {
                let mask = self.masked(entropy, out.scratch(), |out| {
                    frames::write_data_header(version.framing(), &frame, None, out);
                });
                data.put(Some(mask), out);
            }
            masking => {
                let key = (masking == Masking::Payload).then(|| random_key(entropy));
                frames::write_data_header(version.framing(), &frame, key, out.scratch());
                data.put(key.map(Mask::new), out);
            }
        }
    }

    /// How what is written here is masked: only a client masks.
    #[inline]
    fn masking(&self, version: Version) -> Masking {
        if self.to == Side::Backend { version.masking() } else { Masking::Nothing }
    }

    /// Writes the start of a frame that is masked whole, and returns the mask of what follows.
    fn masked(
        &self,
        entropy: &mut dyn Entropy,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> FrameMask {
        let key = random_key(entropy);
        let mut mask = FrameMask::new(key, self.connection_key.as_deref());
        out.extend(key);
        let start = out.len();
        write(out);
        mask.apply(out.get_mut(start..).unwrap_or_default());
        mask
    }

    /// Writes a ping; nothing where the dialect has none.
    pub fn ping(&self, payload: &Control, entropy: &mut dyn Entropy, out: &mut Outbox<'_>) {
        if let Dialect::Hybi(version) = self.dialect {
            self.control(version, Opcode::Ping, payload, entropy, out);
        }
    }

    /// Writes a pong; nothing where the dialect has none.
    pub fn pong(&self, payload: &Control, entropy: &mut dyn Entropy, out: &mut Outbox<'_>) {
        if let Dialect::Hybi(version) = self.dialect {
            self.control(version, Opcode::Pong, payload, entropy, out);
        }
    }

    /// Writes this side of the closing handshake, and tells how it was said. `heard` is the body of
    /// the close that it answers, where that is to be echoed.
    pub fn close(
        &self,
        reason: Option<&Reason>,
        heard: &[u8],
        entropy: &mut dyn Entropy,
        out: &mut Outbox<'_>,
    ) -> Farewell {
        match self.dialect {
            Dialect::Hybi(version) => {
                let body = match version.close_body() {
                    CloseBody::Echoed => heard.iter().copied().take(125).collect(),
                    CloseBody::Letter => self.letter().into_iter().collect(),
                    CloseBody::Code => frames::close_body(version, reason),
                };
                // A close frame may stand between the fragments of a message (RFC 6455 5.4).
                self.control(version, Opcode::Close, &body, entropy, out);
                Farewell::Frame
            }
            // Inside a frame `FF 00` would be read as its end or its content.
            Dialect::Hixie(_) if self.in_message => Farewell::Fin,
            Dialect::Hixie(Draft::H76) => {
                out.scratch().extend(hixie::frames::CLOSE_FRAME);
                Farewell::Frame
            }
            Dialect::Hixie(Draft::H75) => Farewell::Fin,
        }
    }

    /// draft-ietf-hybi-05 section 4.5.1: C from a client, S from a server.
    pub(crate) const fn letter(&self) -> [u8; 1] {
        match self.to {
            Side::Backend => *b"C",
            Side::Client => *b"S",
        }
    }

    /// Writes a control frame of a version with any payload.
    pub(crate) fn control(
        &self,
        version: Version,
        opcode: Opcode,
        payload: &Control,
        entropy: &mut dyn Entropy,
        out: &mut Outbox<'_>,
    ) {
        let (framing, out) = (version.framing(), out.scratch());
        match self.masking(version) {
            Masking::Frames => {
                self.masked(entropy, out, |out| {
                    frames::write_control(framing, opcode, payload, None, out);
                });
            }
            masking => {
                let key = (masking == Masking::Payload).then(|| random_key(entropy));
                frames::write_control(framing, opcode, payload, key, out);
            }
        }
    }
}

fn write_hixie<'a>(piece: Piece<'a, '_>, out: &mut Outbox<'a>) {
    let Piece { kind, first, last, total, data, .. } = piece;
    match kind {
        Kind::Text if first => hixie::frames::begin_text(out.scratch()),
        Kind::Binary if first => {
            hixie::frames::begin_binary(total.unwrap_or(data.len() as u64), out.scratch());
        }
        Kind::Text | Kind::Binary => {}
    }
    data.put(None::<Mask>, out);
    if last && kind == Kind::Text {
        hixie::frames::end_text(out.scratch());
    }
}

#[inline]
fn random_key(entropy: &mut dyn Entropy) -> [u8; 4] {
    let mut key = [0; 4];
    entropy.fill(&mut key);
    key
}

impl<'a> Data<'a, '_> {
    #[inline]
    fn put(self, mask: Option<impl Masks>, out: &mut Outbox<'a>) {
        match self {
            Data::InPlace(data) => out.payload(data, mask),
            Data::Copied(data) => out.copy(data, mask),
        }
    }
}

impl Data<'_, '_> {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::InPlace(data) => data,
            Self::Copied(data) => data,
        }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }
}
