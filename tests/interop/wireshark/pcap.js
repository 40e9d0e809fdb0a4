'use strict';
// Writes a capture: TCP connections whose segments are cut as the test wants them.

const fs = require('fs');

const SYN = 2;
const ACK = 16;
const FIN = 1;
const MTU_FREE = 60000;

function fileHead() {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(262144, 16);
  head.writeUInt32LE(1, 20);
  return head;
}

/// One packet: Ethernet, IPv4, TCP. `kept` bytes of it are in the capture.
function packet(at, { source, target, seq, ack, flags, payload = Buffer.alloc(0), kept }) {
  const head = Buffer.alloc(54);
  head.writeUInt16BE(0x0800, 12);
  head[14] = 0x45;
  head.writeUInt16BE(40 + payload.length, 16);
  head[22] = 64;
  head[23] = 6;
  head.set([10, 0, 0, source.host], 26);
  head.set([10, 0, 0, target.host], 30);
  head.writeUInt16BE(source.port, 34);
  head.writeUInt16BE(target.port, 36);
  head.writeUInt32BE(seq, 38);
  head.writeUInt32BE(ack, 42);
  head[46] = 0x50;
  head[47] = flags;
  head.writeUInt16BE(65535, 48);
  const whole = Buffer.concat([head, payload]);
  const record = Buffer.alloc(16);
  record.writeUInt32LE(1_700_000_000 + Math.floor(at / 1000), 0);
  record.writeUInt32LE((at % 1000) * 1000, 4);
  record.writeUInt32LE(Math.min(whole.length, kept ?? whole.length), 8);
  record.writeUInt32LE(whole.length, 12);
  return Buffer.concat([record, whole.subarray(0, kept)]);
}

/// The packets of one connection: from SYN to FIN, a packet for each of `segments`, which are
/// { from: 'client' | 'server', bytes, kept }.
function connection({ client, server, segments }, nth) {
  const ends = { client, server };
  // By this a connection is told from an older one of the same ports.
  const seq = { client: 1000 + nth * 1_000_000, server: 5000 + nth * 1_000_000 };
  const other = { client: 'server', server: 'client' };
  const packets = [];
  const send = (from, flags, payload, kept) => {
    const to = other[from];
    packets.push({ source: ends[from], target: ends[to], seq: seq[from], ack: flags === SYN ? 0 : seq[to], flags, payload, kept });
    seq[from] += (payload?.length || 0) + (flags & (SYN | FIN) ? 1 : 0);
  };
  send('client', SYN);
  send('server', SYN | ACK);
  send('client', ACK);
  for (const { from, bytes, kept } of segments) {
    for (let at = 0; at < bytes.length; at += MTU_FREE) send(from, ACK, bytes.subarray(at, at + MTU_FREE), kept);
  }
  send('client', FIN | ACK);
  send('server', FIN | ACK);
  send('client', ACK);
  return packets;
}

/// Writes connections, one behind the other, or with `mixed` by turns.
function write(file, connections, mixed = false) {
  const all = connections.map(connection);
  const order = mixed
    ? Array.from({ length: Math.max(...all.map(({ length }) => length)) }, (_, n) => all.flatMap((packets) => packets.slice(n, n + 1))).flat()
    : all.flat();
  fs.writeFileSync(file, Buffer.concat([fileHead(), ...order.map((one, at) => packet(at, one))]));
}

module.exports = { write };
