import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pointOfNoReturn } from '../../../scripts/lib/engines/committed.ts';

const failing = (error: Error) => () => Promise.reject(error);

/** Whether what has been done is undone now. */
async function isDiscarded(point: ReturnType<typeof pointOfNoReturn>): Promise<boolean> {
  let discarded = false;
  await point.unlessPassed(async () => {
    discarded = true;
  });
  return discarded;
}

test('what has been restored is discarded until it is live, and never after', async () => {
  const swapped = pointOfNoReturn();
  assert.equal(await isDiscarded(swapped), true);
  assert.equal(
    await swapped.passWith(
      async () => 'myapp_previous',
      () => false,
    ),
    'myapp_previous',
  );
  assert.equal(await isDiscarded(swapped), false);
  const own = pointOfNoReturn();
  own.pass();
  assert.equal(await isDiscarded(own), false);
});

test('while the swap runs nothing is discarded: nobody knows yet which is which', async () => {
  const point = pointOfNoReturn();
  let go = () => {};
  const swap = new Promise<void>((resolve) => {
    go = resolve;
  });
  const passing = point.passWith(
    () => swap,
    () => false,
  );
  assert.equal(await isDiscarded(point), false);
  go();
  await passing;
});

test('after a swap that failed the engine says whether it could be taken back', async () => {
  for (const isPassed of [true, false]) {
    const point = pointOfNoReturn();
    const lost = new Error('the server closed the connection');
    await assert.rejects(
      point.passWith(failing(lost), (error) => error === lost && isPassed),
      lost,
    );
    assert.equal(await isDiscarded(point), !isPassed);
  }
});
