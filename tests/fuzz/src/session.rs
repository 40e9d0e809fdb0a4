//! Whole sessions between two scripted peers: any dialects, any policy, any bytes in any cutting, the
//! ends of streams, time, and the order to leave.

use crate::memory;
use crate::oracle::{self, Decoded};
use crate::reader;
use crate::rig::{BOTH, Rig};
use crate::said::{self, Said};
use crate::script::{KEEPALIVE, Script, Speech, Step};
use base64::prelude::{BASE64_STANDARD, Engine};
use hybridge::dialect::Dialect;
use hybridge::dialect::reader::Reader;
use hybridge::event::{Kind, Side, Sides};
use hybridge::limits::ONE_FRAME;
use hybridge::session::fact::{Fact, Loss};
use hybridge::session::policy::Fragments;
use hybridge::session::translate::BinaryPolicy;

/// The most that is fed to a session, in bytes: more than it may hold.
const INPUT: usize = 256 * 1024;

/// The most that a peer says at a time: more than leaves as one frame.
const SPEECH: usize = ONE_FRAME + 4096;

/// In how many pieces a speech arrives at most, about.
const PIECES: usize = 64;

/// The most that a byte of input becomes: the last one of a group of base64, read alone and passed on
/// as a masked fragment.
const GROWTH: usize = 2 + 4 + 4;

/// The longest ping of the proxy's own.
const PING: usize = 2 + 4 + 9;

/// The longest close frame, which is written once to each side.
const CLOSE: usize = 2 + 4 + 125;

/// The buffers that a session can have in use at a time: a held message in each direction, and the
/// base64 of one read.
const BUFFERS: usize = 3;

/// What a session holds beside them, in bytes: control frames that were cut, and the store itself.
const BESIDE: usize = 1024;

/// Runs one script.
///
/// # Panics
/// When a promise is broken.
pub fn run(script: &Script) {
    let mut play = Play::new(script);
    for step in &script.steps {
        play.step(script, step);
        play.check_growth();
    }
    play.rig.run_out();
    let heard = Sides { client: play.heard(Side::Client), backend: play.heard(Side::Backend) };
    for to in BOTH {
        let wrote = play.decode_written(to);
        play.check_messages(to, &wrote, &heard[to.other()]);
        play.check_controls(to, &wrote, &heard);
        play.check_end(to, &wrote, &heard[to.other()]);
    }
}

/// What a peer said, by the decoder of the tests.
struct Heard {
    all: Decoded,
    /// As much of it as came before the turn in which the session began to end.
    in_peace: Decoded,
}

/// A session, and what its peers have done.
struct Play {
    rig: Rig,
    /// What each peer said.
    said: Sides<Vec<u8>>,
    /// How much of it came before the turn in which the session began to end.
    in_peace: Sides<usize>,
    /// Whether the stream of a peer has ended.
    ended: Sides<bool>,
    /// The largest read.
    read: usize,
    /// What the proxy asks each side, if it does.
    questions: Sides<[u8; 9]>,
    /// The memory in use when nothing had happened.
    memory: usize,
}

impl Play {
    fn new(script: &Script) -> Self {
        let memory = memory::live();
        let key = script.key.map(|byte| !byte);
        let entropy = Box::new(move |bytes: &mut [u8]| {
            bytes.iter_mut().zip(key).for_each(|(byte, key)| *byte = key);
        });
        Self {
            rig: Rig::new(script.dialects, script.policy(), entropy),
            questions: Sides {
                client: script.question(Side::Client),
                backend: script.question(Side::Backend),
            },
            said: Sides::default(),
            in_peace: Sides::default(),
            ended: Sides::default(),
            read: 0,
            memory,
        }
    }

    fn step(&mut self, script: &Script, step: &Step) {
        match step {
            Step::Says(from, speech) => {
                self.say(*from, speech, &script.bytes(*from, speech));
            }
            Step::Ends { from, in_order } => {
                if !std::mem::replace(&mut self.ended[*from], true) {
                    self.rig.end(*from, *in_order);
                }
            }
            Step::Wait(time) => self.rig.wait(u64::from(*time)),
            Step::WaitForDeadline => self.rig.wait_for_deadline(),
            Step::Unsent(unsent) => self.rig.take(usize::from(*unsent)),
            Step::Leave => self.rig.leave(),
        }
    }

    fn say(&mut self, from: Side, speech: &Speech, bytes: &[u8]) {
        let every = match speech.every {
            0 => bytes.len().max(1),
            every => usize::from(every).max(bytes.len().div_ceil(PIECES)),
        };
        for piece in bytes[..bytes.len().min(SPEECH)].chunks(every) {
            let so_far = self.said.client.len() + self.said.backend.len();
            if self.ended[from] || so_far + piece.len() > INPUT {
                return;
            }
            self.rig.feed(from, piece);
            self.read = self.read.max(piece.len());
            self.said[from].extend_from_slice(piece);
            if !self.rig.facts.0.iter().any(|fact| matches!(fact, Fact::Ended { .. })) {
                self.in_peace[from] = self.said[from].len();
            }
        }
    }

    fn is_hixie(&self, side: Side) -> bool {
        matches!(self.rig.session.dialect(side), Dialect::Hixie(_))
    }

    /// Neither what is written nor what is held grows beyond what came in and the limits.
    fn check_growth(&self) {
        let Self { rig, said, .. } = self;
        let came = said.client.len() + said.backend.len();
        let left = rig.wrote.client.len() + rig.wrote.backend.len();
        let pings = match rig.policy.keepalive {
            Some(_) => 2 * PING * usize::try_from(rig.now / KEEPALIVE.every).unwrap(),
            None => 0,
        };
        assert!(left <= GROWTH * came + pings + 2 * CLOSE, "{came} bytes became {left}");
        let own = BOTH.map(|side| said[side].capacity() + rig.wrote[side].capacity());
        let facts = rig.facts.0.capacity() * size_of::<Fact>();
        let held = memory::live() - self.memory - own.iter().sum::<usize>() - facts;
        let message = ONE_FRAME.max(rig.policy.limits.collected.min(came));
        let base64 = self.read.div_ceil(3) * 4;
        // A vector that grows has room for twice as much.
        let most = BUFFERS * 2 * message.max(base64) + BESIDE;
        assert!(held <= most, "holds {held} bytes, and {most} are the most");
    }

    fn heard(&self, from: Side) -> Heard {
        let decode = |bytes| oracle::decode(self.rig.session.dialect(from), from, bytes);
        let said = &self.said[from];
        Heard { all: decode(said), in_peace: decode(&said[..self.in_peace[from]]) }
    }

    /// Reads what was written to a side, with the decoder of the tests and with our own reader.
    fn decode_written(&self, to: Side) -> Decoded {
        let (dialect, bytes) = (self.rig.session.dialect(to), &self.rig.wrote[to]);
        let wrote = oracle::decode(dialect, to.other(), bytes);
        assert_eq!(wrote.fault, None, "to the {to:?}: {}", bytes.escape_ascii());
        assert_eq!(wrote.behind_close, 0, "bytes behind the close to the {to:?}");
        let heard = said::hear(&mut Reader::new(dialect, to.other()), &[bytes]);
        assert_eq!(heard, reader::heard(dialect, &wrote), "to the {to:?}");
        wrote
    }

    /// All that one side said is handed on whole, in order and unaltered, as far as anything is.
    fn check_messages(&self, to: Side, wrote: &Decoded, heard: &Heard) {
        let due = self.translated(to, &heard.all);
        let messages = wrote.messages();
        let same = messages.len() <= due.len()
            && messages.iter().zip(&due).all(|(wrote, due)| (wrote.0, wrote.1) == (due.0, &due.1));
        assert!(same, "to the {to:?}: {messages:?} of {due:?}");
        let count = self.translated(to, &heard.in_peace).len();
        assert!(messages.len() >= count, "{messages:?} are not {count}, to the {to:?}");
        for ((_, data), frames) in messages.iter().zip(&wrote.frames) {
            let whole = *frames == 1 || (data.len() > ONE_FRAME && !self.coalesces(to));
            assert!(whole, "{} bytes in {frames} frames", data.len());
        }
        let Some((kind, part)) = &wrote.part else { return };
        let open = heard.all.part.as_ref().and_then(|(kind, data)| self.translate(to, *kind, data));
        match due.get(messages.len()).or(open.as_ref()) {
            Some((due, data)) => {
                assert!(kind == due && data.starts_with(part), "{part:?} of {data:?}");
            }
            // The decoder does not tell what stood before a fault.
            None => assert!(heard.all.fault.is_some(), "{part:?} out of nothing, to the {to:?}"),
        }
    }

    /// Whether messages to a side are to be in no fragments.
    fn coalesces(&self, to: Side) -> bool {
        let coalesce = self.rig.policy.fragments == Fragments::Coalesce;
        coalesce && to == Side::Backend && !self.is_hixie(to)
    }

    /// Whether this, said to a side, looks like a ping of the proxy or like the answer of the other.
    fn is_asking(&self, to: Side, said: &Said) -> bool {
        match said {
            _ if self.rig.policy.keepalive.is_none() => false,
            Said::Ping(payload) => *payload == self.questions[to],
            Said::Pong(payload) => *payload == self.questions[to.other()],
            _ => false,
        }
    }

    /// Each ping and pong is passed on, or each ping answered where the other side has none.
    fn check_controls(&self, to: Side, wrote: &Decoded, heard: &Sides<Heard>) {
        let due = |of: fn(&Heard) -> &Decoded| -> Vec<Said> {
            if self.is_hixie(to) {
                return Vec::new();
            }
            let answers = self.is_hixie(to.other());
            let said = &of(&heard[if answers { to } else { to.other() }]).said;
            let due = |said: &Said| match said {
                Said::Ping(payload) if answers => Some(Said::Pong(payload.clone())),
                Said::Ping(_) | Said::Pong(_) if !answers => Some(said.clone()),
                _ => None,
            };
            said.iter().filter_map(due).filter(|said| !self.is_asking(to, said)).collect()
        };
        let is_control = |said: &&Said| matches!(said, Said::Ping(_) | Said::Pong(_));
        let own = |said: &&Said| !self.is_asking(to, said);
        let controls: Vec<_> = wrote.said.iter().filter(is_control).filter(own).collect();
        let (all, in_peace) = (due(|heard| &heard.all), due(|heard| &heard.in_peace).len());
        let same = controls.len() <= all.len() && controls.iter().zip(&all).all(|(a, b)| *a == b);
        assert!(same, "to the {to:?}: {controls:?} of {all:?}");
        assert!(controls.len() >= in_peace, "{controls:?} are not {in_peace}, to the {to:?}");
    }

    /// When the session is over, each side has been told so, and no message was cut in silence.
    fn check_end(&self, to: Side, wrote: &Decoded, heard: &Heard) {
        let close = matches!(wrote.said.last(), Some(Said::Close(_)));
        let ends = close || self.rig.session.wants_fin(to) || self.ended[to];
        assert!(ends, "no end was told to the {to:?}");
        let told = self.rig.facts.0.contains(&Fact::Loss(Loss::MessageCut));
        assert!(wrote.part.is_none() || told, "a message to the {to:?} was cut in silence");
        let whole = self.translated(to, &heard.in_peace).len();
        let begun = heard.in_peace.part.as_ref();
        let begun = begun.and_then(|(kind, data)| self.translate(to, *kind, data));
        let in_silence = begun.is_some() && wrote.messages().len() == whole && !told;
        assert!(!in_silence, "the start of a message to the {to:?} was lost in silence");
    }

    /// The messages of one side as the other is to be told them.
    fn translated(&self, to: Side, heard: &Decoded) -> Vec<(Kind, Vec<u8>)> {
        let messages = heard.messages().into_iter();
        messages.filter_map(|(kind, data)| self.translate(to, kind, data)).collect()
    }

    fn translate(&self, to: Side, kind: Kind, data: &[u8]) -> Option<(Kind, Vec<u8>)> {
        let foreign = kind == Kind::Binary && (self.is_hixie(to) || self.is_hixie(to.other()));
        match self.rig.policy.binary {
            BinaryPolicy::Base64 if foreign => {
                Some((Kind::Text, BASE64_STANDARD.encode(data).into_bytes()))
            }
            BinaryPolicy::Drop | BinaryPolicy::Refuse if foreign => None,
            _ => Some((kind, data.to_vec())),
        }
    }
}
