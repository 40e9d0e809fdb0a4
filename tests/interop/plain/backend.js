'use strict';
// A plain HTTP server of node: what a web application does that a proxy could get wrong.

const crypto = require('crypto');
const http = require('http');
const { once } = require('events');

const BIG = 100 * 1024 * 1024;
const PIECE = Buffer.alloc(64 * 1024, 'hybridge ');
const POLL_MS = 60000;

const routes = {
  '/status': (request, response, url) => {
    response.writeHead(Number(url.searchParams.get('code')), { 'X-Kept': 'Yes', 'x-lower': 'too' });
    response.end(url.searchParams.has('body') ? 'a body\n' : undefined);
  },
  '/headers': (request, response) => response.end(JSON.stringify(request.rawHeaders)),
  /// Says how much came and what it was.
  '/take': async (request, response) => {
    const hash = crypto.createHash('sha256');
    let bytes = 0;
    for await (const piece of request) {
      hash.update(piece);
      bytes += piece.length;
    }
    response.end(`${bytes} ${hash.digest('hex')} ${JSON.stringify(request.trailers)}\n`);
  },
  '/give': async (request, response) => {
    response.writeHead(200, { 'Content-Length': BIG });
    await pour(response);
  },
  '/chunks': async (request, response) => {
    response.writeHead(200, { Trailer: 'X-Sum' });
    await pour(response, { 'X-Sum': 'all of it' });
  },
  /// An event a time, each when the one before was told to have come.
  '/events': (request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write('data: 0\n\n');
    streams.add(response);
    response.on('close', () => streams.delete(response));
  },
  '/event': (request, response, url) => {
    for (const stream of streams) stream.write(`data: ${url.searchParams.get('data')}\n\n`);
    response.end();
  },
  '/poll': (request, response) => {
    const late = setTimeout(() => response.end('at last\n'), POLL_MS);
    response.on('close', () => clearTimeout(late));
  },
  '/': (request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' });
    response.end('<!doctype html><title>plain</title><p>A plain page.');
  },
};

const streams = new Set();

async function pour(response, trailers) {
  for (let sent = 0; sent < BIG; sent += PIECE.length) {
    if (!response.write(PIECE)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
    if (response.destroyed) return;
  }
  if (trailers) response.addTrailers(trailers);
  response.end();
}

function serve(request, response) {
  const url = new URL(request.url, 'http://backend');
  const route = routes[url.pathname];
  if (!route) return response.writeHead(404).end();
  route(request, response, url);
}

/// Listens; with its port.
async function start() {
  const server = http.createServer(serve);
  server.on('checkContinue', (request, response) => {
    if (request.url === '/refuse') return response.writeHead(417).end();
    response.writeContinue();
    serve(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: server.address().port };
}

module.exports = { BIG, POLL_MS, start };
