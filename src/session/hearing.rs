//! What a peer sends: read in its dialect, inflated where it is compressed, translated for the other
//! side.

use super::closing::{Ending, Phase};
use super::deflate::{self, Compressed, Inflation};
use super::fact::{Cause, Fact};
use super::translate::{self, Translator};
use super::{Session, Turn};
use crate::event::{Chunk, Event, Side, Sides};
use crate::fault::Fault;
use crate::wire::mask::Mask;
use crate::wire::outbox::Outbox;
use crate::wire::spare::Buffer;

impl Session {
    /// Takes bytes that a peer sent.
    pub fn receive<'a>(
        &mut self,
        from: Side,
        input: &'a mut [u8],
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'a>>,
    ) {
        self.legs[from].pulse.heard(turn.now);
        if let Some(Compressed { behind: Some(behind), .. }) = self.compressed(from) {
            // In its order; it is read when what is before it has been.
            return behind.append(input);
        }
        let spoke = if self.is_tunnel(turn.policy) {
            if self.hears(from.other()) {
                turn.observer.observe(&Fact::Passed { from, bytes: input.len() as u64 });
                out[from.other()].payload(input, None::<Mask>);
            }
            true
        } else if self.compressed(from).is_some() {
            self.read_in_steps(from, input, turn, out)
        } else {
            self.read(from, input, turn, out)
        };
        if self.is_open() {
            if spoke {
                self.latest = turn.now + turn.policy.limits.idle;
            }
            self.deadline = self.due(turn.now, turn.policy);
        }
    }

    /// The compression of a side, if it has any.
    #[inline]
    fn compressed(&mut self, side: Side) -> Option<&mut Compressed> {
        self.compressed.as_mut()?[side].as_mut()
    }

    /// How much all that a side has said compressed has become, in bytes.
    fn inflated(&mut self, side: Side) -> u64 {
        self.compressed(side).map_or(0, |compressed| compressed.inflation.inflated)
    }

    /// Takes out what a peer has sent that was not read because so much came of what was before it;
    /// once that has left it is to be received again.
    pub fn take_behind(&mut self, from: Side) -> Option<Box<Buffer>> {
        self.compressed(from)?.behind.take()
    }

    /// Reads what a peer sent that compresses, as long as not too much comes of it.
    fn read_in_steps<'a>(
        &mut self,
        from: Side,
        mut input: &'a mut [u8],
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'a>>,
    ) -> bool {
        let mut spoke = false;
        let before = self.inflated(from);
        while !input.is_empty()
            && out[from.other()].scratch().len() < deflate::ENOUGH
            && self.inflated(from) - before < deflate::MUCH
        {
            let (step, rest) = input.split_at_mut(deflate::STEP.min(input.len()));
            spoke |= self.read(from, step, turn, out);
            input = rest;
        }
        let (translator, _, mut link) = self.way(from, out);
        translator.settle(&mut link, turn);
        if let Some(compressed) = self.compressed(from).filter(|_| !input.is_empty()) {
            let mut behind = turn.spare.take();
            behind.append(input);
            compressed.behind = Some(behind);
        }
        spoke
    }

    /// Reads what a peer sent; whether it said anything but an answer to the proxy, which is a sign
    /// of life, but keeps no session open that nobody uses.
    fn read<'a>(
        &mut self,
        from: Side,
        mut input: &'a mut [u8],
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'a>>,
    ) -> bool {
        let mut spoke = false;
        // After its close a peer says nothing that counts (RFC 6455 section 5.5.1).
        while matches!(self.closing.phases[from], Phase::Open | Phase::Told) {
            match self.legs[from].reader.read(&mut input) {
                Ok(Some(Event::Chunk(chunk))) => {
                    spoke = true;
                    if let Err(fault) = self.chunk(from, chunk, turn, out) {
                        self.fail(from, fault, turn, out);
                    }
                }
                Ok(Some(Event::Close(reason))) => {
                    let code = reason.as_ref().map(|reason| reason.code);
                    turn.observer.observe(&Fact::Heard { from, code });
                    self.end(from, Ending::Close, Cause::Close, reason.as_ref(), turn, out);
                }
                Ok(Some(Event::Ping(payload))) => {
                    spoke = true;
                    self.ping(from, &payload, turn, out);
                }
                Ok(Some(Event::Pong(payload))) => spoke |= self.pong(from, &payload, turn, out),
                Ok(None) => break,
                Err(fault) => self.fail(from, fault, turn, out),
            }
        }
        spoke
    }

    fn chunk<'a>(
        &mut self,
        from: Side,
        chunk: Chunk<'a>,
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'a>>,
    ) -> Result<(), Fault> {
        let ends = chunk.last;
        let is_compressed = self.legs[from].reader.is_compressed();
        let (translator, inflation, mut link) = self.way(from, out);
        match inflation.filter(|_| is_compressed) {
            Some(inflation) => inflation
                .chunk(&chunk, turn, |piece, turn| translator.chunk(piece, &mut link, turn))?,
            None => translator.chunk(chunk.into(), &mut link, turn)?,
        }
        if ends && self.leaving {
            self.take_leave(turn, out);
        }
        Ok(())
    }

    /// The way of what a side says: what translates it, what inflates it, if anything, and both ends.
    #[inline]
    fn way<'s, 'a>(
        &'s mut self,
        from: Side,
        out: &'s mut Sides<Outbox<'a>>,
    ) -> (&'s mut Translator, Option<&'s mut Inflation>, translate::Link<'s, 'a>) {
        let to = from.other();
        let hears = self.hears(to);
        let (speaker, listener) = match from {
            Side::Client => (&mut self.legs.client, &mut self.legs.backend),
            Side::Backend => (&mut self.legs.backend, &mut self.legs.client),
        };
        let (inflation, deflation) = match self.compressed.as_deref_mut() {
            None => (None, None),
            Some(Sides { client, backend }) => {
                let (speaker, listener) = match from {
                    Side::Client => (client, backend),
                    Side::Backend => (backend, client),
                };
                (
                    speaker.as_mut().map(|speaker| &mut speaker.inflation),
                    listener.as_mut().map(|listener| &mut listener.deflation),
                )
            }
        };
        let link = translate::Link {
            from: speaker.writer.dialect().able(),
            to: listener.writer.dialect().able(),
            side: from,
            writer: hears.then_some(&mut listener.writer),
            deflation,
            in_steps: inflation.is_some(),
            out: &mut out[to],
        };
        (&mut speaker.translator, inflation, link)
    }
}
