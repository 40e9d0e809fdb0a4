'use strict';
// A run: the pairs of a plan, some of them at the same time, each step inside a deadline.

const { Meeting } = require('./meeting');
const { Report } = require('./report');
const { Site } = require('./site');
const { Starts } = require('./starts');

/// Milliseconds for: a program to start, a check, a check that a known fault prevents, a program to
/// end, a pair, the run.
const LIMITS = { start: 20000, check: 15000, fault: 2000, end: 10000, pair: 60000, run: 900000 };
const LANES = 3;

/// Holds every meeting of `plan` ({ pairs, conversations, faults, limits, site, lanes }) through
/// `hybridge`, or without it where that is null. True when all is as it should be.
async function run({ limits = LIMITS, lanes = LANES, site: siteFor = (options) => new Site(options), ...rest }, { hybridge = null, verbose = false } = {}) {
  const plan = { ...rest, limits };
  const report = new Report(plan, { verbose });
  const starts = new Starts();
  const ends = Date.now() + limits.run;
  const visits = groupBy(plan.pairs, (pair) => pair.backend);
  await inLanes(lanes, visits, ([backend, pairs]) => visit(backend, pairs));
  return report.finish();

  /// All meetings at one backend, one after the other.
  async function visit(backend, pairs) {
    const site = siteFor({ peer: backend, hybridge, starts, limits });
    for (const pair of pairs) {
      const record = report.record(pair);
      await new Meeting({ pair, site, plan, record, starts, ends }).hold();
      report.show(record);
    }
    for (const trouble of await site.end()) report.trouble(trouble);
  }
}

function groupBy(items, key) {
  const groups = new Map();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) || []), item]);
  return [...groups];
}

async function inLanes(count, jobs, work) {
  const queue = [...jobs];
  const lane = async () => {
    while (queue.length > 0) await work(queue.shift());
  };
  await Promise.all(Array.from({ length: count }, lane));
}

module.exports = { run };
