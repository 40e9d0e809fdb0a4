'use strict';
// A peer for the test of the runner: it keeps the contract over lines of plain TCP, or is ill in the
// way that it is told. Arguments: `client` or `backend`, and the illness.

const { spawn } = require('child_process');
const net = require('net');
const readline = require('readline');
const { say, obey } = require('../../contract');

const [, , role, illness = 'none'] = process.argv;
const has = (name) => illness === name;
const DIALECT = has('wrong-dialect') ? 'hixie-75' : 'rfc6455';

/// What happens to this peer in the middle of a conversation.
function strike() {
  if (has('crash')) fall('struck down');
  if (has('garbage')) process.stdout.write('once upon a time\n');
  if (has('null')) process.stdout.write('null\n');
  return has('hang');
}

function fall(words) {
  // What it started lives on, and holds its stdout.
  spawn('sleep', ['60'], { stdio: 'inherit' });
  process.stderr.write(`${words}\n`);
  process.exit(1);
}

function lines(socket, each) {
  socket.on('error', () => {});
  readline.createInterface({ input: socket }).on('line', each);
}

function client() {
  let socket;
  obey({
    open({ url }) {
      socket = net.connect(new URL(url).port, '127.0.0.1', () => say({ event: 'open', protocol: '', cookies: '' }));
      lines(socket, (text) => say({ event: 'message', text }));
    },
    send({ texts }) {
      if (strike()) return;
      for (const text of texts) socket.write(`${text}\n`);
    },
    reset() {
      if (has('hang-at-reset')) return;
      if (socket) socket.destroy();
      say({ event: 'reset' });
    },
  }, end);
  say({ event: 'ready', dialect: DIALECT, can: ['reset'] });
}

function backend() {
  let id = 0;
  const server = net.createServer((socket) => {
    const mine = (id += 1);
    say({ event: 'open', id: mine, target: '/' });
    lines(socket, (text) => {
      if (strike()) return;
      say({ event: 'message', id: mine, text });
      socket.write(`${text}\n`);
    });
  });
  obey({}, end);
  server.listen(0, '127.0.0.1', () => say({ event: 'ready', dialect: DIALECT, port: server.address().port, can: [] }));
}

function end() {
  if (has('hang-at-end')) return void setInterval(() => {}, 1000);
  process.exit(has('crash-at-end') ? 3 : 0);
}

if (has('crash-at-start')) fall('stillborn');
if (has('hang-at-start')) obey({});
else ({ client, backend })[role]();
