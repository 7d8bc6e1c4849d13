import { setTimeout as sleep } from 'node:timers/promises';

/** So long a burst may be: without one, every piece of an upload would wait by itself. */
const BURST_MS = 250;

/** Lets bytes pass at a rate that all streams of this process share. */
export interface RateLimit {
  /** Resolves when that many more bytes may pass. Rejects with the signal's reason when it aborts. */
  take(sizeBytes: number, signal?: AbortSignal): Promise<void>;
}

/**
 * A token bucket that holds a quarter of a second's bytes. What is larger than the bucket passes at once and is paid
 * for afterwards, so that pieces of any size keep the rate.
 *
 * @param clock for tests: milliseconds, and a wait of milliseconds
 */
export function rateLimit(
  bytesPerSecond: number,
  clock: { nowMs(): number; wait(ms: number, signal?: AbortSignal): Promise<unknown> } = {
    nowMs: () => performance.now(),
    wait: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}),
  },
): RateLimit {
  const bytesPerMs = bytesPerSecond / 1_000;
  // the moment at which all that has passed is paid for
  let paidAtMs = clock.nowMs() - BURST_MS;
  return {
    take: async (sizeBytes, signal) => {
      const nowMs = clock.nowMs();
      const startMs = Math.max(paidAtMs, nowMs - BURST_MS);
      paidAtMs = startMs + sizeBytes / bytesPerMs;
      if (startMs > nowMs) {
        await clock.wait(startMs - nowMs, signal).catch((error: unknown) => {
          signal?.throwIfAborted();
          throw error;
        });
      }
    },
  };
}

/** The same bytes, each let pass by the limit first. */
export async function* limited(
  body: AsyncIterable<Uint8Array>,
  limit: RateLimit,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    await limit.take(chunk.length, signal);
    yield chunk;
  }
}
