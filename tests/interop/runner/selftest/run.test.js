'use strict';
// What the runner does with peers that are ill: it names them, goes on, ends, and fails.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const path = require('node:path');
const { describe, it } = require('node:test');

/// Exit code and output of a run in which one client and one backend have this illness.
function outcome(...args) {
  return new Promise((resolve) => {
    const run = [path.join(__dirname, 'ill-run.js'), ...args];
    execFile(process.execPath, run, { timeout: 60000 }, (error, stdout) => resolve({ code: error ? error.code : 0, stdout }));
  });
}

/// The lines of one pair.
function pair(stdout, name) {
  const at = stdout.indexOf(`${name}: `);
  assert.notStrictEqual(at, -1, `no ${name} in:\n${stdout}`);
  return stdout.slice(at).split(/\n(?! )/)[0];
}

/// What the output says of an ill client and of an ill backend, and why.
const ILLNESSES = {
  'crash-at-start': ['client ILL ended (exit code 1)', 'backend ILL ended (exit code 1)', 'stillborn'],
  'hang-at-start': ['expected: client ILL to start', 'expected: backend ILL to start', 'nothing before the deadline'],
  'wrong-dialect': ['expected: client ILL to speak rfc6455', 'expected: backend ILL to speak rfc6455', 'hixie-75'],
  crash: ['client ILL ended (exit code 1)', 'backend ILL ended (exit code 1)', 'struck down'],
  hang: ['at the backend', 'at the backend', 'nothing before the deadline'],
  garbage: ['client ILL broke the contract', 'backend ILL broke the contract', 'once upon a time'],
  null: ['client ILL broke the contract', 'backend ILL broke the contract', 'null'],
  'hang-at-reset': ['client ILL to reset itself', null, 'nothing before the deadline'],
  'hang-at-end': ['client ILL did not end within', null, 'ms'],
  'crash-at-end': ['client ILL ended (exit code 3)', null, 'exit code 3'],
};

describe('the runner', { concurrency: 3 }, () => {
  for (const [illness, [ofClient, ofBackend, words]] of Object.entries(ILLNESSES)) {
    it(`names a peer with ${illness}, and goes on`, async () => {
      const { code, stdout } = await outcome(illness);
      assert.strictEqual(code, 1, stdout);
      assert.match(stdout, /interop: 4 pairs/);
      assert.match(pair(stdout, 'none -> none'), /6 passed, 0 failed/);
      const signs = [ofClient, ofBackend].filter(Boolean).map((sign) => sign.replace('ILL', illness));
      for (const sign of [...signs, words]) assert.ok(stdout.includes(sign), `${sign} not in:\n${stdout}`);
      assert.doesNotMatch(pair(stdout, `${illness} -> none`), / 0 failed/);
      if (ofBackend) assert.doesNotMatch(pair(stdout, `none -> ${illness}`), / 0 failed/);
    });
  }

  for (const illness of ['hang-at-end', 'crash-at-end']) {
    it(`names a backend with ${illness}`, async () => {
      const { stdout } = await outcome(illness);
      assert.match(stdout, new RegExp(`^failed: backend ${illness} (did not end within|ended \\(exit code 3)`, 'm'));
    });
  }

  it('is content with healthy peers', async () => {
    const { code, stdout } = await outcome('none');
    assert.strictEqual(code, 0, stdout);
  });

  it('tells a known fault, and goes on behind it', async () => {
    const { code, stdout } = await outcome('none', 'first: wrong');
    assert.strictEqual(code, 0, stdout);
    assert.match(stdout, /24 passed, 0 failed, 4 not possible, 4 prevented/);
    assert.match(stdout, /somebody: it is made so\n +prevents: first: wrong\n/);
  });

  it('fails when a known fault is gone', async () => {
    const { code, stdout } = await outcome('none', 'first: echo');
    assert.strictEqual(code, 1, stdout);
    assert.match(stdout, /passed, but is listed as a fault of somebody/);
  });

  it('fails when a known fault names no check', async () => {
    const { code, stdout } = await outcome('none', 'first: nothing');
    assert.strictEqual(code, 1, stdout);
    assert.match(stdout, /stale, for it was seen nowhere/);
  });
});
