import { setTimeout as sleep } from 'node:timers/promises';
import type { SlotSight } from '../engines/postgres/walsender/slot-sight.ts';

/** A single commit is stored a second after it was received, and one upload. */
const PATIENCE_MS = 5_000;
const EVERY_MS = 250;

/**
 * Of a server that had written nothing for a while, and something just now, the store holds an old moment: it would look
 * as if all since then were lost with the machine, and it is one record of the last second. Looks again until that is stored.
 * @param again looks once more
 * @returns the first sight, as one with nothing left to store when what it saw has been stored since; unchanged when it has not
 * @throws the signal's reason; whatever `again` throws
 */
export async function onceStored(
  first: SlotSight,
  again: () => Promise<SlotSight>,
  signal: AbortSignal,
  { patienceMs = PATIENCE_MS, everyMs = EVERY_MS } = {},
): Promise<SlotSight> {
  const until = Date.now() + patienceMs;
  let seen = first;
  while (seen.isActive && seen.slot === first.slot && seen.restartLsn !== undefined) {
    if (seen.restartLsn >= first.flushed) return { ...first, restartLsn: first.flushed, retainedBytes: 0 };
    if (Date.now() >= until) break;
    await sleep(everyMs, undefined, { signal });
    seen = await again();
  }
  return first;
}
