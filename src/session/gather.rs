//! Makes one frame of any message up to 32 KiB, however its input was cut, and streams larger ones.
//!
//! A message that came whole passes without being touched. One that came in pieces is held until it
//! is whole or too large to be held; then it leaves in pieces, each within one read buffer, so that
//! a control frame or a close fits between. Two kinds of message have to be collected to their end:
//! a binary one of unknown length towards a dialect that announces lengths, and any towards a backend
//! that is to get no fragments.

use super::deflate::{Deflation, Way};
use crate::dialect::writer::{Data, Piece, Writer};
use crate::event::{Able, Kind};
use crate::fault::Fault;
use crate::limits::ONE_FRAME;
use crate::wire::entropy::Entropy;
use crate::wire::outbox::Outbox;
use crate::wire::spare::{Buffer, Spare};

/// How far the message is that is on its way in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Gather {
    #[default]
    Between,
    /// Nothing of the message has left.
    Holding {
        to_the_end: bool,
    },
    Streaming(Kind),
}

/// What a gather works with.
pub(super) struct Tools<'t, 'a> {
    /// What is held of the message.
    pub(super) held: &'t mut Option<Box<Buffer>>,
    pub(super) writer: &'t mut Writer,
    /// What compresses, where that was negotiated.
    pub(super) deflation: Option<&'t mut Deflation>,
    pub(super) out: &'t mut Outbox<'a>,
    pub(super) able: Able,
    /// The bound of a message that has to be collected, in bytes.
    pub(super) collected: usize,
    /// Whether every message has to be.
    pub(super) coalesce: bool,
    /// Whether what has come at once comes in small steps, behind which [`Gather::settle`] is due.
    pub(super) in_steps: bool,
    pub(super) entropy: &'t mut dyn Entropy,
    pub(super) spare: &'t mut Spare,
}

impl Gather {
    /// Whether a message has begun and not ended.
    pub(super) fn in_message(&self) -> bool {
        *self != Self::Between
    }

    /// Takes the next piece of a message and writes what can leave.
    ///
    /// # Errors
    /// [`Fault::TooBig`] when a message that has to be collected is beyond its limit.
    #[inline]
    pub(super) fn push<'a>(
        &mut self,
        piece: Piece<'a, '_>,
        tools: &mut Tools<'_, 'a>,
    ) -> Result<(), Fault> {
        let (kind, first, last) = (piece.kind, piece.first, piece.last);
        if first {
            let unknown = piece.total.is_none() && !last;
            let announces = unknown && kind == Kind::Binary && !tools.able.binary;
            let to_the_end = announces || tools.coalesce;
            // A message that will not fit into one frame anyway is not held at all.
            let large = piece.total.is_some_and(|total| total > ONE_FRAME as u64) && !to_the_end;
            *self = if large { Self::Streaming(kind) } else { Self::Holding { to_the_end } };
        }
        let len = tools.held.as_ref().map_or(0, |held| held.len()) + piece.data.len();
        match *self {
            Self::Holding { to_the_end: true }
                if piece.total.unwrap_or(0).max(len as u64) > tools.collected as u64 =>
            {
                *tools.held = None;
                return Err(Fault::TooBig);
            }
            Self::Holding { .. } if first && last => write(piece, tools),
            Self::Holding { to_the_end } if to_the_end || len <= ONE_FRAME => {
                let mut held = tools.held.take().unwrap_or_else(|| tools.spare.take());
                held.append(piece.data.bytes());
                if last {
                    write_held(held, kind, true, tools);
                } else {
                    *tools.held = Some(held);
                    return Ok(());
                }
            }
            Self::Holding { .. } => {
                let held = tools.held.take();
                let piece = Piece { first: held.is_none(), ..piece };
                if let Some(held) = held {
                    write_held(held, kind, false, tools);
                }
                *self = Self::Streaming(kind);
                write(piece, tools);
            }
            Self::Streaming(_) if tools.in_steps && !first => {
                let mut held = tools.held.take().unwrap_or_else(|| tools.spare.take());
                held.append(piece.data.bytes());
                *tools.held = Some(held);
                if last || len >= ONE_FRAME {
                    settle(kind, last, tools);
                }
            }
            Self::Between | Self::Streaming(_) => write(piece, tools),
        }
        if last {
            *self = Self::Between;
        }
        Ok(())
    }

    /// Writes what is held of a message that streams.
    pub(super) fn settle(&self, tools: &mut Tools<'_, '_>) {
        if let Self::Streaming(kind) = *self {
            settle(kind, false, tools);
        }
    }
}

/// Writes what is held of a message behind its start.
fn settle(kind: Kind, last: bool, tools: &mut Tools<'_, '_>) {
    if let Some(held) = tools.held.take() {
        let data = Data::Copied(held.bytes());
        write(Piece { kind, first: false, last, total: None, compressed: false, data }, tools);
        tools.spare.give(held);
    }
}

/// Writes the start of a message, or all of it.
fn write_held(held: Box<Buffer>, kind: Kind, last: bool, tools: &mut Tools<'_, '_>) {
    let total = last.then_some(held.len() as u64);
    let data = Data::Copied(held.bytes());
    write(Piece { kind, first: true, last, total, compressed: false, data }, tools);
    tools.spare.give(held);
}

#[inline]
fn write<'a>(piece: Piece<'a, '_>, tools: &mut Tools<'_, 'a>) {
    match &mut tools.deflation {
        None => tools.writer.piece(piece, tools.entropy, tools.out),
        Some(deflation) => {
            let Tools { writer, out, entropy, spare, .. } = tools;
            deflation.piece(piece, &mut Way { writer, out, entropy: *entropy, spare });
        }
    }
}
