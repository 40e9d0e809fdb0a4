'use strict';
// The command: holds the conversations of the interop run along each recipe.

const fs = require('fs');
const os = require('os');
const path = require('path');
const { parseArgs } = require('util');
const conversations = require('../conversations');
const faults = require('../faults');
const { EARLY, backends, clients } = require('../matrix');
const { run } = require('../runner/run');
const { Place } = require('./place');
const { certificate, recipes } = require('./recipes');

/// Behind whom the clients of a recipe meet a server of 2010.
const BACKEND = 'em-websocket hixie-76';

const { values } = parseArgs({
  options: { hybridge: { type: 'string' }, verbose: { type: 'boolean', default: false } },
});

async function main() {
  process.chdir(path.join(__dirname, '..'));
  const backend = backends.find(({ name }) => name === BACKEND);
  const certificates = fs.mkdtempSync(path.join(os.tmpdir(), 'certificates-'));
  process.on('exit', () => fs.rmSync(certificates, { recursive: true, force: true }));
  certificate(certificates, 'backend.example');
  // What node and OpenSSL take for a root.
  process.env.NODE_EXTRA_CA_CERTS = process.env.SSL_CERT_FILE = certificate(certificates, 'chat.example');
  let good = true;
  for (const recipe of recipes) {
    const pairs = clients
      // To what stands on the way these are as Hixie-76 or as RFC 6455.
      .filter(({ dialect }) => !EARLY.includes(dialect))
      .filter(({ peer }) => !recipe.clients || recipe.clients.includes(peer))
      .map((client) => ({ name: `${client.name} -> ${backend.name} (${recipe.name})`, client, backend, way: recipe.name, direct: false, serve: recipe.name }));
    const site = (options) => new Place({ ...options, recipe, certificates });
    good = await run({ pairs, conversations, faults, site, lanes: 1 }, values) && good;
  }
  process.exitCode = good ? 0 : 1;
}

main();
