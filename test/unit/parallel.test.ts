import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inParallel } from '../../scripts/lib/parallel.ts';

/** Work that ends when it is told to, and what of it is under way. */
function controlled() {
  const underWay = new Map<string, () => void>();
  const began: string[] = [];
  return {
    began,
    work: (item: string) =>
      new Promise<string>((resolve) => {
        began.push(item);
        underWay.set(item, () => resolve(`${item}!`));
      }),
    end: async (item: string) => {
      underWay.get(item)?.();
      await new Promise(setImmediate);
    },
  };
}

test('no more pieces of work than allowed are under way, and results stand in the order of the items', async () => {
  const { began, work, end } = controlled();
  const all = inParallel(['a', 'b', 'c', 'd'], 2, work);
  assert.deepEqual(began, ['a', 'b']);
  await end('b');
  assert.deepEqual(began, ['a', 'b', 'c']);
  await end('c');
  await end('d');
  await end('a');
  assert.deepEqual(await all, ['a!', 'b!', 'c!', 'd!']);
});

test('one at a time is one after the other', async () => {
  const { began, work, end } = controlled();
  const all = inParallel(['a', 'b'], 1, work);
  assert.deepEqual(began, ['a']);
  await end('a');
  await end('b');
  assert.deepEqual(await all, ['a!', 'b!']);
});

test('nothing to do is done at once, and work that throws is thrown', async () => {
  assert.deepEqual(await inParallel([], 3, async () => 1), []);
  await assert.rejects(
    inParallel(['a', 'b'], 2, async (item) => {
      throw new Error(item);
    }),
    /a/,
  );
});
