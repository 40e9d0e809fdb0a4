'use strict';
// The command: chooses the pairs of the matrix and runs them.

const path = require('path');
const { parseArgs } = require('util');
const conversations = require('../conversations');
const faults = require('../faults');
const { pairs } = require('../matrix');
const { run } = require('./run');

const names = { type: 'string', default: '' };
const { values } = parseArgs({
  options: {
    hybridge: { type: 'string' },
    direct: { type: 'boolean', default: false },
    client: names,
    backend: names,
    verbose: { type: 'boolean', default: false },
  },
});

/// Whether a peer is one of those named, in full or by the beginning of its name.
function chosen(peer, list) {
  return list === '' || list.split(',').some((name) => peer.name.startsWith(name));
}

async function main() {
  process.chdir(path.join(__dirname, '..'));
  const wanted = pairs({ direct: values.direct })
    .filter((pair) => chosen(pair.client, values.client) && chosen(pair.backend, values.backend));
  const good = await run(
    { pairs: wanted, conversations, faults },
    { hybridge: values.direct ? null : values.hybridge, verbose: values.verbose },
  );
  process.exitCode = good ? 0 : 1;
}

main();
