//! What a case is: what is said to the peer under test, and what may come of it.

use super::body::{Body, Message};
use crate::dialect::Dialect;
use crate::event::{Kind, Side};

/// One case of the list.
#[derive(Debug, Clone)]
pub struct Case {
    /// Dialect, section and name: `rfc6455/framing/1.1.2`.
    pub id: String,
    /// What is spoken.
    pub dialect: Dialect,
    /// Who may be under test.
    pub tests: Tests,
    /// What demands it.
    pub source: String,
    /// What is done, in a sentence.
    pub about: String,
    /// What has to be there for the case to make sense.
    pub needs: Vec<Need>,
    /// What counts beside the courses.
    pub counts: Counts,
    /// How the session is opened.
    pub opening: Opening,
    /// What is said then, in order.
    pub steps: Vec<Step>,
    /// What may come of it, the best first; anything else is a failure.
    pub courses: Vec<Course>,
}

/// Who is under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tests {
    /// Servers and clients alike.
    Both,
    /// Only this side.
    One(Side),
}

/// What has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Messages that are echoed.
    Echo,
    /// Binary messages.
    Binary,
    /// permessage-deflate, negotiated.
    Compression,
}

/// Which findings count against the peer beside what the courses say. What breaks the framing, and a
/// wrong proof, always do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Counts {
    /// No others.
    #[default]
    Nothing,
    /// All of its opening handshake.
    Opening,
    /// The keys that it masks with.
    Masks,
}

/// How the session is opened.
#[derive(Debug, Clone)]
pub enum Opening {
    /// As the dialect has it.
    Plain,
    /// Compression is asked for; the first of these that the peer agrees to.
    Compressed(&'static [Wish]),
    /// To servers: with changes to the request.
    Request(Vec<Change>, Cut),
    /// To servers: the head of the request, and key3 when the head of the answer has come.
    LateKey3,
    /// To clients: with changes to the answer.
    Answer(Vec<Change>, Cut),
    /// To clients: the answer, and what is said first in one segment with it.
    AnswerWith(Vec<Frame>),
}

/// How the peer is asked to compress.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Each message for itself.
    pub forgets: bool,
    /// Within a window of so many bits.
    pub window: Option<u8>,
}

/// A change to a head, or to what follows it.
#[derive(Debug, Clone)]
pub enum Change {
    /// Another start line; `{target}` stands for the request target.
    Line(&'static str),
    /// A field with another value.
    Set(&'static str, Vec<u8>),
    /// A field more, behind the others.
    Add(&'static str, Vec<u8>),
    /// A field less.
    Drop(&'static str),
    /// All names in small letters.
    SmallNames,
    /// Other bytes behind the head: key3, or the answer to it.
    Behind(Vec<u8>),
    /// The stream ends there.
    End,
}

/// How bytes are cut into segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cut {
    /// Not at all.
    #[default]
    Whole,
    /// Each frame by itself.
    Frames,
    /// Pieces of so many bytes.
    Pieces(usize),
    /// In two, behind so many bytes.
    At(usize),
}

/// What is done in a session.
#[derive(Debug, Clone)]
pub enum Step {
    /// Frames are said.
    Say(Vec<Frame>, Cut),
    /// A message in fragments of this size.
    Fragments(Kind, Body, usize),
    /// A message that is compressed where that was negotiated, in fragments of this size.
    Deflated(Kind, Body, usize),
    /// Waits until so many messages and pongs have come, all together.
    Await(usize),
    /// Gives the peer a part of the time to end the session.
    Lull,
    /// Ends our stream.
    Finish,
}

/// A frame, as it is said in a dialect by a side.
#[derive(Debug, Clone)]
pub enum Frame {
    /// One of hybi-01 and later.
    Hybi {
        /// What it is.
        opcode: Opcode,
        /// Whether it ends its message.
        last: bool,
        /// The reserved bits.
        reserved: u8,
        /// Whether it is masked as the other side would be.
        wrong_mask: bool,
        /// Which form its length has.
        length: Length,
        /// The payload.
        body: Body,
    },
    /// A text of Hixie.
    Delimited(Body),
    /// Bytes as they are.
    Raw(Body),
    /// A part of the payload of a frame. The first has the head, and the last ends it.
    Part {
        /// The frame.
        frame: Box<Self>,
        /// Where the part begins in the payload.
        from: usize,
        /// How long it is.
        length: usize,
    },
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// More of a message.
    Continuation,
    /// Text.
    Text,
    /// Binary.
    Binary,
    /// The close.
    Close,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// What has this number.
    Number(u8),
}

/// Which form a length has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Length {
    /// The shortest.
    #[default]
    Least,
    /// Two bytes.
    Two,
    /// Eight bytes.
    Eight,
    /// Eight bytes that say this, whatever follows.
    Claimed(u64),
}

/// What comes of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it has to be.
    Pass,
    /// Not as it should be, but no rule is broken that others rely on.
    NonStrict,
    /// The documents leave it open; what was done is told.
    Informational,
    /// A rule is broken.
    Fail,
}

impl Case {
    /// Whether it is about a peer that agrees to compress.
    pub fn needs_compression(&self) -> bool {
        self.needs.contains(&Need::Compression)
    }
}

/// A course of events that may come.
#[derive(Debug, Clone)]
pub struct Course {
    /// What it is worth.
    pub grade: Grade,
    /// The messages of the peer.
    pub messages: Vec<Message>,
    /// Its pongs. One that answers the last of several pings may stand for all.
    pub pongs: Vec<Body>,
    /// How it ends.
    pub end: Ending,
}

/// How a course ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The session is alive; then it is closed in order.
    Open,
    /// The peer ends it because of what was said: with one of these codes, where there are codes.
    Failed(&'static [u16]),
    /// The close that was said is answered: with one of these bodies; any legal one where there is none.
    Closed(Vec<Vec<u8>>),
    /// There is no session: one of these statuses, or with 0 the end of the stream.
    Refused(&'static [u16]),
    /// Nothing comes: the peer waits for more.
    Waits,
    /// Whatever comes.
    Any,
}

impl Frame {
    /// A frame as the dialect has it.
    pub fn new(opcode: Opcode, body: impl Into<Body>) -> Self {
        let (last, reserved, wrong_mask, length) = (true, 0, false, Length::Least);
        Self::Hybi { opcode, last, reserved, wrong_mask, length, body: body.into() }
    }

    /// Bytes as they are.
    pub fn raw(body: impl Into<Body>) -> Self {
        Self::Raw(body.into())
    }

    /// The same, and more follows.
    pub fn more(mut self) -> Self {
        if let Self::Hybi { last, .. } = &mut self {
            *last = false;
        }
        self
    }

    /// The same with reserved bits.
    pub fn reserving(mut self, bits: u8) -> Self {
        if let Self::Hybi { reserved, .. } = &mut self {
            *reserved = bits;
        }
        self
    }

    /// The same, masked as the other side would be.
    pub fn masked_wrongly(mut self) -> Self {
        if let Self::Hybi { wrong_mask, .. } = &mut self {
            *wrong_mask = true;
        }
        self
    }

    /// The same with another form of its length.
    pub fn long(mut self, form: Length) -> Self {
        if let Self::Hybi { length, .. } = &mut self {
            *length = form;
        }
        self
    }
}

impl Tests {
    /// Whether this side may be under test.
    pub fn has(self, side: Side) -> bool {
        self == Self::Both || self == Self::One(side)
    }
}

impl Grade {
    /// As it is written in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::NonStrict => "non-strict",
            Self::Informational => "informational",
            Self::Fail => "fail",
        }
    }
}

impl Course {
    /// The session is alive when these have come.
    pub const fn open(messages: Vec<Message>, pongs: Vec<Body>) -> Self {
        Self { grade: Grade::Pass, messages, pongs, end: Ending::Open }
    }

    /// The peer ends it.
    pub const fn failed(messages: Vec<Message>, codes: &'static [u16]) -> Self {
        Self { grade: Grade::Pass, messages, pongs: Vec::new(), end: Ending::Failed(codes) }
    }

    /// What is open to the peer.
    pub const fn any() -> Self {
        let grade = Grade::Informational;
        Self { grade, messages: Vec::new(), pongs: Vec::new(), end: Ending::Any }
    }

    /// The same with another grade.
    pub const fn graded(mut self, grade: Grade) -> Self {
        self.grade = grade;
        self
    }
}
