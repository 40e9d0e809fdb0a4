'use strict';
// Which peers talk to which, and the options `hybridge serve` has for it.
// `direct` marks the pairs that speak one dialect and so can be checked without the proxy.

const clients = {
  'ws': ['node', 'clients/ws.js'],
  'PhantomJS': ['node', 'clients/phantomjs.js'],
};

const backends = {
  'ws': ['node', 'backends/ws.js'],
  'websocket-driver 76': ['node', 'backends/websocket-driver.js', 'hixie-76'],
  'websocket-driver 75': ['node', 'backends/websocket-driver.js', 'hixie-75'],
};

const told = (dialect) => ['--backend-dialect', dialect, '--binary', 'frame'];

const pairs = [
  { client: 'PhantomJS', backend: 'ws', serve: told('rfc6455') },
  { client: 'PhantomJS', backend: 'websocket-driver 76', serve: told('hixie-76'), direct: true },
  { client: 'PhantomJS', backend: 'websocket-driver 75', serve: told('hixie-75') },
  { client: 'ws', backend: 'ws', serve: told('rfc6455'), direct: true },
  { client: 'ws', backend: 'websocket-driver 76', serve: told('hixie-76') },
  { client: 'ws', backend: 'websocket-driver 75', serve: told('hixie-75') },
  { client: 'ws', backend: 'ws', serve: told('auto') },
  { client: 'ws', backend: 'websocket-driver 76', serve: told('auto') },
  { client: 'ws', backend: 'websocket-driver 75', serve: told('auto') },
  { client: 'PhantomJS', backend: 'websocket-driver 76', serve: told('auto') },
];

module.exports = { clients, backends, pairs };
