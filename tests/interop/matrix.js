'use strict';
// The peers, and which of them meet: every client every backend.

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
].flat();

const backends = [
  peer('ws', ['node', 'backends/ws.js'], 'rfc6455'),
  peer('websockets', ['python3', 'backends/python-websockets.py'], 'rfc6455'),
  peer('websocket-driver', ['node', 'backends/websocket-driver.js'], 'hixie-76', 'hixie-75'),
  peer('Perl', ['perl', 'backends/perl.pl'], 'rfc6455', 'hybi-08', 'hixie-76', 'hixie-75'),
  peer('em-websocket', ['ruby', 'backends/em-websocket.rb'], 'rfc6455', 'hybi-08', 'hybi-07', 'hixie-76', 'hixie-75'),
  peer('Netty', ['netty/start', 'backend'], 'rfc6455', 'hybi-08', 'hybi-07', 'hixie-76'),
].flat();

/// Whose backend's dialect hybridge has to find out: one client that can say all, and a real engine
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
      ...clients.map((client) => meeting(client, backend, 'told', backend.dialect)),
      ...clients.filter(({ name }) => FINDERS.includes(name))
        .map((client) => meeting(client, backend, 'auto', 'auto')),
    ];
  });
}

module.exports = { backends, clients, pairs };
