'use strict';
// `hybridge serve` in front of one backend, and the port it says it listens on.

const readline = require('readline');
const { Program } = require('./program');
const { Mismatch } = require('./mismatch');

const COLOUR = /\x1b\[[0-9;]*m/g;
const ADDRESS = /127\.0\.0\.1:(\d+)/g;

class Proxy extends Program {
  constructor(binary, backendPort, options) {
    super('hybridge', [
      binary, 'serve', '--listen', '127.0.0.1:0', '--backend', `ws://127.0.0.1:${backendPort}`, ...options,
    ]);
    this.child.stdout.resume();
    this.bound = new Promise((resolve) => {
      readline.createInterface({ input: this.child.stderr }).on('line', (coloured) => {
        const line = coloured.replace(COLOUR, '');
        this.complain(line);
        if (!line.includes('listening')) return;
        // The line may name the backend too.
        const ports = [...line.matchAll(ADDRESS)].map((match) => Number(match[1]));
        const port = ports.find((each) => each !== backendPort && each !== 0);
        if (port) resolve(port);
      });
    });
  }

  async ready(deadline) {
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, Math.max(0, deadline - Date.now()));
    });
    this.port = await Promise.race([this.bound, this.over, late]);
    clearTimeout(timer);
    if (!this.port) {
      throw new Mismatch('a line on stderr with `listening` and 127.0.0.1:PORT', this.ended || 'none before the deadline');
    }
  }
}

module.exports = { Proxy };
