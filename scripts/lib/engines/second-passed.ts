import { setTimeout as sleep } from 'node:timers/promises';

/** A clock that goes wrong must not hold a backup up forever. */
const MOST_LOOKS = 20;

/**
 * Waits until the second of a time has passed, so that the next run, which cannot start before, has a key of its own.
 *
 * @param clock the source's own, in milliseconds; one that cannot be asked any more ends the waiting
 */
export async function secondPassed(timeMs: number, clock: () => Promise<number>, signal: AbortSignal): Promise<void> {
  const next = (Math.floor(timeMs / 1_000) + 1) * 1_000;
  for (let look = 0; look < MOST_LOOKS && !signal.aborted; look += 1) {
    const now = await clock().catch(() => next);
    if (now >= next) return;
    await sleep(Math.min(next - now, 1_000), undefined, { signal }).catch(() => {});
  }
}
