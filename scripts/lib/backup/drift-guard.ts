import { messageOf } from '../errors.ts';
import { contentDrift, sizeDrift } from '../repository/drift.ts';
import type { Manifest } from '../repository/manifest.ts';
import { dumpBytes } from '../repository/manifest-text.ts';
import type { Repository } from '../repository/repository.ts';
import { log } from '../terminal/log.ts';

/** A backup that is done does not wait longer than this for being compared. */
const LOOKED_FOR_MS = 60_000;

/** At most; beyond that, the newest of the backups before may not be found. */
const CLOCKS_DIFFER_MS = 600_000;

let hasSaidWhy = false;

/** Compares a backup that was taken with those before it. */
export type DriftGuard = (taken: Manifest) => Promise<string[]>;

/**
 * Looks for the backups of a source, while another one is taken, that it is then held against, as `status` does. Warns, never
 * throws: a backup is a backup whatever came before it, and credentials that may only write are enough to take one.
 */
export function guardAgainstDrift(repository: Repository, source: string, outer: AbortSignal): DriftGuard {
  const signal = AbortSignal.any([outer, AbortSignal.timeout(LOOKED_FOR_MS)]);
  const looking = lookBack(repository, source, signal);
  // told where it is waited for
  looking.catch(() => {});
  return async (taken) => {
    try {
      const { found, before } = await looking;
      const earlier = found.filter(({ createdAt }) => createdAt < new Date(taken.createdAt));
      const size = sizeDrift({ sizeBytes: dumpBytes(taken) }, earlier);
      const isBefore = found[0] !== undefined && found[0] === earlier[0];
      return [...(size === undefined ? [] : [size]), ...(before && isBefore ? contentDrift(before, taken) : [])];
    } catch (error) {
      // an interrupt too: the backup is taken
      if (!hasSaidWhy) log.info(`not compared with earlier backups: ${messageOf(error)}`);
      hasSaidWhy = true;
      return [];
    }
  };
}

async function lookBack(repository: Repository, source: string, signal: AbortSignal) {
  // all that are there now: clocks of servers differ
  const found = await repository.recent({ source, before: new Date(Date.now() + CLOCKS_DIFFER_MS) }, signal);
  const [previous] = found;
  return { found, before: previous && (await repository.manifestOf(previous, signal)) };
}
