//! What goes over the wire, taken apart and named: the bytes of one direction of one leg become
//! frames, each a list of parts with a note for a person.
//!
//! It is for looking at, so that it differs from the readers in two ways: nothing is a fault that
//! ends it, for what breaks the rules is named and passed; and it copies what it shows. Of a payload
//! it keeps the first bytes and counts the rest. However the input is cut, the frames are the same.

mod head;
mod hixie;
mod hybi;
mod kept;

use crate::dialect::Dialect;
use crate::dialect::hybi::Version;
use crate::event::Side;
use head::{Head, Next};
use kept::Kept;
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// How much of a payload, or of any other run without structure, is kept, in bytes.
pub const SHOWN: usize = 256;

/// One direction of one leg.
#[derive(Debug)]
pub struct Anatomy {
    dialect: Option<Dialect>,
    speaker: Side,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Head(Box<Head>),
    Hixie(hixie::Frames),
    Hybi(hybi::Frames),
    /// Bytes of no further structure, up to the end.
    Rest {
        name: &'static str,
        bytes: Kept,
    },
}

/// What is put on the wire as a unit: a head with what belongs to it, or a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// What it is, such as `text` or `opening handshake`.
    pub name: Cow<'static, str>,
    /// Its kind, by which it can be found again on the other leg.
    pub kind: Kind,
    /// Whether a message ends with it; true for all that is no part of a message.
    pub last: bool,
    /// Its bytes, in order.
    pub parts: Vec<Part>,
    /// What it says, where that is text. As far as it was kept.
    pub text: Option<String>,
    /// Whether it is all there; the last of a direction may be cut.
    pub whole: bool,
}

/// The kinds of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The opening handshake, or its answer.
    Opening,
    /// A message, or a part of one.
    Message,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// A closing handshake.
    Close,
    /// Anything else.
    Other,
}

/// A run of bytes that means one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What it is for.
    pub role: Role,
    /// The bytes as they are on the wire; of many only the first.
    #[serde(serialize_with = "hex")]
    pub bytes: Vec<u8>,
    /// How many more there are.
    pub omitted: u64,
    /// The same bytes without their mask, where they have one.
    #[serde(serialize_with = "maybe_hex")]
    pub unmasked: Option<Vec<u8>>,
    /// What they mean; empty where the bytes say it.
    pub note: Cow<'static, str>,
}

/// What a part is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A line of a head.
    Line,
    /// What proves an opening handshake.
    Key,
    /// The byte that says what a frame is.
    Start,
    /// A length.
    Length,
    /// A mask key.
    Mask,
    /// What the application said.
    Payload,
    /// A close code.
    Code,
    /// The byte that ends a frame.
    End,
    /// Bytes that mean nothing here.
    Unknown,
}

impl Anatomy {
    /// The anatomy of what `speaker` sends on a leg of this dialect, from its first byte on. Without
    /// a dialect nothing but a head is known.
    pub fn new(dialect: Option<Dialect>, speaker: Side) -> Self {
        Self { dialect, speaker, stage: Stage::Head(Box::new(Head::new(dialect, speaker))) }
    }

    /// Takes the next bytes, and adds the frames that end in them.
    pub fn feed(&mut self, mut bytes: &[u8], frames: &mut Vec<Frame>) {
        while !bytes.is_empty() {
            match &mut self.stage {
                Stage::Head(head) => {
                    if let Some((frame, next)) = head.feed(&mut bytes) {
                        frames.extend(frame);
                        self.stage = self.stage_of(next);
                    }
                }
                Stage::Hixie(reader) => frames.extend(reader.feed(&mut bytes)),
                Stage::Hybi(reader) => frames.extend(reader.feed(&mut bytes)),
                Stage::Rest { bytes: kept, .. } => {
                    kept.push(bytes);
                    return;
                }
            }
        }
    }

    /// What the end of the stream has cut off, if it has.
    pub fn finish(&mut self) -> Option<Frame> {
        match &mut self.stage {
            Stage::Head(head) => head.cut(),
            Stage::Hixie(reader) => reader.cut(),
            Stage::Hybi(reader) => reader.cut(),
            Stage::Rest { bytes, .. } if bytes.is_empty() => None,
            Stage::Rest { name, bytes } => {
                let text = bytes.text();
                let part = bytes.take().part(Role::Unknown, "");
                Some(Frame { text: Some(text), ..Frame::new(*name, Kind::Other, vec![part]) })
            }
        }
    }

    fn stage_of(&self, next: Next) -> Stage {
        match (next, self.dialect) {
            (Next::Head, dialect) => Stage::Head(Box::new(Head::new(dialect, self.speaker))),
            (Next::Frames, Some(Dialect::Hixie(draft))) => Stage::Hixie(hixie::Frames::new(draft)),
            // The answer has a half of their key, and is not in this direction.
            (Next::Frames, Some(Dialect::Hybi(Version::V4))) if self.speaker == Side::Client => {
                Stage::rest("frames masked by both handshakes")
            }
            (Next::Frames, Some(Dialect::Hybi(version))) => {
                Stage::Hybi(hybi::Frames::new(version, self.speaker))
            }
            (Next::Frames, None) => Stage::rest("behind the head"),
            (Next::Body, _) => Stage::rest("body"),
            (Next::Garbage, _) => Stage::rest("no HTTP"),
        }
    }
}

impl Stage {
    fn rest(name: &'static str) -> Self {
        Self::Rest { name, bytes: Kept::new(SHOWN) }
    }
}

impl Frame {
    fn new(name: impl Into<Cow<'static, str>>, kind: Kind, parts: Vec<Part>) -> Self {
        Self { name: name.into(), kind, last: true, parts, text: None, whole: true }
    }

    /// What there is of a frame whose rest never came.
    fn cut(name: impl Into<Cow<'static, str>>, parts: Vec<Part>) -> Self {
        Self { whole: false, ..Self::new(name, Kind::Other, parts) }
    }

    /// All its bytes, those that are not kept too.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes.len() as u64 + part.omitted).sum()
    }
}

impl Part {
    fn new(role: Role, bytes: &[u8], note: impl Into<Cow<'static, str>>) -> Self {
        Self { role, bytes: bytes.to_vec(), omitted: 0, unmasked: None, note: note.into() }
    }
}

fn hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Hex(bytes))
}

#[expect(clippy::ref_option, reason = "serde wants this signature")]
fn maybe_hex<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    match bytes {
        Some(bytes) => hex(bytes, serializer),
        None => serializer.serialize_none(),
    }
}

/// Bytes as two hexadecimal digits each.
struct Hex<'b>(&'b [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
