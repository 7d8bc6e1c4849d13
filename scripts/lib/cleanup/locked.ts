import type { Store } from '../copy/stores.ts';
import { inParallel } from '../parallel.ts';
import type { Backup } from '../repository/catalog.ts';
import { manifestKey } from '../repository/object-key.ts';
import { log } from '../terminal/log.ts';

/** How many are asked at a time. */
const AT_ONCE = 8;

/**
 * Says of a store that locks when the space of what is about to be deleted comes free: until then it is only hidden, and
 * that is what the lock is for.
 */
export async function tellWhenFree(
  { name, lock, repository }: Store,
  backups: readonly Backup[],
  signal: AbortSignal,
): Promise<void> {
  const { storage } = repository.shelf;
  if (lock === undefined || backups.length === 0 || !storage.lockOf) return;
  const { lockOf } = storage;
  const locks = await inParallel(backups, AT_ONCE, ({ key, stem, hasManifest }) =>
    lockOf(hasManifest ? manifestKey(stem) : key, { signal }).catch(() => undefined),
  );
  signal.throwIfAborted();
  const now = Date.now();
  const held = locks.flatMap((each) => (each && each.until.getTime() > now ? [each.until.getTime()] : []));
  if (held.length === 0) return;
  held.sort((a, b) => a - b);
  const [first, last] = [held[0], held.at(-1)].map((at = 0) => new Date(at).toISOString().slice(0, 10));
  log.info(
    `${name}: ${held.length} of the ${backups.length} backups to delete are locked: they are hidden now, and their space comes free ${first === last ? `on ${first}` : `from ${first} to ${last}`}, when a lifecycle rule of the bucket removes old versions (NoncurrentVersionExpiration)`,
  );
}
