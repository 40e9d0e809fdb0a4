'use strict';
// The conversations that every pair of peers holds. Each is one connection: how it is opened, and
// its checks in order. A check is [name, steps, applies]; `applies` says false where a dialect or a
// peer cannot have it. What a check returns is printed behind its name.

const { Mismatch, same } = require('./runner/mismatch');

const SUBPROTOCOL = 'interop.v1';
const CODE = 1000;
const REASON = 'done';

/// `bytes` (a multiple of 16) of text in which every row tells its place, so that a lost or moved
/// piece shows, and in which every multiple of 16 falls inside a 😀, so that a buffer ends there too.
function ruler(bytes) {
  const rows = Array.from({ length: bytes / 16 - 1 }, (_, row) => `${String(row * 16).padStart(7, '0')}é€😀`);
  return `->${rows.join('')}${'-'.repeat(14)}`;
}

function closesWith(allowed, close) {
  if (!allowed.includes(close.code)) throw new Mismatch(`close code ${allowed.join(' or ')}`, JSON.stringify(close));
  return `code ${close.code}`;
}

// What is left of a close when it has crossed the bridge: RFC 6455 has code and reason, Hixie-76 has
// `FF 00`, Hixie-75 and the old engine's close() have only the end of TCP.

async function backendSeesClose(s) {
  const close = await s.backendNext('close', 'a close at the backend');
  if (s.backendIs('hixie-76') && s.clientIs('rfc6455')) same('closed by', 'ff00', close.how);
  if (!s.backendIs('rfc6455')) return close.how;
  if (!s.clientIs('rfc6455')) return closesWith([1000, 1001, 1005, 1006], close);
  same('reason', REASON, close.reason);
  return closesWith([CODE], close);
}

async function clientSeesOwnClose(s) {
  const close = await s.clientNext('close', 'the end of its own close at the client');
  if (s.clientIs('rfc6455')) return closesWith([CODE], close);
}

async function clientSeesClose(s) {
  const close = await s.clientNext('close', "the backend's close at the client");
  if (!s.clientIs('rfc6455')) return;
  if (!s.backendIs('rfc6455')) return closesWith([1000, 1001, 1005], close);
  same('reason', REASON, close.reason);
  return closesWith([CODE], close);
}

async function backendSeesOwnClose(s) {
  const close = await s.backendNext('close', 'the end of its own close at the backend');
  if (s.backendIs('rfc6455')) return closesWith([CODE], close);
}

const PLACE = '/interop/chat?room=a%20b&q=%C3%A9&token=x%3Dy';
const SPACED = '/a%20b/c?q=1';

module.exports = [
  {
    name: 'messages',
    open: { target: PLACE, cookie: 'interop_client=crumb' },
    checks: [
      ['path and query reach the backend', (s) => same('target', PLACE, s.atBackend.target)],
      ['Origin reaches the backend', (s) => same('Origin', s.client.about.origin, s.atBackend.origin)],
      ['cookie reaches the backend', (s) => {
        if (!s.atBackend.cookie.split('; ').includes('interop_client=crumb')) {
          throw new Mismatch('Cookie with interop_client=crumb', JSON.stringify(s.atBackend.cookie));
        }
      }],
      ['cookie of the 101 reaches the client', (s) => {
        if (!s.atClient.cookies.split('; ').includes('interop_backend=oven')) {
          throw new Mismatch('a cookie interop_backend=oven', JSON.stringify(s.atClient.cookies));
        }
      }],
      ['no subprotocol is invented', (s) => same('subprotocol', '', s.atClient.protocol || '')],
      ['text, ASCII', (s) => s.echo('hello, hybridge')],
      ['text, UTF-8 of two and three bytes', (s) => s.echo('é café € 10')],
      ['text, emoji', (s) => s.echo('😀 👩‍💻 🎉')],
      ['text, U+FFFD and U+FFFF', (s) => s.echo('\ufffd\uffff')],
      ['text, control characters and NUL', (s) => s.echo('a\u0000b\u0001c\r\n\u007f')],
      ['text, empty', (s) => s.echo('')],
      ['text, 70000 bytes', (s) => s.echo(ruler(70000))],
      ['text, 1 MiB', (s) => s.echo(ruler(1 << 20))],
      ['burst of 50', (s) => s.echo(...Array.from({ length: 50 }, (_, n) => `burst ${n} €`))],
      ['burst of 20, large and empty in turn', (s) =>
        s.echo(...Array.from({ length: 20 }, (_, n) => (n % 2 ? '' : ruler(4096 * (n + 1)))))],
      ['backend speaks unasked', (s) => s.backendSends('news from the backend 📰')],
      ['client closes: the backend sees it', (s) => {
        s.client.tell({ do: 'close', code: CODE, reason: REASON });
        return backendSeesClose(s);
      }],
      ['client closes: its own close event', clientSeesOwnClose],
      ['nothing more came', (s) => s.nothingLeft()],
    ],
  },
  {
    name: 'subprotocol',
    open: { target: '/interop', protocol: SUBPROTOCOL },
    checks: [
      ['offered to the backend', (s) => same('selected subprotocol', SUBPROTOCOL, s.atBackend.protocol)],
      ['comes back', (s) => {
        // QtWebKit 534 has no `protocol` property; it fails the opening when another one comes back.
        if (s.atClient.protocol === undefined) return 'or the engine would not have opened';
        same('subprotocol', SUBPROTOCOL, s.atClient.protocol);
      }],
      ['echo', (s) => s.echo('within the subprotocol')],
    ],
  },
  {
    name: 'greeting',
    open: { target: '/interop?greet=good%20morning%20%E2%98%95' },
    checks: [
      ['push behind the handshake arrives', (s) => s.clientGets('good morning ☕')],
      ['echo', (s) => s.echo('good morning')],
    ],
  },
  {
    name: 'spaced path',
    open: { target: SPACED },
    // The engine sends the space raw: not HTTP, so only the proxy can make it good for the backend.
    applies: (s) => s.clientIs('rfc6455') || !s.direct,
    checks: [
      ['path with %20 reaches the backend', (s) => same('target', SPACED, s.atBackend.target)],
      ['echo', (s) => s.echo('through a gap')],
    ],
  },
  {
    name: 'backend closes',
    open: { target: '/interop' },
    checks: [
      ['echo', (s) => s.echo('last orders')],
      ['the client sees it', (s) => {
        s.backend.tell({ do: 'close', id: s.id, code: CODE, reason: REASON });
        return clientSeesClose(s);
      }],
      ['its own close ends', backendSeesOwnClose],
      ['nothing more came', (s) => s.nothingLeft()],
    ],
  },
  {
    name: 'binary',
    open: { target: '/interop' },
    applies: (s) => s.client.about.can.includes('binary'),
    checks: [
      ['binary comes back', (s) => s.echoBinary(Buffer.from(Array.from({ length: 1024 }, (_, n) => n & 255))), (s) => s.bothCan('binary')],
      // websocket-driver reads an 80-frame and discards it, but for one with FF in it, which it
      // takes for the end of a text.
      ['the session outlives a binary message that the backend discards', async (s) => {
        s.client.tell({ do: 'binary', base64: Buffer.alloc(300, 'binary').toString('base64') });
        await s.echo('still here');
      }, (s) => !s.bothCan('binary')],
    ],
  },
  {
    name: 'client breaks off',
    open: { target: '/interop' },
    applies: (s) => s.client.about.can.includes('abort'),
    checks: [
      ['echo', (s) => s.echo('about to drop')],
      ['the backend sees the end', async (s) => {
        s.client.tell({ do: 'abort' });
        const close = await s.backendNext('close', 'a close at the backend');
        return s.backendIs('rfc6455') ? closesWith([1001, 1006, 1011], close) : close.how;
      }],
    ],
  },
];
