//! What one side of a session says: its bytes behind the opening handshake become messages, pings,
//! pongs and closes.

use super::conversation::Mark;
use super::event::{Message, What};
use super::inflate::{self, Inflation};
use super::session::Told;
use crate::dialect::hixie::frames::{TEXT, TEXT_END};
use crate::dialect::hixie::keys::{ANSWER_LEN, KEY3_LEN};
use crate::dialect::reader::Reader;
use crate::dialect::{Agreement, Dialect};
use crate::event::{Chunk, Event, Kind, Side, Sides};
use crate::fault::Fault;
use arrayvec::ArrayVec;

/// The longest message that is gathered, in bytes. It is held in memory until its end has come.
pub const MAX_MESSAGE: usize = 16 << 20;

/// How much is copied at a time for the reader, which unmasks in place, in bytes: what stays in the
/// nearest cache.
const COPIED: usize = 8 * 1024;

/// One side.
#[derive(Debug)]
pub(super) struct Speech {
    from: Side,
    dialect: Dialect,
    reader: Reader,
    hearing: Hearing,
    /// What is left of the part of the handshake that comes behind the head.
    proof: usize,
    /// The message in progress.
    data: Vec<u8>,
    /// What its sender had received when it began.
    seen: u64,
    inflation: Option<Box<Inflation>>,
    closed: bool,
    /// Whether bytes were missing or wrong.
    flawed: bool,
}

/// How far the bytes that come are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hearing {
    Frames,
    /// Behind a gap: so many bytes `FF` came last, up to two.
    Seeking {
        ends: u8,
    },
    /// Not any more.
    Nothing,
}

impl Speech {
    pub(super) fn new(dialect: Dialect, from: Side) -> Self {
        // key3 and its answer come behind the heads (draft-hixie-76, "Opening handshake").
        let proof = match from {
            _ if !dialect.has_key3() => 0,
            Side::Client => KEY3_LEN,
            Side::Backend => ANSWER_LEN,
        };
        Self {
            from,
            dialect,
            reader: Reader::lenient(dialect, from),
            hearing: Hearing::Frames,
            proof,
            data: Vec::new(),
            seen: 0,
            inflation: None,
            closed: false,
            flawed: false,
        }
    }

    /// Takes what was agreed on, before anything was said.
    pub(super) fn agree(&mut self, agreed: Agreement) {
        self.reader = Reader::lenient(agreed, self.from);
    }

    /// Whether messages may be compressed.
    pub(super) const fn allow_compression(&mut self, allowed: bool) {
        self.reader.allow_compression(allowed);
    }

    /// Takes the next bytes, which end at the offset `end` of their stream.
    pub(super) fn hear(
        &mut self,
        mut bytes: &[u8],
        end: u64,
        mark: Mark,
        told: &mut Sides<Told>,
        tell: &mut dyn FnMut(Mark, What),
    ) {
        let proof = self.proof.min(bytes.len());
        self.proof -= proof;
        bytes = bytes.get(proof..).unwrap_or_default();
        if matches!(self.hearing, Hearing::Seeking { .. }) {
            bytes = self.seek(bytes);
        }
        let mut copy = ArrayVec::<u8, COPIED>::new();
        while self.hearing == Hearing::Frames && !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(COPIED));
            bytes = rest;
            copy.clear();
            // It fits.
            let _ = copy.try_extend_from_slice(piece);
            if let Err(fault) = self.read(&mut copy, end - rest.len() as u64, mark, told, tell) {
                self.fault(fault, mark, tell);
            }
        }
    }

    /// Takes note that so many bytes are missing.
    pub(super) fn gap(&mut self, bytes: u64, mark: Mark, tell: &mut dyn FnMut(Mark, What)) {
        if self.hearing == Hearing::Nothing {
            return;
        }
        tell(mark, What::Gap { from: self.from, bytes });
        self.lose();
        // Only the frames of Hixie have an end that can be found.
        if matches!(self.dialect, Dialect::Hixie(_)) {
            self.reader = Reader::lenient(self.dialect, self.from);
            self.hearing = Hearing::Seeking { ends: 0 };
        }
    }

    /// Takes note that what came is wrong; nothing more is told of this side.
    pub(super) fn fault(&mut self, fault: String, mark: Mark, tell: &mut dyn FnMut(Mark, What)) {
        tell(mark, What::Fault { from: self.from, fault });
        self.lose();
    }

    /// Whether all of it was understood, and it is between two messages.
    pub(super) const fn is_whole(&self) -> bool {
        !self.flawed && self.proof == 0 && !self.reader.in_message()
    }

    /// Whether it has said a close.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// How much memory it takes beside itself, in bytes.
    pub(super) fn kept(&self) -> usize {
        self.data.capacity() + self.inflation.as_ref().map_or(0, |_| inflate::KEPT)
    }

    /// Whether a frame was masked that should not be, or was not and should be.
    pub(super) const fn masks_wrongly(&self) -> bool {
        self.reader.masks_wrongly()
    }

    fn lose(&mut self) {
        self.flawed = true;
        self.hearing = Hearing::Nothing;
        self.proof = 0;
        self.data = Vec::new();
        self.inflation = None;
    }

    /// Looks for the start of a text behind the end of another one, and returns what follows from
    /// there. `FF 00` is one, or a close if another `FF` stands before it: no text holds an `FF`.
    fn seek<'b>(&mut self, mut bytes: &'b [u8]) -> &'b [u8] {
        let Hearing::Seeking { mut ends } = self.hearing else { return bytes };
        while let Some((byte, rest)) = bytes.split_first() {
            ends = match (*byte, ends) {
                (TEXT_END, _) => 2.min(ends + 1),
                (TEXT, 1..) => {
                    self.hearing = Hearing::Frames;
                    if ends == 2 {
                        // The reader is to have seen the whole of `FF 00`; the first byte of it says
                        // nothing yet.
                        let _ = self.reader.read(&mut &mut [TEXT_END][..]);
                    }
                    return bytes;
                }
                _ => 0,
            };
            bytes = rest;
        }
        self.hearing = Hearing::Seeking { ends };
        bytes
    }

    /// Reads frames to the end of `input`.
    fn read(
        &mut self,
        mut input: &mut [u8],
        end: u64,
        mark: Mark,
        told: &mut Sides<Told>,
        tell: &mut dyn FnMut(Mark, What),
    ) -> Result<(), String> {
        let from = self.from;
        loop {
            if !self.reader.in_message() && !input.is_empty() {
                self.seen = told[from.other()].received(mark.acked);
            }
            let event = self.reader.read(&mut input).map_err(|fault| fault.to_string())?;
            let what = match event {
                None => return Ok(()),
                Some(Event::Chunk(chunk)) => {
                    let Some(message) = self.gather(&chunk)? else { continue };
                    told[from].tell(end - input.len() as u64);
                    What::Message(message)
                }
                Some(Event::Ping(data)) => What::Ping { from, data: data.to_vec() },
                Some(Event::Pong(data)) => What::Pong { from, data: data.to_vec() },
                Some(Event::Close(reason)) => {
                    self.closed = true;
                    let text = reason.as_ref().map(|reason| String::from_utf8_lossy(&reason.text));
                    let reason_text = text.unwrap_or_default().into_owned();
                    What::Close {
                        from,
                        code: reason.map(|reason| reason.code),
                        reason: reason_text,
                    }
                }
            };
            tell(mark, what);
        }
    }

    /// Takes a part of a message, and returns the message when it is whole.
    fn gather(&mut self, chunk: &Chunk<'_>) -> Result<Option<Message>, String> {
        let compressed = self.reader.is_compressed();
        if compressed {
            self.inflate(chunk)?;
        } else {
            // What is announced does not count: what has come may have another fault first.
            if self.data.len() + chunk.data.len() > MAX_MESSAGE {
                return Err(too_big());
            }
            self.data.extend_from_slice(chunk.data);
        }
        if !chunk.last {
            return Ok(None);
        }
        let data = std::mem::take(&mut self.data);
        // Of what is not compressed the reader has seen to it.
        if compressed && chunk.kind == Kind::Text && simdutf8::basic::from_utf8(&data).is_err() {
            return Err(Fault::Utf8.to_string());
        }
        Ok(Some(Message { from: self.from, kind: chunk.kind, data, seen: self.seen }))
    }

    fn inflate(&mut self, chunk: &Chunk<'_>) -> Result<(), String> {
        let inflation = self.inflation.get_or_insert_default();
        let inflated = inflation.inflate(chunk.data, chunk.last, MAX_MESSAGE, &mut self.data);
        inflated.map_err(|fault| match fault {
            inflate::Fault::Malformed => "malformed compressed message".to_owned(),
            inflate::Fault::TooBig => too_big(),
        })
    }
}

fn too_big() -> String {
    format!("{}: more than {MAX_MESSAGE} bytes", Fault::TooBig)
}
