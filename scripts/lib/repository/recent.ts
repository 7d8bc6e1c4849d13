import type { StoredObject } from '../storages/storage.ts';
import { type Backup, catalogOf } from './catalog.ts';
import { dayPrefix, LAST_PART, normalizePrefix, parseKey, sourceDayPrefix } from './object-key.ts';
import type { Shelf } from './shelf.ts';

const DAY_MS = 86_400_000;
/** How far back earlier backups are looked for, a listing a day, until enough are found. */
const DAYS_BACK = 35;
const ENOUGH = 10;
/** Days whose listings are asked for at the same time, once today's was not enough. */
const DAYS_AT_ONCE = 8;
/** Beyond this number of listings of a day each, one of everything is cheaper. */
const MOST_DAYS = 40;

/**
 * The newest ten or so backups of a source before a time, the newest first, looked for day by day: a listing of
 * everything would be slow where there are years of them.
 */
export async function earlierBackups(
  { storage, prefix }: Shelf,
  { source, before }: { source: string; before: Date },
  signal: AbortSignal,
): Promise<Backup[]> {
  const found: Backup[] = [];
  const ofDay = async (days: number): Promise<Backup[]> => {
    const objects: StoredObject[] = [];
    const day = sourceDayPrefix(prefix, source, new Date(before.getTime() - days * DAY_MS));
    for await (const object of storage.list(day, { signal })) {
      if (parseKey(prefix, object.key)?.source === source) objects.push(object);
    }
    return catalogOf(objects, prefix).filter((backup) => backup.kind === 'backup' && backup.createdAt < before);
  };
  // today has enough where backups are taken by the hour
  for (let days = 0, count = 1; days < DAYS_BACK && found.length < ENOUGH; days += count, count = DAYS_AT_ONCE) {
    const asked = Array.from({ length: Math.min(count, DAYS_BACK - days) }, (_, n) => ofDay(days + n));
    for (const backups of await Promise.all(asked)) if (found.length < ENOUGH) found.push(...backups);
  }
  return found;
}

/** The sources that have a backup of this time or younger, from listings of the days in question and nothing else. */
export async function recentSources(
  { storage, prefix }: Shelf,
  since: Date,
  now: Date,
  signal: AbortSignal,
): Promise<string[]> {
  const recent = new Set<string>();
  for (const day of dayPrefixes(prefix, since.getTime(), now.getTime())) {
    for await (const { key } of storage.list(day, { signal })) {
      const parsed = parseKey(prefix, key);
      const isBackup = parsed?.role === 'data' || (parsed?.role === 'part' && parsed.part === LAST_PART);
      if (isBackup && parsed.createdAt >= since) recent.add(parsed.source);
    }
  }
  return [...recent];
}

function dayPrefixes(prefix: string, fromMs: number, toMs: number): string[] {
  const days = Math.floor(toMs / DAY_MS) - Math.floor(fromMs / DAY_MS) + 1;
  if (days > MOST_DAYS) return [normalizePrefix(prefix)];
  return Array.from({ length: days }, (_, i) => dayPrefix(prefix, new Date(toMs - i * DAY_MS)));
}
