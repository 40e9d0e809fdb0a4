'use strict';
// A started program: how it ended, the tail of its stderr, and its sure end. Each is a process group
// of its own, so that what it started ends with it.

const { spawn } = require('child_process');

const KEPT_LINES = 40;
const GRACE_MS = 1000;

const running = new Set();

// Whatever ends the runner, nothing it started stays behind.
process.on('exit', () => running.forEach((program) => program.signal('SIGTERM')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

class Program {
  constructor(name, command, options = {}) {
    this.name = name;
    this.ended = null;
    this.complaints = [];
    this.child = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'], detached: true, ...options });
    running.add(this);
    this.child.stdin.on('error', () => {});
    this.over = new Promise((resolve) => {
      const over = (how) => {
        if (this.ended) return;
        this.ended = `${this.name} ended (${how})`;
        this.endedWell = how === 'exit code 0';
        clearTimeout(this.held);
        this.signal('SIGKILL');
        running.delete(this);
        resolve();
      };
      const told = (code, signal) => over(signal || `exit code ${code}`);
      // `close` comes when stdout is read to its end, so that no event is lost; but what the program
      // started may hold that end open. A failed start has neither.
      this.child.on('exit', (...how) => {
        this.held = setTimeout(told, GRACE_MS, ...how);
      });
      this.child.on('close', told);
      this.child.on('error', (error) => over(error.message));
    });
  }

  complain(line) {
    if (line === '') return;
    this.complaints.push(line);
    if (this.complaints.length > KEPT_LINES) this.complaints.shift();
  }

  signal(signal) {
    try {
      process.kill(-this.child.pid, signal);
    } catch {
      // Nobody is left in the group, or it never started.
    }
  }

  /// Ends it in order: by closed stdin, and by `signal` if given, within `ms`. Returns what was not
  /// in order, or null.
  async end(ms, signal) {
    if (this.ended) return `${this.ended} before it was told to`;
    this.child.stdin.end();
    if (signal) this.child.kill(signal);
    let late = false;
    const insist = setTimeout(() => {
      late = true;
      this.signal('SIGKILL');
    }, ms);
    await this.over;
    clearTimeout(insist);
    if (late) return `${this.name} did not end within ${ms} ms`;
    return this.endedWell ? null : this.ended;
  }

  /// Ends it, in what order it still can: it has failed already.
  async kill() {
    await this.end(GRACE_MS, 'SIGTERM');
  }
}

module.exports = { Program };
