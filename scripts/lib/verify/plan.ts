import type { Backup } from '../repository/catalog.ts';
import type { VerifyRecord } from '../repository/verify-record.ts';

const DAY_MS = 86_400_000;
/** What has its turn: a backup, or a base. */
export interface InTurn {
  readonly name: string;
  readonly backup: Pick<Backup, 'kind' | 'source' | 'createdAt' | 'sizeBytes'>;
}

/** Within this time every backup is read back. */
export const WITHIN_MS = 30 * DAY_MS;
/** More than an even share, so that a run that is left out is made up for. */
const SHARE = 1.25;

/** When a backup was last read back, by the records; its own time when it never was: then its bytes were digested too. */
export function lastReadAt({ name, backup }: InTurn, records: readonly VerifyRecord[]): number {
  const read = records.find(({ backups }) => backups.some((each) => each.key === name && each.ok));
  return read ? Date.parse(read.startedAt) : backup.createdAt.getTime();
}

/**
 * Which backups to read back now: the newest of each source, what was found damaged before, and of the others those that
 * were not read for longest, up to an even share of 30 days. So each is read within that time, and no run reads much more
 * than another.
 *
 * @param records the newest first
 * @param intervalMs between two runs
 */
export function planVerify<T extends InTurn>(
  backups: readonly T[],
  records: readonly VerifyRecord[],
  intervalMs: number,
): T[] {
  const totalBytes = backups.reduce((sum, { backup }) => sum + backup.sizeBytes, 0);
  const shareBytes = Math.ceil(totalBytes * Math.min(1, (SHARE * intervalMs) / WITHIN_MS));
  const newest = new Set<string>();
  const damaged = damagedIn(records);
  const always = backups.filter(({ name, backup }) => {
    const isNewest = backup.kind === 'backup' && !newest.has(backup.source);
    if (isNewest) newest.add(backup.source);
    return isNewest || damaged.has(name);
  });
  const isAlways = new Set(always);
  const others = backups
    .filter((stored) => !isAlways.has(stored))
    .map((stored) => ({ stored, at: lastReadAt(stored, records) }))
    .sort((a, b) => a.at - b.at);
  const chosen: T[] = [];
  let bytes = 0;
  for (const { stored } of others) {
    if (bytes >= shareBytes) break;
    chosen.push(stored);
    bytes += stored.backup.sizeBytes;
  }
  return [...always, ...chosen];
}

/** The names of the backups that were damaged when they were last read. */
export function damagedIn(records: readonly VerifyRecord[]): ReadonlySet<string> {
  const lastRead = new Map<string, boolean>();
  for (const { backups } of records) for (const { key, ok } of backups) if (!lastRead.has(key)) lastRead.set(key, ok);
  return new Set([...lastRead].flatMap(([key, ok]) => (ok ? [] : [key])));
}
