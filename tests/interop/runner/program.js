'use strict';
// A started program: its pid, how it ended, the tail of its stderr, and its sure end.

const { spawn } = require('child_process');

const KEPT_LINES = 40;
const GRACE_MS = 3000;

const running = new Set();

// Whatever ends the runner, nothing it started stays behind.
process.on('exit', () => running.forEach((program) => program.child.kill('SIGTERM')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

class Program {
  constructor(name, command) {
    this.name = name;
    this.ended = null;
    this.complaints = [];
    this.child = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
    running.add(this);
    this.child.stdin.on('error', () => {});
    this.over = new Promise((resolve) => {
      const over = (how) => {
        if (this.ended) return;
        this.ended = `${this.name} ended (${how})`;
        running.delete(this);
        resolve();
      };
      // `close` comes when stdout is read to its end, so that no event is lost; a failed start has no `close`.
      this.child.on('close', (code, signal) => over(signal || `exit code ${code}`));
      this.child.on('error', (error) => over(error.message));
    });
  }

  complain(line) {
    this.complaints.push(line);
    if (this.complaints.length > KEPT_LINES) this.complaints.shift();
  }

  /// Asks by closed stdin and by `signal` if given, then insists.
  async end(signal) {
    if (this.ended) return;
    this.child.stdin.end();
    if (signal) this.child.kill(signal);
    const insist = setTimeout(() => this.child.kill('SIGKILL'), GRACE_MS);
    await this.over;
    clearTimeout(insist);
  }
}

module.exports = { Program };
