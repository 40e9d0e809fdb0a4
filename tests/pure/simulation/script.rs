//! What a peer says in a play, with the place of each thing in its stream.

use super::dice::Dice;
use crate::peer::{Line, Voice};
use crate::said::Said;
use hybridge::dialect::Dialect;
use hybridge::event::Kind;
use std::fmt;
use std::ops::Range;

/// A peer and its stream so far.
pub(super) struct Script {
    pub(super) voice: Voice,
    pub(super) stream: Vec<u8>,
    /// What the stream says, in the order of the ends.
    pub(super) items: Vec<Item>,
    /// How much of it has arrived.
    pub(super) arrived: usize,
    /// How many items have arrived whole.
    pub(super) next: usize,
    /// Whether it has closed, in any way, and means to say no more.
    done: bool,
    /// Whether its stream ends behind what it said.
    fin: bool,
    /// Whether the end of its stream has arrived.
    pub(super) ended: bool,
    /// Whether it answers a close, and whether it goes on talking behind its own.
    polite: bool,
}

/// One thing of a stream.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) range: Range<usize>,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// A message; `pieces`: of how many fragments.
    Message {
        kind: Kind,
        data: Vec<u8>,
        pieces: usize,
    },
    Control(Said),
    /// The pong to a ping of the proxy.
    Answer,
    Close(Option<(u16, Vec<u8>)>),
    /// Against the rules, with the code that it gets.
    Wrong(u16),
}

const CHARACTERS: [&str; 9] =
    ["a", "\0", "\u{7f}", "\u{e9}", "\u{20ac}", "\u{fffd}", "\u{ffff}", "\u{1f600}", "\r\n"];

impl Script {
    pub(super) fn new(voice: Voice, dice: &mut Dice) -> Self {
        Self {
            voice,
            stream: Vec::new(),
            items: Vec::new(),
            arrived: 0,
            next: 0,
            done: false,
            fin: false,
            ended: false,
            polite: !dice.one_in(4),
        }
    }

    /// How many bytes have not arrived.
    pub(super) fn waiting(&self) -> usize {
        if self.ended { 0 } else { self.stream.len() - self.arrived }
    }

    /// Whether its stream ends here.
    pub(super) fn wants_end(&self) -> bool {
        self.fin && !self.ended && self.waiting() == 0
    }

    /// Whether what arrived ends inside of a message or of a frame.
    pub(super) fn is_inside(&self) -> bool {
        self.items
            .iter()
            .any(|Item { range, .. }| (range.start + 1..range.end).contains(&self.arrived))
    }

    /// The message that has this range inside of it.
    pub(super) fn around(&self, range: &Range<usize>) -> Option<&What> {
        let around = |item: &&Item| item.range.start < range.start && range.end < item.range.end;
        self.items.iter().find(around).map(|item| &item.what)
    }

    /// Thinks of the next thing to say. `told`: the proxy has closed towards it.
    pub(super) fn say(&mut self, dice: &mut Dice, told: bool) {
        if self.fin || (self.done && self.polite && !dice.one_in(4)) {
            return;
        }
        match dice.below(100) {
            _ if self.done => self.fin |= dice.one_in(2),
            _ if told && self.polite => self.close(dice),
            0..60 => self.message(dice),
            60..72 if self.voice.is_hybi() => self.control(dice),
            72..85 => self.message(dice),
            85..90 => self.close(dice),
            90..92 => self.wrong(dice),
            92..94 => {
                // It breaks off, often in the middle of something.
                self.message(dice);
                let start = self.items.last().map_or(0, |item| item.range.start);
                let kept = start + dice.length(self.stream.len() - start + 1);
                self.stream.truncate(kept.max(self.arrived));
                (self.done, self.fin) = (true, true);
            }
            94..96 => (self.done, self.fin) = (true, true),
            _ => {}
        }
        // Some go on talking behind their close; none of it counts.
        if self.done && !self.polite && !self.fin && dice.one_in(2) {
            self.message(dice);
        }
    }

    /// Says one more message, whatever it has said and been told.
    pub(super) fn chatter(&mut self, dice: &mut Dice) {
        if !self.fin {
            self.message(dice);
        }
    }

    /// Answers a ping of the proxy.
    pub(super) fn answer(&mut self, question: Vec<u8>, dice: &mut Dice) {
        if !self.fin && !self.done {
            self.add(&Line::Pong(question), What::Answer, dice);
        }
    }

    fn add(&mut self, line: &Line, what: What, dice: &mut Dice) {
        let start = self.stream.len();
        let key = [dice.byte(), dice.byte(), dice.byte(), dice.byte()];
        self.stream.extend(self.voice.say(line, key));
        self.items.push(Item { range: start..self.stream.len(), what });
    }

    fn message(&mut self, dice: &mut Dice) {
        let kind = if dice.one_in(3) { Kind::Binary } else { Kind::Text };
        let length = match dice.below(100) {
            0..10 => 0,
            10..85 => dice.length(30),
            85..98 => dice.length(3000),
            _ => 32_000 + dice.length(2000),
        };
        let data = match kind {
            Kind::Binary => dice.bytes(length),
            Kind::Text => text(dice, length),
        };
        if !self.voice.is_hybi() || dice.one_in(2) {
            let line = Line::Message(kind, vec![data.clone()]);
            self.add(&line, What::Message { kind, data, pieces: 1 }, dice);
            return;
        }
        // In fragments, with a ping between some of them.
        let start = self.stream.len();
        let pieces = 2 + dice.length(4);
        let mut rest = &data[..];
        for piece in 0..pieces {
            let last = piece + 1 == pieces;
            let (part, behind) =
                rest.split_at(if last { rest.len() } else { dice.length(rest.len() + 1) });
            rest = behind;
            let opcode = match (piece, kind) {
                (0, Kind::Text) => 1,
                (0, Kind::Binary) => 2,
                _ => 0,
            };
            let key = [dice.byte(), dice.byte(), dice.byte(), dice.byte()];
            let fin = if last { 0x80 } else { 0 };
            self.stream.extend(self.voice.frame(fin | opcode, part, key));
            if !last && dice.one_in(4) {
                self.control(dice);
            }
        }
        let range = start..self.stream.len();
        self.items.push(Item { range, what: What::Message { kind, data, pieces } });
    }

    fn control(&mut self, dice: &mut Dice) {
        let count = if dice.one_in(8) { 125 } else { dice.length(6) };
        let payload = dice.bytes(count);
        let (line, said) = if dice.one_in(3) {
            (Line::Pong(payload.clone()), Said::Pong(payload))
        } else {
            (Line::Ping(payload.clone()), Said::Ping(payload))
        };
        self.add(&line, What::Control(said), dice);
    }

    fn close(&mut self, dice: &mut Dice) {
        let codes: &[u16] = match self.voice.dialect {
            Dialect::RFC6455 => &[1000, 1001, 1003, 1007, 1009, 1011, 1014, 3000, 4999],
            _ => &[1000, 1001, 1002, 1003, 3000, 4999],
        };
        let code = dice.pick(codes);
        let length = dice.length(40);
        let reason =
            (self.voice.has_codes() && !dice.one_in(4)).then(|| (code, text(dice, length)));
        let line = Line::Close(reason.clone());
        self.done = true;
        if self.voice.say(&line, [0; 4]).is_empty() {
            // 75 has no close but the end of the stream.
            self.fin = true;
        } else {
            self.add(&line, What::Close(reason), dice);
        }
    }

    /// Something that no peer may say.
    fn wrong(&mut self, dice: &mut Dice) {
        let key = [dice.byte(), dice.byte(), dice.byte(), dice.byte()];
        let frame = |start: u8, payload: &[u8]| self.voice.frame(start, payload, key);
        let hybi = [
            (frame(0x81, b"a\xff"), 1007),
            (frame(0x01, b"\xc0\xaf"), 1007),
            (frame(0xc1, b"a"), 1002),
            (frame(0x83, b""), 1002),
            (frame(0x80, b"a"), 1002),
            (frame(0x09, b""), 1002),
            (frame(0x88, b"\x03"), 1002),
            (frame(0x88, b"\x03\xee"), 1002),
            (frame(0x88, b"\x03\xe8\xff"), 1007),
        ];
        let hixie = [
            (b"\x00a\xc3(\xff".to_vec(), 1007),
            (b"\x00\xe2\x82\xff".to_vec(), 1007),
            (b"\x01a\xff".to_vec(), 1002),
            (b"\x81\x01a".to_vec(), 1002),
            (b"\xff\x02ab".to_vec(), 1002),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00".to_vec(), 1009),
        ];
        let wrong = match self.voice.is_hybi() {
            true if self.voice.has_codes() => &hybi[..],
            true => &hybi[..6],
            false => &hixie[..],
        };
        let (bytes, code) = dice.pick(wrong);
        self.add(&Line::Raw(bytes), What::Wrong(code), dice);
        self.done = true;
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { voice, items, arrived, stream, ended, .. } = self;
        write!(f, "{} {arrived} of {} arrived, ended: {ended}", voice.dialect, stream.len())?;
        for Item { range, what } in items {
            write!(f, "\n  {range:?} ")?;
            match what {
                What::Message { kind, data, pieces } => {
                    write!(f, "{kind:?} of {} bytes in {pieces}", data.len())?;
                }
                other => write!(f, "{other:?}")?,
            }
        }
        Ok(())
    }
}

/// Text of so many bytes, or few more.
fn text(dice: &mut Dice, length: usize) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < length {
        text.push_str(dice.pick(&CHARACTERS));
    }
    text.into_bytes()
}
