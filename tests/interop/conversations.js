'use strict';
// The conversations that every pair of peers holds. Each is one connection: how it is opened, and
// its checks in order. A check is [name, steps, applies]; `applies` says false where a dialect or a
// peer cannot have it. In a `chain` each check builds on the one before; elsewhere each stands alone.

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

/// Every byte value, so that a binary message holds what frames begin and end with.
const BYTES = Buffer.from(Array.from({ length: 1024 }, (_, n) => n & 255));

function includes(what, list, item) {
  if (!list.split('; ').includes(item)) throw new Mismatch(`${what} with ${item}`, JSON.stringify(list));
}

// What is left of a close when it has crossed the bridge: RFC 6455 and its versions from 6 on have code
// and reason, hybi-01 to hybi-05 have a frame, Hixie-76 has `FF 00`, Hixie-75 and the close() of some peers have only the end of TCP.

/// The code that stands for the close of a peer without codes: none for one that was meant, 1001 for the end of TCP
/// where the draft has better.
function standsFor({ dialect, closing }) {
  return dialect === 'hixie-76' && closing === 'tcp' ? 1001 : 1005;
}

function backendCloses(code) {
  return (s) => s.backend.tell({ do: 'close', id: s.id, code, reason: REASON });
}

async function backendSeesClose(s) {
  const close = await s.backendNext('close', 'a close at the backend');
  if (s.backendIs('hixie-75')) return same('closed by', 'tcp', close.how);
  if (s.backendIs('hixie-76')) return same('closed by', 'ff00', close.how);
  if (s.backendHasBareClose) return same('closed by', 'frame', close.how);
  if (!s.clientHasCodes) return same('close code', standsFor(s.client.about), close.code);
  same('close code', CODE, close.code);
  same('reason', REASON, close.reason);
}

async function clientSeesOwnClose(s) {
  const close = await s.clientNext('close', 'the end of its own close at the client');
  if (s.clientHasBareClose) return same('closed by', 'frame', close.how);
  if (s.clientHasCodes) same('close code', CODE, close.code);
}

async function clientSeesClose(s) {
  const close = await s.clientNext('close', "the backend's close at the client");
  if (s.clientHasBareClose) return same('closed by', 'frame', close.how);
  if (!s.clientHasCodes) return;
  if (!s.backendHasCodes) return same('close code', standsFor(s.backend.about), close.code);
  same('close code', CODE, close.code);
  same('reason', REASON, close.reason);
}

async function backendSeesOwnClose(s) {
  const close = await s.backendNext('close', 'the end of its own close at the backend');
  if (s.backendHasBareClose) return same('closed by', 'frame', close.how);
  if (s.backendHasCodes && s.clientHasCodes) same('close code', CODE, close.code);
}

const PLACE = '/interop/chat?room=a%20b&q=%C3%A9&token=x%3Dy';
const SPACED = '/a%20b/c?q=1';

module.exports = [
  {
    name: 'messages',
    open: { target: PLACE, cookie: 'interop_client=crumb' },
    checks: [
      ['path and query reach the backend', (s) => same('target', PLACE, s.atBackend.target)],
      ['Origin reaches the backend', (s) => same('Origin', s.ownOrigin, s.atBackend.origin)],
      ['cookie reaches the backend', (s) => includes('Cookie', s.atBackend.cookie, 'interop_client=crumb')],
      ['cookie of the 101 reaches the client', (s) => includes('cookies', s.atClient.cookies, 'interop_backend=oven')],
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
    ],
  },
  {
    name: 'subprotocol',
    open: { target: '/interop', protocol: SUBPROTOCOL },
    checks: [
      ['offered to the backend', (s) => same('selected subprotocol', SUBPROTOCOL, s.atBackend.protocol)],
      // An engine without a `protocol` property fails the opening when another one comes back.
      ['comes back', (s) => same('subprotocol', SUBPROTOCOL, s.atClient.protocol ?? SUBPROTOCOL)],
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
    checks: [
      ['path with %20 reaches the backend', (s) => same('target', SPACED, s.atBackend.target)],
      ['echo', (s) => s.echo('through a gap')],
    ],
  },
  {
    name: 'client closes',
    open: { target: '/interop' },
    chain: true,
    checks: [
      ['echo', (s) => s.echo('time to go')],
      ['the backend sees it', (s) => {
        s.client.tell({ do: 'close', code: CODE, reason: REASON });
        return backendSeesClose(s);
      }],
      ['its own close ends', clientSeesOwnClose],
      ['nothing more came', (s) => s.nothingLeft()],
    ],
  },
  {
    name: 'backend closes',
    open: { target: '/interop' },
    chain: true,
    checks: [
      ['echo', (s) => s.echo('last orders')],
      ['the client sees it', (s) => {
        backendCloses(CODE)(s);
        return clientSeesClose(s);
      }],
      ['its own close ends', backendSeesOwnClose],
      ['nothing more came', (s) => s.nothingLeft()],
    ],
  },
  {
    // 3000 to 4999 belong to the applications in every version.
    name: 'close with a code of the application',
    open: { target: '/interop' },
    applies: (s) => s.clientHasCodes && s.backendHasCodes,
    checks: [
      ['the backend sees it', async (s) => {
        s.client.tell({ do: 'close', code: 4321, reason: 'até logo €' });
        const close = await s.backendNext('close', 'a close at the backend');
        same('close code', 4321, close.code);
        same('reason', 'até logo €', close.reason);
      }],
    ],
  },
  {
    // Versions 6 to 8 have no 1011; the nearest is 1001.
    name: 'close with a code that came late',
    open: { target: '/interop' },
    applies: (s) => s.backendIs('rfc6455') && s.clientHasCodes,
    checks: [
      ['the client sees the nearest it has', async (s) => {
        backendCloses(1011)(s);
        const close = await s.clientNext('close', "the backend's close at the client");
        same('close code', s.clientIs('rfc6455') ? 1011 : 1001, close.code);
        same('reason', REASON, close.reason);
      }],
    ],
  },
  {
    name: 'binary',
    open: { target: '/interop' },
    applies: (s) => s.client.can('binary') || s.backend.can('binary unasked'),
    checks: [
      ['binary comes back', (s) => s.echoBinary(BYTES), (s) => s.bothCan('binary')],
      ['binary comes back, empty', (s) => s.echoBinary(Buffer.alloc(0)), (s) => s.bothCan('binary')],
      ['binary comes back, 200000 bytes', (s) => s.echoBinary(Buffer.alloc(200000, BYTES)), (s) => s.bothCan('binary')],
      // websocket-driver reads an 80-frame and discards it, but for one with FF in it, which it
      // takes for the end of a text.
      ['the session outlives a binary message that the backend discards', async (s) => {
        s.client.tell({ do: 'binary', base64: Buffer.alloc(300, 'binary').toString('base64') });
        await s.echo('still here');
      }, (s) => s.client.can('binary') && !s.backend.can('binary')],
      ['the session outlives a binary message that the client discards', async (s) => {
        s.backend.tell({ do: 'binary', id: s.id, base64: Buffer.alloc(300, 'binary').toString('base64') });
        await s.echo('still here');
      }, (s) => s.backend.can('binary unasked') && !s.client.can('binary')],
    ],
  },
  {
    name: 'ping',
    open: { target: '/interop' },
    applies: (s) => s.client.can('ping') || s.backend.can('ping'),
    checks: [
      ['the client is answered', (s) => s.clientPings('ping € from the client'), (s) => s.client.can('ping')],
      ['the backend is answered', (s) => s.backendPings('ping € from the backend'), (s) => s.backend.can('ping')],
      ['echo', (s) => s.echo('between two pings')],
    ],
  },
  {
    name: 'client breaks off',
    open: { target: '/interop' },
    applies: (s) => s.client.can('abort'),
    checks: [
      ['echo', (s) => s.echo('about to drop')],
      ['the backend sees the end', async (s) => {
        s.client.tell({ do: 'abort' });
        const close = await s.backendNext('close', 'a close at the backend');
        // No close in Hixie-75 is more than this. Elsewhere one is missing; whether the backend sees
        // the end of TCP or its reset is up to the client's machine.
        const codes = s.clientIs('hixie-75') ? [1005, 1006] : [1001, 1006, 1011];
        if (s.backendHasCodes && !codes.includes(close.code)) {
          throw new Mismatch(`close code ${codes.join(' or ')}`, JSON.stringify(close));
        }
      }],
    ],
  },
];
