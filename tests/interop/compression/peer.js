'use strict';
// npm `ws` for `main.js`: an echo server, or a client that sends messages and wants them back.
//
//   node peer.js server OPTIONS      says {"port":N}
//   node peer.js client OPTIONS      says {"done":true,"extensions":…} or {"fault":…}
//
// OPTIONS is JSON: `compresses`, `alone` (no context is taken over), `bits`; of a client also `url`, and
// `text` where nothing else comes back. Ends when stdin does.

const WebSocket = require('ws');

const [role, json] = process.argv.slice(2);
const { compresses, alone, bits, url, text } = JSON.parse(json);
const say = (event) => console.log(JSON.stringify(event));
process.stdin.resume().on('end', () => process.exit(0));

const perMessageDeflate = {
  threshold: 0,
  ...(alone && { serverNoContextTakeover: true, clientNoContextTakeover: true }),
  ...(bits && { serverMaxWindowBits: bits, clientMaxWindowBits: bits }),
};

/// The same of each peer: what is short, what is said twice, what is long, what does not get shorter.
function messages() {
  const noise = Buffer.alloc(70000);
  for (let at = 0, state = 1; at < noise.length; at += 1) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    noise[at] = state >>> 16;
  }
  const event = '{"event":"quote","name":"ACME \u20ac","price":17.25,"bid":17.2}';
  const words = Array.from({ length: 200 }, (_, at) => `line ${at * at} of ${event}`).join('\n');
  const all = ['', 'a', 'b'.repeat(31), event, event, event, words, words, 'x'.repeat(1 << 20), event];
  return text ? all : [...all, noise, Buffer.from(words), Buffer.alloc(0), event];
}

function server() {
  const echo = new WebSocket.Server({ host: '127.0.0.1', port: 0, perMessageDeflate: compresses ? perMessageDeflate : false, maxPayload: 1 << 24 });
  echo.on('listening', () => say({ port: echo.address().port }));
  echo.on('connection', (socket) => {
    if (Boolean(socket.extensions) !== Boolean(compresses) && compresses) say({ fault: 'not negotiated' });
    socket.on('message', (data, binary) => socket.send(data, { binary }));
    socket.on('error', (error) => say({ fault: error.message }));
  });
}

function client() {
  const socket = new WebSocket(url, { perMessageDeflate, maxPayload: 1 << 24 });
  let extensions = '';
  const waiting = messages();
  const sent = waiting.length;
  let written = 0;
  socket.on('upgrade', ({ headers }) => {
    extensions = headers['sec-websocket-extensions'] || '';
  });
  socket.on('open', () => {
    for (const [at, message] of waiting.entries()) {
      written += Buffer.byteLength(message);
      // Every other one in three frames.
      const parts = at % 2 === 0 ? [message] : [message.slice(0, 7), message.slice(7, 20), message.slice(20)];
      parts.forEach((part, index) => socket.send(part, { fin: index + 1 === parts.length, compress: true }));
    }
  });
  socket.on('message', (data, binary) => {
    const wanted = waiting.shift();
    if (binary === (typeof wanted === 'string') || !Buffer.from(wanted).equals(data)) {
      say({ fault: `message ${sent - waiting.length} is not the one that was sent` });
      process.exit(1);
    }
    if (waiting.length === 0) socket.close(1000);
  });
  socket.on('error', (error) => say({ fault: error.message }));
  socket.on('close', (code) => {
    const read = socket._socket ? socket._socket.bytesRead : 0;
    if (code !== 1000 || waiting.length > 0) say({ fault: `closed with ${code}, ${waiting.length} messages missing` });
    else if (extensions && read > written / 5) say({ fault: `${read} bytes for ${written}` });
    else say({ done: true, extensions });
  });
}

(role === 'server' ? server : client)();
