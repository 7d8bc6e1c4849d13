import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { limited, rateLimit } from '../../../scripts/lib/storages/rate-limit.ts';

/** A clock that only waiting moves. */
function manualClock() {
  let nowMs = 1_000;
  const clock = {
    nowMs: () => nowMs,
    wait: async (ms: number, signal?: AbortSignal) => {
      signal?.throwIfAborted();
      nowMs += ms;
    },
  };
  return { clock, elapsedMs: () => nowMs - 1_000, idle: (ms: number) => (nowMs += ms) };
}

describe('a rate limit', () => {
  for (const pieceBytes of [100, 1_000, 7_777, 100_000]) {
    test(`keeps its rate with pieces of ${pieceBytes} bytes`, async () => {
      const { clock, elapsedMs } = manualClock();
      const limit = rateLimit(10_000, clock);
      let passed = 0;
      while (passed < 400_000) {
        await limit.take(pieceBytes);
        passed += pieceBytes;
        // what has passed is never more than the rate allows, but for the burst and the piece that is still to be paid
        assert.ok(passed - pieceBytes <= 10 * elapsedMs() + 2_500 + 1e-6, `${passed} after ${elapsedMs()} ms`);
      }
      const ideal = passed / 10;
      assert.ok(elapsedMs() <= ideal && elapsedMs() >= ideal - 250 - pieceBytes / 10 - 1e-6, `${elapsedMs()} ms`);
    });
  }

  test('is shared by all who take from it', async () => {
    const { clock, elapsedMs } = manualClock();
    const limit = rateLimit(1_000, clock);
    for (let i = 0; i < 10; i += 1) await Promise.all([limit.take(500), limit.take(500)]);
    assert.ok(elapsedMs() >= 9_000, `${elapsedMs()} ms`);
  });

  test('saves up no more than a quarter of a second while nothing passes', async () => {
    const { clock, elapsedMs, idle } = manualClock();
    const limit = rateLimit(1_000, clock);
    idle(3_600_000);
    const before = elapsedMs();
    for (let i = 0; i < 10; i += 1) await limit.take(1_000);
    assert.ok(elapsedMs() - before >= 8_750, `${elapsedMs() - before} ms`);
  });

  test('changes no byte, and ends its wait with the reason of an abort', async () => {
    const chunks = [Buffer.from('a'), Buffer.from('bc'), Buffer.from('')];
    async function* body() {
      yield* chunks;
    }
    const out: Uint8Array[] = [];
    for await (const chunk of limited(body(), rateLimit(1_000_000))) out.push(chunk);
    assert.deepEqual(out, chunks);

    const controller = new AbortController();
    const limit = rateLimit(1_024);
    await limit.take(1_000_000, controller.signal);
    const waiting = limit.take(1, controller.signal);
    controller.abort(new Error('no more'));
    await assert.rejects(waiting, /no more/);
  });
});
