//! permessage-deflate on one connection of a session (RFC 7692): what its peer says is inflated before
//! it is translated, and what it is told is deflated when it has been.
//!
//! Both go in pieces. What a sender refers back to is kept only where messages refer to those before
//! them; else an inflater or a deflater is taken for a message and given back behind it.

use super::Turn;
use crate::dialect::hybi::deflate::{Agreed, Sender};
use crate::dialect::writer::{Data, Piece, Writer};
use crate::event::{Chunk, Kind, Side, Sides};
use crate::fault::Fault;
use crate::limits::ONE_FRAME;
use crate::wire::deflate::{Deflater, Inflater, Malformed};
use crate::wire::entropy::Entropy;
use crate::wire::outbox::Outbox;
use crate::wire::spare::{Buffer, Spare};
use crate::wire::utf8::Validator;

/// A message of fewer bytes is not compressed, where it can refer to those before it: it would take more
/// than it saves.
const SMALL: usize = 32;

/// The same where it cannot: it would hardly become shorter, or longer.
const SMALL_ALONE: usize = 128;

/// How much is read at a time of a peer that compresses, in bytes. DEFLATE makes at most 1032 times as
/// much of it.
pub(super) const STEP: usize = 1024;

/// What has come of a read so that the rest of it waits until that has left, in bytes. With what comes
/// of one step more it bounds what the other side is written at a time.
pub(super) const ENOUGH: usize = 256 * 1024;

/// What has been inflated of a read so that the rest of it waits too, in bytes: not all of it is written to
/// the other side, and other sessions are to have their turn.
pub(super) const MUCH: u64 = 1 << 20;

// What it costs a session that nothing is said in.
const _: () = assert!(size_of::<Sides<Option<Compressed>>>() <= 128);

/// The compression of a connection.
#[derive(Debug)]
pub(super) struct Compressed {
    pub(super) inflation: Inflation,
    pub(super) deflation: Deflation,
    /// What has been taken of the peer and not been read yet.
    pub(super) behind: Option<Box<Buffer>>,
}

/// What a peer says.
#[derive(Debug)]
pub(super) struct Inflation {
    takeover: bool,
    inflater: Option<Box<Inflater>>,
    utf8: Validator,
    /// How long all messages have become, in bytes.
    pub(super) inflated: u64,
    /// How long those before this one.
    before: u64,
}

/// What a peer is told.
#[derive(Debug)]
pub(super) struct Deflation {
    sender: Sender,
    deflater: Option<Box<Deflater>>,
    /// Whether the message that is on its way is compressed.
    compressing: bool,
}

/// What a piece is deflated with and written to.
pub(super) struct Way<'t, 'a> {
    pub(super) writer: &'t mut Writer,
    pub(super) out: &'t mut Outbox<'a>,
    pub(super) entropy: &'t mut dyn Entropy,
    pub(super) spare: &'t mut Spare,
}

/// The compression of the two connections of a session; nothing where neither has any.
pub(super) fn of(agreed: Sides<Option<Agreed>>) -> Option<Box<Sides<Option<Compressed>>>> {
    let compressed = |side: Side| agreed[side].map(|agreed| Compressed::new(agreed, side));
    let both = Sides { client: compressed(Side::Client), backend: compressed(Side::Backend) };
    (both.client.is_some() || both.backend.is_some()).then(|| Box::new(both))
}

impl Compressed {
    /// The compression of the connection to `peer`.
    fn new(agreed: Agreed, peer: Side) -> Self {
        Self {
            inflation: Inflation {
                takeover: agreed[peer].takeover,
                inflater: None,
                utf8: Validator::default(),
                inflated: 0,
                before: 0,
            },
            deflation: Deflation {
                sender: agreed[peer.other()],
                deflater: None,
                compressing: false,
            },
            behind: None,
        }
    }
}

impl Inflation {
    /// Takes a run of a compressed message and hands on what it becomes.
    ///
    /// # Errors
    /// [`Fault::Compression`], [`Fault::Utf8`], [`Fault::TooBig`], and those of `hand_on`.
    pub(super) fn chunk<'a>(
        &mut self,
        chunk: &Chunk<'_>,
        turn: &mut Turn<'_>,
        mut hand_on: impl FnMut(Piece<'a, '_>, &mut Turn<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let most = turn.policy.limits.inflated;
        let (kind, mut first) = (chunk.kind, chunk.first);
        let mut inflater = self.inflater.take().unwrap_or_else(|| turn.spare.inflater());
        let mut out = turn.spare.take();
        if first {
            self.before = self.inflated;
        }
        inflater.pieces(chunk.data, chunk.last, ONE_FRAME, &mut out, |data, last| {
            self.inflated += data.len() as u64;
            if self.inflated - self.before > most {
                return Err(Fault::TooBig);
            }
            if kind == Kind::Text {
                self.utf8.feed(data)?;
                if last {
                    self.utf8.finish()?;
                }
            }
            if first || last || !data.is_empty() {
                let data = Data::Copied(data);
                let piece = Piece { kind, first, last, total: None, compressed: false, data };
                hand_on(piece, turn)?;
            }
            first = false;
            Ok(())
        })?;
        turn.spare.give(out);
        if self.takeover || !chunk.last {
            self.inflater = Some(inflater);
        } else {
            turn.spare.give_inflater(inflater);
        }
        Ok(())
    }
}

impl Deflation {
    /// Writes a piece of a message, compressed if it is worth it.
    pub(super) fn piece<'a>(&mut self, piece: Piece<'a, '_>, way: &mut Way<'_, 'a>) {
        let Piece { kind, first, last, .. } = piece;
        if first {
            let small = if self.sender.takeover { SMALL } else { SMALL_ALONE };
            self.compressing = !(last && piece.data.len() < small);
        }
        if !self.compressing {
            return way.writer.piece(piece, way.entropy, way.out);
        }
        let window_bits = self.sender.window_bits;
        let mut deflater = match self.deflater.take() {
            Some(deflater) => deflater,
            None => way.spare.deflater(window_bits),
        };
        let mut out = way.spare.take();
        if last {
            deflater.finish(piece.data.bytes(), &mut out);
        } else {
            deflater.deflate(piece.data.bytes(), &mut out);
        }
        if last && !self.sender.takeover {
            way.spare.give_deflater(deflater);
        } else {
            self.deflater = Some(deflater);
        }
        // A frame in the middle that is empty says nothing.
        if first || last || !out.is_empty() {
            let data = Data::Copied(out.bytes());
            let piece = Piece { kind, first, last, total: None, compressed: true, data };
            way.writer.piece(piece, way.entropy, way.out);
        }
        way.spare.give(out);
    }
}

impl From<Malformed> for Fault {
    fn from(Malformed: Malformed) -> Self {
        Self::Compression
    }
}
