import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leftToServer, secondPassed } from '../../../scripts/lib/engines/second-passed.ts';

const never = new AbortController().signal;

test('the second is waited for by the clock that is given, however often that has to be asked', async () => {
  const answers = [1_999, 1_998, 2_000, 9_999];
  let asked = 0;
  await secondPassed(1_500, async () => answers[asked++] ?? 0, never);
  assert.equal(asked, 3);
});

test('a clock that cannot be asked, one that stands still, and an interrupt end the waiting', async () => {
  await secondPassed(1_500, () => Promise.reject(new Error('gone')), never);
  let asked = 0;
  const still = async () => {
    asked += 1;
    return 1_999;
  };
  await secondPassed(1_500, still, never);
  assert.ok(asked > 1 && asked < 100, String(asked));
  asked = 0;
  await secondPassed(1_500, still, AbortSignal.abort());
  assert.equal(asked, 0);
});

test('what is left of the second is left to the server, and of a second that is over nothing', async () => {
  const left: number[] = [];
  const leave = async (ms: number) => {
    left.push(ms);
  };
  assert.equal(await leftToServer(1_500, { clock: async () => 1_600, leave }), true);
  assert.equal(await leftToServer(1_500, { clock: async () => 2_100, leave }), false);
  assert.equal(await leftToServer(1_500, { clock: () => Promise.reject(new Error('gone')), leave }), false);
  // a clock that was put back is waited for
  assert.equal(await leftToServer(1_500, { clock: async () => -60_000, leave }), false);
  // 1,600 may be 1,599.6
  assert.deepEqual(left, [402]);
});

test('no more than a few sessions are left behind at a time', async () => {
  const leave = async () => {};
  const answers = [];
  for (let run = 0; run < 20; run += 1) answers.push(await leftToServer(1_000, { clock: async () => 1_000, leave }));
  assert.ok(answers.includes(true));
  assert.equal(answers.at(-1), false);
});
