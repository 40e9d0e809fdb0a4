'use strict';
// Backend peer by hand: hybi-01 to hybi-06. Argument: the dialect.

const net = require('net');
const { say, obey } = require('../contract');
const { greeting } = require('../behaviour');
const { End } = require('../hybi');

const DRAFT = process.argv[2];
const ends = new Map();

const server = net.createServer((socket) => {
  let id = null;
  const end = new End(socket, DRAFT, false, (event) => {
    if (event.event === 'open') {
      id = ends.size + 1;
      ends.set(id, end);
    }
    // A connection that was refused has none.
    if (id !== null || event.event === 'note') say({ ...event, id });
    const { text, binary } = event;
    if (text !== undefined) end.write('text', text);
    else if (binary !== undefined) end.write('binary', Buffer.from(binary, 'base64'));
    const first = event.event === 'open' && greeting({ url: event.target });
    if (first) end.write('text', first);
  });
});

obey({
  send: ({ id, text }) => ends.get(id).write('text', text),
  binary: ({ id, base64 }) => ends.get(id).write('binary', Buffer.from(base64, 'base64')),
  ping: ({ id, base64 }) => ends.get(id).write('ping', Buffer.from(base64, 'base64')),
  close: ({ id, code, reason }) => ends.get(id).close(code, reason),
});

server.listen(0, '127.0.0.1', () =>
  say({
    event: 'ready',
    peer: 'scripted',
    dialect: DRAFT,
    port: server.address().port,
    can: ['binary', 'binary unasked', 'ping'],
  }));
