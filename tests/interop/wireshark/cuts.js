'use strict';
// The same conversations in every cutting, on any port, and what goes wrong on the way: in captures
// that this test writes by itself, as no network can be told how to cut.

const assert = require('node:assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const hybi = require('../hybi');
const pcap = require('./pcap');
const { PASSES, anyOrder, complaints, messages, shown, shownAsEver, tshark, withScript } = require('./tshark');

const PORTS = [80, 8080, 8000, 3128, 40001, 61234];
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cuts-'));
const file = path.join(folder, 'cuts.pcap');

const crlf = (...lines) => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
const hixie = (text) => Buffer.concat([Buffer.from([0]), Buffer.from(text), Buffer.from([0xff])]);
const CLOSE = Buffer.from([0xff, 0]);

const head = (...more) => crlf('GET /chat HTTP/1.1', 'Upgrade: WebSocket', 'Connection: Upgrade', 'Host: a.example', 'Origin: http://a.example', ...more);
const KEYS = ['Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5', 'sec-websocket-key2: 12998 5 Y3 1  .P00'];
const HEAD_76 = Buffer.concat([head(...KEYS), Buffer.from(hybi.KEY3)]);
const ANSWER_75 = crlf('HTTP/1.1 101 Web Socket Protocol Handshake', 'Upgrade: WebSocket', 'Connection: Upgrade');
const ANSWER_76 = Buffer.concat([crlf('HTTP/1.1 101 WebSocket Protocol Handshake', 'Upgrade: WebSocket', 'Connection: Upgrade'), Buffer.from(hybi.ANSWER)]);

const SAID = ['héllo 😀', '', 'GET / HTTP/1.1\r\n\r\n', 'x'.repeat(300)];

/// Each: what both sides send, piece by piece, and the draft that is to be seen.
function conversation(draft) {
  const [client, server] = draft.startsWith('hixie') ? hixiePieces(draft) : hybiPieces(draft);
  return { draft, client, server };
}

function hixiePieces(draft) {
  const frames = SAID.map(hixie);
  if (draft === 'hixie-75') return [[head(), ...frames], [ANSWER_75, ...frames]];
  return [[HEAD_76, ...frames, CLOSE], [ANSWER_76, ...frames, CLOSE]];
}

function hybiPieces(draft) {
  const frames = (client) => [
    ...SAID.map((text) => hybi.frame(draft, client, 'text', text)),
    hybi.frame(draft, client, 'close', hybi.closing(draft, client, 1000, 'done')),
  ];
  return [[Buffer.from(hybi.request(draft, '/chat', 80)), ...frames(true)], [Buffer.from(hybi.response(draft, 80)), ...frames(false)]];
}

const DRAFTS = ['hixie-75', 'hixie-76', 'hybi-01', 'hybi-03', 'hybi-04', 'hybi-05', 'hybi-06'];

const pieces = (bytes, size) => Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
const from = (side, list) => list.map((bytes) => ({ from: side, bytes }));

/// The heads first, as it must be; then both sides by turns.
function byTurns(client, server) {
  const turns = Array.from({ length: Math.max(client.length, server.length) }, (_, n) => [...from('client', client.slice(n, n + 1)), ...from('server', server.slice(n, n + 1))]);
  return turns.flat();
}

function inPieces({ client, server }, size) {
  return [
    ...from('client', pieces(client[0], size)),
    ...from('server', pieces(server[0], size)),
    ...byTurns(pieces(Buffer.concat(client.slice(1)), size), pieces(Buffer.concat(server.slice(1)), size)),
  ];
}

/// Each cutting makes segments of a conversation.
const CUTTINGS = {
  'as it was sent': ({ client, server }) => byTurns(client, server),
  'all behind the heads in their segments': ({ client, server }) => [
    ...from('client', client.slice(0, 1)),
    ...from('server', [Buffer.concat(server)]),
    ...from('client', [Buffer.concat(client.slice(1))]),
  ],
  'in pieces of a byte': (one) => inPieces(one, 1),
  'in pieces of 3': (one) => inPieces(one, 3),
  'in pieces of 100': (one) => inPieces(one, 100),
};

let clientPort = 20000;
const place = (port) => ({ client: { host: 1, port: (clientPort += 1) }, server: { host: 2, port } });

/// What is shown in both passes, which must be the same.
async function both(options = []) {
  const [once, twice] = await Promise.all(Object.values(PASSES).map((pass) => shown(file, pass, options)));
  assert.deepStrictEqual(twice, once, 'the same in both passes');
  return once;
}

async function clean() {
  const told = await Promise.all(Object.values(PASSES).map((pass) => complaints(file, pass)));
  assert.deepStrictEqual(told, ['', ''], 'nothing is wrong');
}

const texts = (items, side) => messages(items, side).map(({ text }) => text);

function holds(items, stream, { draft }) {
  const own = items.filter((item) => item.stream === stream);
  for (const item of own) assert.strictEqual(item.draft, draft);
  for (const side of ['client', 'server']) assert.deepStrictEqual(texts(own, side), SAID, `${draft}: what the ${side} said`);
  const closes = own.filter(({ close }) => close).length;
  assert.strictEqual(closes, draft === 'hixie-75' ? 0 : 2, `${draft}: closes`);
}

const CHECKS = {
  'every draft in every cutting on every port': async () => {
    const all = DRAFTS.map(conversation);
    for (const [name, cut] of Object.entries(CUTTINGS)) {
      // All ports where it costs little.
      const few = name.startsWith('in pieces');
      const made = all.flatMap((one, n) => (few ? [[80, 40001][n % 2]] : PORTS).map((port) => ({ one, ...place(port), segments: cut(one) })));
      pcap.write(file, made, true);
      await clean();
      const items = await both();
      made.forEach(({ one, server }, stream) => {
        try {
          holds(items, stream, one);
        } catch (error) {
          throw new Error(`${name}, port ${server.port}, ${one.draft}: ${error.message}`, { cause: error });
        }
      });
    }
  },
  'the head and key3 cut in two at every place': async () => {
    const one = conversation('hixie-76');
    const made = Array.from({ length: HEAD_76.length - 1 }, (_, n) => ({
      ...place(n % 2 ? 80 : 40001),
      segments: [...from('client', [HEAD_76.subarray(0, n + 1), HEAD_76.subarray(n + 1)]), ...byTurns(one.client.slice(1), one.server)],
    }));
    pcap.write(file, made);
    await clean();
    const items = await both();
    made.forEach((_, stream) => holds(items, stream, one));
  },
  "the server's head before key3": async () => {
    const one = conversation('hixie-76');
    const at = HEAD_76.length - 8;
    const [serverHead, answer] = [ANSWER_76.subarray(0, -16), ANSWER_76.subarray(-16)];
    const segments = [
      { from: 'client', bytes: HEAD_76.subarray(0, at) }, { from: 'server', bytes: serverHead },
      { from: 'client', bytes: HEAD_76.subarray(at, at + 5) }, { from: 'client', bytes: HEAD_76.subarray(at + 5) },
      { from: 'server', bytes: answer.subarray(0, 7) }, { from: 'server', bytes: answer.subarray(7) },
      ...byTurns(one.client.slice(1), one.server.slice(1)),
    ];
    pcap.write(file, [{ ...place(40001), segments }]);
    await clean();
    const items = await both();
    holds(items, 0, one);
    const hex = (name) => items.filter((item) => item[name]).map((item) => item[name].replaceAll(':', ''));
    assert.deepStrictEqual(hex('key3'), [Buffer.from(hybi.KEY3).toString('hex')]);
    assert.deepStrictEqual(hex('answer'), [answer.toString('hex')]);
  },
  'a client of Hixie-76 that sends a draft number': async () => {
    const one = conversation('hixie-76');
    const first = Buffer.concat([head(...KEYS, 'Sec-WebSocket-Draft: 2'), Buffer.from(hybi.KEY3)]);
    pcap.write(file, [{ ...place(80), segments: byTurns([first, ...one.client.slice(1)], one.server) }]);
    await clean();
    // In the first pass its heads and keys come before the draft is known.
    for (const pass of Object.values(PASSES)) holds((await shown(file, pass)).filter(({ type }) => type), 0, one);
  },
  '300,000 bytes in short segments': async () => {
    const long = `${'0123456789€'.repeat(25000)}`;
    for (const draft of ['hixie-75', 'hybi-06']) {
      const { client, server } = conversation(draft);
      const frame = draft === 'hybi-06' ? (side) => hybi.frame(draft, side, 'text', long) : () => hixie(long);
      const segments = [
        ...from('client', [client[0]]), ...from('server', [server[0]]),
        ...byTurns(pieces(Buffer.concat([frame(true), client[1]]), 1448), pieces(Buffer.concat([frame(false), server[1]]), 536)),
      ];
      pcap.write(file, [{ ...place(40001), segments }]);
      await clean();
      const items = await both();
      for (const side of ['client', 'server']) assert.deepStrictEqual(texts(items, side), [long, SAID[0]]);
    }
  },
  'a frame that is longer than the preference': async () => {
    for (const draft of ['hixie-76', 'hybi-03', 'hybi-05']) {
      const { client, server } = conversation(draft);
      const frame = (side, text) => (draft === 'hixie-76' ? hixie(text) : hybi.frame(draft, side, 'text', text));
      const bytes = (side) => Buffer.concat(['before', 'x'.repeat(5000), 'behind'].map((text) => frame(side, text)));
      const segments = [...byTurns([client[0]], [server[0]]), ...byTurns(pieces(bytes(true), 700), pieces(bytes(false), 900))];
      pcap.write(file, [{ ...place(80), segments }]);
      const items = await both(['-o', 'wsdraft.longest:1000']);
      for (const side of ['client', 'server']) assert.deepStrictEqual(texts(items, side), ['before', 'behind'], `${draft}, ${side}`);
      const parts = items.filter(({ type }) => type === 'part');
      assert.ok(parts.length > 2 && parts.every(({ wrong }) => wrong === 'part'));
    }
  },
  'bytes that break the framing': async () => {
    const { client, server } = conversation('hixie-76');
    const bad = { 'a reserved type': Buffer.from('Aha\xff', 'latin1'), 'an endless length': Buffer.alloc(12, 0xff), 'no UTF-8': hixie(Buffer.from([0xc3, 0x28])) };
    const made = Object.values(bad).map((bytes) => ({ ...place(80), segments: byTurns([client[0], bytes, client[1]], [server[0], server[1]]) }));
    const old = conversation('hybi-03');
    const reserved = [Buffer.from([0x14, 0]), Buffer.from([0x06, 0]), Buffer.from([0, 1, 65]), Buffer.from([4, 127, 255, 255, 255, 255, 255, 255, 255, 255])];
    made.push(...reserved.map((bytes) => ({ ...place(40001), segments: byTurns([old.client[0], old.client[1], bytes, old.client[1]], [old.server[0]]) })));
    pcap.write(file, made);
    const items = await both();
    made.forEach((_, stream) => {
      const own = items.filter((item) => item.stream === stream && item.wrong);
      assert.deepStrictEqual(own.map(({ wrong }) => wrong), [stream === 2 ? 'utf8' : 'framing'], `stream ${stream}`);
      assert.strictEqual(texts(items.filter((item) => item.stream === stream), 'client').at(-1), SAID[0], 'what comes behind is read');
    });
  },
  'a capture of short packets': async () => {
    const { client, server } = conversation('hixie-76');
    const long = hixie('x'.repeat(1000));
    const segments = [...byTurns([client[0]], [server[0]]), { from: 'client', bytes: long, kept: 400 }, ...from('client', [client[1]])];
    pcap.write(file, [{ ...place(80), segments }]);
    // In order, TCP would wait for the bytes that the capture has not.
    const items = await both(['-o', 'tcp.reassemble_out_of_order:FALSE']);
    assert.deepStrictEqual(items.filter(({ type }) => type).map(({ type, wrong }) => [type, wrong]), [['part', 'part'], ['text', undefined]]);
  },
  'ports that are used again': async () => {
    const [one, other] = [conversation('hixie-76'), conversation('hybi-06')];
    const where = place(40001);
    const http = { ...where, segments: byTurns([crlf('GET / HTTP/1.1', 'Host: a.example')], [crlf('HTTP/1.1 204 No Content')]) };
    const made = [one, other, one].map(({ client, server }) => ({ ...where, segments: byTurns(client, server) }));
    pcap.write(file, [made[0], http, made[1], http, made[2]]);
    await clean();
    const items = await both();
    [one, null, other, null, one].forEach((expected, stream) => {
      if (expected) holds(items, stream, expected);
      else assert.deepStrictEqual(items.filter((item) => item.stream === stream), []);
    });
    const { backwards, forwards } = await anyOrder(file);
    assert.deepStrictEqual(backwards, forwards, 'the same in any order');
  },
  'what is not ours is shown as ever': async () => {
    const get = crlf('GET / HTTP/1.1', 'Host: a.example');
    const long = Buffer.concat([crlf('HTTP/1.1 200 OK', 'Content-Length: 3000'), Buffer.alloc(3000, 'a')]);
    const open = Buffer.concat([crlf('HTTP/1.1 200 OK'), Buffer.alloc(3000, 'b')]);
    const rfc = [Buffer.from(hybi.request('rfc6455', '/', 80)), Buffer.from(hybi.response('rfc6455', 80))];
    const others = [
      byTurns([get, get], [pieces(long, 700), pieces(long, 700)].flat()),
      byTurns([get], pieces(open, 700)),
      [...byTurns(...rfc.map((bytes) => [bytes])), ...byTurns([hybi.frame('rfc6455', true, 'text', 'hi')], [hybi.frame('rfc6455', false, 'text', 'hi')])],
      byTurns([crlf('POST / HTTP/1.1', 'Content-Length: 0')], [crlf('HTTP/1.1 204 No Content')]),
    ];
    const none = byTurns([Buffer.from('neither this'), Buffer.from('nor that')], [Buffer.from('Got it'), Buffer.from('GET?')]);
    pcap.write(file, [
      ...others.flatMap((segments) => PORTS.map((port) => ({ ...place(port), segments }))),
      { ...place(40001), segments: none },
    ]);
    await shownAsEver(file);
    const { client } = conversation('hixie-76');
    const refusal = crlf('HTTP/1.1 400 Bad Request', 'Content-Length: 0');
    pcap.write(file, [{ ...place(40001), segments: byTurns([client[0]], [refusal]) }]);
    assert.match(await tshark(file, withScript('-Y', 'http.response.code == 400')), /400 Bad Request/);
  },
};

async function check() {
  try {
    for (const [name, holds] of Object.entries(CHECKS)) {
      await holds();
      console.log(`wireshark: ${name}`);
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

module.exports = { check };
