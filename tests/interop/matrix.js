'use strict';
// The peers, and which of them meet: every client every backend, but for the drafts of a few weeks.

/// A program for each dialect that a peer speaks; it gets the dialect as its argument.
function peer(name, command, ...dialects) {
  return dialects.map((dialect) => ({ name: `${name} ${dialect}`, peer: name, dialect, command: [...command, dialect] }));
}

const clients = [
  peer('PhantomJS', ['node', 'clients/phantomjs.js'], 'hixie-76'),
  peer('Chromium', ['node', 'clients/chromium.js'], 'rfc6455'),
  peer('ws', ['node', 'clients/ws.js'], 'rfc6455'),
  peer('websockets', ['python3', 'clients/python-websockets.py'], 'rfc6455'),
  peer('Perl', ['perl', 'clients/perl.pl'], 'rfc6455', 'hybi-08', 'hixie-76', 'hixie-75'),
  peer('Netty', ['netty/start', 'client'], 'rfc6455', 'hybi-08', 'hybi-07', 'hixie-76'),
  peer('scripted', ['node', 'clients/scripted.js'], 'hybi-06', 'hybi-05', 'hybi-04', 'hybi-03', 'hybi-02', 'hybi-01'),
].flat();

const backends = [
  peer('ws', ['node', 'backends/ws.js'], 'rfc6455'),
  peer('websockets', ['python3', 'backends/python-websockets.py'], 'rfc6455'),
  peer('websocket-driver', ['node', 'backends/websocket-driver.js'], 'hixie-76', 'hixie-75'),
  peer('Perl', ['perl', 'backends/perl.pl'], 'rfc6455', 'hybi-08', 'hixie-76', 'hixie-75'),
  peer('em-websocket', ['ruby', 'backends/em-websocket.rb'], 'rfc6455', 'hybi-08', 'hybi-07', 'hybi-06', 'hybi-05', 'hybi-03', 'hixie-76', 'hixie-75'),
  peer('Netty', ['netty/start', 'backend'], 'rfc6455', 'hybi-08', 'hybi-07', 'hixie-76'),
  peer('scripted', ['node', 'backends/scripted.js'], 'hybi-04', 'hybi-02', 'hybi-01'),
].flat();

/// The drafts that were spoken for weeks. Their peers meet one of each kind, and each other in one draft:
/// what they would say to the others is in tests/proxy/matrix.rs, where every dialect meets every one.
const EARLY = ['hybi-06', 'hybi-05', 'hybi-04', 'hybi-03', 'hybi-02', 'hybi-01'];
const KINDS = ['ws rfc6455', 'PhantomJS hixie-76', 'em-websocket hixie-76'];

function meet(client, backend) {
  const early = [client, backend].filter(({ dialect }) => EARLY.includes(dialect));
  if (early.length === 2) return client.dialect === backend.dialect;
  return early.length === 0 || [client, backend].some(({ name }) => KINDS.includes(name));
}

/// Whose backend's dialect hybridge has to find out, of those that it tries: one client that can say all, and a real engine
/// of the time that cannot.
const FINDERS = ['ws rfc6455', 'PhantomJS hixie-76'];

function meeting(client, backend, way, dialect) {
  return {
    name: `${client.name} -> ${backend.name} (${way})`,
    client,
    backend,
    way,
    direct: way === 'direct',
    serve: ['--backend-dialect', dialect, '--binary', 'frame'],
  };
}

/// The pairs through hybridge; or those of one dialect, which can do without it.
function pairs({ direct }) {
  return backends.flatMap((backend) => {
    if (direct) {
      return clients.filter(({ dialect }) => dialect === backend.dialect)
        .map((client) => meeting(client, backend, 'direct', backend.dialect));
    }
    return [
      ...clients.filter((client) => meet(client, backend)).map((client) => meeting(client, backend, 'told', backend.dialect)),
      ...clients.filter(({ name }) => FINDERS.includes(name) && !EARLY.includes(backend.dialect))
        .map((client) => meeting(client, backend, 'auto', 'auto')),
    ];
  });
}

module.exports = { EARLY, backends, clients, pairs };
