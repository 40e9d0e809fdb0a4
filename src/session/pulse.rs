//! Whether a peer is still there: when it was last heard, and whether it has been asked.
//!
//! A peer that has said nothing for a while is asked with a ping; if it then says nothing either, it
//! is lost. Any byte is a sign of life, not only the pong.
//!
//! The pings of the proxy stand between those that pass from end to end, and must not harm them.
//! Three things see to it:
//!
//! * The payload has 64 random bits, which only the peer that was asked has seen, and a letter for
//!   its side. So a pong that bears it is the answer to the proxy and goes no further, and a peer
//!   cannot have the same payload in a ping of its own but by arrangement with the other one.
//! * A peer may answer only the most recent ping (RFC 6455 section 5.5.3). While one that was passed
//!   on waits for its pong, the proxy sends none of its own, which could take its place: the one that
//!   waits asks the same question.
//! * The other way round a ping that passes may take the place of the proxy's own. Its pong is a sign
//!   of life as well.

use super::policy::Keepalive;
use crate::event::Side;
use crate::limits::Millis;
use crate::wire::entropy::Entropy;
use std::num::NonZeroU64;

/// The pulse of one side.
#[derive(Debug)]
pub(super) struct Pulse {
    /// When it was last heard or, since then, asked: the low half of the time. Its differences are
    /// right up to seven weeks.
    since: u32,
    /// Whether it has been silent for so long that it was asked.
    asked: bool,
    /// Whether a ping of the other side waits for its pong.
    awaits_pong: bool,
}

/// What is to be done about a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing yet.
    Wait,
    /// It is to be sent a ping.
    Ask,
    /// It is lost.
    Silent,
}

impl Pulse {
    pub(super) const fn new(now: Millis) -> Self {
        Self { since: low(now), asked: false, awaits_pong: false }
    }

    /// The peer has sent something.
    #[inline]
    pub(super) const fn heard(&mut self, now: Millis) {
        self.since = low(now);
        self.asked = false;
    }

    /// The peer could not be heard until now, or not be asked.
    pub(super) const fn excuse(&mut self, now: Millis) {
        self.since = low(now);
    }

    /// A ping of the other side is passed on to the peer.
    pub(super) const fn pass_ping(&mut self) {
        self.awaits_pong = true;
    }

    /// The peer has sent a pong that is not for the proxy. It may stand for several pings.
    pub(super) const fn pass_pong(&mut self) {
        self.awaits_pong = false;
    }

    /// When there is something to do about the peer if it stays silent.
    pub(super) fn due(&self, now: Millis, keepalive: &Keepalive) -> Millis {
        let wait = if self.asked { keepalive.patience } else { keepalive.every };
        let silence = Millis::from(low(now).wrapping_sub(self.since));
        now.saturating_add(wait.saturating_sub(silence))
    }

    /// Looks after the peer.
    pub(super) fn look(&mut self, now: Millis, keepalive: &Keepalive) -> Verdict {
        if now < self.due(now, keepalive) {
            return Verdict::Wait;
        }
        if self.asked {
            return Verdict::Silent;
        }
        (self.asked, self.since) = (true, low(now));
        if self.awaits_pong { Verdict::Wait } else { Verdict::Ask }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only differences count")]
const fn low(now: Millis) -> u32 {
    now as u32
}

/// What the pings of the proxy in one session are told by; drawn with the first of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Token(Option<NonZeroU64>);

impl Token {
    /// The payload of a ping to a side.
    pub(super) fn question(&mut self, to: Side, entropy: &mut dyn Entropy) -> [u8; 9] {
        let number = *self.0.get_or_insert_with(|| {
            let mut bytes = [0; 8];
            entropy.fill(&mut bytes);
            NonZeroU64::MIN | u64::from_be_bytes(bytes)
        });
        payload(number, to)
    }

    /// Whether a pong answers such a ping.
    pub(super) fn is_answer(self, from: Side, pong: &[u8]) -> bool {
        self.0.is_some_and(|number| pong == payload(number, from))
    }
}

fn payload(number: NonZeroU64, side: Side) -> [u8; 9] {
    let [a, b, c, d, e, f, g, h] = number.get().to_be_bytes();
    let letter = match side {
        Side::Client => b'c',
        Side::Backend => b'b',
    };
    [a, b, c, d, e, f, g, h, letter]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPALIVE: Keepalive = Keepalive { every: 1000, patience: 300 };

    #[test]
    fn a_silent_peer_is_asked_once_and_then_lost() {
        // Also where the low half of the time begins anew.
        for start in [0, 5, u64::from(u32::MAX) - 1200, u64::from(u32::MAX)] {
            let mut pulse = Pulse::new(start);
            assert_eq!(pulse.due(start, &KEEPALIVE), start + 1000);
            assert_eq!(pulse.look(start + 999, &KEEPALIVE), Verdict::Wait);
            assert_eq!(pulse.look(start + 1000, &KEEPALIVE), Verdict::Ask);
            assert_eq!(pulse.due(start + 1001, &KEEPALIVE), start + 1300);
            assert_eq!(pulse.look(start + 1299, &KEEPALIVE), Verdict::Wait);
            assert_eq!(pulse.look(start + 1300, &KEEPALIVE), Verdict::Silent);
        }
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        let mut pulse = Pulse::new(0);
        assert_eq!(pulse.look(1000, &KEEPALIVE), Verdict::Ask);
        pulse.heard(1299);
        assert_eq!(pulse.look(1300, &KEEPALIVE), Verdict::Wait);
        assert_eq!(pulse.due(1300, &KEEPALIVE), 2299);
    }

    #[test]
    fn a_peer_that_cannot_be_heard_is_not_lost() {
        let mut pulse = Pulse::new(0);
        assert_eq!(pulse.look(1000, &KEEPALIVE), Verdict::Ask);
        pulse.excuse(1300);
        assert_eq!(pulse.look(1300, &KEEPALIVE), Verdict::Wait);
        assert_eq!(pulse.look(1600, &KEEPALIVE), Verdict::Silent);
    }

    #[test]
    fn a_ping_that_waits_is_not_overtaken() {
        let mut pulse = Pulse::new(0);
        pulse.pass_ping();
        pulse.heard(10);
        assert_eq!(pulse.look(1010, &KEEPALIVE), Verdict::Wait);
        assert_eq!(pulse.look(1310, &KEEPALIVE), Verdict::Silent);
        pulse.heard(1310);
        pulse.pass_pong();
        assert_eq!(pulse.look(2310, &KEEPALIVE), Verdict::Ask);
    }

    #[test]
    fn an_answer_is_that_of_the_side_that_was_asked() {
        let mut token = Token::default();
        assert!(!token.is_answer(Side::Client, b"\0\0\0\0\0\0\0\0c"));
        let question = token.question(Side::Client, &mut |bytes: &mut [u8]| bytes.fill(0));
        assert_eq!(&question, b"\0\0\0\0\0\0\0\x01c");
        assert!(token.is_answer(Side::Client, &question));
        assert!(!token.is_answer(Side::Backend, &question));
        let again = token.question(Side::Client, &mut |bytes: &mut [u8]| bytes.fill(9));
        assert_eq!(again, question);
    }
}
