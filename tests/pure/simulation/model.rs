//! What must come of a play: by the rules of this proxy, told apart from how it keeps them.

use super::script::{Item, Script, What};
use crate::oracle;
use crate::rig::{BOTH, Rig};
use crate::said::Said;
use base64::prelude::{BASE64_STANDARD, Engine};
use hybridge::dialect::Dialect;
use hybridge::dialect::hixie::Draft;
use hybridge::dialect::hybi::Version;
use hybridge::event::{Kind, Side, Sides};
use hybridge::limits::ONE_FRAME;
use hybridge::session::fact::{Cause, Fact};
use hybridge::session::policy::Fragments;
use hybridge::session::translate::BinaryPolicy;

/// How long the payload of a ping is that the proxy sends on its own.
const QUESTION: usize = 9;

/// A session and what it owes.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) rig: Rig,
    /// What must have been written to each side.
    due: Sides<Due>,
    /// Whether what a side says still counts.
    silent: Sides<bool>,
    /// Whether a side broke off, so that nothing can be told to it.
    gone: Sides<bool>,
    /// A ping stood inside of a message that was refused: whether it came before or behind the
    /// fault depends on the cutting.
    undecided: bool,
    /// What the first end of a side must have brought to the other.
    farewell: Option<(Side, Farewell)>,
}

#[derive(Debug, Default)]
struct Due {
    messages: Vec<(Kind, Vec<u8>)>,
    controls: Vec<Said>,
}

/// How the end of one side is told to the other.
#[derive(Debug, PartialEq, Eq)]
enum Farewell {
    Close(Option<(u16, Vec<u8>)>),
    Fin,
}

impl Model {
    pub(super) fn new(rig: Rig) -> Self {
        let (silent, gone) = (Sides::default(), Sides::default());
        Self { rig, due: Sides::default(), silent, gone, undecided: false, farewell: None }
    }

    fn is_hixie(&self, side: Side) -> bool {
        matches!(self.rig.session.dialect(side), Dialect::Hixie(_))
    }

    /// Whether the proxy has closed towards a side.
    pub(super) fn is_told(&self, side: Side) -> bool {
        let told = |fact: &Fact| matches!(fact, Fact::Told { to, .. } if *to == side);
        self.rig.session.wants_fin(side) || self.rig.facts.0.iter().any(told)
    }

    /// Whether nothing can reach a side any more.
    fn is_deaf(&self, side: Side) -> bool {
        self.is_told(side) || self.gone[side] || self.rig.session.is_closed()
    }

    fn is_leaving(&self) -> bool {
        self.rig.facts.0.iter().any(|fact| matches!(fact, Fact::Ended { by: None, .. }))
    }

    /// Whether the session closes.
    pub(super) fn has_ended(&self) -> bool {
        self.rig.facts.0.iter().any(|fact| matches!(fact, Fact::Ended { .. }))
    }

    /// Bytes of a peer arrive.
    pub(super) fn arrive(&mut self, from: Side, count: usize, scripts: &mut Sides<Script>) {
        let script = &mut scripts[from];
        let bytes = script.arrived..script.arrived + count;
        script.arrived = bytes.end;
        let (leaving, ended) = (self.is_leaving(), self.has_ended());
        self.silent[from] |= self.rig.session.is_closed();
        let mut deaf =
            Sides { client: self.is_deaf(Side::Client), backend: self.is_deaf(Side::Backend) };
        self.rig.feed(from, &script.stream[bytes.clone()]);
        let to = from.other();
        // A fault can be seen before the end of what is wrong.
        let begun = script.items[script.next..].iter().filter(|item| item.range.start < bytes.end);
        for Item { range, what } in begun {
            if self.silent[from] {
                break;
            }
            let whole = range.end <= bytes.end;
            match what {
                What::Message { kind, data, pieces } => {
                    match self.translate(from, *kind, data, *pieces, deaf[to]) {
                        Err(code) if whole || self.found_fault(from, ended) => {
                            self.fails(from, code, ended);
                        }
                        Ok(message) if whole => {
                            self.due[to].messages.extend(message.filter(|_| !deaf[to]));
                            // The farewell waited for the end of a message.
                            deaf[to] |= leaving;
                        }
                        _ => {}
                    }
                }
                What::Wrong(code) if whole || self.found_fault(from, ended) => {
                    self.fails(from, *code, ended);
                }
                What::Control(said) if whole => {
                    if let Some(What::Message { kind, data, pieces }) = script.around(range) {
                        let fate = self.translate(from, *kind, data, *pieces, deaf[to]);
                        self.undecided |= fate.is_err();
                    }
                    self.control(from, said, deaf);
                }
                What::Close(reason) if whole => {
                    self.silent[from] = true;
                    if !ended {
                        self.farewell = Some((to, Farewell::Close(reason.clone())));
                    }
                }
                What::Wrong(_) | What::Control(_) | What::Close(_) | What::Answer => {}
            }
        }
        script.next += script.items[script.next..]
            .iter()
            .take_while(|item| item.range.end <= bytes.end)
            .count();
    }

    /// What the proxy itself has asked a side, in its pings: nothing that a peer says is as long.
    pub(super) fn questions(&self, to: Side) -> Vec<Vec<u8>> {
        let wrote = oracle::decode(self.rig.session.dialect(to), to.other(), &self.rig.wrote[to]);
        let question = |said| match said {
            Said::Ping(payload) if payload.len() == QUESTION => Some(payload),
            _ => None,
        };
        wrote.said.into_iter().filter_map(question).collect()
    }

    /// Whether messages to a side are to be in no fragments.
    fn coalesces(&self, to: Side) -> bool {
        let coalesce = self.rig.policy.fragments == Fragments::Coalesce;
        coalesce && to == Side::Backend && !self.is_hixie(to)
    }

    /// A ping or a pong goes on to where there are any; else a ping is answered.
    fn control(&mut self, from: Side, said: &Said, deaf: Sides<bool>) {
        let to = from.other();
        match said {
            _ if !self.is_hixie(to) && !deaf[to] => self.due[to].controls.push(said.clone()),
            Said::Ping(payload) if self.is_hixie(to) && !deaf[from] => {
                self.due[from].controls.push(Said::Pong(payload.clone()));
            }
            _ => {}
        }
    }

    /// Whether the product found a fault of a side in these bytes, where it was not known to have
    /// one before.
    fn found_fault(&self, from: Side, ended: bool) -> bool {
        let fault = |fact: &Fact| match fact {
            Fact::Ended { by, cause } => *by == Some(from) && matches!(cause, Cause::Fault(_)),
            _ => false,
        };
        !ended && self.rig.facts.0.iter().any(fault)
    }

    fn fails(&mut self, from: Side, code: u16, ended: bool) {
        self.silent[from] = true;
        if !ended {
            self.farewell = Some((from.other(), Farewell::Close(Some((code, Vec::new())))));
        }
    }

    /// The message as it is to leave, `None` if it is to be dropped, or the code that it gets.
    fn translate(
        &self,
        from: Side,
        kind: Kind,
        data: &[u8],
        pieces: usize,
        deaf: bool,
    ) -> Result<Option<(Kind, Vec<u8>)>, u16> {
        let hixie = self.is_hixie(from) || self.is_hixie(from.other());
        let policy = if kind == Kind::Binary && hixie {
            self.rig.policy.binary
        } else {
            BinaryPolicy::Frame
        };
        if policy == BinaryPolicy::Refuse {
            return Err(1003);
        }
        if data.len() as u64 > self.rig.policy.limits.streamed {
            return Err(1009);
        }
        let to = from.other();
        let announced = kind == Kind::Binary && pieces > 1 && self.is_hixie(to);
        let (collected, message) = match policy {
            BinaryPolicy::Drop | BinaryPolicy::Refuse => return Ok(None),
            BinaryPolicy::Base64 => {
                (false, (Kind::Text, BASE64_STANDARD.encode(data).into_bytes()))
            }
            BinaryPolicy::Frame => (announced, (kind, data.to_vec())),
        };
        let collected = collected || self.coalesces(to);
        if collected && !deaf && message.1.len() > self.rig.policy.limits.collected {
            return Err(1009);
        }
        Ok(Some(message))
    }

    /// The stream of a peer ends, in order or not.
    pub(super) fn end(&mut self, from: Side, in_order: bool, scripts: &mut Sides<Script>) {
        let script = &mut scripts[from];
        if script.ended {
            return;
        }
        script.ended = true;
        let lost = !in_order || (!self.silent[from] && script.is_inside());
        let ended = self.has_ended();
        self.rig.end(from, in_order);
        let farewell = match self.rig.session.dialect(from) {
            // The end in order of a stream that was closed tells nothing new.
            _ if self.silent[from] && in_order => return,
            _ if lost => Farewell::Fin,
            Dialect::Hixie(Draft::H75) => Farewell::Close(None),
            Dialect::Hixie(Draft::H76) => Farewell::Close(Some((1001, Vec::new()))),
            Dialect::Hybi(_) => Farewell::Fin,
        };
        self.gone[from] = farewell == Farewell::Fin;
        if !ended {
            self.farewell = Some((from.other(), farewell));
        }
        self.silent[from] = true;
    }

    /// What must be true at any time.
    pub(super) fn check(&self, scripts: &Sides<Script>) {
        for to in BOTH {
            let dialect = self.rig.session.dialect(to);
            let wrote = oracle::decode(dialect, to.other(), &self.rig.wrote[to]);
            let place = format!("to the {to:?}, {dialect}, of {scripts:?}");
            assert!(wrote.fault.is_none(), "{:?} {place}", wrote.fault);
            assert_eq!(wrote.behind_close, 0, "bytes behind the close {place}");
            let messages = wrote.messages();
            let due = self.due[to].messages.iter().map(|(kind, data)| (*kind, &data[..]));
            assert!(messages.iter().copied().eq(due), "other messages {place}: {messages:?}");
            let controls = wrote.said.iter().filter(|said| match said {
                Said::Ping(payload) => payload.len() != QUESTION,
                Said::Pong(_) => true,
                _ => false,
            });
            assert!(
                self.undecided || controls.eq(&self.due[to].controls),
                "other pings or pongs {place}"
            );
            for ((_, data), frames) in messages.iter().zip(&wrote.frames) {
                assert!(
                    *frames == 1 || (data.len() > ONE_FRAME && !self.coalesces(to)),
                    "{} bytes in pieces {place}",
                    data.len()
                );
            }
            if let Some(Said::Close(Some((code, _)))) = wrote.said.last() {
                assert!(is_legal(dialect, *code), "code {code} {place}");
            }
        }
    }

    /// What must be true when the session is over.
    pub(super) fn check_end(&self, scripts: &Sides<Script>) {
        for to in BOTH {
            let dialect = self.rig.session.dialect(to);
            let wrote = oracle::decode(dialect, to.other(), &self.rig.wrote[to]);
            let close = wrote.said.last().filter(|said| matches!(said, Said::Close(_)));
            let fin = self.rig.session.wants_fin(to);
            let place = format!("to the {to:?}, {dialect}, of {scripts:?} by {:?}", self.rig.facts);
            assert!(close.is_some() || fin || self.gone[to], "no end was told {place}");
            assert!(
                wrote.part.is_none() || close.is_some() || fin || self.gone[to],
                "an open message {place}"
            );
            let lost = |fact: &Fact| match fact {
                Fact::Ended { by, cause } => *by == Some(to.other()) && *cause == Cause::Silent,
                _ => false,
            };
            if self.rig.facts.0.iter().any(lost) {
                assert!(close.is_none() && fin, "{close:?} {place}");
            }
            let Some((_, farewell)) = self.farewell.as_ref().filter(|(side, _)| *side == to) else {
                continue;
            };
            match (farewell, dialect) {
                (Farewell::Fin, _) => assert!(close.is_none() && fin, "{close:?} {place}"),
                (_, Dialect::Hixie(Draft::H75)) => assert!(fin, "no end {place}"),
                (_, Dialect::Hixie(Draft::H76)) => {
                    assert!(close.is_some() || (fin && wrote.part.is_some()), "no close {place}");
                }
                (Farewell::Close(due), Dialect::RFC6455) => {
                    assert_eq!(close, Some(&Said::Close(due.clone())), "{place}");
                }
                (_, Dialect::Hybi(version)) if version < Version::V6 => {
                    assert_eq!(close, Some(&Said::Close(None)), "{place}");
                }
                (Farewell::Close(due), Dialect::Hybi(_)) => {
                    assert!(
                        matches!(close, Some(Said::Close(code)) if code.is_some() == due.is_some()),
                        "{close:?} {place}"
                    );
                }
            }
        }
    }
}

/// Whether a version knows a close code, and lets it on the wire.
fn is_legal(dialect: Dialect, code: u16) -> bool {
    matches!(
        (dialect, code),
        (_, 1000..=1003 | 3000..=4999)
            | (Dialect::Hybi(Version::V6 | Version::V7 | Version::V8), 1004)
            | (Dialect::Hybi(Version::V8), 1007)
            | (Dialect::RFC6455, 1007..=1014)
    )
}
