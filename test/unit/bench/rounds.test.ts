import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Measurement } from '../../../bench/lib/measure.ts';
import { inTurns, median, of, ratio } from '../../../bench/lib/rounds.ts';

const measured = (wallS: number): Measurement => ({
  wallS,
  cpuS: 0,
  serverCpuS: 0,
  treePeakBytes: 0,
  nodePeakBytes: 0,
  temporaryBytes: 0,
  stdout: '',
});

test('candidates take turns, after one run of the first that does not count', async () => {
  const order: string[] = [];
  const results = await inTurns([{ name: 'a' }, { name: 'b' }], 2, async ({ name }) => {
    order.push(name);
    return measured(order.length);
  });
  assert.deepEqual(order, ['a', 'a', 'b', 'a', 'b']);
  assert.deepEqual(
    results.map(({ name, runs }) => [name, runs.map(({ wallS }) => wallS)]),
    [
      ['a', [2, 4]],
      ['b', [3, 5]],
    ],
  );
});

test('a candidate that fails is left out with its reason, and the others go on', async () => {
  const failures: string[][] = [];
  const results = await inTurns(
    [{ name: 'a' }, { name: 'broken' }, { name: 'c' }],
    3,
    async ({ name }) => {
      if (name === 'broken') throw new Error('exit 1: broken --now\nit said\nno such thing\nBENCH-TIMES 0.01 0.02');
      return measured(1);
    },
    (...failure) => failures.push(failure),
  );
  assert.deepEqual(
    results.map(({ name, runs }) => [name, runs.length]),
    [
      ['a', 3],
      ['c', 3],
    ],
  );
  assert.deepEqual(failures, [['broken', 'no such thing']]);
});

test('without the first there is nothing to compare with', async () => {
  const failing = inTurns([{ name: 'a' }, { name: 'b' }], 1, async () => {
    throw new Error('gone');
  });
  await assert.rejects(failing, /gone/);
});

test('a ratio is the median of those within each round, so that a slow round weighs on both sides', () => {
  const first = { name: 'a', runs: [1, 10, 2].map(measured) };
  const second = { name: 'b', runs: [2, 20, 5].map(measured) };
  assert.equal(ratio(second, first), 2);
  assert.equal(
    of(first, ({ wallS }) => wallS),
    2,
  );
  assert.equal(median([4, 1, 3, 2]), 2.5);
});
