import type { Config } from '../config/config.ts';
import { formatDuration } from '../quantities.ts';
import type { Backup } from '../repository/catalog.ts';
import { sourceNamed } from '../source.ts';

/**
 * A sentence for backups that are older than any source's may be, and whose source is configured no more: a first
 * BACKUP_SOURCE_<NAME> takes the place of the database in POSTGRES_DB, and a source that was renamed begins anew. Fresh ones
 * are another project's, which shares the store.
 *
 * @param backups the newest first, of every source
 */
export function withoutSource(
  { sources, rpoTargetMs }: Pick<Config, 'sources' | 'rpoTargetMs'>,
  backups: readonly Backup[],
  now: Date,
): string[] {
  const newest = new Map<string, Backup>();
  for (const backup of backups) if (!newest.has(backup.source)) newest.set(backup.source, backup);
  return [...newest.values()]
    .map(({ source, createdAt }) => ({ source, ageMs: now.getTime() - createdAt.getTime() }))
    .filter(({ source, ageMs }) => ageMs > rpoTargetMs && sourceNamed(sources, source) === undefined)
    .map(
      ({ source, ageMs }) =>
        `nothing here backs up ${source} any more: the last backup of it is ${formatDuration(ageMs)} old. If that is not meant, name it by BACKUP_SOURCE_<NAME>`,
    );
}
