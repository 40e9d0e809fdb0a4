'use strict';
// Backend peer: npm `ws`, RFC 6455.

const http = require('http');
const { WebSocketServer } = require('ws');
const { version } = require('ws/package.json');
const { say, obey } = require('../contract');
const { SUBPROTOCOL, SET_COOKIE, greeting, described } = require('../behaviour');

const sockets = new Map();
const server = http.createServer();
const acceptor = new WebSocketServer({
  noServer: true,
  perMessageDeflate: true,
  handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
});

acceptor.on('headers', (headers) => headers.push(`Set-Cookie: ${SET_COOKIE}`));

server.on('upgrade', (request, stream, head) => {
  // Corked, so that a greeting leaves in the segment of the handshake.
  stream.cork();
  acceptor.handleUpgrade(request, stream, head, (socket) => {
    converse(socket, request);
    stream.uncork();
  });
});

function converse(socket, request) {
  const id = sockets.size + 1;
  sockets.set(id, socket);
  say({ event: 'open', id, protocol: socket.protocol, ...described(request) });
  socket.on('message', (data, isBinary) => {
    const content = isBinary ? { binary: data.toString('base64') } : { text: data.toString() };
    say({ event: 'message', id, ...content });
    socket.send(data, { binary: isBinary });
  });
  socket.on('pong', (data) => say({ event: 'pong', id, base64: data.toString('base64') }));
  socket.on('error', (error) => say({ event: 'note', note: error.message }));
  socket.on('close', (code, reason) => say({ event: 'close', id, code, reason: reason.toString() }));
  const first = greeting(request);
  if (first) socket.send(first);
}

obey({
  send: ({ id, text }) => sockets.get(id).send(text),
  binary: ({ id, base64 }) => sockets.get(id).send(Buffer.from(base64, 'base64')),
  ping: ({ id, base64 }) => sockets.get(id).ping(Buffer.from(base64, 'base64')),
  close: ({ id, code, reason }) => sockets.get(id).close(code, reason),
});

server.listen(0, '127.0.0.1', () =>
  say({
    event: 'ready',
    peer: `ws ${version}`,
    dialect: 'rfc6455',
    port: server.address().port,
    can: ['binary', 'binary unasked', 'ping'],
  }));
