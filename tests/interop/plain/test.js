'use strict';
// Ordinary HTTP of curl and of Chromium, with a server of node: through hybridge it is as without it.
//
//   node tests/interop/plain/test.js HYBRIDGE
//
// Wants `curl` and `chromium` in PATH. Exit code 0 when all holds.

const assert = require('node:assert');
const crypto = require('crypto');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { execFile } = require('child_process');
const { Browser } = require('../page/devtools');
const { Proxy } = require('../runner/proxy');
const { BIG, POLL_MS, start } = require('./backend');

const DEADLINE_MS = 240000;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'plain-'));
const big = path.join(folder, 'big');

/// What curl prints, and what it says of its connections.
function curl(...options) {
  return new Promise((resolve, reject) => {
    const all = ['--silent', '--show-error', '--max-time', '200', ...options];
    execFile('curl', all, { encoding: 'utf8', maxBuffer: 1 << 20 }, (error, stdout, stderr) => (error ? reject(error) : resolve({ stdout, stderr })));
  });
}

/// A head without what may differ from one answer to the next.
const steady = (text) => text.replace(/^(Connection|Date|Keep-Alive): .*\r\n/gm, '').replace(/^HTTP\/1\.[01]/, 'HTTP/1.x');

/// Each: a name, and what has to come out the same with and without the proxy.
const SAME = {
  'a status': (at) => curl('-i', `${at}/status?code=203&body`),
  'an error': (at) => curl('-i', `${at}/status?code=503&body`),
  'no content': (at) => curl('-i', `${at}/status?code=204`),
  'not modified': (at) => curl('-i', `${at}/status?code=304`),
  'no such page': (at) => curl('-i', `${at}/none`),
  HEAD: (at) => curl('-I', `${at}/give`),
  'a body by length': (at) => curl('-i', '-d', 'some=form&more=of it', `${at}/take`),
  'a body in chunks': (at) => curl('-i', '-H', 'Transfer-Encoding: chunked', '-d', 'in a chunk', `${at}/take`),
  DELETE: (at) => curl('-i', '-X', 'DELETE', `${at}/take`),
  '100 MB to the server': (at) => curl('-T', big, `${at}/take`),
  '100 MB from the server': async (at) => digest(at, '/give'),
  '100 MB in chunks, with a trailer': async (at) => digest(at, '/chunks'),
  'an old client': (at) => curl('-i', '--http1.0', `${at}/status?code=200&body`),
};

async function digest(at, target) {
  const file = path.join(folder, 'got');
  const { stdout } = await curl('-o', file, '-w', '%{http_code} %{size_download}', `${at}${target}`);
  return `${stdout} ${crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex')}`;
}

/// Each: what holds through the proxy.
const HOLDS = {
  'two requests, one connection': async (at) => {
    const { stdout } = await curl('-w', '%{num_connects}\n', '-o', '/dev/null', '-o', '/dev/null', `${at}/`, `${at}/headers`);
    assert.strictEqual(stdout, '1\n0\n');
  },
  '100 Continue': async (at) => {
    const { stdout, stderr } = await curl('-v', '--expect100-timeout', '60', '-H', 'Expect: 100-continue', '-T', big, `${at}/take`);
    assert.match(stderr, /^< HTTP\/1\.1 100 Continue/m);
    assert.match(stdout, new RegExp(`^${BIG} `));
  },
  'a body that is not wanted': async (at) => {
    const { stdout } = await curl('--expect100-timeout', '60', '-H', 'Expect: 100-continue', '-T', big, '-w', '%{http_code} %{size_upload}', `${at}/refuse`);
    assert.strictEqual(stdout, '417 0');
  },
  'the case and order of fields': async (at) => {
    const { stdout } = await curl('-H', 'X-ONE: 1', '-H', 'x-two: 2', '-H', 'X-Three: 3', `${at}/headers`);
    const names = JSON.parse(stdout).filter((_, index) => index % 2 === 0);
    const own = names.filter((name) => /^x-(one|two|three)$/i.test(name));
    assert.deepStrictEqual(own, ['X-ONE', 'x-two', 'X-Three']);
  },
  'a long poll': async (at) => {
    const from = Date.now();
    const { stdout } = await curl(`${at}/poll`);
    assert.strictEqual(stdout, 'at last\n');
    assert.ok(Date.now() - from >= POLL_MS - 1000, 'it was not held');
  },
  'a browser: page, fetch, streams, events': inBrowser,
};

async function inBrowser(at) {
  const browser = new Browser();
  try {
    const page = await browser.page({ width: 800, height: 600 });
    await page.open(`${at}/`);
    const seen = await page.evaluate(`(async () => {
      const got = await (await fetch('/give')).arrayBuffer();
      const body = new Uint8Array(${BIG});
      const took = await (await fetch('/take', { method: 'PUT', body })).text();
      const head = await fetch('/status?code=404&body', { method: 'HEAD' });
      const events = new EventSource('/events');
      const heard = [];
      await new Promise((resolve, reject) => {
        events.onerror = reject;
        events.onmessage = ({ data }) => {
          heard.push(data);
          // The next is sent only when this one has come: nothing may be held back.
          if (heard.length === 5) resolve();
          else fetch('/event?data=' + heard.length);
        };
      });
      events.close();
      return { got: got.byteLength, took: took.split(' ')[0], head: head.status, heard };
    })()`);
    assert.deepStrictEqual(seen, { got: BIG, took: String(BIG), head: 404, heard: ['0', '1', '2', '3', '4'] });
  } finally {
    await browser.stop();
  }
}

async function main() {
  fs.writeFileSync(big, Buffer.alloc(BIG, 'plain '));
  const { server, port } = await start();
  const proxy = new Proxy(process.argv[2], port, []);
  await proxy.ready(Date.now() + DEADLINE_MS);
  const [direct, through] = [port, proxy.port].map((each) => `http://127.0.0.1:${each}`);
  // It takes its minute beside the others.
  const poll = HOLDS['a long poll'](through);
  poll.catch(() => {});
  for (const [name, ask] of Object.entries(SAME)) {
    const [without, with_] = [await ask(direct), await ask(through)];
    const text = (answer) => steady(answer.stdout ?? answer).replaceAll(`127.0.0.1:${proxy.port}`, `127.0.0.1:${port}`);
    assert.strictEqual(text(with_), text(without), name);
    console.log(`plain: ${name}: the same`);
  }
  for (const [name, holds] of Object.entries(HOLDS)) {
    await (name === 'a long poll' ? poll : holds(through));
    console.log(`plain: ${name}: holds`);
  }
  assert.strictEqual(await proxy.end(20000, 'SIGTERM'), null);
  server.closeAllConnections();
  server.close();
}

const late = setTimeout(() => {
  console.error('plain: not done in time');
  process.exit(1);
}, DEADLINE_MS);
main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
}).finally(() => {
  clearTimeout(late);
  fs.rmSync(folder, { recursive: true, force: true });
});
