import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secondPassed } from '../../../scripts/lib/engines/second-passed.ts';

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
