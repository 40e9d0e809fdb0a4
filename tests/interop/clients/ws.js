'use strict';
// Client peer: npm `ws`, RFC 6455, with the extensions it offers by default.

const WebSocket = require('ws');
const { version } = require('ws/package.json');
const { say, obey } = require('../contract');

const ORIGIN = 'http://interop.example';
let socket = null;

function open({ url, protocol, cookie }) {
  const options = { origin: ORIGIN, headers: cookie ? { Cookie: cookie } : {} };
  let cookies = '';
  socket = new WebSocket(url, protocol ? [protocol] : [], options);
  socket.on('upgrade', (response) => {
    cookies = (response.headers['set-cookie'] || []).join('; ');
  });
  socket.on('open', () => say({ event: 'open', protocol: socket.protocol, cookies }));
  socket.on('message', (data, isBinary) =>
    say(isBinary ? { event: 'message', binary: data.toString('base64') } : { event: 'message', text: data.toString() }));
  socket.on('pong', (data) => say({ event: 'pong', base64: data.toString('base64') }));
  socket.on('error', (error) => say({ event: 'note', note: error.message }));
  socket.on('close', (code, reason) => say({ event: 'close', code, reason: reason.toString() }));
}

function reset() {
  if (socket) {
    socket.removeAllListeners();
    // A socket that is still connecting tells its end as an error.
    socket.on('error', () => {});
    socket.terminate();
  }
  say({ event: 'reset' });
}

obey({
  open,
  send: ({ texts }) => texts.forEach((text) => socket.send(text)),
  binary: ({ base64 }) => socket.send(Buffer.from(base64, 'base64')),
  ping: ({ base64 }) => socket.ping(Buffer.from(base64, 'base64')),
  close: ({ code, reason }) => socket.close(code, reason),
  abort: () => socket.terminate(),
  reset,
});

say({
  event: 'ready',
  peer: `ws ${version}`,
  dialect: 'rfc6455',
  origin: ORIGIN,
  can: ['binary', 'ping', 'abort', 'reset'],
});
