'use strict';
// A capture of TCP connections to one port: tcpdump, from before the first packet to the last.

const fs = require('fs');
const { Program } = require('../runner/program');

// Ethernet, IPv4 without options, TCP: what lo has here.
const FILE_HEAD = 24;
const PACKET_HEAD = 16;
const TCP = 14 + 20;
const FIN = 1;
const RST = 4;

class Capture {
  constructor(port) {
    const filter = `tcp port ${port}`;
    // Written packet by packet, so that the end of the connection can be waited for.
    this.program = new Program('tcpdump', ['tcpdump', '-i', 'lo', '-n', '-s', '0', '-U', '--immediate-mode', '-B', '65536', '-w', '-', filter]);
    this.pieces = [];
    this.rest = Buffer.alloc(0);
    this.headed = false;
    this.ends = new Set();
    this.waiters = new Set();
    this.program.child.stdout.on('data', (bytes) => this.read(bytes));
    this.program.child.stderr.setEncoding('utf8').on('data', (text) => {
      text.split('\n').forEach((line) => this.program.complain(line));
      this.look();
    });
    this.program.over.then(() => this.look());
  }

  look() {
    for (const waiter of [...this.waiters]) waiter();
  }

  read(bytes) {
    this.pieces.push(bytes);
    this.rest = Buffer.concat([this.rest, bytes]);
    if (!this.headed && this.rest.length >= FILE_HEAD) {
      this.headed = true;
      this.rest = this.rest.subarray(FILE_HEAD);
    }
    while (this.headed && this.rest.length >= PACKET_HEAD) {
      const size = PACKET_HEAD + this.rest.readUInt32LE(8);
      if (this.rest.length < size) break;
      const packet = this.rest.subarray(PACKET_HEAD, size);
      const flags = packet[TCP + 13];
      if (flags & FIN) this.ends.add(packet.readUInt16BE(TCP));
      if (flags & RST) this.reset = true;
      this.rest = this.rest.subarray(size);
    }
    this.look();
  }

  until(holds, what, deadline) {
    return new Promise((resolve, reject) => {
      const settle = (done, value) => {
        clearTimeout(timer);
        this.waiters.delete(look);
        done(value);
      };
      const look = () => {
        if (holds()) settle(resolve);
        else if (this.program.ended) settle(reject, new Error(`tcpdump ended: ${this.program.complaints.join('; ')}`));
      };
      const timer = setTimeout(() => settle(reject, new Error(`tcpdump: no ${what} before the deadline`)), deadline - Date.now());
      this.waiters.add(look);
      look();
    });
  }

  async listening(deadline) {
    await this.until(() => this.program.complaints.some((line) => line.includes('listening on')), 'start', deadline);
    return this;
  }

  /// Waits for the end of the connection, or of so many, ends tcpdump and writes the file.
  async keep(file, deadline, connections = 1) {
    await this.until(() => this.reset || this.ends.size === connections + 1, 'end of the connections', deadline);
    const fault = await this.program.end(Math.max(1, deadline - Date.now()), 'SIGTERM');
    if (fault) throw new Error(fault);
    const dropped = this.program.complaints.find((line) => /^[1-9]\d* packets? dropped by kernel/.test(line));
    if (dropped) throw new Error(dropped);
    fs.writeFileSync(file, Buffer.concat(this.pieces));
  }
}

module.exports = { Capture };
