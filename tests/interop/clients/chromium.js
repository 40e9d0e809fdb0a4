'use strict';
// Client peer: headless Chromium. A page opens the WebSocket; commands and events pass through the
// DevTools protocol on the browser's own pipe.

const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const { execFileSync, spawn } = require('child_process');
const { say, obey } = require('../contract');
const { DevTools } = require('./chromium/devtools');

const BINARY = 'chromium';
const PAGE = path.join(__dirname, 'chromium', 'page.html');
// Nothing on a network but the page and its WebSocket; root has no sandbox.
const OPTIONS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--no-proxy-server',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-extensions',
  '--disable-default-apps', '--disable-dev-shm-usage', '--log-level=3', '--remote-debugging-pipe',
];

// Below the path that a cookie of a 101 to /interop/… is for.
const PLACE = '/interop/page';

const pages = http.createServer((request, response) => {
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  fs.createReadStream(PAGE).pipe(response);
});

const home = fs.mkdtempSync(path.join(os.tmpdir(), 'hybridge-interop-'));
process.on('exit', () => fs.rmSync(home, { recursive: true, force: true, maxRetries: 5 }));

let browser;
let devtools;
let ending = false;
/// The DevTools session of the page, or null when the page is dead.
let page = null;

function fail(why) {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}

function startBrowser() {
  browser = spawn(BINARY, [...OPTIONS, `--user-data-dir=${home}`, 'about:blank'], {
    env: { ...process.env, HOME: home, TMPDIR: home },
    stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'],
  });
  browser.on('error', (error) => fail(`the browser does not start: ${error.message}`));
  browser.on('exit', (code, signal) =>
    ending ? process.exit(0) : fail(`the browser ended (${signal || `exit code ${code}`})`));
  devtools = new DevTools(browser.stdio[3], browser.stdio[4], ({ method, params, sessionId }) => {
    // A page that was left may still have something to say.
    if (method === 'Runtime.bindingCalled' && sessionId === page) say(JSON.parse(params.payload));
  });
}

async function openPage() {
  const { targetId } = await devtools.ask('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await devtools.ask('Target.attachToTarget', { targetId, flatten: true });
  await devtools.ask('Runtime.enable', {}, sessionId);
  await devtools.ask('Runtime.addBinding', { name: 'say' }, sessionId);
  await devtools.ask('Page.enable', {}, sessionId);
  const loaded = devtools.next('Page.loadEventFired', sessionId);
  await devtools.ask('Page.navigate', { url: `${origin()}${PLACE}` }, sessionId);
  await loaded;
  page = sessionId;
}

function origin() {
  return `http://127.0.0.1:${pages.address().port}`;
}

async function perform(command) {
  const { exceptionDetails } =
    await devtools.ask('Runtime.evaluate', { expression: `perform(${JSON.stringify(command)})` }, page);
  if (exceptionDetails) fail(exceptionDetails.exception?.description || exceptionDetails.text);
}

async function reset(command) {
  await devtools.ask('Storage.clearCookies');
  if (page) await perform(command);
  else await openPage();
  say({ event: 'reset' });
}

/// The page's process dies, and so its socket, without a word to the other end. It never answers.
function abort() {
  devtools.ask('Page.crash', {}, page).catch(() => {});
  page = null;
}

function end() {
  ending = true;
  if (browser) browser.kill('SIGKILL');
  else process.exit(0);
}

async function main() {
  const [, version] = execFileSync(BINARY, ['--version'], { env: { ...process.env, HOME: home } })
    .toString().match(/([\d.]+)/);
  startBrowser();
  await openPage();
  say({
    event: 'ready',
    peer: `Chromium ${version}`,
    dialect: 'rfc6455',
    origin: origin(),
    can: ['binary', 'abort', 'reset'],
  });
}

// One after the other: a command may take its time in the browser.
let last = new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve)).then(main).catch((error) => fail(error.stack));
const inTurn = (work) => (command) => {
  last = last.then(() => work(command)).catch((error) => fail(error.stack));
};

obey({
  open: inTurn(perform),
  send: inTurn(perform),
  binary: inTurn(perform),
  close: inTurn(perform),
  abort: inTurn(abort),
  reset: inTurn(reset),
}, end);
