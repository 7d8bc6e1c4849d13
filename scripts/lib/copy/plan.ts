import type { Inventory, StoredBackup } from '../repository/inventory.ts';
import { type Policies, planRetention } from '../repository/retention.ts';

/** What one store lacks of another. */
export interface CopyPlan {
  /** Backups that are wanted and missing, the oldest first. */
  readonly missing: readonly StoredBackup[];
  /** Names of objects that are in both, with another size in each: one of them is not what was stored. */
  readonly differing: readonly string[];
  /** Markers of backups that are there already. */
  readonly holds: readonly string[];
}

/**
 * What of `from` the retention of `to` would keep, were everything of both in it, and it does not have whole. What is in
 * `to` alone stays what it is. Nothing is compared but names and sizes.
 *
 * @param unfinishedSince what is younger and has no manifest may still be made, and is left for the next run
 */
export function planCopy(
  from: Inventory,
  to: Inventory,
  { retention, now, unfinishedSince }: { retention: Policies; now: Date; unfinishedSince: Date },
): CopyPlan {
  const finished = from.backups.filter(
    ({ backup }) => backup.hasManifest || backup.createdAt.getTime() < unfinishedSince.getTime(),
  );
  const here = new Map(to.backups.map((stored) => [stored.name, stored]));
  const names = new Set(finished.map(({ name }) => name));
  const onlyThere = to.backups.filter(({ name }) => !names.has(name));
  const candidates = [...finished, ...onlyThere].map((stored) => ({
    key: stored.name,
    source: stored.backup.source,
    createdAt: stored.backup.createdAt,
    kind: stored.backup.kind,
    isHeld: stored.backup.isHeld || (here.get(stored.name)?.backup.isHeld ?? false),
  }));
  const wanted = new Set(planRetention(candidates, retention, now).keep.map(({ backup }) => backup.key));
  const missing: StoredBackup[] = [];
  const differing: string[] = [];
  const holds: string[] = [];
  for (const stored of finished) {
    const lacking = stored.objects.filter((object) => !to.sizes.has(object));
    differing.push(...stored.objects.filter((object) => isOther(object, from, to)));
    if (lacking.length === 0 || !wanted.has(stored.name)) continue;
    if (here.has(stored.name) && lacking.every((object) => object.endsWith('.hold'))) holds.push(...lacking);
    else missing.push(stored);
  }
  missing.sort((a, b) => a.backup.createdAt.getTime() - b.backup.createdAt.getTime());
  return { missing, differing, holds };
}

/** Whether both have an object of that name, and not the same. A hold is put into each store by itself. */
function isOther(object: string, from: Inventory, to: Inventory): boolean {
  const size = to.sizes.get(object);
  return size !== undefined && size !== from.sizes.get(object) && !object.endsWith('.hold');
}

/**
 * How far one store is behind another: of each source the time between its newest backups, of all sources the longest; of
 * a source that it has nothing of, the time since the first there is.
 */
export function lagMs(from: Inventory, to: Inventory): number {
  const newest = (inventory: Inventory) => {
    const bySource = new Map<string, { first: number; last: number }>();
    for (const { backup } of inventory.backups) {
      if (backup.kind !== 'backup') continue;
      const at = backup.createdAt.getTime();
      const known = bySource.get(backup.source);
      bySource.set(backup.source, {
        first: Math.min(known?.first ?? at, at),
        last: Math.max(known?.last ?? at, at),
      });
    }
    return bySource;
  };
  const there = newest(to);
  const lags = [...newest(from)].map(([source, { first, last }]) => {
    const copied = there.get(source);
    return copied ? last - copied.last : Math.max(1, last - first);
  });
  return Math.max(0, ...lags);
}
