'use strict';
// Backend peer: npm `websocket-driver` (the engine of faye-websocket), which still speaks the Hixie
// drafts. Argument: the one dialect it serves, `hixie-76` or `hixie-75`; it refuses any other, as a
// server of that day would, so that `--backend-dialect auto` has something to find out.

const http = require('http');
const driver = require('websocket-driver');
const { version } = require('websocket-driver/package.json');
const { say, obey } = require('../contract');
const { SUBPROTOCOL, SET_COOKIE, greeting, described } = require('../behaviour');

const DIALECT = process.argv[2];
const PREFIX = { 'hixie-76': 'Sec-WebSocket', 'hixie-75': 'WebSocket' }[DIALECT];

const sessions = new Map();
const server = http.createServer();

server.on('upgrade', (request, stream, head) => {
  const session = driver.http(request, {});
  if (session.version !== DIALECT) {
    say({ event: 'note', note: `refused a request in ${session.version}` });
    stream.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    return;
  }
  converse(session, request, stream, head);
});

function converse(session, request, stream, head) {
  const id = sessions.size + 1;
  // How the other side closed: by `FF 00`, which makes the driver close, or by TCP alone.
  let how = 'tcp';
  let protocol = '';
  sessions.set(id, { close: () => { how = 'own'; session.close(); }, send: (text) => session.text(text) });

  // The drafts have one opaque subprotocol, which must come back as it is.
  if (request.headers[`${PREFIX.toLowerCase()}-protocol`] === SUBPROTOCOL) {
    protocol = SUBPROTOCOL;
    session.setHeader(`${PREFIX}-Protocol`, protocol);
  }
  session.setHeader('Set-Cookie', SET_COOKIE);

  session.on('open', () => {
    say({ event: 'open', id, protocol, ...described(request) });
    const first = greeting(request);
    if (first) session.text(first);
  });
  session.on('message', ({ data }) => {
    say({ event: 'message', id, text: data });
    session.text(data);
  });
  session.on('error', (error) => say({ event: 'note', note: error.message }));
  session.on('close', () => {
    if (how === 'tcp') how = 'ff00';
    stream.end();
  });

  stream.on('error', (error) => say({ event: 'note', note: error.message }));
  stream.on('close', () => say({ event: 'close', id, how }));
  stream.on('end', () => stream.end());
  stream.on('data', (bytes) => feed(bytes));
  session.io.on('data', (bytes) => stream.write(bytes));

  // Corked, so that a greeting and the answers to one read leave together.
  function feed(bytes) {
    stream.cork();
    session.io.write(bytes);
    stream.uncork();
  }

  // In Hixie-76 the head may already hold key3 (8 bytes), or part of it.
  stream.cork();
  session.io.write(head);
  session.start();
  stream.uncork();
}

obey({
  send: ({ id, text }) => sessions.get(id).send(text),
  close: ({ id }) => sessions.get(id).close(),
});

server.listen(0, '127.0.0.1', () =>
  say({
    event: 'ready',
    peer: `websocket-driver ${version}`,
    dialect: DIALECT,
    port: server.address().port,
    // It reads and discards 80-frames, and refuses to send one.
    can: [],
  }));
