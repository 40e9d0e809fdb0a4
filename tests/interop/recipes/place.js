'use strict';
// A backend, hybridge and what the recipe has around it, in a folder of its own: started when first
// wanted, and anew when one of them is gone. Stands in the place of a site of the runner.

const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const { Mismatch } = require('../runner/mismatch');
const { Program } = require('../runner/program');
const { write } = require('./page');

const PAUSE_MS = 20;

class Place {
  constructor({ recipe, certificates, peer, hybridge, starts, limits }) {
    Object.assign(this, { recipe, certificates, peer, hybridge, starts, limits });
    this.backend = null;
    this.others = [];
    this.folder = null;
  }

  get programs() {
    return [this.backend, ...this.others].filter(Boolean);
  }

  get origin() {
    return this.recipe.origin;
  }

  async stand(_, deadline) {
    if (this.programs.some((program) => program.ended)) await this.clear();
    if (this.backend) return;
    const { name, command, dialect } = this.peer;
    this.backend = await this.starts.peer(`backend ${name}`, command, dialect, deadline);
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'recipe-'));
    const own = (text) => text.replaceAll('127.0.0.1:9000', `127.0.0.1:${this.backend.about.port}`).replaceAll('FOLDER', this.folder);
    write(new Map([...this.recipe.files()].map(([file, text]) => [file, own(text)])), this.folder);
    for (const name of this.recipe.certificates || []) {
      for (const file of [`${name}.pem`, `${name}.key`]) fs.copyFileSync(path.join(this.certificates, file), path.join(this.folder, file));
    }
    const hybridge = [this.hybridge, 'serve', '-c', 'hybridge.toml'];
    this.others = [hybridge, ...this.recipe.programs].map((command) => this.start(command));
    await this.answers(deadline);
  }

  start(command) {
    const program = new Program(command[0], command, { cwd: this.folder });
    program.child.stdout.resume();
    program.child.stderr.setEncoding('utf8').on('data', (text) => text.split('\n').forEach((line) => program.complain(line)));
    return program;
  }

  /// Waits until a client would be taken to hybridge.
  async answers(deadline) {
    while (Date.now() < deadline) {
      const ended = this.others.find((program) => program.ended);
      if (ended) throw new Mismatch('all programs of the recipe to stay', `${ended.ended}\n${ended.complaints.join('\n')}`);
      if (await answers(new URL(this.origin))) return;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    throw new Mismatch(`an answer at ${this.origin}`, 'nothing before the deadline');
  }

  async end() {
    const troubles = [];
    // SIGTERM is no orderly end for HAProxy in the foreground.
    for (const program of this.others) {
      troubles.push(await program.end(this.limits.end, program.name === 'haproxy' ? 'SIGUSR1' : 'SIGTERM'));
    }
    troubles.push(this.backend && await this.backend.end(this.limits.end));
    this.tidy();
    return troubles.filter(Boolean);
  }

  async clear() {
    for (const program of this.programs) await program.kill();
    this.backend = null;
    this.others = [];
    this.tidy();
  }

  tidy() {
    if (this.folder) fs.rmSync(this.folder, { recursive: true, force: true });
    this.folder = null;
  }
}

/// Whether who connects there gets an answer: front proxies take connections before there is anyone
/// behind them. By TLS it is enough that someone listens.
function answers({ protocol, hostname, port }) {
  return new Promise((resolve) => {
    const socket = net.connect(port || (protocol === 'wss:' ? 443 : 80), hostname);
    const done = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', () => (protocol === 'wss:' ? done(true) : socket.write('BAD\r\n\r\n')));
    socket.on('data', () => done(true));
    socket.on('close', () => done(false));
    socket.on('error', () => done(false));
  });
}

module.exports = { Place };
