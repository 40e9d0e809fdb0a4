'use strict';
// Client peer by hand: hybi-01 to hybi-06, and RFC 6455 for captures. Argument: the dialect.

const net = require('net');
const { say, obey } = require('../contract');
const { End, ORIGIN, request } = require('../hybi');

const DRAFT = process.argv[2];
let end = null;

function open({ url, protocol, cookie }) {
  const { hostname, port, pathname, search } = new URL(url);
  const socket = net.connect(port, hostname, () => socket.write(request(DRAFT, `${pathname}${search}`, port, { protocol, cookie })));
  const own = new End(socket, DRAFT, true, (event) => {
    if (own === end) say(event);
  });
  end = own;
}

function reset() {
  end?.socket.destroy();
  end = null;
  say({ event: 'reset' });
}

obey({
  open,
  send: ({ texts }) => {
    end.socket.cork();
    texts.forEach((text) => end.write('text', text));
    end.socket.uncork();
  },
  binary: ({ base64 }) => end.write('binary', Buffer.from(base64, 'base64')),
  fragments: ({ text, count }) => end.fragments(Buffer.from(text), count),
  ping: ({ base64 }) => end.write('ping', Buffer.from(base64, 'base64')),
  close: ({ code, reason }) => end.close(code, reason),
  abort: () => end.socket.destroy(),
  reset,
});

say({
  event: 'ready',
  peer: 'scripted',
  dialect: DRAFT,
  origin: ORIGIN,
  can: ['binary', 'ping', 'abort', 'reset', 'fragments'],
});
