import { messageOf, OperatorError } from '../errors.ts';
import type { ByteRange } from '../storages/storage.ts';
import { command } from '../terminal/hints.ts';
import { log } from '../terminal/log.ts';
import type { Backup } from './catalog.ts';
import type { Manifest, ObjectMember, StoredObjectFacts } from './manifest.ts';
import { nameBesideManifest } from './object-key.ts';
import type { Shelf } from './shelf.ts';

/** What the manifest says of an object. */
export function entryOf(backup: Backup, key: string, manifest: Manifest | undefined): StoredObjectFacts | undefined {
  const nameOfIt = nameBesideManifest(backup.stem, key);
  return manifest?.objects.find(({ name }) => name === nameOfIt);
}

/** The last member is read to the object's end: what was written behind it is not to go unnoticed. */
export function rangeOf({ offset, sizeBytes }: ObjectMember, object: StoredObjectFacts | undefined): ByteRange {
  const isLast = object?.members?.at(-1)?.offset === offset;
  return { from: offset, to: isLast ? undefined : offset + sizeBytes };
}

/**
 * The members of a backup's object, where each can be read by itself: undefined where it has none, or where the store gives whole
 * objects alone, which is said.
 *
 * @throws OperatorError BACKUP_DAMAGED when they are not all of the object
 */
export async function membersOf(
  { storage }: Shelf,
  backup: Backup,
  key: string,
  manifest: Manifest | undefined,
  signal: AbortSignal,
): Promise<readonly ObjectMember[] | undefined> {
  const object = entryOf(backup, key, manifest);
  const { members } = object ?? {};
  if (!object || !members || backup.encrypted) return undefined;
  let end = 0;
  for (const { offset, sizeBytes } of members) {
    if (offset !== end) throw notAll(key);
    end += sizeBytes;
  }
  if (end !== object.sizeBytes) throw notAll(key);
  try {
    // one byte, not at the beginning: what ignores ranges sends all of it
    const from = members[1]?.offset ?? 0;
    for await (const _ of await storage.get(key, { range: { from, to: from + 1 }, signal }));
    return members;
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'NO_RANGES') throw error;
    log.info(`restored in one piece, by one session: ${messageOf(error)}`);
    return undefined;
  }
}

function notAll(key: string): OperatorError {
  return new OperatorError('BACKUP_DAMAGED', `the manifest's parts of ${key} are not all of it, one after the other`, {
    hint: `Restore another backup of this source (${command('list')}). The object may be whole all the same.`,
  });
}
