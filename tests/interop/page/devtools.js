'use strict';
// A headless Chromium, driven over the DevTools protocol: as much of it as the test of a page needs.

const { spawn } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { DevTools } = require('../clients/chromium/devtools');

const OPTIONS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--remote-debugging-pipe',
];

class Browser {
  constructor() {
    this.profile = fs.mkdtempSync(path.join(os.tmpdir(), 'hybridge-page-'));
    this.child = spawn('chromium', [...OPTIONS, `--user-data-dir=${this.profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    });
    this.child.stderr.resume();
    // Its helpers share its stderr and outlive it by a little; they write into the profile to the end.
    this.ended = new Promise((resolve) => this.child.on('close', resolve));
    this.pages = new Map();
    const [, , , input, output] = this.child.stdio;
    this.devtools = new DevTools(input, output, (message) => this.pages.get(message.sessionId)?.take(message));
  }

  call(method, params, session) {
    return this.devtools.ask(method, params, session);
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

  async close() {
    this.browser.pages.delete(this.session);
    await this.browser.call('Target.closeTarget', { targetId: this.target });
  }
}

module.exports = { Browser };
