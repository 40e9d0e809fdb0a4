'use strict';
// One backend and hybridge in front of it: started when first wanted, and anew when one of them is
// gone.

const { Mismatch } = require('./mismatch');
const { Proxy } = require('./proxy');

class Site {
  /// `hybridge` is the program, or null where the peers talk without it.
  constructor({ peer, hybridge, starts, limits }) {
    Object.assign(this, { peer, hybridge, starts, limits });
    this.backend = null;
    this.proxy = null;
    this.serve = null;
  }

  get programs() {
    return [this.backend, this.proxy].filter(Boolean);
  }

  /// Where clients connect.
  get origin() {
    return `ws://127.0.0.1:${this.proxy ? this.proxy.port : this.backend.about.port}`;
  }

  /// Makes backend and proxy stand, the proxy with these options.
  async stand(serve, deadline) {
    if (this.programs.some((program) => program.ended)) await this.clear();
    const { name, command, dialect } = this.peer;
    this.backend ??= await this.starts.peer(`backend ${name}`, command, dialect, deadline);
    if (!this.hybridge || String(this.serve) === String(serve)) return;
    const trouble = this.proxy && await this.proxy.end(this.limits.end, 'SIGTERM');
    this.proxy = new Proxy(this.hybridge, this.backend.about.port, serve);
    this.serve = serve;
    await this.proxy.ready(deadline);
    if (trouble) throw new Mismatch('hybridge to end in order', trouble);
  }

  /// Ends both in order; returns what was not.
  async end() {
    const troubles = [
      this.proxy && await this.proxy.end(this.limits.end, 'SIGTERM'),
      this.backend && await this.backend.end(this.limits.end),
    ];
    return troubles.filter(Boolean);
  }

  /// Ends both at once, after a failure.
  async clear() {
    for (const program of this.programs) await program.kill();
    this.backend = this.proxy = this.serve = null;
  }
}

module.exports = { Site };
