'use strict';
// The runner's end of the contract in README.md: a peer process, its events in order, its commands.

const readline = require('readline');
const { Program } = require('./program');
const { Mismatch } = require('./mismatch');

const SHOWN = 200;

class Peer extends Program {
  constructor(name, command) {
    super(name, command);
    this.events = [];
    this.waiters = new Set();
    /// What it said that the contract does not know; from then on it is not believed.
    this.garbled = null;
    readline.createInterface({ input: this.child.stdout }).on('line', (line) => this.heard(line));
    readline.createInterface({ input: this.child.stderr }).on('line', (line) => this.complain(line));
    this.over.then(() => this.offer());
  }

  tell(command) {
    this.child.stdin.write(JSON.stringify(command) + '\n');
  }

  heard(line) {
    const event = parsed(line);
    if (!event) this.garbled ??= `${this.name} broke the contract: ${line.slice(0, SHOWN)}`;
    else if (event.event === 'note') this.complain(event.note);
    else this.events.push(event);
    this.offer();
  }

  offer() {
    for (const waiter of [...this.waiters]) waiter();
  }

  /// The first event that `belongs`, waiting for it until `deadline` (ms since the epoch).
  take(belongs, what, deadline) {
    return new Promise((resolve, reject) => {
      const settle = (done, value) => {
        clearTimeout(timer);
        this.waiters.delete(look);
        done(value);
      };
      const look = () => {
        if (this.garbled) return settle(reject, new Mismatch(what, this.garbled));
        const at = this.events.findIndex(belongs);
        if (at >= 0) return settle(resolve, this.events.splice(at, 1)[0]);
        if (this.ended) settle(reject, new Mismatch(what, this.ended));
      };
      const late = () => settle(reject, new Mismatch(what, 'nothing before the deadline'));
      const timer = setTimeout(late, Math.max(0, deadline - Date.now()));
      this.waiters.add(look);
      look();
    });
  }

  /// What the peer says of itself when it is up.
  async ready(dialect, deadline) {
    this.about = await this.take((event) => event.event === 'ready', `${this.name} to start`, deadline);
    if (this.about.dialect !== dialect) {
      throw new Mismatch(`${this.name} to speak ${dialect}`, String(this.about.dialect));
    }
    return this;
  }

  can(what) {
    return this.about.can.includes(what);
  }
}

/// The event in a line, or null if there is none.
function parsed(line) {
  try {
    const event = JSON.parse(line);
    return typeof event.event === 'string' ? event : null;
  } catch {
    return null;
  }
}

module.exports = { Peer };
