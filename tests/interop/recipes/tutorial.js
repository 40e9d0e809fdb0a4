'use strict';
// The tutorial of the TLS front, done as it is written: its files, its commands, what it says they
// print.

const assert = require('node:assert');
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const { execFileSync } = require('child_process');
const { parseArgs } = require('util');
const { Program } = require('../runner/program');
const { filesOf, write } = require('./page');

const PAUSE_MS = 20;
const DEADLINE_MS = 60000;

const { values } = parseArgs({ options: { hybridge: { type: 'string' } } });
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tutorial-'));
const ends = Date.now() + DEADLINE_MS;

/// What a command of the tutorial prints.
function printed(...command) {
  return execFileSync(command[0], command.slice(1), { cwd: folder, encoding: 'utf8', timeout: DEADLINE_MS });
}

function start(...command) {
  const program = new Program(command[0], command, { cwd: folder });
  const heard = (text) => text.split('\n').forEach((line) => program.complain(line));
  for (const stream of [program.child.stdout, program.child.stderr]) stream.setEncoding('utf8').on('data', heard);
  return program;
}

async function listens(port, programs) {
  while (!await connects(port)) {
    const ended = programs.find((program) => program.ended);
    assert.ok(!ended, ended && `${ended.ended}\n${ended.complaints.join('\n')}`);
    assert.ok(Date.now() < ends, `nobody listens on port ${port}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

function connects(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true) || socket.destroy());
    socket.on('error', () => resolve(false));
  });
}

async function main() {
  write(filesOf('tutorial/a-tls-front.md'), folder);
  const python = '/usr/bin/python3';
  const programs = [
    start('ruby', 'old.rb'),
    start(python, 'new.py'),
    start(python, '-m', 'http.server', '--bind', '127.0.0.1', '--directory', 'pages', '9003'),
  ];
  for (const port of [9001, 9002, 9003]) await listens(port, programs);
  execFileSync('sh', ['certificates.sh'], { cwd: folder, stdio: 'ignore' });

  const good = path.join(folder, 'hybridge.toml');
  const text = fs.readFileSync(good, 'utf8');
  fs.writeFileSync(good, text.replace('backend = "old-server"', 'backend = "old-sever"'));
  assert.throws(() => printed(values.hybridge, 'check', '-c', 'hybridge.toml'), ({ stderr }) => /hybridge\.toml:\d+:\d+: .*old-sever.*old-server/s.test(stderr), 'a mistake is named');
  fs.writeFileSync(good, text);
  printed(values.hybridge, 'check', '-c', 'hybridge.toml');

  const hybridge = start(values.hybridge, 'serve', '-c', 'hybridge.toml');
  programs.push(hybridge);
  for (const port of [443, 80, 9180]) await listens(port, programs);
  assert.match(printed('sh', 'page.sh'), /A plain page/);
  assert.strictEqual(printed('sh', 'redirect.sh'), '301 https://new.example/\n');
  for (const age of ['old', 'new']) {
    assert.strictEqual(printed(python, 'client.py', `${age}.example`), `the ${age} server heard a client of today\n`);
  }
  assert.strictEqual(printed('sh', 'stranger.sh'), '403\n');
  assert.match(printed('sh', 'metrics.sh'), /^hybridge_\w+/m);
  fs.writeFileSync(good, text.replace('streamed = "1MiB"', 'streamed = "1MiB"\nidle = "1h"'));
  printed(values.hybridge, 'reload', '-c', 'hybridge.toml');
  assert.strictEqual(printed(python, 'client.py', 'old.example'), 'the old server heard a client of today\n');
  assert.strictEqual(await hybridge.end(20000, 'SIGINT'), null);
  for (const program of programs.slice(0, 3)) await program.kill();
}

main().then(
  () => console.log('tutorial: done as written'),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
).finally(() => fs.rmSync(folder, { recursive: true, force: true }));
