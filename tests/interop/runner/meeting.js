'use strict';
// One client at one site: every conversation in turn. What comes out goes into a record.

const { Mismatch } = require('./mismatch');
const { Session } = require('./session');

const RESET = { do: 'reset' };

class Meeting {
  /// `ends`: when the run is over, in ms since the epoch.
  constructor({ pair, site, plan, record, starts, ends }) {
    Object.assign(this, { pair, site, plan, record, starts, ends });
    this.pairEnds = this.within(plan.limits.pair);
    this.faults = plan.faults.filter((fault) => fault.where(pair));
    this.client = null;
  }

  within(ms) {
    return Math.min(Date.now() + ms, this.ends);
  }

  get programs() {
    return [this.client, ...this.site.programs].filter(Boolean);
  }

  async hold() {
    try {
      await this.session();
    } catch (error) {
      this.record.failed('start', error, this.programs);
      return this.clear();
    }
    for (const conversation of this.plan.conversations) await this.talk(conversation);
    const trouble = this.client && await this.client.end(this.plan.limits.end);
    if (trouble) this.record.failed('the client ends in order', new Error(trouble), [this.client]);
  }

  /// The checks of one conversation in their order, on one connection. A check that a known fault
  /// prevents is tried all the same; what comes behind it gets a new connection, unless the
  /// conversation is a chain, in which each check builds on the one before.
  async talk(conversation) {
    if (Date.now() > this.pairEnds) {
      return this.record.failed(conversation.name, new Mismatch('the pair to be done', 'its deadline'));
    }
    const checks = [['opens', () => {}], ...conversation.checks];
    let session = null;
    for (const [at, [name, steps, applies]] of checks.entries()) {
      const check = `${conversation.name}: ${name}`;
      const fault = this.faults.find(({ checks: prevented }) => prevented.includes(check));
      try {
        session ??= await this.session();
        if (at === 0 && conversation.applies && !conversation.applies(session)) {
          return this.record.unfit(conversation.name);
        }
        if (applies && !applies(session)) {
          this.record.unfit(check);
          continue;
        }
        session.deadline = Math.min(this.pairEnds, this.within(fault ? this.plan.limits.fault : this.plan.limits.check));
        if (session.id === null) await session.open(conversation.open);
        await steps(session);
        if (fault && !fault.race) this.record.stale(check, fault);
        else this.record.passed(check);
      } catch (error) {
        const rest = checks.slice(at + 1).map(([each]) => `${conversation.name}: ${each}`);
        if (!fault) {
          this.record.failed(check, error, this.programs);
          this.record.notReached(rest);
          return this.clear();
        }
        this.record.prevented(check, fault);
        if (at === 0) {
          rest.forEach((each) => this.record.prevented(each, fault));
          return this.dismiss();
        }
        if (!conversation.chain) {
          await this.dismiss();
          session = null;
        }
      }
    }
  }

  /// A session to come: both ends and the proxy stand, and nothing of an earlier one is left.
  async session() {
    const deadline = this.within(this.plan.limits.start);
    await this.site.stand(this.pair.serve, deadline);
    await this.freshClient(deadline);
    const { backend, origin } = this.site;
    return new Session({ client: this.client, backend, origin, direct: this.pair.direct });
  }

  /// The client as it was at its start. One that cannot forget its connection is started anew.
  async freshClient(deadline) {
    const { name, command, dialect } = this.pair.client;
    const old = this.client;
    if (old && old.can('reset')) {
      old.tell(RESET);
      await old.take((event) => event.event === 'reset', `${old.name} to reset itself`, deadline);
      old.events.length = 0;
      return;
    }
    const trouble = old && await old.end(this.plan.limits.end);
    this.client = null;
    if (trouble) throw new Error(trouble);
    this.client = await this.starts.peer(`client ${name}`, command, dialect, deadline);
  }

  /// Lets a client go that may be out of step.
  async dismiss() {
    if (this.client) await this.client.kill();
    this.client = null;
  }

  async clear() {
    await this.dismiss();
    await this.site.clear();
  }
}

module.exports = { Meeting };
