'use strict';
// A headless Chromium, driven over the DevTools protocol: as much of it as the test of a page needs.

const { spawn } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const readline = require('readline');
const WebSocket = require('ws');

const OPTIONS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--remote-debugging-port=0',
];

class Browser {
  static async start() {
    const browser = new Browser();
    browser.profile = fs.mkdtempSync(path.join(os.tmpdir(), 'hybridge-page-'));
    browser.child = spawn('chromium', [...OPTIONS, `--user-data-dir=${browser.profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    // Its helpers share its stderr and outlive it by a little; they write into the profile to the end.
    browser.ended = new Promise((resolve) => browser.child.on('close', resolve));
    const address = await new Promise((resolve, reject) => {
      browser.child.on('error', reject);
      browser.child.on('exit', (code) => reject(new Error(`chromium ended with ${code}`)));
      readline.createInterface({ input: browser.child.stderr }).on('line', (line) => {
        const found = /DevTools listening on (ws:\S+)/.exec(line);
        if (found) resolve(found[1]);
      });
    });
    browser.socket = new WebSocket(address, { perMessageDeflate: false, maxPayload: 1 << 28 });
    await new Promise((resolve, reject) => {
      browser.socket.on('open', resolve);
      browser.socket.on('error', reject);
    });
    browser.calls = new Map();
    browser.pages = new Map();
    browser.socket.on('message', (data) => browser.take(JSON.parse(data)));
    return browser;
  }

  take(message) {
    if (message.id === undefined) {
      const page = this.pages.get(message.sessionId);
      if (page) page.take(message);
      return;
    }
    const { resolve, reject } = this.calls.get(message.id);
    this.calls.delete(message.id);
    if (message.error) reject(new Error(message.error.message));
    else resolve(message.result);
  }

  call(method, params = {}, sessionId = undefined) {
    const id = (this.last = (this.last || 0) + 1);
    return new Promise((resolve, reject) => {
      this.calls.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    });
  }

  // A page of a size in CSS pixels, in a colour scheme.
  async page({ width, height, dark = false }) {
    const { targetId } = await this.call('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.call('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(this, sessionId, targetId);
    this.pages.set(sessionId, page);
    for (const domain of ['Page', 'Runtime', 'Log']) await page.call(`${domain}.enable`);
    await page.call('Page.setLifecycleEventsEnabled', { enabled: true });
    const mobile = width < 600;
    await page.call('Emulation.setDeviceMetricsOverride', {
      width, height, mobile, deviceScaleFactor: mobile ? 2 : 1,
    });
    await page.call('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }],
    });
    return page;
  }

  async stop() {
    this.socket.terminate();
    this.child.kill();
    await this.ended;
    fs.rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Page {
  constructor(browser, session, target) {
    Object.assign(this, { browser, session, target });
    // What went wrong in the page, in order.
    this.complaints = [];
  }

  call(method, params) {
    return this.browser.call(method, params, this.session);
  }

  take({ method, params }) {
    if (method === 'Page.lifecycleEvent') {
      if (this.loaded && params.name === 'load') this.loaded(params.loaderId);
    } else if (method === 'Runtime.exceptionThrown') {
      const { exception, text } = params.exceptionDetails;
      this.complaints.push((exception && exception.description) || text);
    } else if (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(params.type)) {
      this.complaints.push(params.args.map((argument) => argument.value || argument.description).join(' '));
    } else if (method === 'Log.entryAdded' && params.entry.level !== 'info') {
      this.complaints.push(`${params.entry.text} ${params.entry.url || ''}`);
    }
  }

  async open(url) {
    // Before it is loaded, an expression would be evaluated in the page that is left.
    const loads = new Set();
    const all = new Promise((resolve) => {
      this.loaded = (load) => {
        loads.add(load);
        if (loads.has(this.load)) resolve();
      };
    });
    ({ loaderId: this.load } = await this.call('Page.navigate', { url }));
    this.loaded();
    await all;
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', {
      expression, awaitPromise: true, returnByValue: true,
    });
    if (exceptionDetails) {
      throw new Error(`${expression}: ${exceptionDetails.exception.description || exceptionDetails.text}`);
    }
    return result.value;
  }

  // Waits until an expression holds in the page, which is looked at whenever the page changes.
  until(expression) {
    return this.evaluate(`new Promise((resolve) => {
      const check = () => {
        if (!(${expression})) return;
        watching.disconnect();
        resolve();
      };
      const watching = new MutationObserver(check);
      watching.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
      check();
    })`);
  }

  // A click with the mouse, where a person would click.
  async click(selector) {
    const place = await this.evaluate(`(() => {
      const element = document.querySelector(${JSON.stringify(selector)});
      element.scrollIntoView({ block: 'center', behavior: 'instant' });
      const { x, y, width, height } = element.getBoundingClientRect();
      const at = { x: x + width / 2, y: y + height / 2 };
      const hit = document.elementFromPoint(at.x, at.y);
      return { ...at, covered: !(hit && (element.contains(hit) || hit.contains(element))) };
    })()`);
    if (place.covered) throw new Error(`${selector} is covered by something else`);
    for (const type of ['mousePressed', 'mouseReleased']) {
      await this.call('Input.dispatchMouseEvent', { type, x: place.x, y: place.y, button: 'left', clickCount: 1 });
    }
  }

  async type(selector, text) {
    await this.evaluate(`(() => { const box = document.querySelector(${JSON.stringify(selector)}); box.focus(); box.select(); })()`);
    await this.call('Input.insertText', { text });
  }

  async shot(file, whole = true) {
    const { data } = await this.call('Page.captureScreenshot', { format: 'png', captureBeyondViewport: whole });
    fs.writeFileSync(file, Buffer.from(data, 'base64'));
  }

  async close() {
    this.browser.pages.delete(this.session);
    await this.browser.call('Target.closeTarget', { targetId: this.target });
  }
}

module.exports = { Browser };
