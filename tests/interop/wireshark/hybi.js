'use strict';
// Hand-written ends for what no client of a registry speaks any more: hybi-01 to hybi-06, and RFC 6455
// in fragments. Only what the captures want: heads, frames, masks, an echo. `Client` and `Backend` are
// used as the peers of the runner are.

const crypto = require('crypto');
const net = require('net');

const sha1 = (...parts) => parts.reduce((hash, part) => hash.update(part), crypto.createHash('sha1')).digest();
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const NONCE = 'H+cNj5elaybfGIQv1esl2w==';
// The keys of the example in draft-hixie-76, and what they come to.
const KEYS = ['4 @1  46546xW%0l 1 5', '12998 5 Y3 1  .P00'];
const KEY3 = '^n:ds[4U';
const ANSWER = '8jKS\'y:G*Co,Wxa-';

const OPCODES = {
  old: { continuation: 0, close: 1, ping: 2, pong: 3, text: 4, binary: 5 },
  rfc: { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 },
};
const number = (draft) => Number(draft.replace('hybi-', ''));

/// How a draft writes: which sense the first bit has, which opcodes, and how a client masks.
function dialect(draft) {
  if (draft === 'rfc6455') return { fin: true, opcodes: OPCODES.rfc, mask: 'payload', version: 13 };
  const version = number(draft);
  return { fin: version >= 4, opcodes: OPCODES.old, mask: version >= 4 ? 'frame' : null, version };
}

const request = (draft, target, port) => {
  const { version } = dialect(draft);
  const proof = version < 4
    ? [`Sec-WebSocket-Key1: ${KEYS[0]}`, `Sec-WebSocket-Key2: ${KEYS[1]}`, `Sec-WebSocket-Draft: ${version}`]
    : [`Sec-WebSocket-Key: ${KEY}`, `Sec-WebSocket-Version: ${version}`];
  const lines = [`GET ${target} HTTP/1.1`, `Host: 127.0.0.1:${port}`, 'Upgrade: WebSocket', 'Connection: Upgrade', 'Origin: http://interop.example', ...proof];
  return `${lines.join('\r\n')}\r\n\r\n${version < 4 ? KEY3 : ''}`;
};

const response = (draft, port) => {
  const { version } = dialect(draft);
  const proof = version < 4
    ? ['Sec-WebSocket-Origin: http://interop.example', `Sec-WebSocket-Location: ws://127.0.0.1:${port}/interop`]
    : [`Sec-WebSocket-Accept: ${sha1(KEY, '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').toString('base64')}`];
  if (version === 4) proof.push(`Sec-WebSocket-Nonce: ${NONCE}`);
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n${proof.join('\r\n')}\r\n\r\n${version < 4 ? ANSWER : ''}`;
};

const xor = (bytes, key) => Buffer.from(bytes.map((byte, at) => byte ^ key[at % key.length]));

/// The key of a frame: its four bytes, or what hybi-04 makes of them.
function keyOf(draft, mask) {
  return draft === 'hybi-04' ? sha1(mask, sha1(KEY, NONCE, '61AC5F19-FBBA-4540-B96F-6561F1AB40A8')) : mask;
}

function frame(draft, client, type, payload, last = true) {
  const { fin, opcodes, mask } = dialect(draft);
  const body = Buffer.from(payload);
  const head = Buffer.alloc(body.length < 126 ? 2 : body.length < 65536 ? 4 : 10);
  head[0] = (last === fin ? 0x80 : 0) | opcodes[type];
  head[1] = Math.min(body.length, head.length === 10 ? 127 : head.length === 4 ? 126 : body.length);
  if (head.length === 4) head.writeUInt16BE(body.length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(body.length), 2);
  if (!client || !mask) return Buffer.concat([head, body]);
  const key = Buffer.from([0x37, 0xfa, 0x21, body.length & 0xff]);
  if (mask === 'frame') return Buffer.concat([key, xor(Buffer.concat([head, body]), keyOf(draft, key))]);
  head[1] |= 0x80;
  return Buffer.concat([head, key, xor(body, key)]);
}

/// The first frame in `bytes`, or null.
function parse(draft, client, bytes) {
  const { fin, opcodes, mask } = dialect(draft);
  const hidden = client && mask === 'frame';
  let plain = bytes;
  if (hidden) plain = xor(bytes.subarray(4), keyOf(draft, bytes.subarray(0, 4)));
  if (plain.length < 2) return null;
  const short = plain[1] & 127;
  let at = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (plain.length < at) return null;
  const length = short < 126 ? short : short === 126 ? plain.readUInt16BE(2) : Number(plain.readBigUInt64BE(2));
  const key = client && mask === 'payload' ? plain.subarray(at, at += 4) : null;
  if (plain.length < at + length) return null;
  const payload = plain.subarray(at, at + length);
  const type = Object.keys(opcodes).find((name) => opcodes[name] === (plain[0] & 15));
  return { type, last: (plain[0] >= 128) === fin, payload: key ? xor(payload, key) : payload, size: at + length + (hidden ? 4 : 0) };
}

/// What a close carries: nothing, a letter for the side, or a code and a reason.
function closing(draft, client, code, reason) {
  const { version } = dialect(draft);
  if (version < 5) return '';
  if (version === 5) return client ? 'C' : 'S';
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]);
}

/// What both ends share: events in order, and waiting for them.
class End {
  constructor(draft, client) {
    Object.assign(this, { draft, client, events: [], waiters: new Set(), unread: Buffer.alloc(0), headed: false });
    this.about = { dialect: draft, can: client && number(draft) < 4 ? [] : ['binary'] };
  }

  say(event) {
    this.events.push(event);
    for (const waiter of [...this.waiters]) waiter();
  }

  take(belongs, what, deadline) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiters.delete(look);
        reject(new Error(`${what}: nothing before the deadline`));
      }, deadline - Date.now());
      const look = () => {
        const at = this.events.findIndex(belongs);
        if (at < 0) return;
        clearTimeout(timer);
        this.waiters.delete(look);
        resolve(this.events.splice(at, 1)[0]);
      };
      this.waiters.add(look);
      look();
    });
  }

  serve(socket) {
    this.socket = socket.setNoDelay(true);
    socket.on('error', (error) => this.say({ event: 'note', note: error.message }));
    socket.on('close', () => this.say({ event: 'close', id: 1 }));
    socket.on('data', (bytes) => this.read(bytes));
  }

  read(bytes) {
    this.unread = Buffer.concat([this.unread, bytes]);
    if (!this.headed) {
      const end = this.unread.indexOf('\r\n\r\n');
      const proof = dialect(this.draft).version < 4 ? (this.client ? ANSWER : KEY3).length : 0;
      if (end < 0 || this.unread.length < end + 4 + proof) return;
      this.unread = this.unread.subarray(end + 4 + proof);
      this.headed = true;
      if (!this.client) this.socket.write(response(this.draft, this.socket.localPort));
      this.say({ event: 'open', id: 1 });
    }
    for (let got; (got = parse(this.draft, !this.client, this.unread));) {
      this.unread = this.unread.subarray(got.size);
      if (['text', 'binary', 'continuation'].includes(got.type)) this.join(got);
      else this.heard(got);
    }
  }

  join({ type, payload, last }) {
    this.message = { type: this.message?.type || type, payload: Buffer.concat([this.message?.payload || Buffer.alloc(0), payload]) };
    if (!last) return;
    const { message } = this;
    this.message = null;
    this.heard(message);
  }

  heard({ type, payload }) {
    if (type === 'text') this.say({ event: 'message', id: 1, text: payload.toString() });
    else if (type === 'binary') this.say({ event: 'message', id: 1, binary: payload.toString('base64') });
    else if (type === 'pong') this.say({ event: 'pong', id: 1, base64: payload.toString('base64') });
    else if (type === 'ping') this.write('pong', payload);
    else if (type === 'close') {
      if (!this.closed) this.write('close', payload);
      this.socket.end();
    }
    if (!this.client && (type === 'text' || type === 'binary')) this.write(type, payload);
  }

  write(type, payload, last) {
    this.socket.write(frame(this.draft, this.client, type, payload, last));
  }

  tell(command) {
    const { texts = [command.text], base64, code, reason } = command;
    if (command.do === 'send') for (const text of texts) this.write('text', text);
    if (command.do === 'binary') this.write('binary', Buffer.from(base64, 'base64'));
    if (command.do === 'fragments') this.fragments(Buffer.from(command.text), command.count);
    if (command.do === 'close') {
      this.closed = true;
      this.write('close', closing(this.draft, this.client, code, reason));
    }
  }

  /// One text in `count` frames, with a ping among them; their bounds fall where they may.
  fragments(bytes, count) {
    const size = Math.ceil(bytes.length / count);
    for (let n = 0; n < count; n += 1) {
      if (n === count - 1) this.write('ping', 'between');
      this.write(n ? 'continuation' : 'text', bytes.subarray(n * size, (n + 1) * size), n === count - 1);
    }
  }

  async end() {
    this.socket?.destroy();
    this.server?.close();
  }
}

class Client extends End {
  constructor(draft) {
    super(draft, true);
  }

  tell(command) {
    if (command.do !== 'open') return super.tell(command);
    const { hostname, port, pathname } = new URL(command.url);
    const socket = net.connect(port, hostname, () => socket.write(request(this.draft, pathname, port)));
    this.serve(socket);
  }
}

class Backend extends End {
  constructor(draft) {
    super(draft, false);
  }

  /// Serves one connection.
  async start() {
    this.server = net.createServer((socket) => this.serve(socket));
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.about.port = this.server.address().port;
    return this;
  }
}

module.exports = { ANSWER, Backend, Client, KEY3, closing, frame, request, response };
