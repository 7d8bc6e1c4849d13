import { messageOf } from '../errors.ts';
import { contentDrift, sizeDrift } from '../repository/drift.ts';
import type { Manifest } from '../repository/manifest.ts';
import { dumpBytes } from '../repository/manifest-text.ts';
import type { Repository } from '../repository/repository.ts';
import { log } from '../terminal/log.ts';

/** A backup that is done does not wait longer than this for being compared. */
const LOOKED_FOR_MS = 60_000;

let hasSaidWhy = false;

/**
 * Holds a backup just taken against the ones before it, as `status` does. Warns, never throws: a backup is a backup
 * whatever came before it, and credentials that may only write are enough to take one.
 */
export async function guardAgainstDrift(
  repository: Repository,
  taken: Manifest,
  outer: AbortSignal,
): Promise<string[]> {
  const signal = AbortSignal.any([outer, AbortSignal.timeout(LOOKED_FOR_MS)]);
  try {
    const { source, createdAt } = taken;
    const earlier = await repository.recent({ source, before: new Date(createdAt) }, signal);
    const [previous] = earlier;
    if (!previous) return [];
    const sizeBytes = dumpBytes(taken);
    const size = sizeDrift({ sizeBytes }, earlier);
    const before = await repository.manifestOf(previous, signal);
    return [...(size === undefined ? [] : [size]), ...(before ? contentDrift(before, taken) : [])];
  } catch (error) {
    // an interrupt too: the backup is taken
    if (!hasSaidWhy) log.info(`not compared with earlier backups: ${messageOf(error)}`);
    hasSaidWhy = true;
    return [];
  }
}
