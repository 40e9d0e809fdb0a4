'use strict';
// hybi-01 to hybi-06 by hand, for hardly anything in a registry speaks them any more, and RFC 6455 in
// fragments: heads, frames, masks, and one end of a connection. The peers `scripted` are made of it,
// and captures.

const crypto = require('crypto');
const { SUBPROTOCOL, SET_COOKIE } = require('./behaviour');

const hash = (name, ...parts) => parts.reduce((sum, part) => sum.update(part), crypto.createHash(name)).digest();
const ORIGIN = 'http://interop.example';
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
const number = (draft) => (draft === 'rfc6455' ? 13 : Number(draft.replace('hybi-', '')));

/// How a draft writes: which sense the first bit has, which opcodes, how a client masks, whether it
/// opens as Hixie-76, and what a close holds.
function dialect(draft) {
  const version = number(draft);
  return {
    version,
    fin: version >= 4,
    opcodes: version < 7 ? OPCODES.old : OPCODES.rfc,
    mask: version < 4 ? null : version < 7 ? 'frame' : 'payload',
    keys: version < 4,
    close: version < 5 ? 'echo' : version === 5 ? 'letter' : 'code',
  };
}

const accept = (key) => hash('sha1', key, '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').toString('base64');
const connectionKey = (key, nonce) => hash('sha1', key, nonce, '61AC5F19-FBBA-4540-B96F-6561F1AB40A8');
const crlf = (lines) => `${lines.join('\r\n')}\r\n\r\n`;

/// What Hixie-76 makes of two keys and eight bytes.
function keysAnswer(keys, key3) {
  const parts = keys.map((key) => {
    const part = Buffer.alloc(4);
    part.writeUInt32BE(Number(key.replace(/\D/g, '')) / (key.split(' ').length - 1));
    return part;
  });
  return hash('md5', ...parts, key3);
}

function request(draft, target, port, { protocol, cookie } = {}) {
  const { version, keys } = dialect(draft);
  const proof = keys
    ? [`Sec-WebSocket-Key1: ${KEYS[0]}`, `Sec-WebSocket-Key2: ${KEYS[1]}`, `Sec-WebSocket-Draft: ${version}`]
    : [`Sec-WebSocket-Key: ${KEY}`, `Sec-WebSocket-Version: ${version}`];
  const origin = version >= 4 && version < 8 ? 'Sec-WebSocket-Origin' : 'Origin';
  return crlf([
    `GET ${target} HTTP/1.1`, `Host: 127.0.0.1:${port}`, 'Upgrade: WebSocket', 'Connection: Upgrade', `${origin}: ${ORIGIN}`,
    ...(protocol ? [`Sec-WebSocket-Protocol: ${protocol}`] : []),
    ...(cookie ? [`Cookie: ${cookie}`] : []),
    ...proof,
  ]) + (keys ? KEY3 : '');
}

/// The answer to a request; without one, to that which stands above.
function response(draft, port, asked = { key: KEY, keys: KEYS, key3: KEY3 }, more = []) {
  const { version, keys } = dialect(draft);
  const proof = keys
    ? [`Sec-WebSocket-Origin: ${ORIGIN}`, `Sec-WebSocket-Location: ws://127.0.0.1:${port}/interop`]
    : [`Sec-WebSocket-Accept: ${accept(asked.key)}`];
  if (version === 4) proof.push(`Sec-WebSocket-Nonce: ${NONCE}`);
  const head = Buffer.from(crlf(['HTTP/1.1 101 Switching Protocols', 'Upgrade: WebSocket', 'Connection: Upgrade', ...proof, ...more]));
  return keys ? Buffer.concat([head, keysAnswer(asked.keys, asked.key3)]) : head;
}

/// The first line and the fields of a head; of fields that come twice, the last.
function parseHead(bytes) {
  const [line, ...rest] = bytes.toString('latin1').split('\r\n');
  const fields = rest.map((field) => [field.slice(0, field.indexOf(':')).toLowerCase(), field.slice(field.indexOf(':') + 1).trim()]);
  return { line, fields: Object.fromEntries(fields) };
}

function xor(bytes, key) {
  const out = Buffer.from(bytes);
  for (let at = 0; at < out.length; at += 1) out[at] ^= key[at % key.length];
  return out;
}

/// The key of a frame: its four bytes, or what hybi-04 makes of them.
const keyOf = (draft, mask, secret) => (draft === 'hybi-04' ? hash('sha1', mask, secret) : mask);

function frame(draft, client, type, payload, last = true, secret = connectionKey(KEY, NONCE)) {
  const { fin, opcodes, mask } = dialect(draft);
  const body = Buffer.from(payload);
  const head = Buffer.alloc(body.length < 126 ? 2 : body.length < 65536 ? 4 : 10);
  head[0] = (last === fin ? 0x80 : 0) | opcodes[type];
  head[1] = Math.min(body.length, head.length === 10 ? 127 : head.length === 4 ? 126 : body.length);
  if (head.length === 4) head.writeUInt16BE(body.length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(body.length), 2);
  if (!client || !mask) return Buffer.concat([head, body]);
  const key = Buffer.from([0x37, 0xfa, 0x21, body.length & 0xff]);
  if (mask === 'frame') return Buffer.concat([key, xor(Buffer.concat([head, body]), keyOf(draft, key, secret))]);
  head[1] |= 0x80;
  return Buffer.concat([head, key, xor(body, key)]);
}

/// The first frame in `bytes`, or null. What is wrong with it is thrown.
function parse(draft, client, bytes, secret) {
  const { fin, opcodes, mask } = dialect(draft);
  const whole = client && mask === 'frame' ? keyOf(draft, bytes.subarray(0, 4), secret) : null;
  const behind = bytes.subarray(whole ? 4 : 0);
  const plain = (end) => (whole ? xor(behind.subarray(0, end), whole) : behind.subarray(0, end));
  const head = plain(10);
  if (head.length < 2) return null;
  const short = head[1] & 127;
  let at = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (head.length < at) return null;
  const length = short < 126 ? short : short === 126 ? head.readUInt16BE(2) : Number(head.readBigUInt64BE(2));
  const type = Object.keys(opcodes).find((name) => opcodes[name] === (head[0] & 15));
  if (!type || head[0] & 0x70) throw new Error(`no frame of ${draft}: ${head.toString('hex')}`);
  if (head[1] >= 128 !== (client && mask === 'payload')) throw new Error(`masking or RSV4: ${head.toString('hex')}`);
  const key = client && mask === 'payload' ? behind.subarray(at, at += 4) : null;
  if (behind.length < at + length) return null;
  const payload = plain(at + length).subarray(at);
  return { type, last: (head[0] >= 128) === fin, payload: key ? xor(payload, key) : payload, size: at + length + (whole ? 4 : 0) };
}

/// What a close carries: anything, a letter for the side, or a code and a reason.
function closing(draft, client, code, reason) {
  const { close } = dialect(draft);
  if (close === 'echo') return Buffer.from(reason);
  if (close === 'letter') return Buffer.from(client ? 'C' : 'S');
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]);
}

/// One end of a connection. `told` gets its events, without an id; a server's `open` has the request.
class End {
  constructor(socket, draft, client, told) {
    Object.assign(this, { socket, draft, client, told, dialect: dialect(draft), unread: Buffer.alloc(0), headed: false });
    this.end = { how: 'tcp', code: 1006, reason: '' };
    socket.setNoDelay(true);
    socket.on('error', (error) => told({ event: 'note', note: error.message }));
    socket.on('close', () => {
      const { how, code, reason } = this.end;
      told({ event: 'close', ...(this.dialect.close === 'code' ? { code, reason } : { how }) });
    });
    socket.on('data', (bytes) => {
      try {
        this.read(bytes);
      } catch (error) {
        told({ event: 'note', note: error.message });
        socket.destroy();
      }
    });
  }

  read(bytes) {
    this.unread = Buffer.concat([this.unread, bytes]);
    if (!this.headed && !this.open()) return;
    for (let got; (got = parse(this.draft, !this.client, this.unread, this.secret));) {
      this.unread = this.unread.subarray(got.size);
      if (['text', 'binary', 'continuation'].includes(got.type)) this.join(got);
      else this.heard(got);
    }
  }

  /// Reads the head and what proves it; false while it goes on.
  open() {
    const end = this.unread.indexOf('\r\n\r\n') + 4;
    const proof = this.dialect.keys ? (this.client ? ANSWER : KEY3).length : 0;
    if (end < 4 || this.unread.length < end + proof) return false;
    const head = parseHead(this.unread.subarray(0, end - 4));
    const behind = this.unread.subarray(end, end + proof);
    this.unread = this.unread.subarray(end + proof);
    this.headed = true;
    if (this.client) this.opened(head, behind);
    else this.answer(head, behind);
    return true;
  }

  opened({ line, fields }, proof) {
    const right = this.dialect.keys ? proof.toString('latin1') === ANSWER : fields['sec-websocket-accept'] === accept(KEY);
    if (!line.startsWith('HTTP/1.1 101 ') || !right) throw new Error(`no answer of ${this.draft}: ${line}`);
    this.secret = connectionKey(KEY, fields['sec-websocket-nonce'] || '');
    this.told({ event: 'open', protocol: fields['sec-websocket-protocol'] || '', cookies: fields['set-cookie'] || '' });
  }

  answer({ line, fields }, key3) {
    const { version, keys } = this.dialect;
    // 03 kept the number of 02, and some say 3.
    const marks = version === 3 ? ['2', '3'] : [String(version)];
    if (!marks.includes(fields[keys ? 'sec-websocket-draft' : 'sec-websocket-version'])) throw new Error(`another version than ${this.draft}`);
    const asked = { key: fields['sec-websocket-key'], keys: [fields['sec-websocket-key1'], fields['sec-websocket-key2']], key3 };
    const protocol = (fields['sec-websocket-protocol'] || '').split(/[ ,]+/).includes(SUBPROTOCOL) ? SUBPROTOCOL : '';
    const more = [...(protocol ? [`Sec-WebSocket-Protocol: ${protocol}`] : []), `Set-Cookie: ${SET_COOKIE}`];
    this.secret = connectionKey(asked.key || '', NONCE);
    // What is said at once leaves in the segment of the handshake.
    this.socket.cork();
    this.socket.write(response(this.draft, this.socket.localPort, asked, more));
    this.told({
      event: 'open', target: line.split(' ')[1], host: fields.host, protocol, cookie: fields.cookie || '',
      origin: fields['sec-websocket-origin'] || fields.origin || '',
    });
    this.socket.uncork();
  }

  join({ type, payload, last }) {
    this.message = { type: this.message?.type || type, parts: [...(this.message?.parts || []), payload] };
    if (!last) return;
    const { message } = this;
    this.message = null;
    this.heard({ type: message.type, payload: Buffer.concat(message.parts) });
  }

  heard({ type, payload }) {
    if (type === 'text') this.told({ event: 'message', text: payload.toString() });
    else if (type === 'binary') this.told({ event: 'message', binary: payload.toString('base64') });
    else if (type === 'pong') this.told({ event: 'pong', base64: payload.toString('base64') });
    else if (type === 'ping') this.write('pong', payload);
    else this.heardClose(payload);
  }

  heardClose(payload) {
    const { close } = this.dialect;
    const code = payload.length < 2 ? 1005 : payload.readUInt16BE(0);
    const right = close === 'code' || payload.equals(close === 'letter' ? closing(this.draft, !this.client) : this.said || payload);
    this.end = { how: right ? 'frame' : `frame with ${payload.toString('hex')}`, code, reason: payload.toString('utf8', 2) };
    if (!this.said) this.write('close', close === 'letter' ? closing(this.draft, this.client) : payload);
    this.socket.end();
  }

  write(type, payload, last) {
    this.socket.write(frame(this.draft, this.client, type, payload, last, this.secret));
  }

  close(code, reason) {
    this.said = closing(this.draft, this.client, code, reason);
    this.write('close', this.said);
  }

  /// One text in `count` frames, with a ping among them; their bounds fall where they may.
  fragments(bytes, count) {
    const size = Math.ceil(bytes.length / count);
    for (let n = 0; n < count; n += 1) {
      if (n === count - 1) this.write('ping', 'between');
      this.write(n ? 'continuation' : 'text', bytes.subarray(n * size, (n + 1) * size), n === count - 1);
    }
  }
}

module.exports = { ANSWER, End, KEY3, ORIGIN, closing, frame, request, response };
