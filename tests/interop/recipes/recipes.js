'use strict';
// What is tried as it is written: the files of how-to pages, in a network of their own, so that even
// the ports are those of the page. Only the backend's port is put in, which the backend chooses.

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const { filesOf } = require('./page');

const NGINX = ['nginx', '-p', '.', '-c', 'nginx.conf', '-g', 'daemon off;'];
const HAPROXY = ['haproxy', '-db', '-f', 'haproxy.cfg'];

/// Who can end TLS without a proxy of its own, given the root in the variables that OpenSSL and node
/// know.
const TLS_CLIENTS = ['ws', 'websockets', 'Perl'];

/// Makes a certificate for a name that signs itself, in `folder`; its path.
function certificate(folder, name) {
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
    '-addext', `subjectAltName=DNS:${name},DNS:localhost,IP:127.0.0.1`,
    '-keyout', `${name}.key`, '-out', `${name}.pem`,
  ], { cwd: folder, stdio: 'ignore' });
  return path.join(folder, `${name}.pem`);
}

/// name: what the report calls the way. files: what stands in the folder. certificates: for which
/// names there are some beside them. programs: what is started there beside hybridge. origin: where
/// clients connect. clients: the peers that can come this way.
const recipes = [
  {
    name: 'before a legacy server',
    files: () => filesOf('how-to/put-it-before-a-legacy-server.md'),
    programs: [],
    origin: 'ws://127.0.0.1:8080',
  },
  {
    name: 'behind nginx stream, PROXY v1',
    files: () => filesOf('how-to/put-it-behind-nginx.md'),
    programs: [NGINX],
    origin: 'ws://127.0.0.1:80',
  },
  {
    name: 'behind HAProxy tcp, PROXY v2',
    files: () => filesOf('how-to/put-it-behind-haproxy.md'),
    programs: [HAPROXY],
    origin: 'ws://127.0.0.1:80',
  },
  {
    name: 'TLS in the place of nginx',
    files: () => filesOf('how-to/replace-nginx.md'),
    certificates: ['chat.example'],
    programs: [],
    origin: 'wss://localhost:443/socket',
    clients: TLS_CLIENTS,
  },
  {
    name: 'Unix sockets, wss backend',
    files: () => new Map(['nginx.conf', 'hybridge.toml'].map((name) => [
      name, fs.readFileSync(path.join(__dirname, 'unix', name), 'utf8'),
    ])),
    certificates: ['backend.example'],
    programs: [NGINX],
    origin: 'ws://127.0.0.1:80',
  },
];

module.exports = { certificate, recipes };
