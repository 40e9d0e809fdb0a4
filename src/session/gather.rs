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
use crate::wire::spare::Spare;

/// The message that is on its way in one direction.
#[derive(Debug, Default)]
pub(super) struct Gather {
    held: Vec<u8>,
    /// The bytes of the message so far.
    seen: u64,
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
    /// Takes the next piece of a message and writes what can leave.
    ///
    /// # Errors
    /// [`Fault::TooBig`] when the message is beyond the limit of its kind.
    #[inline]
    pub(super) fn push<'a>(
        &mut self,
        piece: Piece<'a, '_>,
        tools: &mut Tools<'_, 'a>,
    ) -> Result<(), Fault> {
        let len = piece.data.len();
        if piece.first {
            self.seen = 0;
            let unknown = piece.total.is_none() && !piece.last;
            let to_the_end = unknown && piece.kind == Kind::Binary && !tools.able.binary_in_pieces;
            // A message that will not fit into one frame anyway is not held at all.
            let large = piece.total.is_some_and(|total| total > ONE_FRAME as u64);
            self.state = if large { State::Streaming } else { State::Holding { to_the_end } };
        }
        self.seen += len as u64;
        let limit = match self.state {
            State::Holding { to_the_end: true } => tools.limits.collected,
            _ => tools.limits.streamed,
        };
        if self.seen.max(piece.total.unwrap_or(0)) > limit {
            self.release(tools.spare);
            return Err(Fault::TooBig);
        }
        let (kind, first, last) = (piece.kind, piece.first, piece.last);
        match self.state {
            State::Holding { .. } if first && last => write(piece, tools),
            State::Holding { to_the_end } if to_the_end || self.held.len() + len <= ONE_FRAME => {
                self.hold(&piece.data, tools.spare);
                if !last {
                    return Ok(());
                }
                self.write_held(kind, true, tools);
            }
            State::Holding { .. } => {
                let begun = !self.held.is_empty();
                if begun {
                    self.write_held(kind, false, tools);
                }
                self.state = State::Streaming;
                write(Piece { first: !begun, ..piece }, tools);
            }
            State::Between | State::Streaming => write(piece, tools),
        }
        if last {
            self.state = State::Between;
        }
        Ok(())
    }

    fn hold(&mut self, data: &Data<'_, '_>, spare: &mut Spare) {
        if self.held.capacity() == 0 {
            self.held = spare.take();
        }
        self.held.extend_from_slice(data.bytes());
    }

    fn write_held(&mut self, kind: Kind, last: bool, tools: &mut Tools<'_, '_>) {
        let total = Some(self.held.len() as u64).filter(|_| last);
        let data = Data::Copied(&self.held);
        write(Piece { kind, first: true, last, total, data }, tools);
        self.release(tools.spare);
    }

    fn release(&mut self, spare: &mut Spare) {
        spare.give(std::mem::take(&mut self.held));
    }
}

#[inline]
fn write<'a>(piece: Piece<'a, '_>, tools: &mut Tools<'_, 'a>) {
    tools.writer.piece(piece, tools.entropy, tools.out);
}
