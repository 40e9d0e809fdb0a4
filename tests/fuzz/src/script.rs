//! What happens in a session, as a fuzzer makes it up: who speaks what, and then one thing after
//! another.
//!
//! The bytes are read from front to back with nothing but bytes and lengths, so that a script can be
//! written as well: the seeds are.

use crate::peer::{DIALECTS, Line, Voice};
use arbitrary::{Arbitrary, Unstructured};
use hybridge::dialect::Dialect;
use hybridge::event::{Kind, Side, Sides};
use hybridge::limits::Limits;
use hybridge::session::policy::{Fragments, Keepalive, Policy};
use hybridge::session::translate::BinaryPolicy;

const POLICIES: [BinaryPolicy; 4] =
    [BinaryPolicy::Frame, BinaryPolicy::Base64, BinaryPolicy::Refuse, BinaryPolicy::Drop];

const WORDS: [Word; 6] = [Word::Raw, Word::Text, Word::Binary, Word::Ping, Word::Pong, Word::Close];

/// When silent peers are asked, and how long they have to answer.
pub(crate) const KEEPALIVE: Keepalive = Keepalive { every: 1000, patience: 700 };

/// The longest script, in steps.
const STEPS: usize = 100;

/// The steps that are no words, behind those that are.
const FIN: usize = WORDS.len();
const RESET: usize = FIN + 1;
const WAIT: usize = FIN + 2;
const WAIT_FOR_DEADLINE: usize = FIN + 3;
const UNSENT: usize = FIN + 4;
const LEAVE: usize = FIN + 5;
const KINDS: usize = FIN + 6;

/// Set in the byte of a step that is the backend's.
const BACKEND: u8 = 0x80;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What the peers speak.
    pub dialects: Sides<Dialect>,
    /// The policy for binary messages.
    pub binary: BinaryPolicy,
    /// Which limits are small.
    pub tight: Tight,
    /// Whether the backend is to get no fragments.
    pub coalesce: bool,
    /// Whether silent peers are asked.
    pub keepalive: bool,
    /// What clients mask with; what the proxy masks with is the opposite.
    pub key: [u8; 4],
    /// What happens.
    pub steps: Vec<Step>,
}

/// Which limits are so small that messages of some bytes meet them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tight {
    /// That of a message which streams.
    pub streamed: bool,
    /// That of a message which has to be collected.
    pub collected: bool,
    /// The time of a whole closing.
    pub drain: bool,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Bytes of a peer arrive.
    Says(Side, Speech),
    /// The stream of a peer ends, in order or not.
    Ends {
        /// Whose.
        from: Side,
        /// Whether in order.
        in_order: bool,
    },
    /// Time passes, in milliseconds.
    Wait(u16),
    /// Time passes up to the deadline.
    WaitForDeadline,
    /// The peers have taken what was written, but for so many bytes.
    Unsent(u16),
    /// The proxy is told to shut down.
    Leave,
}

/// What a peer says at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speech {
    /// What it is.
    pub word: Word,
    /// In pieces of how many bytes it arrives; 0: whole.
    pub every: u8,
    /// How many fragments a message has.
    pub parts: u8,
    /// How often the data stands in it, one behind the other.
    pub times: u8,
    /// The payload, or the bytes themselves.
    pub data: Vec<u8>,
}

/// A kind of speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Bytes as they stand, be they frames or not.
    Raw,
    /// A message of text, which the data need not be.
    Text,
    /// A binary message.
    Binary,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// A close; the data is the code and the text.
    Close,
}

impl Script {
    /// What binds the session.
    pub(crate) fn policy(&self) -> Policy {
        let mut limits = Limits { idle: 5000, ..Limits::default() };
        if self.tight.streamed {
            limits.streamed = 10;
        }
        if self.tight.collected {
            limits.collected = 10;
        }
        if self.tight.drain {
            limits.drain = 5000;
        }
        Policy {
            limits,
            binary: self.binary,
            tunnel: false,
            fragments: if self.coalesce { Fragments::Coalesce } else { Fragments::Keep },
            keepalive: self.keepalive.then_some(KEEPALIVE),
            ..Policy::default()
        }
    }

    /// The payload of the pings of the proxy to a side, as it draws what it masks with.
    pub(crate) fn question(&self, to: Side) -> [u8; 9] {
        let [a, b, c, d] = self.key.map(|byte| !byte);
        [a, b, c, d, 0, 0, 0, 1, if to == Side::Client { b'c' } else { b'b' }]
    }

    /// The bytes of a speech.
    pub(crate) fn bytes(&self, from: Side, speech: &Speech) -> Vec<u8> {
        let voice = Voice { dialect: self.dialects[from], side: from };
        voice.say(&speech.line(), self.key)
    }

    /// The input that makes this script.
    pub(crate) fn write(&self) -> Vec<u8> {
        let dialect = |side| place(&DIALECTS, &self.dialects[side]);
        let Tight { streamed, collected, drain } = self.tight;
        let tight = u8::from(streamed) | u8::from(collected) << 1 | u8::from(drain) << 2;
        let rules = tight | u8::from(self.coalesce) << 3 | u8::from(self.keepalive) << 4;
        let mut out = vec![
            dialect(Side::Client),
            dialect(Side::Backend),
            place(&POLICIES, &self.binary),
            rules,
        ];
        out.extend(self.key);
        for step in &self.steps {
            step.write(&mut out);
        }
        out
    }
}

impl<'a> Arbitrary<'a> for Script {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let client = pick(&DIALECTS, u8::arbitrary(input)?);
        let backend = pick(&DIALECTS, u8::arbitrary(input)?);
        let binary = pick(&POLICIES, u8::arbitrary(input)?);
        let rules = u8::arbitrary(input)?;
        let tight =
            Tight { streamed: rules & 1 != 0, collected: rules & 2 != 0, drain: rules & 4 != 0 };
        let (coalesce, keepalive) = (rules & 8 != 0, rules & 16 != 0);
        let key = <[u8; 4]>::arbitrary(input)?;
        let mut steps = Vec::new();
        while !input.is_empty() && steps.len() < STEPS {
            steps.push(Step::arbitrary(input)?);
        }
        let dialects = Sides { client, backend };
        Ok(Self { dialects, binary, tight, coalesce, keepalive, key, steps })
    }
}

impl Step {
    fn write(&self, out: &mut Vec<u8>) {
        let kind = |kind| u8::try_from(kind).unwrap();
        let of = |from| if from == Side::Backend { BACKEND } else { 0 };
        match self {
            Self::Says(from, speech) => {
                out.push(of(*from) | place(&WORDS, &speech.word));
                let len = u8::try_from(speech.data.len()).unwrap();
                out.extend([speech.every, speech.parts, speech.times, len]);
                out.extend(&speech.data);
            }
            Self::Ends { from, in_order } => {
                out.push(of(*from) | kind(if *in_order { FIN } else { RESET }));
            }
            Self::Wait(time) => {
                out.push(kind(WAIT));
                out.extend(time.to_le_bytes());
            }
            Self::WaitForDeadline => out.push(kind(WAIT_FOR_DEADLINE)),
            Self::Unsent(count) => {
                out.push(kind(UNSENT));
                out.extend(count.to_le_bytes());
            }
            Self::Leave => out.push(kind(LEAVE)),
        }
    }
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let byte = u8::arbitrary(input)?;
        let from = if byte & BACKEND == 0 { Side::Client } else { Side::Backend };
        let kind = usize::from(byte & !BACKEND) % KINDS;
        Ok(match kind {
            FIN | RESET => Self::Ends { from, in_order: kind == FIN },
            WAIT => Self::Wait(u16::arbitrary(input)?),
            WAIT_FOR_DEADLINE => Self::WaitForDeadline,
            UNSENT => Self::Unsent(u16::arbitrary(input)?),
            LEAVE => Self::Leave,
            word => {
                let [every, parts, times, len] = <[u8; 4]>::arbitrary(input)?;
                let data = input.bytes(usize::from(len).min(input.len()))?.to_vec();
                Self::Says(from, Speech { word: WORDS[word], every, parts, times, data })
            }
        })
    }
}

impl Speech {
    fn line(&self) -> Line {
        let data = self.data.repeat(usize::from(self.times.max(1)));
        let control = || data[..data.len().min(125)].to_vec();
        match self.word {
            Word::Raw => Line::Raw(data),
            Word::Text => Line::Message(Kind::Text, self.fragments(&data)),
            Word::Binary => Line::Message(Kind::Binary, self.fragments(&data)),
            Word::Ping => Line::Ping(control()),
            Word::Pong => Line::Pong(control()),
            Word::Close => Line::Close(
                control()
                    .split_first_chunk()
                    .map(|(code, text)| (u16::from_be_bytes(*code), text.to_vec())),
            ),
        }
    }

    fn fragments(&self, data: &[u8]) -> Vec<Vec<u8>> {
        if data.is_empty() {
            return vec![Vec::new(); usize::from(self.parts.max(1))];
        }
        let size = data.len().div_ceil(usize::from(self.parts.max(1)));
        data.chunks(size).map(<[u8]>::to_vec).collect()
    }
}

fn pick<T: Copy>(among: &[T], byte: u8) -> T {
    among[usize::from(byte) % among.len()]
}

fn place<T: PartialEq>(among: &[T], wanted: &T) -> u8 {
    let place = among.iter().position(|one| one == wanted).unwrap();
    u8::try_from(place).unwrap()
}
