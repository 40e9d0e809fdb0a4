//! Makes one frame of any message up to 32 KiB, however its input was cut, and streams larger ones.
//!
//! A message that came whole passes without being touched. One that came in pieces is held until it
//! is whole or too large to be held; then it leaves in pieces, each within one read buffer, so that
//! a control frame or a close fits between. Only a binary message of unknown length towards a
//! dialect that announces lengths has to be collected to its end.

use crate::dialect::writer::{Data, Piece, Writer};
use crate::event::{Able, Kind};
use crate::fault::Fault;
use crate::limits::{Limits, ONE_FRAME};
use crate::wire::entropy::Entropy;
use crate::wire::outbox::Outbox;
use crate::wire::spare::{Buffer, Spare};

/// The message that is on its way in one direction.
#[derive(Debug, Default)]
pub(super) struct Gather {
    held: Option<Box<Buffer>>,
    state: State,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    /// Nothing of the message has left.
    Holding {
        to_the_end: bool,
    },
    Streaming,
}

/// What a gather works with.
pub(super) struct Tools<'t, 'a> {
    pub(super) writer: &'t mut Writer,
    pub(super) out: &'t mut Outbox<'a>,
    pub(super) able: Able,
    pub(super) limits: &'t Limits,
    pub(super) entropy: &'t mut dyn Entropy,
    pub(super) spare: &'t mut Spare,
}

impl Gather {
    /// Whether a message has begun and not ended.
    pub(super) fn in_message(&self) -> bool {
        self.state != State::Between
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
            let to_the_end = unknown && kind == Kind::Binary && !tools.able.binary;
            // A message that will not fit into one frame anyway is not held at all.
            let large = piece.total.is_some_and(|total| total > ONE_FRAME as u64);
            self.state = if large { State::Streaming } else { State::Holding { to_the_end } };
        }
        let len = self.held.as_ref().map_or(0, |held| held.len()) + piece.data.len();
        match self.state {
            State::Holding { .. } if first && last => write(piece, tools),
            State::Holding { to_the_end: true } if len > tools.limits.collected => {
                self.held = None;
                return Err(Fault::TooBig);
            }
            State::Holding { to_the_end } if to_the_end || len <= ONE_FRAME => {
                let mut held = self.held.take().unwrap_or_else(|| tools.spare.take());
                held.append(piece.data.bytes());
                if last {
                    write_held(held, kind, true, tools);
                } else {
                    self.held = Some(held);
                    return Ok(());
                }
            }
            State::Holding { .. } => {
                let held = self.held.take();
                let piece = Piece { first: held.is_none(), ..piece };
                if let Some(held) = held {
                    write_held(held, kind, false, tools);
                }
                self.state = State::Streaming;
                write(piece, tools);
            }
            State::Between | State::Streaming => write(piece, tools),
        }
        if last {
            self.state = State::Between;
        }
        Ok(())
    }
}

/// Writes the start of a message, or all of it.
fn write_held(held: Box<Buffer>, kind: Kind, last: bool, tools: &mut Tools<'_, '_>) {
    let total = last.then_some(held.len() as u64);
    write(Piece { kind, first: true, last, total, data: Data::Copied(held.bytes()) }, tools);
    tools.spare.give(held);
}

#[inline]
fn write<'a>(piece: Piece<'a, '_>, tools: &mut Tools<'_, 'a>) {
    tools.writer.piece(piece, tools.entropy, tools.out);
}
