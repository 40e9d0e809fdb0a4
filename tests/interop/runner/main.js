'use strict';
// Runs every conversation for every pair of the matrix.
// Arguments: the hybridge binary, or `--direct` to let the peers of one dialect talk without it.

const path = require('path');
const conversations = require('../conversations');
const { clients, backends, pairs } = require('../matrix');
const { Peer } = require('./peer');
const { Proxy } = require('./proxy');
const { Report } = require('./report');
const { Session } = require('./session');

const START_MS = 20000;
const CONVERSATION_MS = 20000;
// A proxy that hangs everywhere must not take the sum of all deadlines.
const RUN_MS = 200000;

const binary = process.argv[2];
const direct = binary === '--direct';
const report = new Report();
const runEnds = Date.now() + RUN_MS;

function within(ms) {
  return Math.min(Date.now() + ms, runEnds);
}

async function pairTalks(pair) {
  report.pair(direct
    ? `${pair.client} -> ${pair.backend}`
    : `${pair.client} -> hybridge -> ${pair.backend} (${pair.serve.join(' ')})`);
  const started = [];
  const start = async (program) => {
    started.push(program);
    return program.ready(within(START_MS));
  };
  try {
    const backend = await start(new Peer(`backend ${pair.backend}`, backends[pair.backend]));
    const proxy = direct ? null : await start(new Proxy(binary, backend.about.port, pair.serve));
    for (const conversation of conversations) await talk(pair, conversation, backend, proxy);
    if (proxy && proxy.ended) report.failed('hybridge outlives the conversations', new Error(proxy.ended), [proxy]);
  } catch (error) {
    report.failed('start', error, started);
  }
  for (const program of started.reverse()) await program.end('SIGTERM');
}

/// One conversation with a fresh client, so that one that crashed or hangs spoils no other.
async function talk(pair, conversation, backend, proxy) {
  const client = new Peer(`client ${pair.client}`, clients[pair.client]);
  const programs = [client, backend, ...(proxy ? [proxy] : [])];
  const named = (check) => `${conversation.name}: ${check}`;
  const checks = [['opens', (s) => s.open(conversation.open)], ...conversation.checks];
  let session;
  let at = 0;
  try {
    await client.ready(within(START_MS));
    session = new Session({
      client, backend, direct,
      port: proxy ? proxy.port : backend.about.port,
      deadline: within(CONVERSATION_MS),
    });
    if (conversation.applies && !conversation.applies(session)) {
      report.unfit(conversation.name);
    } else {
      for (; at < checks.length; at += 1) {
        const [name, steps, applies] = checks[at];
        if (applies && !applies(session)) report.unfit(named(name));
        else report.ok(named(name), await steps(session));
      }
    }
  } catch (error) {
    report.failed(named(checks[at][0]), error, programs);
    for (const [name] of checks.slice(at + 1)) report.notReached(named(name));
  }
  await client.end();
}

async function main() {
  process.chdir(path.join(__dirname, '..'));
  for (const pair of pairs) if (!direct || pair.direct) await pairTalks(pair);
  process.exitCode = report.finish() ? 0 : 1;
}

main();
