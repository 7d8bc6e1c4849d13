import { formatBytes } from '../quantities.ts';
import type { RemoveFailure, Storage } from '../storages/storage.ts';
import { log } from '../terminal/log.ts';
import type { Backup } from './catalog.ts';
import { keysOf } from './keys-of.ts';

/** Deletes backups, of each the manifest first. Returns what could not be deleted. */
export async function removeBackups(
  storage: Storage,
  backups: readonly Backup[],
  signal: AbortSignal,
): Promise<RemoveFailure[]> {
  let rest = backups.map((backup) => ({ backup, groups: keysOf(backup) }));
  const failures: RemoveFailure[] = [];
  for (let group = 0; rest.some(({ groups }) => groups.length > group); group += 1) {
    const keysIn = ({ groups }: (typeof rest)[number]) => groups[group] ?? [];
    const kept = await storage.remove(rest.flatMap(keysIn), { signal });
    failures.push(...kept);
    const undeletable = new Set(kept.map(({ key }) => key));
    // a backup whose manifest stayed is still a backup, and has to stay whole
    rest = rest.filter((one) => keysIn(one).every((key) => !undeletable.has(key)));
  }
  const freed = rest.reduce((sum, { backup }) => sum + backup.sizeBytes, 0);
  if (rest.length > 0) log.info(`deleted ${rest.length} backups, ${formatBytes(freed)}`);
  return failures;
}
