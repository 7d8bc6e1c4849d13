import { log } from '../../../terminal/log.ts';
import { takeFlock } from './flock.ts';
import { homeOf, type Place } from './place.ts';
import { completeSwap, isHalfSwapped } from './swap.ts';

/**
 * Does something that no other restore, undo or repair of this place may do at the same time. It is held for moments
 * only, by what changes names there.
 */
export async function underSwapLock<T>(place: Place, signal: AbortSignal, work: () => T | Promise<T>): Promise<T> {
  const lock = await takeFlock(homeOf(place), { waits: true, signal });
  try {
    return await work();
  } finally {
    await lock?.release();
  }
}

/**
 * Waits until no backup reads a folder whose entries are about to be exchanged one by one, and keeps others from
 * beginning meanwhile. A folder that is exchanged whole may be read on: its reader goes on reading what it began with.
 */
export async function withoutReaders<T>(place: Place, signal: AbortSignal, work: () => T): Promise<T> {
  if (!place.isInside) return work();
  let lock = await takeFlock(place.live);
  if (!lock) {
    log.warn(
      `a backup of ${place.live} is running: it is replaced when that has ended. End it to continue immediately`,
    );
    lock = await takeFlock(place.live, { waits: true, signal });
  }
  try {
    return work();
  } finally {
    await lock?.release();
  }
}

/** Ends a swap that was broken off, unless that run is still swapping; then waits for it. */
export function completeUnderLock(place: Place, signal: AbortSignal): Promise<void> {
  return underSwapLock(place, signal, () =>
    isHalfSwapped(place) ? withoutReaders(place, signal, () => completeSwap(place)) : undefined,
  );
}
