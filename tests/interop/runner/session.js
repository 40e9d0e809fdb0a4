'use strict';
// One connection seen from both its ends: the steps that the checks in conversations.js are made of.

const { Mismatch, describe, same } = require('./mismatch');

const PATH = /^wss?:\/\/[^/]*(.*)$/;
const CODES = ['rfc6455', 'hybi-08', 'hybi-07', 'hybi-06'];
const FRAMES = ['hybi-05', 'hybi-04', 'hybi-03', 'hybi-02', 'hybi-01'];

class Session {
  constructor({ client, backend, origin, direct }) {
    Object.assign(this, { client, backend, origin, direct });
    this.id = null;
    // What an earlier conversation left.
    backend.events.length = 0;
  }

  clientIs(...dialects) {
    return dialects.includes(this.client.about.dialect);
  }

  backendIs(...dialects) {
    return dialects.includes(this.backend.about.dialect);
  }

  /// Of the dialects that have close codes and reasons.
  get clientHasCodes() {
    return this.clientIs(...CODES);
  }

  get backendHasCodes() {
    return this.backendIs(...CODES);
  }

  /// Of those that have a frame for the close and nothing to say in it.
  get clientHasBareClose() {
    return this.clientIs(...FRAMES);
  }

  get backendHasBareClose() {
    return this.backendIs(...FRAMES);
  }

  /// The origin that the client says. Perl's library says `https:` of any when it connects by TLS.
  get ownOrigin() {
    const { origin } = this.client.about;
    return this.origin.startsWith('wss:') && /Perl/.test(this.client.name) ? origin.replace(/^http:/, 'https:') : origin;
  }

  bothCan(what) {
    return this.client.can(what) && this.backend.can(what);
  }

  /// Opens the connection and waits until each end says it is open.
  async open({ target, protocol, cookie }) {
    this.client.tell({ do: 'open', url: `${this.origin}${target}`, protocol, cookie });
    this.atClient = await this.clientNext('open', 'the opening at the client');
    this.atBackend = await this.backend.take(
      (event) => event.event === 'open', 'the opening at the backend', this.deadline);
    // Where the origin has a path, all targets stand below it.
    this.atBackend.target = this.atBackend.target.replace(PATH.exec(this.origin)[1], '');
    this.id = this.atBackend.id;
  }

  clientNext(kind, what) {
    return this.next(this.client, () => true, kind, what);
  }

  backendNext(kind, what) {
    return this.next(this.backend, (event) => event.id === this.id, kind, what);
  }

  /// The next event of one end, which must be of this kind: nothing is skipped, so nothing is lost,
  /// doubled or out of order unseen.
  async next(end, belongs, kind, what) {
    const event = await end.take(belongs, what, this.deadline);
    if (event.event !== kind) throw new Mismatch(what, describe(event));
    return event;
  }

  /// The client sends texts in one go; the backend gets and echoes each; the client gets the echoes.
  async echo(...texts) {
    this.client.tell({ do: 'send', texts });
    for (const text of texts) await this.backendGets(text);
    for (const text of texts) await this.clientGets(text);
  }

  async echoBinary(bytes) {
    const base64 = bytes.toString('base64');
    this.client.tell({ do: 'binary', base64 });
    same('at the backend, binary', base64, (await this.backendNext('message', 'a binary message at the backend')).binary);
    same('back at the client, binary', base64, (await this.clientNext('message', 'a binary message back at the client')).binary);
  }

  async backendGets(text) {
    const message = await this.backendNext('message', `a text message of ${Buffer.byteLength(text)} bytes at the backend`);
    same('at the backend, text', text, message.text);
  }

  async clientGets(text) {
    const message = await this.clientNext('message', `a text message of ${Buffer.byteLength(text)} bytes at the client`);
    same('at the client, text', text, message.text);
  }

  async backendSends(text) {
    this.backend.tell({ do: 'send', id: this.id, text });
    await this.clientGets(text);
  }

  async clientPings(payload) {
    const base64 = Buffer.from(payload).toString('base64');
    this.client.tell({ do: 'ping', base64 });
    same('pong, base64', base64, (await this.clientNext('pong', 'a pong at the client')).base64);
  }

  async backendPings(payload) {
    const base64 = Buffer.from(payload).toString('base64');
    this.backend.tell({ do: 'ping', id: this.id, base64 });
    same('pong, base64', base64, (await this.backendNext('pong', 'a pong at the backend')).base64);
  }

  /// Both ends have told their close: nothing may be left over.
  nothingLeft() {
    const stray = this.client.events[0] || this.backend.events.find((event) => event.id === this.id);
    if (stray) throw new Mismatch('no further event', describe(stray));
  }
}

module.exports = { Session };
