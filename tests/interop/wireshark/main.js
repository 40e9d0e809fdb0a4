'use strict';
// Foreign peers talk to each other, tcpdump listens, and tshark with docs/wireshark/websocket-drafts.lua
// has to show what they said. Called by `run`, in a network of its own.
//
// The captures stay in target/interop/captures, which holds only those of the last run:
//
//   CLIENT--BACKEND--DRAFT.pcap   one TCP connection, Ethernet, from SYN to FIN
//   CLIENT--BACKEND--DRAFT.json   what was said in it, by the peers' own account:
//     client, backend   their names, with versions
//     draft             hixie-75, hixie-76, hybi-01 … hybi-08, rfc6455
//     port              of the backend
//     messages          [{"from":"client"|"server", "text":…} | {"from":…, "binary":BASE64}]; their
//                       order holds within each direction. A message in fragments is one.
//     pings             [{"from":…, "base64":…}], those that the test told a peer to send; there may be
//                       more
//     close             {"by":"client"|"server", "frame":bool, "code":N, "reason":S}: who closed first;
//                       whether it said so with a frame of the draft or by the end of TCP alone; code
//                       and reason where the draft has them
//
const assert = require('node:assert');
const fs = require('fs');
const path = require('path');
const { Peer } = require('../runner/peer');
const { Capture } = require('./capture');
const cuts = require('./cuts');
const { PASSES, anyOrder, complaints, messages, shown, shownAsEver } = require('./tshark');

const ROOT = path.join(__dirname, '../../..');
const FOLDER = path.join(path.resolve(ROOT, process.env.CARGO_TARGET_DIR || 'target'), 'interop/captures');
const DEADLINE_MS = 600000;
const WAIT_MS = 30000;
const CODE = 1000;
const REASON = 'done, ☕';

const CLIENTS = {
  phantomjs: ['node', 'clients/phantomjs.js'],
  perl: ['perl', 'clients/perl.pl'],
  netty: ['netty/start', 'client'],
  ws: ['node', 'clients/ws.js'],
  websockets: ['python3', 'clients/python-websockets.py'],
  scripted: ['node', 'clients/scripted.js'],
};
const BACKENDS = {
  'websocket-driver': ['node', 'backends/websocket-driver.js'],
  'em-websocket': ['ruby', 'backends/em-websocket.rb'],
  perl: ['perl', 'backends/perl.pl'],
  netty: ['netty/start', 'backend'],
  ws: ['node', 'backends/ws.js'],
  websockets: ['python3', 'backends/python-websockets.py'],
  scripted: ['node', 'backends/scripted.js'],
};

/// Client, backend, draft, and who closes.
const MEETINGS = [
  ['phantomjs', 'websocket-driver', 'hixie-76', 'server'],
  ['phantomjs', 'em-websocket', 'hixie-76', 'client'],
  ['perl', 'websocket-driver', 'hixie-76', 'client'],
  // These two send `Content-Length: 8`, and binary.
  ['netty', 'netty', 'hixie-76', 'client'],
  ['netty', 'perl', 'hixie-76', 'server'],
  ['perl', 'em-websocket', 'hixie-75', 'client'],
  ['perl', 'websocket-driver', 'hixie-75', 'server'],
  ['perl', 'perl', 'hixie-75', 'client'],
  ['scripted', 'scripted', 'hybi-01', 'client'],
  ['scripted', 'scripted', 'hybi-02', 'server'],
  ['scripted', 'em-websocket', 'hybi-03', 'client'],
  ['scripted', 'scripted', 'hybi-04', 'client'],
  ['scripted', 'em-websocket', 'hybi-05', 'server'],
  ['scripted', 'em-websocket', 'hybi-06', 'client'],
  ['scripted', 'em-websocket', 'hybi-06', 'server'],
  ['netty', 'em-websocket', 'hybi-07', 'client'],
  ['perl', 'netty', 'hybi-08', 'client'],
  ['ws', 'ws', 'rfc6455', 'client'],
  ['websockets', 'ws', 'rfc6455', 'server'],
  ['perl', 'websockets', 'rfc6455', 'client'],
  ['scripted', 'ws', 'rfc6455', 'client'],
];

/// Text in which every row tells its place.
const ruler = (bytes) => Array.from({ length: bytes / 16 }, (_, row) => `${String(row * 16).padStart(7, '0')}é€😀`).join('');

const TEXTS = ['hello', 'é café € 10', '😀 👩‍💻 🎉', '', 'a "quoted" \\ back\\slash,\ttab\nand lines|', ruler(96000), 'after it'];
const BURST = ['one', 'two €', 'three'];
const BINARY = Buffer.from(Array.from({ length: 1024 }, (_, n) => n & 255)).toString('base64');

async function start(kinds, name, draft) {
  const peer = new Peer(`${name} ${draft}`, [...kinds[name], draft]);
  return peer.ready(draft, Date.now() + WAIT_MS).catch(async (error) => {
    await peer.kill();
    throw error;
  });
}

const next = (peer, name) => peer.take(({ event }) => event === name, `${name} at ${peer.name}`, Date.now() + WAIT_MS);

/// All that two peers say to each other in one capture. Returns their account of it.
async function converse(client, backend, draft, closer) {
  const said = [];
  const pings = [];
  const content = ({ text, binary }) => (text !== undefined ? { text } : { binary });
  // The client is told what to say, the backend tells what it heard and echoes it.
  const echoed = async (command, expected) => {
    client.tell(command);
    for (const one of expected) {
      const atBackend = content(await next(backend, 'message'));
      assert.deepStrictEqual(atBackend, one);
      said.push({ from: 'client', ...atBackend });
    }
    for (const one of expected) {
      const atClient = content(await next(client, 'message'));
      assert.deepStrictEqual(atClient, one);
      said.push({ from: 'server', ...atClient });
    }
  };
  client.tell({ do: 'open', url: `ws://127.0.0.1:${backend.about.port}/interop` });
  await next(client, 'open');
  const { id } = await next(backend, 'open');
  for (const text of TEXTS) await echoed({ do: 'send', texts: [text] }, [{ text }]);
  await echoed({ do: 'send', texts: BURST }, BURST.map((text) => ({ text })));
  backend.tell({ do: 'send', id, text: 'news from the backend 📰' });
  said.push({ from: 'server', ...content(await next(client, 'message')) });
  if (client.about.can.includes('binary') && backend.about.can.includes('binary')) {
    await echoed({ do: 'binary', base64: BINARY }, [{ binary: BINARY }]);
  }
  if (client.about.can.includes('fragments')) {
    // em-websocket 0.5.1 loses a message of more than two frames in hybi-05 and later drafts.
    const count = backend.about.peer.startsWith('em-websocket') ? 2 : 3;
    await echoed({ do: 'fragments', text: TEXTS[2], count }, [{ text: TEXTS[2] }]);
  }
  if (client.about.can.includes('ping')) {
    const base64 = 'cGluZw==';
    client.tell({ do: 'ping', base64 });
    // Not the pong for a ping of its own, between fragments.
    const answers = (event) => event.event === 'pong' && event.base64 === base64;
    await client.take(answers, `pong at ${client.name}`, Date.now() + WAIT_MS);
    pings.push({ from: 'client', base64 });
  }
  const [by, peer] = closer === 'client' ? [client, 'client'] : [backend, 'server'];
  by.tell({ do: 'close', id, code: CODE, reason: REASON });
  // The clients that do not end TCP when the other side closes are not among the meetings.
  await next(client, 'close');
  await next(backend, 'close');
  const frame = draft !== 'hixie-75' && by.about.closing !== 'tcp';
  const coded = draft === 'rfc6455' || version(draft) >= 6;
  return { messages: said, pings, close: { by: peer, frame, ...(coded && { code: CODE, reason: REASON }) } };
}

/// Lets two peers meet. Returns the file of the capture and what they said.
async function record([clientName, backendName, draft, closer]) {
  const name = `${clientName}--${backendName}--${draft}${closer === 'server' ? '--server-closes' : ''}`;
  const file = path.join(FOLDER, `${name}.pcap`);
  const started = [];
  try {
    const both = [start(BACKENDS, backendName, draft), start(CLIENTS, clientName, draft)];
    (await Promise.allSettled(both)).forEach(({ value }) => value && started.push(value));
    const [backend, client] = await Promise.all(both);
    const capture = new Capture(backend.about.port);
    started.push(capture.program);
    await capture.listening(Date.now() + WAIT_MS);
    const said = await converse(client, backend, draft, closer);
    await capture.keep(file, Date.now() + WAIT_MS);
    const account = { client: client.about.peer, backend: backend.about.peer, draft, port: backend.about.port, ...said };
    fs.writeFileSync(file.replace('.pcap', '.json'), `${JSON.stringify(account, null, 1)}\n`);
    return { name, file, account };
  } catch (error) {
    const last = started.flatMap(({ complaints = [] }) => complaints.slice(-5)).join('\n');
    throw new Error(`${name}: ${error.message}\n${last}`, { cause: error });
  } finally {
    for (const program of started) if (!program.ended) await program.end(WAIT_MS);
  }
}

const version = (draft) => (draft.startsWith('hybi') ? Number(draft.slice('hybi-'.length)) : null);
const OURS = (draft) => draft.startsWith('hixie') || version(draft) < 7 && version(draft) !== null;

async function check({ name, file, account }) {
  for (const [how, pass] of Object.entries(PASSES)) {
    const items = await shown(file, pass);
    if (!OURS(account.draft)) {
      assert.deepStrictEqual(items, [], `${name}, ${how}: left to Wireshark`);
      continue;
    }
    assert.strictEqual(await complaints(file, pass), '', `${name}, ${how}: nothing is wrong`);
    for (const { draft } of items) assert.strictEqual(draft, account.draft, `${name}, ${how}`);
    for (const from of ['client', 'server']) {
      const expected = account.messages.filter((one) => one.from === from).map(({ from: _, ...one }) => one);
      assert.deepStrictEqual(messages(items, from), expected, `${name}, ${how}: what the ${from} said`);
    }
    const keys = account.draft === 'hixie-76' || version(account.draft) !== null && version(account.draft) < 4;
    for (const one of ['key3', 'answer']) {
      assert.strictEqual(items.filter((item) => item[one]).length, keys ? 1 : 0, `${name}, ${how}: ${one}`);
    }
    const { by, frame, code, reason } = account.close;
    const close = items.find((item) => item.close);
    assert.strictEqual(close?.from, frame ? by : undefined, `${name}, ${how}: who said close`);
    if (code) assert.deepStrictEqual([close['close.code'], close['close.reason']], [String(code), reason], `${name}, ${how}`);
  }
  if (!OURS(account.draft)) await shownAsEver(file);
  else {
    const { backwards, forwards } = await anyOrder(file);
    assert.deepStrictEqual(backwards, forwards, `${name}: the same in any order`);
  }
  console.log(`wireshark: ${name}: ${account.messages.length} messages`);
}

async function main() {
  process.chdir(path.join(__dirname, '..'));
  fs.rmSync(FOLDER, { recursive: true, force: true });
  fs.mkdirSync(FOLDER, { recursive: true });
  await cuts.check();
  // One is looked at while the next is made.
  let looking = null;
  for (const meeting of MEETINGS) {
    const recorded = await record(meeting);
    await looking;
    looking = check(recorded);
    // Its failure is told when it is waited for.
    looking.catch(() => {});
  }
  await looking;
}

const late = setTimeout(() => {
  console.error('wireshark: not done in time');
  process.exit(1);
}, DEADLINE_MS);
main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
}).finally(() => clearTimeout(late));
