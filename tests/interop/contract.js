'use strict';
// The peer's end of the contract in README.md: one JSON object a line, events out on stdout,
// commands in on stdin. A peer written in another language does the same by its own means.

const readline = require('readline');

/// Tells the runner what this peer saw.
function say(event) {
  process.stdout.write(JSON.stringify(event) + '\n');
}

/// Calls `commands[do](command)` for each line, and `end` at the end of stdin or by signal: a peer
/// must not outlive the run.
function obey(commands, end = () => process.exit(0)) {
  const lines = readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
  lines.on('line', (line) => {
    const command = JSON.parse(line);
    commands[command.do](command);
  });
  lines.on('close', end);
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}

module.exports = { say, obey };
