'use strict';
// What the run prints: a line a check, the table of the matrix, the summary.

const TAIL = 8;

class Report {
  constructor() {
    this.rows = [];
    this.started = Date.now();
  }

  pair(title) {
    this.row = { title, ok: 0, failed: 0, unfit: 0 };
    this.rows.push(this.row);
    console.log(`\n${title}`);
  }

  ok(name, note) {
    this.row.ok += 1;
    console.log(`  ok    ${name}${note ? ` (${note})` : ''}`);
  }

  unfit(name) {
    this.row.unfit += 1;
    console.log(`  n/a   ${name}`);
  }

  failed(name, error, programs = []) {
    this.row.failed += 1;
    console.log(`  FAIL  ${name}`);
    if (error.expected) {
      console.log(`        expected: ${error.expected}\n        got:      ${error.got}`);
    } else {
      console.log(`        ${error.stack}`);
    }
    for (const { name: who, complaints } of programs) {
      for (const line of complaints.slice(-TAIL)) console.log(`        ${who}: ${line}`);
    }
  }

  notReached(name) {
    this.row.failed += 1;
    console.log(`  FAIL  ${name}\n        not reached`);
  }

  /// Prints table and summary; true when nothing failed.
  finish() {
    const width = Math.max(...this.rows.map(({ title }) => title.length));
    console.log(`\n${'peers'.padEnd(width)}    ok  failed  n/a`);
    let ok = 0;
    let failed = 0;
    for (const row of this.rows) {
      ok += row.ok;
      failed += row.failed;
      console.log([row.title.padEnd(width), String(row.ok).padStart(4), String(row.failed).padStart(6), String(row.unfit).padStart(3)].join('  '));
    }
    const seconds = Math.round((Date.now() - this.started) / 1000);
    console.log(`\ninterop: ${ok} checks passed, ${failed} failed, in ${seconds} s`);
    return failed === 0 && ok > 0;
  }
}

module.exports = { Report };
