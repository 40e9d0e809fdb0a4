'use strict';
// The runner's end of the contract in README.md: a peer process, its events in order, its commands.

const readline = require('readline');
const { Program } = require('./program');
const { Mismatch } = require('./mismatch');

class Peer extends Program {
  constructor(name, command) {
    super(name, command);
    this.events = [];
    this.waiters = new Set();
    readline.createInterface({ input: this.child.stdout }).on('line', (line) => this.heard(line));
    readline.createInterface({ input: this.child.stderr }).on('line', (line) => this.complain(line));
    this.over.then(() => this.offer());
  }

  tell(command) {
    this.child.stdin.write(JSON.stringify(command) + '\n');
  }

  heard(line) {
    let event;
    try {
      event = JSON.parse(line);
    } catch {
      return this.complain(`not of the contract: ${line}`);
    }
    if (event.event === 'note') return this.complain(event.note);
    this.events.push(event);
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
  async ready(deadline) {
    this.about = await this.take((event) => event.event === 'ready', `${this.name} to start`, deadline);
    return this;
  }
}

module.exports = { Peer };
