//! Pings and pongs of a session: those that pass from side to side, those that are answered here
//! because the other side has none, and those of the proxy's own.

use super::closing::Ending;
use super::fact::{Cause, Fact};
use super::policy::{Keepalive, Policy};
use super::pulse::Verdict;
use super::{Session, Turn};
use crate::event::{Control, Side, Sides};
use crate::limits::Millis;
use crate::wire::outbox::Outbox;

impl Session {
    /// Ends a session that is idle, and asks the sides that are silent.
    pub(super) fn look_after_peers(&mut self, turn: &mut Turn<'_>, out: &mut Sides<Outbox<'_>>) {
        if turn.now >= self.latest {
            return self.begin_leave(Cause::Idle, turn.policy.limits.close, turn, out);
        }
        if let Some(keepalive) = &turn.policy.keepalive {
            for side in Side::BOTH {
                if self.is_open() && self.can_ask(side, turn.policy) {
                    self.look_after(side, keepalive, turn, out);
                }
            }
        }
        if self.is_open() {
            self.deadline = self.due(turn.now, turn.policy);
        }
    }

    fn look_after(
        &mut self,
        side: Side,
        keepalive: &Keepalive,
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'_>>,
    ) {
        match self.legs[side].pulse.look(turn.now, keepalive) {
            Verdict::Wait => {}
            Verdict::Ask => {
                let question = Control::from_iter(self.token.question(side, turn.entropy));
                self.legs[side].writer.ping(&question, turn.entropy, &mut out[side]);
            }
            Verdict::Silent => {
                self.end(side, Ending::Lost, Cause::Silent, None, turn, out);
                self.let_go(side);
            }
        }
    }

    /// A ping goes to the other side if it has any, and is answered there; else it is answered here.
    pub(super) fn ping(
        &mut self,
        from: Side,
        payload: &Control,
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'_>>,
    ) {
        turn.observer.observe(&Fact::Ping { from });
        let to = from.other();
        if !self.dialect(to).able().ping {
            if self.hears(from) {
                self.legs[from].writer.pong(payload, turn.entropy, &mut out[from]);
            }
        } else if self.hears(to) {
            self.legs[to].pulse.pass_ping();
            self.legs[to].writer.ping(payload, turn.entropy, &mut out[to]);
        }
    }

    /// A pong goes to the other side if it has any; `false` for one that is for the proxy.
    pub(super) fn pong(
        &mut self,
        from: Side,
        payload: &Control,
        turn: &mut Turn<'_>,
        out: &mut Sides<Outbox<'_>>,
    ) -> bool {
        turn.observer.observe(&Fact::Pong { from });
        if self.token.is_answer(from, payload) {
            return false;
        }
        self.legs[from].pulse.pass_pong();
        let to = from.other();
        if self.hears(to) {
            self.legs[to].writer.pong(payload, turn.entropy, &mut out[to]);
        }
        true
    }

    /// When there is something to do for a session that is open.
    pub(super) fn due(&self, now: Millis, policy: &Policy) -> Millis {
        let Some(keepalive) = &policy.keepalive else { return self.latest };
        let asked = Side::BOTH.into_iter().filter(|side| self.can_ask(*side, policy));
        let due = asked.map(|side| self.legs[side].pulse.due(now, keepalive));
        due.fold(self.latest, Millis::min)
    }

    /// Whether a side can be sent pings by the proxy.
    fn can_ask(&self, side: Side, policy: &Policy) -> bool {
        !self.is_tunnel(policy) && self.dialect(side).able().ping
    }
}
