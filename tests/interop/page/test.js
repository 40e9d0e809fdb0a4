'use strict';
// The page of `hybridge demo` in a real browser: connects, talks, sees the frames of both legs and
// what is lost, closes, and is told when the demo ends. In light and dark, and on a narrow phone.
//
//   node tests/interop/page/test.js <path to hybridge>
//
// Wants `chromium` in PATH. Exit code 0 when all holds.

const assert = require('assert');
const { spawn } = require('child_process');
const readline = require('readline');
const { Browser } = require('./devtools');

// Far beyond what it takes.
const DEADLINE = 180_000;

const LOOKS = [
  { name: 'light', width: 1280, height: 900 },
  { name: 'dark', width: 1280, height: 900, dark: true },
  { name: 'phone', width: 360, height: 740 },
];

// The demo, and the address of its page.
async function startDemo(hybridge) {
  const child = spawn(hybridge, ['demo'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise((resolve) => child.on('exit', resolve));
  const url = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`the demo ended with ${code}`)));
    readline.createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /http:\/\/127\.0\.0\.1:\d+\//.exec(line);
      if (found) resolve(found[0]);
    });
  });
  return { child, exited, url };
}

const OWN = '.fv-own:last-of-type';

// What stands in the last row of our session that holds a frame of this name: the bytes by leg.
const rowWith = (page, name, said) => page.evaluate(`(() => {
  const own = [...document.querySelectorAll('.fv-own')].at(-1);
  const rows = [...own.querySelectorAll('.fv-row')].filter((row) =>
    row.children.length === 2 && [...row.children].some((frame) => frame.dataset.name === ${JSON.stringify(name)}
      && (${JSON.stringify(said)} === null || frame.querySelector('.fv-said')?.textContent === ${JSON.stringify(said)})));
  return rows.map((row) => {
    const leg = (side) => {
      const frame = row.querySelector('.fv-' + side);
      const hex = (kind) => [...frame.querySelectorAll(kind)].map((each) => each.textContent);
      return { name: frame.dataset.name, hex: hex('.fv-hex'), plain: hex('.fv-plain') };
    };
    return { client: leg('client'), backend: leg('backend') };
  });
})()`);

const both = (name, said, rows) => `(() => {
  const own = [...document.querySelectorAll('.fv-own')].at(-1);
  return own && [...own.querySelectorAll('.fv-row')].filter((row) => row.children.length === 2
    && row.querySelector('.fv-client').dataset.name === ${JSON.stringify(name)}
    && (${JSON.stringify(said)} === null || row.querySelector('.fv-client .fv-said')?.textContent === ${JSON.stringify(said)})).length >= ${rows};
})()`;

const heard = (text) => `document.getElementById('heard').textContent.includes(${JSON.stringify(text)})`;

async function oldServer(page) {
  await page.click('#connect');
  await page.until(heard('Connected to the server that speaks hixie-76'));
  await page.until(both('opening handshake', null, 1));
  await page.until(both('opening handshake, answer', null, 1));

  await page.type('#text', 'Hello');
  await page.click('#send');
  await page.until(heard('The server said “Hello”'));
  await page.until(both('text', 'Hello', 2));
  const [sent, echoed] = await rowWith(page, 'text', 'Hello');
  assert.deepStrictEqual(sent.backend.hex, ['00', '48 65 6c 6c 6f', 'ff']);
  assert.deepStrictEqual(sent.client.hex.slice(0, 2), ['81', '85']);
  assert.deepStrictEqual(sent.client.plain, ['48 65 6c 6c 6f']);
  const unmask = (key, bytes) => bytes.map((byte, at) => (byte ^ key[at % 4]).toString(16).padStart(2, '0')).join(' ');
  const [key, masked] = sent.client.hex.slice(2).map((hex) => hex.split(' ').map((pair) => parseInt(pair, 16)));
  assert.strictEqual(unmask(key, masked), '48 65 6c 6c 6f');
  assert.deepStrictEqual(echoed.client.hex, ['81', '05', '48 65 6c 6c 6f']);
  assert.deepStrictEqual(echoed.backend.hex, ['00', '48 65 6c 6c 6f', 'ff']);

  // A tap on a part shows its note.
  await page.click(`${OWN} .fv-row:last-child .fv-backend .fv-start`);
  await page.until(`document.querySelector('${OWN} .fv-row:last-child .fv-backend .fv-note').textContent === 'begin text'`);

  await page.click('[data-sample=emoji]');
  await page.until(both('text', 'é€😀', 2));
  const [emoji] = await rowWith(page, 'text', 'é€😀');
  assert.deepStrictEqual(emoji.backend.hex, ['00', 'c3 a9 e2 82 ac f0 9f 98 80', 'ff']);

  await page.click('[data-sample=empty]');
  await page.until(heard('The server said an empty text'));
  await page.click('[data-sample=large]');
  await page.until(heard('The server said a text of 100000 characters'));

  await page.click('[data-sample=binary]');
  await page.until(heard('The server said 6 bytes of binary'));
  await page.until(`document.querySelector('${OWN} .fv-loss')?.textContent.includes('length frame')`);
  await page.until(both('binary', null, 2));
  const [binary] = await rowWith(page, 'binary', null);
  assert.deepStrictEqual(binary.backend, { name: 'length frame', hex: ['80', '06', 'de ad be ef 00 ff'], plain: [] });

  await page.click('#close');
  await page.until(heard('Closed: code 1000'));
  await page.until(both('close', null, 2));
  await page.until(`[...document.querySelectorAll('${OWN} .fv-loss')].some((loss) => loss.textContent.includes('close code'))`);
  const [close] = await rowWith(page, 'close', null);
  assert.deepStrictEqual(close.backend.hex, ['ff', '00']);
  assert.deepStrictEqual(close.client.plain, ['03 e8', '62 79 65']);
  await page.until(`document.querySelector('${OWN} .fv-state').textContent === 'ended'`);
}

async function modernServer(page) {
  await page.click('[value=modern]');
  await page.click('#connect');
  await page.until(heard('Connected to the server that speaks rfc6455'));
  await page.type('#text', 'zwölf');
  await page.click('#send');
  await page.until(both('text', 'zwölf', 2));
  const [sent] = await rowWith(page, 'text', 'zwölf');
  assert.deepStrictEqual(sent.backend.plain, ['7a 77 c3 b6 6c 66']);
  assert.deepStrictEqual(sent.client.plain, sent.backend.plain);
  assert.notDeepStrictEqual(sent.client.hex, sent.backend.hex, 'each leg has a mask key of its own');
}

async function visit(browser, url, looks) {
  const page = await browser.page(looks);
  await page.open(url);
  // What the terminal has shown is there.
  await page.until(`[...document.querySelectorAll('.fv-session .fv-state')].filter((state) => state.textContent === 'ended').length >= 2`);
  await oldServer(page);
  await modernServer(page);
  await page.click('#only');
  const shown = await page.evaluate(`[...document.querySelectorAll('.fv-session')].filter((each) => each.checkVisibility()).map((each) => each.classList.contains('fv-own'))`);
  assert.deepStrictEqual(shown, [true, true]);
  const wide = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  assert.strictEqual(wide, 0, `${wide} pixels too wide`);
  assert.deepStrictEqual(page.complaints, []);
  return page;
}

async function main() {
  const hybridge = process.argv[2];
  if (!hybridge) throw new Error('usage: test.js <path to hybridge>');
  const demo = await startDemo(hybridge);
  const browser = new Browser();
  try {
    let last;
    for (const looks of LOOKS) {
      if (last) await last.close();
      last = await visit(browser, demo.url, looks);
      console.log(`page: ${looks.name} ok`);
    }
    demo.child.kill('SIGTERM');
    await last.until(`document.getElementById('banner').textContent.includes('has ended')`);
    await last.until(heard('Closed: code 1001'));
    assert.strictEqual(await demo.exited, 0, 'the demo ends in order');
    console.log('page: end ok');
  } finally {
    demo.child.kill('SIGKILL');
    await browser.stop();
  }
}

const late = setTimeout(() => {
  console.error('page: not done in time');
  process.exit(1);
}, DEADLINE);

main().then(
  () => clearTimeout(late),
  (error) => {
    console.error(`page: ${error.stack}`);
    process.exit(1);
  },
);
