'use strict';
// The DevTools protocol on a pipe: JSON, each message ended by a NUL.

class DevTools {
  /// `heard` gets every event.
  constructor(input, output, heard) {
    this.input = input;
    this.heard = heard;
    this.asked = new Map();
    this.expected = [];
    this.last = 0;
    let rest = [];
    input.on('error', () => {});
    output.on('data', (bytes) => {
      let from = 0;
      for (let nul = bytes.indexOf(0); nul >= 0; nul = bytes.indexOf(0, from)) {
        this.take(JSON.parse(Buffer.concat([...rest, bytes.subarray(from, nul)])));
        rest = [];
        from = nul + 1;
      }
      if (from < bytes.length) rest.push(bytes.subarray(from));
    });
  }

  take(message) {
    const asked = this.asked.get(message.id);
    this.asked.delete(message.id);
    if (asked) return message.error ? asked.reject(new Error(message.error.message)) : asked.resolve(message.result);
    if (!message.method) return;
    const at = this.expected.findIndex((each) => each.method === message.method && each.session === message.sessionId);
    if (at >= 0) this.expected.splice(at, 1)[0].resolve();
    this.heard(message);
  }

  /// The result of a method.
  ask(method, params = {}, sessionId = undefined) {
    this.last += 1;
    this.input.write(`${JSON.stringify({ id: this.last, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.asked.set(this.last, { resolve, reject }));
  }

  /// Resolves when this event comes from that session.
  next(method, session) {
    return new Promise((resolve) => this.expected.push({ method, session, resolve }));
  }
}

module.exports = { DevTools };
