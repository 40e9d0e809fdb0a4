// An application on an old server (websocket-driver, Hixie-76) or a modern one (ws): a login with a
// token, quotes that come unasked, orders that are acknowledged, an echo. Each option changes how it
// behaves.
//
//   application.js '{"old":true,"token":"nested"}'     prints the port that it listens on

const http = require('node:http');
const { randomBytes, randomUUID, randomInt } = require('node:crypto');
const driver = require('websocket-driver');
const { WebSocketServer } = require('ws');

const options = {
  old: false,
  token: 'plain', // how the token is told: plain, numeric, nested, cookie, path
  delay: 0, // milliseconds until an answer, and as much again by chance
  pushes: true, // whether quotes come
  early: 0, // how many quotes come before the answer to a subscription
  planted: false, // whether the second order is acknowledged with another status
  doubled: false, // whether each answer comes twice
  ...JSON.parse(process.argv[2] ?? '{}'),
};

function token() {
  return options.token === 'numeric' ? randomInt(1e9, 1e10) : randomBytes(8).toString('hex');
}

function welcome(user, token, session) {
  const told = { op: 'welcome', user, session, ts: Date.now() };
  switch (options.token) {
    case 'nested':
      return { ...told, auth: { token } };
    case 'cookie':
      return told;
    case 'path':
      return { ...told, next: `/orders/${token}/new` };
    default:
      return { ...told, token };
  }
}

const server = http.createServer((_, response) => response.writeHead(426).end());
const sockets = new WebSocketServer({ noServer: true });
let sessions = 0;

server.on('upgrade', (request, stream, head) => {
  const value = token();
  const cookie = options.token === 'cookie' ? `sid=${value}; HttpOnly` : null;
  if (options.old) return serveOld(request, stream, head, value, cookie);
  sockets.once('headers', (headers) => cookie && headers.push(`Set-Cookie: ${cookie}`));
  sockets.handleUpgrade(request, stream, head, (socket) => {
    const send = (text) => socket.send(text);
    const heard = serve(value, { send, close: () => socket.close() });
    socket.on('message', (data) => heard(data.toString()));
  });
});

function serveOld(request, stream, head, value, cookie) {
  const socket = driver.http(request, {});
  if (cookie) socket.setHeader('Set-Cookie', cookie);
  const heard = serve(value, { send: (text) => socket.text(text), close: () => socket.close() });
  socket.on('message', ({ data }) => heard(data));
  socket.on('close', () => stream.end());
  stream.on('error', () => {}).pipe(socket.io).pipe(stream);
  socket.io.write(head);
  socket.start();
}

/// One session: hands out what takes the client's messages.
function serve(value, socket) {
  const session = ++sessions;
  let answered = Promise.resolve();
  const send = (message) => {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    for (let copies = options.doubled ? 2 : 1; copies > 0; copies--) socket.send(text);
  };
  // Answers come in the order of the questions, each in its time.
  const answer = (message) => {
    const wait = options.delay && options.delay + randomInt(options.delay);
    answered = answered.then(() => new Promise((done) => setTimeout(done, wait)));
    answered = answered.then(() => send(message));
  };
  const quotes = ({ sym, count, every }) => {
    let seq = 0;
    const end = () => socket.send(JSON.stringify({ op: 'eod', sym, ts: Date.now() }));
    const quote = () => {
      seq += 1;
      const px = Math.round(1000 + seq) / 10;
      if (options.pushes) socket.send(JSON.stringify({ op: 'tick', sym, seq, px, ts: Date.now() }));
      if (seq === count) return end();
      if (seq < options.early) return quote();
      setTimeout(quote, every);
    };
    if (options.early > 0) quote();
    else setTimeout(quote, every);
  };
  const heard = {
    login: ({ user }) => answer(welcome(user, value, session)),
    sub: (message) => {
      const right = `${message.token ?? message.path?.split('/')[2]}` === `${value}`;
      if (right) quotes(message);
      else answer({ op: 'error', code: 401, ts: Date.now() });
    },
    order: ({ id }) => {
      const status = options.planted && id === 2 ? 'rejected' : 'filled';
      answer({ op: 'ack', id, status, ref: randomUUID(), ts: Date.now() });
    },
    kick: () => answered.then(() => socket.close()),
    drop: () => answered.then(() => socket.close()),
    big: ({ n }) => answer('B'.repeat(n)),
  };
  return (text) => {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      message = null;
    }
    if (heard[message?.op]) heard[message.op](message);
    else answer(text);
  };
}

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
