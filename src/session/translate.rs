//! What one side says, as far as the other side can be told: by capability and policy, and blind to
//! dialects.

use super::Turn;
use super::deflate::Deflation;
use super::fact::{Fact, Loss};
use super::gather::{Gather, Tools};
use super::policy::{Fragments, Policy};
use crate::dialect::writer::{Data, Piece, Writer};
use crate::event::{Able, Kind, Side};
use crate::fault::Fault;
use crate::quirk::{Quirk, Quirks};
use crate::wire::entropy::Entropy;
use crate::wire::few::Few;
use crate::wire::outbox::Outbox;
use crate::wire::spare::{Buffer, Spare};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};

/// What becomes of binary messages where one of the two sides knows them only as the length frames
/// of Hixie, which draft 76 tells browsers to discard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BinaryPolicy {
    /// A length frame is a binary message, and the other way round.
    #[default]
    Frame,
    /// Text in base64 (RFC 4648 section 4).
    Base64,
    /// The session is closed with 1003.
    Refuse,
    /// The message is dropped and counted.
    Drop,
}

/// U+FFFD REPLACEMENT CHARACTER.
const REPLACEMENT: [u8; 3] = *b"\xef\xbf\xbd";

/// The way of messages in one direction.
#[derive(Debug, Default)]
pub struct Translator {
    gather: Gather,
    /// What the gather holds.
    held: Option<Box<Buffer>>,
    mode: Mode,
    /// The bytes of the message so far, as its sender counts them.
    bytes: u64,
    /// What of the input of base64 does not fill a group of three, or of a text could be the start of
    /// what is replaced.
    carry: Few<3>,
}

/// What becomes of the message that is on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Pass,
    Base64,
    /// Text without U+FFFD.
    Replace,
    Drop,
}

/// The two ends of a direction.
pub(super) struct Link<'t, 'a> {
    pub(super) side: Side,
    pub(super) from: Able,
    pub(super) to: Able,
    /// The writer towards the other side; `None` once that side has been told the end.
    pub(super) writer: Option<&'t mut Writer>,
    /// What compresses for it, where that was negotiated.
    pub(super) deflation: Option<&'t mut Deflation>,
    /// Whether what has come at once is read in small steps, as of a peer that compresses.
    pub(super) in_steps: bool,
    pub(super) out: &'t mut Outbox<'a>,
}

impl Link<'_, '_> {
    /// Those that messages on this way can have: what is text towards a Hixie backend.
    #[inline]
    const fn quirks(&self, kind: Kind, policy: &Policy) -> Quirks {
        let is_text = matches!((kind, policy.binary), (Kind::Text, _) | (_, BinaryPolicy::Base64));
        match self.side {
            Side::Client if is_text && !self.to.fragments => policy.quirks,
            _ => Quirks::NONE,
        }
    }
}

impl<'a> Link<'_, 'a> {
    /// What a gather on this way works with; nothing once the other side has been told the end.
    #[inline]
    fn tools<'s>(
        &'s mut self,
        held: &'s mut Option<Box<Buffer>>,
        policy: &Policy,
        entropy: &'s mut dyn Entropy,
        spare: &'s mut Spare,
    ) -> Option<Tools<'s, 'a>> {
        let coalesce = self.side == Side::Client
            && self.to.fragments
            && policy.fragments == Fragments::Coalesce;
        Some(Tools {
            held,
            writer: self.writer.as_deref_mut()?,
            deflation: self.deflation.as_deref_mut(),
            out: &mut *self.out,
            able: self.to,
            collected: policy.limits.collected,
            coalesce,
            in_steps: self.in_steps,
            entropy,
            spare,
        })
    }
}

impl Translator {
    /// Takes a run of a message, which is not compressed here.
    ///
    /// # Errors
    /// [`Fault::TooBig`] beyond a limit, [`Fault::BinaryRefused`] by policy.
    #[inline]
    pub(super) fn chunk<'a>(
        &mut self,
        piece: Piece<'a, '_>,
        link: &mut Link<'_, 'a>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let Piece { kind, mut first, last, total, data, .. } = piece;
        let quirks = link.quirks(kind, turn.policy);
        if first {
            self.bytes = 0;
            self.mode = match kind {
                Kind::Binary => choose(link, turn)?,
                Kind::Text if quirks.contains(Quirk::NoReplacementCharacter) => Mode::Replace,
                Kind::Text => Mode::Pass,
            };
        }
        if quirks.contains(Quirk::NoEmptyText) {
            // Nothing leaves before it is known that there is something.
            first = self.bytes == 0 && !data.is_empty();
            if self.bytes == 0 && !first {
                if last {
                    turn.observer.observe(&Fact::Quirk(Quirk::NoEmptyText));
                    turn.observer.observe(&Fact::Message { from: link.side, kind, bytes: 0 });
                }
                return Ok(());
            }
        }
        self.bytes += data.len() as u64;
        if self.bytes.max(total.unwrap_or(0)) > turn.policy.limits.streamed {
            return Err(Fault::TooBig);
        }
        let tools = link.tools(&mut self.held, turn.policy, turn.entropy, turn.spare);
        if let Some(mut tools) = tools {
            match self.mode {
                Mode::Drop => {}
                // No U+FFFD is without this byte, and few texts have it.
                Mode::Replace
                    if !self.carry.is_empty() || data.bytes().contains(&REPLACEMENT[0]) =>
                {
                    let mut text = tools.spare.take();
                    if replace(&mut self.carry, data.bytes(), last, &mut text) {
                        turn.observer.observe(&Fact::Quirk(Quirk::NoReplacementCharacter));
                    }
                    let data = Data::Copied(text.bytes());
                    let piece = Piece { kind, first, last, total: None, compressed: false, data };
                    if first || last || !piece.data.is_empty() {
                        self.gather.push(piece, &mut tools)?;
                    }
                    tools.spare.give(text);
                }
                Mode::Pass | Mode::Replace => {
                    let piece = Piece { kind, first, last, total, compressed: false, data };
                    self.gather.push(piece, &mut tools)?;
                }
                Mode::Base64 => {
                    let mut text = tools.spare.take();
                    encode(&mut self.carry, data.bytes(), last, &mut text);
                    let data = Data::Copied(text.bytes());
                    let kind = Kind::Text;
                    let piece = Piece { kind, first, last, total: None, compressed: false, data };
                    // Nothing, until a group of three is full, is no fragment.
                    if first || last || !piece.data.is_empty() {
                        self.gather.push(piece, &mut tools)?;
                    }
                    tools.spare.give(text);
                }
            }
        }
        if last {
            turn.observer.observe(&Fact::Message { from: link.side, kind, bytes: self.bytes });
        }
        Ok(())
    }

    /// Writes what is held of a message that is too large to be held, behind the last of some steps.
    pub(super) fn settle(&mut self, link: &mut Link<'_, '_>, turn: &mut Turn<'_>) {
        let tools = link.tools(&mut self.held, turn.policy, turn.entropy, turn.spare);
        if let Some(mut tools) = tools {
            self.gather.settle(&mut tools);
        }
    }

    /// Whether a message has begun and not ended.
    pub(super) fn in_message(&self) -> bool {
        self.gather.in_message()
    }
}

/// Appends the next run of a text with `?` for each U+FFFD; whether there was one. Where the run ends
/// in what could be the start of one, that is carried over.
fn replace(carry: &mut Few<3>, data: &[u8], last: bool, text: &mut Buffer) -> bool {
    let mut found = false;
    for byte in data {
        if REPLACEMENT.get(carry.len()) != Some(byte) {
            text.append(carry);
            carry.clear();
        }
        if REPLACEMENT.get(carry.len()) != Some(byte) {
            text.append(&[*byte]);
        } else if carry.push(*byte) && carry.is_full() {
            carry.clear();
            text.append(b"?");
            found = true;
        }
    }
    if last {
        text.append(carry);
        carry.clear();
    }
    found
}

/// Appends the base64 of the next run of a message, as far as it fills groups of three; what does not
/// is carried over.
fn encode(carry: &mut Few<3>, mut data: &[u8], last: bool, text: &mut Buffer) {
    while !carry.is_empty()
        && let Some((byte, rest)) = data.split_first()
        && carry.push(*byte)
    {
        data = rest;
    }
    if carry.is_full() || last {
        append_base64(carry, text);
        carry.clear();
    }
    let whole = if last { data.len() } else { data.len() - data.len() % 3 };
    let (whole, rest) = data.split_at(whole);
    append_base64(whole, text);
    for byte in rest {
        carry.push(*byte);
    }
}

fn append_base64(data: &[u8], text: &mut Buffer) {
    let place = text.grow(data.len().div_ceil(3) * 4);
    // The place is as large as base64 is (RFC 4648 section 4), so that this cannot fail.
    let written = BASE64_STANDARD.encode_slice(data, place);
    debug_assert_eq!(written.ok(), Some(data.len().div_ceil(3) * 4));
}

/// What is to become of a binary message.
fn choose(link: &Link<'_, '_>, turn: &mut Turn<'_>) -> Result<Mode, Fault> {
    if link.from.binary && link.to.binary {
        return Ok(Mode::Pass);
    }
    let (mode, loss) = match turn.policy.binary {
        BinaryPolicy::Frame => (Mode::Pass, (!link.to.binary).then_some(Loss::BinaryFrame)),
        BinaryPolicy::Base64 => (Mode::Base64, Some(Loss::BinaryAsText)),
        BinaryPolicy::Drop => (Mode::Drop, Some(Loss::BinaryDropped)),
        BinaryPolicy::Refuse => return Err(Fault::BinaryRefused),
    };
    if let Some(loss) = loss {
        turn.observer.observe(&Fact::Loss(loss));
    }
    Ok(mode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn replacement_characters_are_replaced_however_the_text_is_cut(
            text in "[a\u{fffd}\u{ffff}\u{f000}\u{e9}]{0,12}",
            cuts in proptest::collection::vec(0_usize..4, 0..12),
        ) {
            let (mut rest, mut out) = (text.as_bytes(), Buffer::default());
            let (mut carry, mut found) = (Few::default(), false);
            for cut in cuts {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                found |= replace(&mut carry, piece, false, &mut out);
                rest = tail;
            }
            found |= replace(&mut carry, rest, true, &mut out);
            let due = text.replace('\u{fffd}', "?");
            prop_assert_eq!(std::str::from_utf8(out.bytes()).unwrap(), due);
            prop_assert_eq!(found, text.contains('\u{fffd}'));
            prop_assert!(carry.is_empty());
        }

        #[test]
        fn base64_is_the_same_however_the_message_is_cut(
            data in proptest::collection::vec(any::<u8>(), 0..40),
            cuts in proptest::collection::vec(0_usize..7, 0..12),
        ) {
            let (mut rest, mut text) = (&data[..], Buffer::default());
            let mut carry = Few::default();
            for cut in cuts {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                encode(&mut carry, piece, false, &mut text);
                rest = tail;
            }
            encode(&mut carry, rest, true, &mut text);
            prop_assert_eq!(std::str::from_utf8(text.bytes()).unwrap(), BASE64_STANDARD.encode(&data));
        }
    }
}
