'use strict';
// `hybridge replay` against a modern server (ws): an old application is captured by tcpdump while a
// browser engine of its time (PhantomJS, Hixie-76) and a client of RFC 6455 use it, and what they said is
// said again to a server that gives other tokens, at another pace, in another order, or is wrong.
// Called by `run`, in a network of its own.
//
//   node test.js HYBRIDGE

const assert = require('node:assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { spawn, execFile } = require('child_process');
const readline = require('readline');
const WebSocket = require('ws');
const { Peer } = require('../runner/peer');
const { Program } = require('../runner/program');
const { Capture } = require('../wireshark/capture');

const HYBRIDGE = process.argv[2];
const ROOT = path.join(__dirname, '../../..');
const DEADLINE_MS = 300000;
const deadline = Date.now() + DEADLINE_MS;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hybridge-replay-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
setTimeout(() => fail(new Error('not done before the deadline')), DEADLINE_MS).unref();

// What any server does otherwise each time.
const NOISE = ['--ignore', '/ts', '--ignore', '/session', '--match', '/ref=uuid'];
const LOGIN = JSON.stringify({ op: 'login', user: 'alice' });

/// Runs the application while `use` has its port.
async function application(options, use) {
  const child = spawn('node', [path.join(__dirname, 'application.js'), JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  try {
    return await use(Number((await lines.next()).value));
  } finally {
    child.stdin.end();
  }
}

/// What a replay came to: its exit code, and its report.
async function replay(files, port, ...options) {
  const report = path.join(folder, 'report.json');
  fs.rmSync(report, { force: true });
  const all = ['replay', ...files, '--target', `ws://127.0.0.1:${port}`, '--report', `json:${report}`, ...options];
  const [code, said] = await new Promise((resolve) => {
    execFile(HYBRIDGE, all, (error, stdout, stderr) => resolve([error ? error.code : 0, stdout + stderr]));
  });
  assert.ok(fs.existsSync(report), `exit code ${code}: ${said}`);
  return { code, said, ...JSON.parse(fs.readFileSync(report)) };
}

/// Where a client says its token, by how the server told it.
function subscription(style, token) {
  const quotes = { op: 'sub', sym: 'ACME', count: 8, every: 45 };
  if (style === 'path') return { ...quotes, path: `/orders/${token}/new` };
  return { ...quotes, token };
}

function told(style, message) {
  if (style === 'nested') return message.auth.token;
  if (style === 'path') return message.next.split('/')[2];
  return message.token;
}

/// Quotes and orders of one client, which speaks through `send`; hands out what takes the answers and
/// tells when all has come.
function trader(style, cookie, send, close) {
  return (text) => {
    const message = JSON.parse(text);
    if (message.op === 'welcome') {
      send(JSON.stringify(subscription(style, cookie ?? told(style, message))));
      send(JSON.stringify({ op: 'order', id: 1, qty: 10 }));
      send(JSON.stringify({ op: 'order', id: 2, qty: 20 }));
    } else if (message.op === 'eod') {
      close();
    }
  };
}

/// The client of RFC 6455, against the old server, which speaks that too.
function modern(port, style) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/quotes?u=alice`, { perMessageDeflate: false });
    let cookie = null;
    socket.on('upgrade', (response) => {
      cookie = response.headers['set-cookie']?.[0].match(/^sid=([^;]*)/)[1] ?? null;
    });
    socket.on('open', () => socket.send(LOGIN));
    socket.on('message', (data) => trader(style, cookie, (text) => socket.send(text), () => socket.close())(data.toString()));
    socket.on('close', resolve).on('error', reject);
  });
}

/// The old browser engine: quotes, then a server that closes, then a token that is not known.
async function old(port) {
  const peer = await new Peer('PhantomJS', ['node', path.join(__dirname, '../clients/phantomjs.js')]).ready('hixie-76', deadline);
  const next = (event) => peer.take((said) => said.event === event, event, deadline);
  const open = async (target) => {
    peer.tell({ do: 'open', url: `ws://127.0.0.1:${port}${target}` });
    await next('open');
  };
  const say = (...texts) => peer.tell({ do: 'send', texts });
  await open('/quotes?u=alice');
  say(LOGIN);
  let over = false;
  const heard = trader('plain', null, say, () => { over = true; });
  while (!over) heard((await next('message')).text);
  peer.tell({ do: 'close' });
  await next('close');
  await open('/echo');
  say('hello', 'naïve ☃ 😀', '', 'x'.repeat(70000), JSON.stringify({ op: 'big', n: 300000 }));
  for (let count = 0; count < 5; count++) await next('message');
  say(JSON.stringify({ op: 'kick' }));
  await next('close');
  await open('/quotes?u=carol');
  say(JSON.stringify({ op: 'sub', token: 'stale-token-0', sym: 'ACME' }));
  await next('message');
  peer.tell({ do: 'close' });
  await next('close');
  assert.equal(await peer.end(30000), null);
}

async function captured(name, options, connections, use) {
  const file = path.join(folder, `${name}.pcap`);
  await application({ old: true, ...options }, async (port) => {
    const capture = await new Capture(port).listening(deadline);
    await use(port);
    await capture.keep(file, deadline, connections);
  });
  return file;
}

function same(result, what) {
  assert.equal(result.code, 0, `${what}: ${result.said}`);
  assert.deepEqual(result.messages.matched, result.messages.expected, what);
  assert.equal(result.messages.extra, 0, what);
  console.log(`ok: ${what}: ${result.messages.matched} messages`);
}

async function main() {
  const sample = await captured('phantomjs', {}, 3, old);
  const styles = {};
  for (const token of ['numeric', 'nested', 'cookie', 'path']) {
    styles[token] = await captured(token, { token }, 1, (port) => modern(port, token));
  }

  for (const delay of [0, 30, 120, 500]) {
    const result = await application({ delay }, (port) => replay([sample], port, ...NOISE));
    same(result, `tokens of another, answers ${delay} to ${2 * delay} ms later`);
    assert.deepEqual(result.push, ['tick']);
  }
  for (const early of [3, 8]) {
    const result = await application({ early, delay: 30 }, (port) => replay([sample], port, ...NOISE));
    same(result, `${early} quotes before all answers`);
  }
  const own = await application({}, (port) => replay([sample], port, ...NOISE, '--as', 'recorded')).catch((error) => error);
  assert.ok(own.code === 4 || own.code === 1, 'a modern server that is spoken to in Hixie-76');
  same(await application({ old: true }, (port) => replay([sample], port, ...NOISE, '--as', 'recorded')), 'the old server in its dialect');

  for (const [token, file] of Object.entries(styles)) {
    const result = await application({ token, delay: 30 }, (port) => replay([file], port, ...NOISE));
    same(result, `a token that is ${token}, and another now`);
    assert.equal(result.carried.length, 1);
  }
  // A server that tells its token in another place than the old one.
  const places = {
    numeric: '/token',
    nested: '/auth/token',
    cookie: 'Set-Cookie: sid',
    path: "/next'\npart = '/orders/([^/]+)/",
  };
  for (const [token, now] of Object.entries(places)) {
    const rules = path.join(folder, 'rules.toml');
    fs.writeFileSync(rules, `[[variable]]\nthen = '/token'\nnow = '${now}'\n`);
    const result = await application({ token }, (port) => replay([sample], port, ...NOISE, '--rules', rules));
    same(result, `a token that was plain and is ${token}`);
  }

  const planted = await application({ planted: true, delay: 30 }, (port) => replay([sample], port, ...NOISE));
  assert.equal(planted.code, 1);
  assert.equal(planted.messages.matched, planted.messages.expected - 1, planted.said);
  const [{ differing, session }] = planted.verdicts.filter((verdict) => !verdict.same);
  assert.equal(session, 1);
  assert.deepEqual(differing.map(({ differences }) => differences), [[{ path: '/status', then: '"filled"', now: '"rejected"' }]]);
  assert.ok(differing[0].message.packet > 0);
  console.log('ok: one planted change is the one difference');

  const quiet = await application({ pushes: false }, (port) => replay([sample], port, ...NOISE));
  assert.equal(quiet.code, 1);
  const { missing, ...rest } = quiet.messages;
  assert.equal(missing, 8, quiet.said);
  assert.deepEqual(rest, { ...rest, matched: rest.expected - 8, differing: 0, extra: 0, moved: 0, stalls: 0 });
  const lanes = quiet.verdicts.flatMap((verdict) => verdict.missing.map(({ message }) => message.lane));
  assert.deepEqual([...new Set(lanes)], ['tick']);
  console.log('ok: without quotes only they are missing, and nothing has stalled');

  await again(sample);
  await tutorial();
  await mock(sample);
}

/// The old server is gone, and a mock stands in for it: before the engine that was recorded, and before a
/// client of RFC 6455.
async function mock(sample) {
  const child = spawn(HYBRIDGE, ['mock', sample, '--listen', '127.0.0.1:0', '--on-miss', 'error'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = readline.createInterface({ input: child.stdout });
  let said = '';
  const listening = new Promise((resolve) => lines.on('line', (line) => {
    said += `${line}\n`;
    const port = line.match(/listening on .*:(\d+)/);
    if (port) resolve(Number(port[1]));
  }));
  const ended = new Promise((resolve) => child.on('close', resolve));
  const port = await listening;
  await old(port);
  await modern(port, 'plain');
  child.kill('SIGTERM');
  assert.equal(await ended, 0, said);
  console.log('ok: a mock for PhantomJS on Hixie-76, and for ws on RFC 6455');
}

/// The server of the tutorial, and what is said to it there.
async function tutorial() {
  const page = fs.readFileSync(path.join(ROOT, 'docs/tutorial/from-a-capture-to-a-verdict.md'), 'utf8');
  const recording = path.join(ROOT, 'testdata/recordings/orders.wsrec');
  const whole = page.match(/```python\n([^]*?)```/)[1];
  const halved = whole.replace(/^( *)(await socket.send\(.*"quote")/m, '$1if number % 2: $2');
  assert.notEqual(halved, whole);
  const served = async (source, use) => {
    // A port that the system chooses, and a line when it is there.
    const own = source.replace('9000', '0').replace(
      /async with (.*):\n( *)/,
      'async with $1 as server:\n$2print(server.sockets[0].getsockname()[1], flush=True)\n$2',
    );
    const child = spawn('python3', ['-c', own], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    try {
      return await use(Number((await lines.next()).value));
    } finally {
      child.kill();
    }
  };
  const first = await served(whole, (port) => replay([recording], port));
  assert.equal(first.code, 1);
  assert.deepEqual([...new Set(first.verdicts.flatMap(paths))], ['/time']);
  const [lane] = first.carried;
  assert.deepEqual([first.lane, first.push, lane], ['/op', ['quote'], { from: '/token', to: '/token', sessions: 3 }]);
  same(await served(whole, (port) => replay([recording], port, '--match', '/time=timestamp')), 'the tutorial');
  const broken = await served(halved, (port) => replay([recording], port, '--match', '/time=timestamp'));
  assert.deepEqual([broken.code, broken.messages.missing, broken.messages.matched], [1, 3, 14]);
  console.log('ok: the broken server of the tutorial');
}

function paths({ differing }) {
  return differing.flatMap(({ differences }) => differences.map(({ path }) => path));
}

/// A replay that the proxy records, and that recording said again.
async function again(sample) {
  const records = path.join(folder, 'records');
  fs.mkdirSync(records);
  // By their size: the sessions are replayed side by side, and the proxy records them as they come.
  const verdicts = ({ verdicts }) => verdicts
    .map(({ expected, matched, missing, extra }) => ({ expected, matched, missing, extra }))
    .sort((one, other) => one.expected - other.expected);
  const [first, recording] = await application({}, async (port) => {
    const proxy = new Program('hybridge', [HYBRIDGE, 'serve', '--listen', '127.0.0.1:0', '--backend', `ws://127.0.0.1:${port}`, '--record', records]);
    const address = await new Promise((resolve, reject) => {
      const look = (line) => line.includes('listening') && resolve(Number(line.match(/127\.0\.0\.1:(\d+)/)[1]));
      for (const output of [proxy.child.stdout, proxy.child.stderr]) {
        readline.createInterface({ input: output }).on('line', look);
      }
      proxy.over.then(() => reject(new Error('hybridge has ended')));
    });
    const first = await replay([sample], address, ...NOISE, '--as', 'recorded');
    assert.equal(await proxy.end(30000, 'SIGTERM'), null);
    return [first, fs.readdirSync(records).map((name) => path.join(records, name))];
  });
  same(first, 'through the proxy, in the old dialect');
  const second = await application({ delay: 30 }, (port) => replay(recording, port, ...NOISE));
  same(second, 'what the proxy recorded of it');
  assert.deepEqual(verdicts(second), verdicts(first));
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

main().then(() => process.exit(0), fail);
