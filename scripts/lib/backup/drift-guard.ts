import { messageOf } from '../errors.ts';
import { type Backup, catalogOf } from '../repository/catalog.ts';
import { contentDrift, sizeDrift } from '../repository/drift.ts';
import { dumpBytes, type Manifest } from '../repository/manifest.ts';
import { normalizePrefix, parseKey } from '../repository/object-key.ts';
import { readManifest } from '../repository/read.ts';
import type { Storage, StoredObject } from '../storages/storage.ts';
import { log } from '../terminal/log.ts';

const DAY_MS = 86_400_000;
/** How far back earlier backups are looked for, a listing a day, until enough are found. */
const DAYS_BACK = 35;
const ENOUGH = 10;
/** A backup that is done does not wait longer than this for being compared. */
const LOOKED_FOR_MS = 60_000;

let hasSaidWhy = false;

/**
 * Holds a backup just taken against the ones before it, as `status` does. Warns, never throws: a backup is a backup
 * whatever came before it, and credentials that may only write are enough to take one.
 */
export async function guardAgainstDrift(
  storage: Storage,
  prefix: string,
  taken: { manifest: Manifest; identity: string | undefined },
  outer: AbortSignal,
): Promise<string[]> {
  const signal = AbortSignal.any([outer, AbortSignal.timeout(LOOKED_FOR_MS)]);
  try {
    const { source, createdAt } = taken.manifest;
    const earlier = await earlierBackups(storage, prefix, { source, before: new Date(createdAt) }, signal);
    const [previous] = earlier;
    if (!previous) return [];
    const sizeBytes = dumpBytes(taken.manifest);
    const size = sizeDrift({ sizeBytes }, earlier);
    const before = await readManifest(storage, previous, taken.identity, signal);
    return [...(size === undefined ? [] : [size]), ...(before ? contentDrift(before, taken.manifest) : [])];
  } catch (error) {
    // an interrupt too: the backup is taken
    if (!hasSaidWhy) log.info(`not compared with earlier backups: ${messageOf(error)}`);
    hasSaidWhy = true;
    return [];
  }
}

/**
 * The newest ten or so backups of a source before a time, the newest first, looked for day by day: a listing of
 * everything would be dear where there are years of them.
 */
export async function earlierBackups(
  storage: Storage,
  prefix: string,
  { source, before }: { source: string; before: Date },
  signal: AbortSignal,
): Promise<Backup[]> {
  const found: Backup[] = [];
  for (let days = 0; days < DAYS_BACK && found.length < ENOUGH; days += 1) {
    const day = new Date(before.getTime() - days * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '/');
    const objects: StoredObject[] = [];
    for await (const object of storage.list(`${normalizePrefix(prefix)}${day}/`, { signal })) {
      if (parseKey(prefix, object.key)?.source === source) objects.push(object);
    }
    found.push(...catalogOf(objects, prefix).filter((backup) => backup.kind === 'backup' && backup.createdAt < before));
  }
  return found;
}
