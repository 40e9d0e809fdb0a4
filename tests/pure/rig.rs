//! A session on a test bench: bytes, time and ends go in, what it wrote is collected.

use hybridge::dialect::Agreement;
use hybridge::event::{Side, Sides};
use hybridge::limits::{Limits, Millis};
use hybridge::session::fact::{Cause, Fact, Observer};
use hybridge::session::policy::Policy;
use hybridge::session::{Session, Turn};
use hybridge::wire::outbox::Outbox;
use hybridge::wire::spare::Spare;
use std::fmt;

pub(crate) const BOTH: [Side; 2] = [Side::Client, Side::Backend];

/// Where mask keys come from.
pub(crate) type Keys = Box<dyn FnMut(&mut [u8])>;

/// Two peers, a proxy between them, and a clock that stands until it is moved.
pub(crate) struct Rig {
    pub(crate) session: Session,
    pub(crate) policy: Policy,
    pub(crate) now: Millis,
    /// What was written to each side so far.
    pub(crate) wrote: Sides<Vec<u8>>,
    /// The most that was written at a time.
    pub(crate) most: usize,
    pub(crate) facts: Facts,
    /// When each peer last sent something.
    heard: Sides<Millis>,
    /// How many bytes the peers have not taken yet; as far as a test does not say otherwise, they
    /// take all at once.
    pub(crate) unsent: usize,
    /// When the session has to be over at the latest, whatever the peers do; known once it closes.
    latest: Option<Millis>,
    entropy: Keys,
    spare: Spare,
}

/// Every fact, in order.
#[derive(Debug, Default)]
pub(crate) struct Facts(pub(crate) Vec<Fact>);

impl Observer for Facts {
    fn observe(&mut self, fact: &Fact) {
        self.0.push(fact.clone());
    }
}

impl Rig {
    pub(crate) fn new(agreed: Sides<impl Into<Agreement>>, policy: Policy, entropy: Keys) -> Self {
        Self {
            session: Session::new(agreed, 0, &policy),
            policy,
            now: 0,
            wrote: Sides::default(),
            most: 0,
            facts: Facts::default(),
            heard: Sides::default(),
            unsent: 0,
            latest: None,
            entropy,
            spare: Spare::default(),
        }
    }

    /// A peer sends bytes, which come in one read.
    pub(crate) fn feed(&mut self, from: Side, bytes: &[u8]) {
        self.heard[from] = self.now;
        let mut bytes = bytes.to_vec();
        loop {
            self.turn(&mut bytes, |session, turn, out, input| {
                session.receive(from, input, turn, out);
            });
            // What was written has left.
            let Some(behind) = self.session.take_behind(from) else { break };
            bytes = behind.bytes().to_vec();
        }
    }

    /// A peer's stream ends.
    pub(crate) fn end(&mut self, from: Side, in_order: bool) {
        self.turn(&mut [], |session, turn, out, _| session.stream_ended(from, in_order, turn, out));
    }

    /// The proxy is told to shut down.
    pub(crate) fn leave(&mut self) {
        self.bound(self.policy.limits.shutdown);
        self.turn(&mut [], |session, turn, out, _| session.leave(turn, out));
    }

    /// Time passes; the session is woken whenever its deadline has come.
    pub(crate) fn wait(&mut self, time: Millis) {
        let until = self.now + time;
        while self.session.deadline() <= until && !self.session.is_closed() {
            self.now = self.now.max(self.session.deadline());
            self.turn(&mut [], |session, turn, out, _| session.tick(turn, out));
        }
        self.now = until;
        self.check_time();
    }

    /// Time passes up to the deadline.
    pub(crate) fn wait_for_deadline(&mut self) {
        self.wait(self.session.deadline().saturating_sub(self.now));
    }

    /// The peers have taken what was written, but for so many bytes.
    pub(crate) fn take(&mut self, unsent: usize) {
        self.unsent = unsent;
        self.session.unsent(unsent, self.now, &self.policy.limits);
        self.check_time();
    }

    /// Both peers are silent from now on.
    ///
    /// # Panics
    /// When the session does not end by its own deadlines.
    pub(crate) fn run_out(&mut self) {
        let Limits { idle, close, drain, linger, .. } = self.policy.limits;
        // What is on its way to the other side of one that is lost is waited for.
        let close = if self.policy.keepalive.is_some() { drain } else { close };
        let latest = self.latest.unwrap_or(self.now + idle + close + linger).max(self.now);
        // A ping and its end for each side, idle, close, linger.
        for _ in 0..6 {
            if self.session.is_over(self.now) {
                break;
            }
            self.wait_for_deadline();
        }
        assert!(self.session.is_over(self.now), "the session is not over: {:?}", self.session);
        assert!(self.session.is_closed(), "over and not closed");
        assert!(self.now <= latest, "the session took {} ms too long", self.now - latest);
    }

    fn turn<F>(&mut self, input: &mut [u8], act: F)
    where
        F: for<'a> FnOnce(&mut Session, &mut Turn<'_>, &mut Sides<Outbox<'a>>, &'a mut [u8]),
    {
        let ended = BOTH.map(|side| self.session.wants_fin(side));
        let mut out = Sides { client: Outbox::new(Vec::new()), backend: Outbox::new(Vec::new()) };
        let mut turn = Turn {
            now: self.now,
            entropy: &mut self.entropy,
            spare: &mut self.spare,
            policy: &self.policy,
            observer: &mut self.facts,
        };
        act(&mut self.session, &mut turn, &mut out, input);
        self.session.unsent(self.unsent, self.now, &self.policy.limits);
        for (side, ended) in BOTH.into_iter().zip(ended) {
            let before = self.wrote[side].len();
            for slice in out[side].slices() {
                self.wrote[side].extend_from_slice(&slice);
            }
            let wrote = self.wrote[side].len() > before;
            self.most = self.most.max(self.wrote[side].len() - before);
            assert!(!(ended && wrote), "wrote to the {side:?} behind the end of its stream");
            assert!(!ended || self.session.wants_fin(side), "took the end of a stream back");
        }
        let limits = &self.policy.limits;
        let ended = |fact: &Fact| match fact {
            Fact::Ended { cause: Cause::Idle, .. } => Some(limits.close),
            Fact::Ended { .. } => Some(limits.drain),
            _ => None,
        };
        if let Some(within) = self.facts.0.iter().find_map(ended) {
            self.bound(within + limits.linger);
        }
        self.check_silence();
        self.check_time();
    }

    /// The session has to be over within some time from now; an earlier bound stays.
    fn bound(&mut self, within: Millis) {
        let latest = self.now + within;
        self.latest = Some(self.latest.map_or(latest, |before| before.min(latest)));
    }

    /// A peer that can be asked is lost when it was silent for so long, and not before.
    fn check_silence(&self) {
        let Some(keepalive) = &self.policy.keepalive else { return };
        let ended = self.facts.0.iter().find_map(|fact| match fact {
            Fact::Ended { by, cause } => Some((*by, *cause)),
            _ => None,
        });
        for side in BOTH {
            let silent = self.now - self.heard[side] >= keepalive.every + keepalive.patience;
            let can_be_asked = self.session.dialect(side).able().ping;
            match ended {
                None => assert!(!silent || !can_be_asked, "the {side:?} is not lost: {self:?}"),
                Some((by, Cause::Silent)) if by == Some(side) && self.latest.is_none() => {
                    assert!(silent && can_be_asked, "the {side:?} is lost: {self:?}");
                }
                Some(_) => {}
            }
        }
    }

    /// A session that closes is over in time, and means to be.
    fn check_time(&self) {
        let Some(latest) = self.latest else { return };
        let deadline = self.session.deadline();
        assert!(deadline <= latest, "waits {} ms too long: {self:?}", deadline - latest);
        assert!(self.now < latest || self.session.is_over(self.now), "not over: {self:?}");
    }
}

impl fmt::Debug for Rig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rig")
            .field("session", &self.session)
            .field("now", &self.now)
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
