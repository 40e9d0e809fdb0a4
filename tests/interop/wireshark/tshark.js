'use strict';
// What Wireshark sees in a capture: tshark with the dissector of docs/wireshark and without it, in one
// pass and in two, and sharkd, which shows packets in any order as Wireshark's window does.

const assert = require('node:assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const readline = require('readline');
const { execFile, spawn } = require('child_process');

const SCRIPT = path.join(__dirname, '../../../docs/wireshark/websocket-drafts.lua');
const LIMITS = { encoding: 'utf8', maxBuffer: 1 << 28, timeout: 60000, killSignal: 'SIGKILL' };
// On lo, what one processor sends may be captured before what another sent earlier.
const ORDERLY = 'tcp.reassemble_out_of_order: TRUE';
const PASSES = { 'in one pass': [], 'in two passes': ['-2'] };

function tshark(file, options) {
  return new Promise((resolve, reject) => {
    execFile('tshark', ['-n', '-o', ORDERLY.replace(' ', ''), '-r', file, ...options], LIMITS, (error, stdout, stderr) => {
      // A script that fails says so on stderr and leaves the exit code as it is.
      if (error || /lua/i.test(stderr)) reject(error || new Error(stderr));
      else resolve(stdout);
    });
  });
}

const withScript = (...options) => ['-X', `lua_script:${SCRIPT}`, ...options];

/// The first of what may be a list.
const list = (value) => (value === undefined ? [] : [value].flat());

/// All that the dissector shows, in order: { frame, stream, draft, from, and type, key3 or answer, … }.
async function shown(file, pass = [], options = []) {
  const json = JSON.parse(await tshark(file, withScript(...pass, ...options, '-Y', 'wsdraft', '-T', 'json', '--no-duplicate-keys', '-J', 'wsdraft frame tcp')));
  return json.flatMap(({ _source: { layers } }) =>
    list(layers.wsdraft).map((item) => ({
      frame: Number(layers.frame['frame.number']),
      stream: Number(list(layers.tcp).at(-1)['tcp.stream']),
      wrong: JSON.stringify(item).match(/wsdraft\.(framing|utf8|part)/)?.[1],
      ...Object.fromEntries(Object.entries(item).map(([name, value]) => [name.replace('wsdraft.', ''), value])),
    })));
}

const bytes = (hex = '') => Buffer.from(hex.replaceAll(':', ''), 'hex');

/// The messages of one side in what is shown.
function messages(items, from) {
  return items.filter((item) => item.from === from)
    .flatMap(({ text, binary }) => (text !== undefined ? [{ text }] : binary !== undefined ? [{ binary: bytes(binary).toString('base64') }] : []));
}

/// Packets that Wireshark finds wrong: what it calls malformed, errors, and warnings of the dissector.
function complaints(file, pass) {
  const wrong = '_ws.malformed || _ws.expert.severity >= "Error" || (wsdraft && _ws.expert.group == "Reassemble") || _ws.lua.error || wsdraft.framing || wsdraft.utf8 || wsdraft.part';
  return tshark(file, withScript(...pass, '-Y', wrong, '-T', 'fields', '-e', 'frame.number', '-e', '_ws.col.Protocol', '-e', '_ws.expert.message'));
}

/// A capture without anything of ours: with the script all is as without it.
async function shownAsEver(file) {
  for (const [how, pass] of Object.entries(PASSES)) {
    const both = [tshark(file, [...pass, '-V']), tshark(file, withScript(...pass, '-V'))];
    const [without, with_] = (await Promise.all(both)).map((text) => text.split('\n'));
    const at = without.findIndex((line, n) => line !== with_[n]);
    assert.strictEqual(with_[at], without[at], `${file}, ${how}, line ${at + 1}`);
    assert.strictEqual(with_.length, without.length, `${file}, ${how}`);
  }
}

/// The trees of sharkd, by packet, asked for from the last packet to the first and then again in order.
async function anyOrder(file) {
  // It has no option for a script: it gets one as its user would install it.
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'sharkd-'));
  const plugins = path.join(home, '.local/lib/wireshark/plugins');
  fs.mkdirSync(plugins, { recursive: true });
  fs.mkdirSync(path.join(home, '.config/wireshark'), { recursive: true });
  fs.writeFileSync(path.join(home, '.config/wireshark/preferences'), `${ORDERLY}\n`);
  fs.copyFileSync(SCRIPT, path.join(plugins, path.basename(SCRIPT)));
  const server = spawn('sharkd', ['-'], { stdio: ['pipe', 'pipe', 'ignore'], env: { PATH: process.env.PATH, HOME: home } });
  const timer = setTimeout(() => server.kill('SIGKILL'), LIMITS.timeout);
  const lines = readline.createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  let id = 0;
  const ask = async (method, params) => {
    server.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params })}\n`);
    const { value, done } = await lines.next();
    assert.ok(!done, 'sharkd ended');
    return JSON.parse(value);
  };
  try {
    assert.ok((await ask('load', { file })).result, `sharkd loads ${file}`);
    const { result: { frames } } = await ask('status');
    const tree = async (frame) => JSON.stringify((await ask('frame', { frame, proto: true })).result.tree);
    const backwards = [];
    for (let frame = frames; frame > 0; frame -= 1) backwards.unshift(await tree(frame));
    const forwards = [];
    for (let frame = 1; frame <= frames; frame += 1) forwards.push(await tree(frame));
    assert.ok(forwards.some((text) => text.includes('WebSocket draft')), 'sharkd has the script');
    return { backwards, forwards };
  } finally {
    clearTimeout(timer);
    server.kill('SIGKILL');
    fs.rmSync(home, { recursive: true, force: true });
  }
}

module.exports = { PASSES, anyOrder, complaints, messages, shown, shownAsEver, tshark, withScript };
