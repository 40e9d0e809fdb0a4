'use strict';
// A run with fake peers: a client and a backend with an illness, a client and a backend without, all
// with all. Arguments: the illness, and the check that a fault is listed for.

const path = require('path');
const { run } = require('../run');
const { Mismatch } = require('../mismatch');

const [, , illness, faultAt] = process.argv;

function fake(role, illness) {
  return {
    name: illness,
    dialect: 'rfc6455',
    command: ['node', path.join(__dirname, 'fake-peer.js'), role, illness],
  };
}

const backends = [fake('backend', illness), fake('backend', 'none')];
const clients = [fake('client', illness), fake('client', 'none')];
const pairs = backends.flatMap((backend) => clients.map((client) => ({
  name: `${client.name} -> ${backend.name}`, client, backend, way: 'direct', direct: true,
})));

const conversations = ['first', 'second'].map((name) => ({
  name,
  open: { target: '/' },
  checks: [
    ['echo', (s) => s.echo('a', 'b')],
    ['wrong', () => { throw new Mismatch('right', 'wrong'); }, () => name === 'first' && faultAt === 'first: wrong'],
    ['echo again', (s) => s.echo('c')],
  ],
}));

const faults = faultAt
  ? [{ peer: 'somebody', checks: [faultAt], where: () => true, reason: 'it is made so', shown: 'this file' }]
  : [];

const limits = { start: 5000, check: 2000, fault: 2000, end: 2000, pair: 20000, run: 40000 };

run({ pairs, conversations, faults, limits }).then((good) => {
  process.exitCode = good ? 0 : 1;
});
