'use strict';
// Starts peers, and remembers which of them did not come up: they are not waited for again.

const { Mismatch } = require('./mismatch');
const { Peer } = require('./peer');

class Starts {
  constructor() {
    this.lost = new Map();
  }

  async peer(name, command, dialect, deadline) {
    if (this.lost.has(name)) throw new Mismatch(`${name} to start`, `not tried again: ${this.lost.get(name)}`);
    const peer = new Peer(name, command);
    try {
      return await peer.ready(dialect, deadline);
    } catch (error) {
      this.lost.set(name, error.message);
      error.program = peer;
      await peer.kill();
      throw error;
    }
  }
}

module.exports = { Starts };
