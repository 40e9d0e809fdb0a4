'use strict';
// permessage-deflate with foreign peers on both sides of `hybridge serve`: `ws` and Python's
// `websockets` as clients and as backends, and a backend of Hixie-76, which has no compression. With and
// without the context taken over, with windows of 9 to 15 bits, with compressed messages in fragments.
//
//   node tests/interop/compression/main.js HYBRIDGE
//
// Wants the peers of the interop run (NODE_PATH, and `python3` with `websockets` in PATH). Exit code 0
// when all holds.

const assert = require('node:assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const readline = require('readline');
const { Program } = require('../runner/program');

const DEADLINE_MS = 240000;
const HYBRIDGE = process.argv[2];
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'compression-'));

const PEERS = {
  ws: [process.execPath, path.join(__dirname, 'peer.js')],
  websockets: ['python3', path.join(__dirname, 'peer.py')],
};
const HIXIE = [process.execPath, path.join(__dirname, '../backends/websocket-driver.js'), 'hixie-76'];

/// A program that says lines of JSON; the first that `wanted` takes.
async function said(program, wanted) {
  const lines = readline.createInterface({ input: program.child.stdout });
  const found = new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      const event = JSON.parse(line);
      if (event.fault) reject(new Error(`${program.name}: ${event.fault}`));
      else if (wanted(event)) resolve(event);
    });
    program.over.then(() => reject(new Error(`${program.ended}\n${program.complaints.join('\n')}`)));
  });
  readline.createInterface({ input: program.child.stderr }).on('line', (line) => program.complain(line));
  return found;
}

function config(port, { client, backend, dialect }) {
  const file = path.join(folder, 'hybridge.toml');
  fs.writeFileSync(file, `
[[listener]]
name = "in"
address = ["127.0.0.1:0"]
[[backend]]
name = "out"
dialect = "${dialect}"
[[backend.server]]
url = "ws://127.0.0.1:${port}"
[[route]]
name = "all"
backend = "out"
client_compression = "${client}"
backend_compression = "${backend}"
`);
  return file;
}

/// `hybridge serve` with a file, and the port it says it listens on.
async function hybridge(file, backendPort) {
  const program = new Program('hybridge', [HYBRIDGE, 'serve', '-c', file]);
  program.child.stdout.resume();
  const port = await new Promise((resolve, reject) => {
    readline.createInterface({ input: program.child.stderr }).on('line', (line) => {
      program.complain(line);
      const ports = line.includes('listening') ? [...line.matchAll(/127\.0\.0\.1:(\d+)/g)] : [];
      const found = ports.map((match) => Number(match[1])).find((each) => each !== backendPort && each !== 0);
      if (found) resolve(found);
    });
    program.over.then(() => reject(new Error(`${program.ended}\n${program.complaints.join('\n')}`)));
  });
  return { program, port };
}

/// One backend, one hybridge, a client of each kind.
async function hold(name, { server, client, policy, expected }) {
  const command = server.peer === 'hixie' ? HIXIE : [...PEERS[server.peer], 'server', JSON.stringify(server.options || {})];
  const backend = new Program(server.peer, command);
  const { port: backendPort } = await said(backend, ({ port }) => port);
  const { program, port } = await hybridge(config(backendPort, { dialect: 'rfc6455', ...policy }), backendPort);
  try {
    for (const peer of Object.keys(PEERS)) {
      // Of binary messages its backend says nothing.
      const told = { ...client, text: server.peer === 'hixie', url: `ws://127.0.0.1:${port}/` };
      const talk = new Program(`${peer} as client`, [...PEERS[peer], 'client', JSON.stringify(told)]);
      const { extensions } = await said(talk, ({ done }) => done);
      const fault = await talk.end(5000);
      assert.strictEqual(fault, null);
      assert.match(extensions, expected, `${name}, ${peer}: ${extensions}`);
    }
  } finally {
    await program.end(15000, 'SIGTERM');
    await backend.kill();
  }
  console.log(`${name}: holds`);
}

const BITS = [9, 10, 11, 12, 13, 14, 15];

async function main() {
  setTimeout(() => {
    console.error('not done in time');
    process.exit(1);
  }, DEADLINE_MS).unref();
  const plain = /^permessage-deflate$/;
  const none = /^$/;
  for (const peer of ['ws', 'websockets']) {
    const server = { peer };
    const compresses = { peer, options: { compresses: true } };
    await hold(`${peer}, nobody is asked`, { server, client: {}, policy: { client: 'off', backend: 'off' }, expected: none });
    await hold(`${peer}, the client only`, { server, client: {}, policy: { client: 'on', backend: 'off' }, expected: plain });
    await hold(`${peer}, the backend only`, { server: compresses, client: {}, policy: { client: 'off', backend: 'on' }, expected: none });
    await hold(`${peer}, both`, { server: compresses, client: {}, policy: { client: 'on', backend: 'on' }, expected: plain });
    await hold(`${peer}, both, each message for itself`, {
      server: compresses,
      client: {},
      policy: { client: 'no_context_takeover', backend: 'no_context_takeover' },
      expected: /server_no_context_takeover; client_no_context_takeover/,
    });
    await hold(`${peer}, the peers want each message for itself`, {
      server: { peer, options: { compresses: true, alone: true } },
      client: { alone: true },
      policy: { client: 'on', backend: 'on' },
      expected: /server_no_context_takeover; client_no_context_takeover/,
    });
    for (const bits of BITS) {
      await hold(`${peer}, windows of ${bits} bits`, {
        server: { peer, options: { compresses: true, bits } },
        client: { bits },
        policy: { client: 'on', backend: 'on' },
        expected: new RegExp(`server_max_window_bits=${bits}`),
      });
    }
  }
  const dialect = 'hixie-76';
  for (const client of ['on', 'no_context_takeover']) {
    await hold(`Hixie-76, client ${client}`, {
      server: { peer: 'hixie' },
      client: {},
      policy: { client, backend: 'on', dialect },
      expected: /^permessage-deflate/,
    });
  }
  fs.rmSync(folder, { recursive: true });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
