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

/** More sessions than this are not left behind by one process: a server has only so many. */
const MOST_LEFT_BEHIND = 8;

let leftUntilMs: readonly number[] = [];

/** How a source's lock outlives its run. */
interface Leaving {
  /** The source's own clock, in milliseconds. */
  clock(): Promise<number>;
  /** Leaves the lock to the server for so long, with nobody waiting for it. */
  leave(ms: number): Promise<void>;
}

/**
 * Lets go of a source without waiting for the second of a time to pass: what keeps the next run from the same key is
 * left to the server. The next run waits for it, if there is one so soon.
 *
 * @returns whether it has been left; it is for the caller to wait otherwise
 */
export async function leftToServer(timeMs: number, { clock, leave }: Leaving): Promise<boolean> {
  leftUntilMs = leftUntilMs.filter((untilMs) => untilMs > Date.now());
  if (leftUntilMs.length >= MOST_LEFT_BEHIND) return false;
  try {
    // a clock that is cut or rounded to the millisecond may be ahead by one
    const ms = (Math.floor(timeMs / 1_000) + 1) * 1_000 - (await clock()) + 2;
    if (ms <= 0 || ms > 2_000) return false;
    await leave(ms);
    leftUntilMs = [...leftUntilMs, Date.now() + ms];
    return true;
  } catch {
    // a session that is gone has let go already
    return false;
  }
}
