import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { startDeadline, startLimit, within, withTimeout } from '../../scripts/lib/deadline.ts';
import { OperatorError } from '../../scripts/lib/errors.ts';

const LIMIT = { variable: 'BACKUP_TIMEOUT', ms: 60_000 };
const interrupted = new Error('SIGTERM');
const overdue = new Error('overdue');

/** Work that ends when it is told to, as all of it should. */
const obedient = async (signal: AbortSignal): Promise<never> => {
  await once(signal, 'abort');
  throw signal.reason;
};
/** Work that hears nothing. */
const deaf = () => new Promise<never>(() => {});

/** What became of it so far: a promise that is still open counts as waiting. */
async function stateOf(promise: Promise<unknown>): Promise<unknown> {
  const waiting = Symbol('waiting');
  // one turn of the loop: whatever was decided has reached the promise by then
  const turn = new Promise((resolve) => setImmediate(resolve, waiting));
  const state = await Promise.race([promise.catch((error) => error), turn]);
  return state === waiting ? 'waiting' : state;
}

describe('a deadline', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  test('ends work when the time is over, with the words that go with it, and not before', async () => {
    const run = within(undefined, { time: { ms: 1000, overdue: () => overdue } }, obedient);
    mock.timers.tick(999);
    assert.equal(await stateOf(run), 'waiting');
    mock.timers.tick(1);
    assert.equal(await stateOf(run), overdue);
  });

  test('ends work with the reason of the outer signal, also one that aborted before', async () => {
    const outer = new AbortController();
    const run = within(outer.signal, { time: { ms: 1000, overdue: () => overdue } }, obedient);
    const late = startDeadline(AbortSignal.abort(interrupted), {});
    outer.abort(interrupted);
    assert.equal(await stateOf(run), interrupted);
    assert.equal(late.signal.reason, interrupted);
  });

  test('gives the grace after the outer signal, and no time beyond its own', async () => {
    for (const [timeMs, graceMs, expected, endsAt] of [
      [10_000, 3000, interrupted, 3000],
      [2000, 3000, overdue, 2000],
    ] as const) {
      const outer = new AbortController();
      const { signal, stop } = startDeadline(outer.signal, { time: { ms: timeMs, overdue: () => overdue }, graceMs });
      outer.abort(interrupted);
      mock.timers.tick(endsAt - 1);
      assert.equal(signal.aborted, false);
      mock.timers.tick(1);
      assert.equal(signal.reason, expected);
      stop();
    }
  });

  test('gives the grace alone when no time is set, also after a signal that aborted before', () => {
    const { signal } = startDeadline(AbortSignal.abort(interrupted), { graceMs: 3000 });
    mock.timers.tick(2999);
    assert.equal(signal.aborted, false);
    mock.timers.tick(1);
    assert.equal(signal.reason, interrupted);
  });

  test('that was stopped ends nothing: neither by time, nor by the outer signal, nor by the grace', () => {
    const outer = new AbortController();
    const byTime = startDeadline(outer.signal, { time: { ms: 1000, overdue: () => overdue } });
    const byGrace = startDeadline(AbortSignal.abort(interrupted), { graceMs: 1000 });
    byTime.stop();
    byGrace.stop();
    outer.abort(interrupted);
    mock.timers.tick(10_000);
    assert.deepEqual([byTime.signal.aborted, byGrace.signal.aborted], [false, false]);
  });

  test('waits two minutes for work that ignores its signal, or as long as it is told to, or not at all', async () => {
    for (const [bounds, waitedMs] of [
      [{}, 120_000],
      [{ endingMs: 5000 }, 5000],
    ] as const) {
      const outer = new AbortController();
      const run = within(outer.signal, bounds, deaf);
      outer.abort(interrupted);
      mock.timers.tick(waitedMs - 1);
      assert.equal(await stateOf(run), 'waiting');
      mock.timers.tick(1);
      assert.equal(await stateOf(run), interrupted);
    }
    const outer = new AbortController();
    const run = within(outer.signal, { endingMs: 0 }, deaf);
    outer.abort(interrupted);
    assert.equal(await stateOf(run), interrupted);
  });

  test('leaves the result and the errors of the work as they are, also of work that was told to end', async () => {
    const failure = new OperatorError('RESTORE_FAILED', 'the swap stopped half way');
    const outer = new AbortController();
    assert.equal(await within(outer.signal, {}, async () => 7), 7);
    const run = within(outer.signal, {}, async (signal) => {
      await once(signal, 'abort');
      throw failure;
    });
    outer.abort(interrupted);
    assert.equal(await stateOf(run), failure);
  });

  test('of a limit names the variable to raise', async () => {
    const { signal } = new AbortController();
    const run = withTimeout(signal, LIMIT, 'the backup of shop', obedient);
    const { signal: started } = startLimit(signal, LIMIT, 'the restore');
    mock.timers.tick(60_000);
    const error = (await stateOf(run)) as OperatorError;
    assert.equal(error.code, 'TIMEOUT');
    assert.equal(error.message, 'the backup of shop took longer than BACKUP_TIMEOUT (1m 0s) and was ended');
    assert.match(error.hint ?? '', /^Raise BACKUP_TIMEOUT, /);
    assert.match(started.reason.message, /^the restore took longer than BACKUP_TIMEOUT/);
  });
});

test('a deadline that is refreshed counts the silence since', async () => {
  const { signal, refresh, stop } = startDeadline(undefined, { time: { ms: 500, overdue: () => overdue } });
  const started = Date.now();
  const refreshing = setInterval(refresh, 20);
  setTimeout(() => clearInterval(refreshing), 600);
  await once(signal, 'abort');
  assert.ok(Date.now() - started >= 1000, `ended after ${Date.now() - started} ms`);
  stop();
});
