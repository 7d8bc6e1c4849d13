import { formatBytes } from '../quantities.ts';
import type { Backup } from './catalog.ts';
import { isLeftOut } from './left-out.ts';
import type { Manifest } from './manifest.ts';

/** How many earlier backups say what size is usual. */
const USUAL_OF = 10;

/**
 * A sentence when a backup is less than half, or more than twice, the median of the ten before it.
 * @param earlier the source's earlier backups, the newest first
 */
export function sizeDrift(
  backup: Pick<Backup, 'sizeBytes'>,
  earlier: readonly Pick<Backup, 'sizeBytes'>[],
): string | undefined {
  const sizes = earlier.slice(0, USUAL_OF).map(({ sizeBytes }) => sizeBytes);
  if (sizes.length === 0) return undefined;
  const usual = median(sizes);
  if (backup.sizeBytes * 2 >= usual && backup.sizeBytes <= usual * 2) return undefined;
  const direction = backup.sizeBytes < usual ? 'less than half' : 'more than twice';
  const last = sizes.length === 1 ? 'the one before it' : `the median of the ${sizes.length} before it`;
  return `size ${formatBytes(backup.sizeBytes)} is ${direction} of ${formatBytes(usual)}, ${last}`;
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? 0) + high) / 2;
}

/** A sentence for each table that vanished, or fell to no rows, between two backups, and for a folder that was emptied. */
export function contentDrift(previous: Manifest, current: Manifest): string[] {
  const rowsNow = new Map(current.tables.map(({ table, rows }) => [table, rows]));
  const isEmptied = (previous.files ?? 0) > 0 && current.files === 0;
  const tables = previous.tables.flatMap(({ table, rows }) => {
    // it has been told already
    if (isLeftOut(current, table)) return [];
    const now = rowsNow.get(table);
    if (now === undefined) return [`table ${table} is gone (${rows} rows before)`];
    return now === 0 && rows > 0 ? [`table ${table} is empty (${rows} rows before)`] : [];
  });
  return [
    ...serverDrift(previous, current),
    ...tables,
    ...(isEmptied ? [`there are no files in it (${previous.files} before)`] : []),
  ];
}

/** A sentence when a backup is of another server than the one before: another host of the same name, or a new one. */
function serverDrift(previous: Manifest, current: Manifest): string[] {
  const [before, now] = [previous.systemIdentifier, current.systemIdentifier];
  if (before === undefined || now === undefined || before === now) return [];
  return [
    `it is of another server than the backup before it (system identifier ${now}, before ${before}): is its host the one that is meant?`,
  ];
}
