'use strict';
// What the run prints: a line a pair with all that failed in it, then the grid of all pairs, the
// known faults with the cells they were seen in, and the summary.

const TAIL = 8;

/// What came out of one pair.
class Record {
  constructor(pair) {
    this.pair = pair;
    this.started = Date.now();
    this.count = { passed: 0, failed: 0, unfit: 0, prevented: 0 };
    /// Every check in its order: [mark, lines].
    this.lines = [];
    /// The faults that were seen, and those that were not though they should.
    this.seen = new Set();
    this.gone = new Map();
  }

  passed(check) {
    this.count.passed += 1;
    this.lines.push(['ok', check]);
  }

  unfit(check) {
    this.count.unfit += 1;
    this.lines.push(['n/a', check]);
  }

  failed(check, error, programs = []) {
    const ends = programs.flatMap(({ ended, garbled }) => [ended, garbled]).filter(Boolean);
    const said = [...programs, error.program].filter(Boolean).flatMap(({ name, complaints }) =>
      complaints.slice(-TAIL).map((line) => `${name}: ${line}`));
    const why = error.expected
      ? [`expected: ${error.expected}`, `got:      ${error.got}`]
      : error.stack.split('\n');
    this.fail(check, [...why, ...ends, ...said]);
  }

  notReached(checks) {
    this.count.failed += checks.length;
    if (checks.length > 0) this.lines.push(['FAIL', `not reached: ${checks.join('; ')}`]);
  }

  prevented(check, fault) {
    this.count.prevented += 1;
    this.seen.add(fault);
    this.lines.push(['fault', `${check} (${fault.peer})`]);
  }

  /// A check that passed although a fault is known to prevent it.
  stale(check, fault) {
    this.gone.set(fault, check);
    this.fail(check, [`passed, but is listed as a fault of ${fault.peer}: ${fault.reason}`]);
  }

  fail(check, why) {
    this.count.failed += 1;
    this.lines.push(['FAIL', [check, ...why.map((line) => `      ${line}`)].join('\n        ')]);
  }
}

class Report {
  constructor({ pairs, faults }, { verbose }) {
    Object.assign(this, { pairs, faults, verbose });
    this.records = [];
    this.troubles = [];
    this.started = Date.now();
  }

  record(pair) {
    const record = new Record(pair);
    this.records.push(record);
    return record;
  }

  show({ pair, count, lines, started }) {
    console.log(`${pair.name}: ${inWords(count)}, in ${seconds(started)} s`);
    for (const [mark, text] of lines) {
      if (this.verbose || mark === 'FAIL') console.log(`  ${mark.padEnd(5)} ${text}`);
    }
  }

  trouble(text) {
    this.troubles.push(text);
    console.log(`  FAIL  ${text}`);
  }

  /// Prints what all came to; true when it is as it should be.
  finish() {
    for (const way of new Set(this.pairs.map((pair) => pair.way))) this.grid(way);
    const unseen = this.knownFaults();
    const total = { passed: 0, failed: 0, unfit: 0, prevented: 0 };
    for (const { count } of this.records) for (const key of Object.keys(total)) total[key] += count[key];
    for (const record of this.records.filter(({ count }) => count.failed > 0)) {
      console.log(`failed: ${record.pair.name}: ${record.count.failed}`);
    }
    for (const trouble of this.troubles) console.log(`failed: ${trouble}`);
    console.log(`\ninterop: ${this.records.length} pairs, ${inWords(total)}, in ${seconds(this.started)} s`);
    return total.failed === 0 && total.passed > 0 && this.troubles.length === 0 && unseen === 0;
  }

  /// Rows are the clients, columns the backends.
  grid(way) {
    const records = this.records.filter(({ pair }) => pair.way === way);
    const pairs = this.pairs.filter((pair) => pair.way === way);
    const names = (side) => [...new Set(pairs.map((pair) => pair[side].name))];
    const [rows, columns] = [names('client'), names('backend')];
    const cell = (row, column) => {
      const found = records.find(({ pair }) => pair.client.name === row && pair.backend.name === column);
      return found ? inShort(found.count) : '-';
    };
    const table = [
      ['client', ...columns.map((_, at) => `[${at + 1}]`)],
      ...rows.map((row) => [row, ...columns.map((column) => cell(row, column))]),
    ];
    const widths = table[0].map((_, at) => Math.max(...table.map((line) => line[at].length)));
    console.log(`\n${way}: passed/failed/not possible, and behind + what a known fault of a peer prevents`);
    columns.forEach((column, at) => console.log(`  [${at + 1}] backend ${column}`));
    for (const line of table) {
      console.log(line.map((text, at) => (at ? text.padStart(widths[at]) : text.padEnd(widths[at]))).join('  '));
    }
  }

  /// Prints every fault with its cells; how many of them no pair showed, though some should.
  knownFaults() {
    let unseen = 0;
    console.log('\nknown faults of peers:');
    for (const fault of this.faults) {
      const cells = this.records.filter(({ seen }) => seen.has(fault)).map(({ pair }) => pair.name);
      if (cells.length > 0) {
        console.log(`  ${fault.peer}: ${fault.reason}`);
        console.log(`    prevents: ${fault.checks.join('; ')}`);
        console.log(`    shown by: ${fault.shown}`);
        console.log(`    in: ${cells.join(', ')}`);
      } else if (!fault.race && this.pairs.some(fault.where)) {
        unseen += 1;
        console.log(`  FAIL: stale, for it was seen nowhere: ${fault.peer}: ${fault.checks.join('; ')}`);
      }
    }
    return unseen;
  }
}

function seconds(since) {
  return ((Date.now() - since) / 1000).toFixed(1);
}

function inWords({ passed, failed, unfit, prevented }) {
  return `${passed} passed, ${failed} failed, ${unfit} not possible, ${prevented} prevented by known faults`;
}

function inShort({ passed, failed, unfit, prevented }) {
  return `${passed}/${failed}/${unfit}${prevented ? `+${prevented}` : ''}`;
}

module.exports = { Report };
