//! The writer of any dialect: events to the bytes of one peer.

use super::Dialect;
use super::hixie::{self, Draft};
use super::hybi::frames::{self, DataFrame};
use crate::event::{Control, Kind, Reason, Side};
use crate::wire::entropy::Entropy;
use crate::wire::mask::Mask;
use crate::wire::outbox::Outbox;

/// Writes frames to one peer.
#[derive(Debug)]
pub struct Writer {
    dialect: Dialect,
    /// Whether payload is masked: towards servers (RFC 6455 section 5.3).
    masks: bool,
    in_message: bool,
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
    /// The bytes.
    pub data: Data<'a, 's>,
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
    pub fn new(dialect: Dialect, to: Side) -> Self {
        let masks = to == Side::Backend && matches!(dialect, Dialect::Hybi(_));
        Self { dialect, masks, in_message: false }
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
        let Piece { kind, first, last, total, data } = piece;
        let mut mask = None;
        match (self.dialect, kind) {
            (Dialect::Hixie(_), Kind::Text) if first => hixie::frames::begin_text(out.scratch()),
            (Dialect::Hixie(_), Kind::Binary) if first => {
                hixie::frames::begin_binary(total.unwrap_or(data.len() as u64), out.scratch());
            }
            (Dialect::Hixie(_), _) => {}
            (Dialect::Hybi(_), _) => {
                let frame = DataFrame { kind, first, last, len: data.len() };
                let key = self.mask_key(entropy);
                frames::write_data_header(&frame, key, out.scratch());
                mask = key.map(Mask::new);
            }
        }
        match data {
            Data::InPlace(data) => out.payload(data, mask),
            Data::Copied(data) => out.copy(data, mask),
        }
        if last && kind == Kind::Text && matches!(self.dialect, Dialect::Hixie(_)) {
            hixie::frames::end_text(out.scratch());
        }
        self.in_message = !last;
    }

    /// Writes a ping; nothing where the dialect has none.
    pub fn ping(&self, payload: &Control, entropy: &mut dyn Entropy, out: &mut Outbox<'_>) {
        if let Dialect::Hybi(_) = self.dialect {
            frames::write_ping(payload, self.mask_key(entropy), out.scratch());
        }
    }

    /// Writes a pong; nothing where the dialect has none.
    pub fn pong(&self, payload: &Control, entropy: &mut dyn Entropy, out: &mut Outbox<'_>) {
        if let Dialect::Hybi(_) = self.dialect {
            frames::write_pong(payload, self.mask_key(entropy), out.scratch());
        }
    }

    /// Writes this side of the closing handshake, and tells how it was said.
    pub fn close(
        &self,
        reason: Option<&Reason>,
        entropy: &mut dyn Entropy,
        out: &mut Outbox<'_>,
    ) -> Farewell {
        match self.dialect {
            Dialect::Hybi(version) => {
                // A close frame may stand between the fragments of a message (RFC 6455 5.4).
                frames::write_close(version, reason, self.mask_key(entropy), out.scratch());
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

    #[inline]
    fn mask_key(&self, entropy: &mut dyn Entropy) -> Option<[u8; 4]> {
        self.masks.then(|| {
            let mut key = [0; 4];
            entropy.fill(&mut key);
            key
        })
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
