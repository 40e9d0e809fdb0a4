'use strict';
// A failed expectation: what was expected and what came, in words short enough for a log.

const SHOWN = 60;

class Mismatch extends Error {
  constructor(expected, got) {
    super(`expected ${expected}, got ${got}`);
    this.expected = expected;
    this.got = got;
  }
}

function describeText(text) {
  const bytes = Buffer.byteLength(text);
  if (text.length <= SHOWN) return `${JSON.stringify(text)} (${bytes} bytes)`;
  return `${JSON.stringify(text.slice(0, SHOWN))}… (${bytes} bytes)`;
}

function describe(event) {
  if (event.event !== 'message') return JSON.stringify(event);
  if (event.binary !== undefined) return `binary message, base64 ${describeText(event.binary)}`;
  return `text message ${describeText(event.text)}`;
}

/// Where two long texts part, which says more than their beginnings.
function firstDifference(expected, got) {
  let at = 0;
  while (at < expected.length && expected[at] === got[at]) at += 1;
  return `${describeText(got)}, which differs from character ${at} on: ` +
    `${JSON.stringify(got.slice(at, at + SHOWN))} instead of ${JSON.stringify(expected.slice(at, at + SHOWN))}`;
}

function same(what, expected, got) {
  if (expected === got) return;
  const both = typeof expected === 'string' && typeof got === 'string' && expected.length > SHOWN;
  throw new Mismatch(
    `${what} ${typeof expected === 'string' ? describeText(expected) : JSON.stringify(expected)}`,
    both ? firstDifference(expected, got) : JSON.stringify(got),
  );
}

module.exports = { Mismatch, describe, same };
