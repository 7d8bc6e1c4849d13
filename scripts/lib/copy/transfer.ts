import { createHash } from 'node:crypto';
import { OperatorError } from '../errors.ts';
import type { Inventory, StoredBackup } from '../repository/inventory.ts';
import type { Manifest } from '../repository/manifest.ts';
import type { Repository } from '../repository/repository.ts';
import type { Storage } from '../storages/storage.ts';

/** What an object has to be. */
export interface Expected {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Objects that are copied together, in their order: the last one makes the others count. */
export interface CopyItem {
  /** For messages. */
  readonly name: string;
  readonly objects: readonly string[];
  /** Those that the manifest lists, where there is one: all of them have to be there. */
  readonly listed?: readonly string[];
  /** What an object has to be, where that is known. */
  expected(object: string): Expected | undefined;
}

/** Where an item goes, and from where. */
export interface Route {
  readonly from: Storage;
  readonly to: Storage;
  /** What is in `to` already, with its size. */
  readonly present: ReadonlyMap<string, number>;
  /** How many objects are under way at the same time. */
  readonly atOnce: number;
  /** What has to be there before the item is: resolves when the one before it has been copied, or has failed. */
  readonly before?: Promise<unknown>;
  readonly signal: AbortSignal;
}

/**
 * What a backup's objects have to be, from its manifest. Of one whose manifest only its key opens, and which is not at hand,
 * nothing is known: its bytes are copied as they are.
 */
export async function backupItem(
  repository: Repository,
  { name, backup, objects }: StoredBackup,
  signal: AbortSignal,
): Promise<CopyItem> {
  let manifest: Manifest | undefined;
  try {
    manifest = await repository.manifestOf(backup, signal);
  } catch (error) {
    // without the key it cannot be read, and that is no reason not to have a second one of it
    if (!(error instanceof OperatorError) || error.code !== 'CONFIG') throw error;
  }
  const byName = new Map(manifest?.objects.map((object) => [object.name, object]));
  // the folder of the day, as names have it
  const folder = name.slice(0, name.lastIndexOf('/', name.length - 2) + 1);
  const cut = folder.length;
  const listed = manifest?.objects.map((object) => `${folder}${object.name}`);
  return { name, objects, ...(listed ? { listed } : {}), expected: (object) => byName.get(object.slice(cut)) };
}

/**
 * Copies the objects of an item one after the other, and compares each with what it has to be before it exists in the
 * other store. What an earlier run that was killed left there is read and kept when it is the same.
 *
 * @returns how many bytes were copied
 * @throws OperatorError BACKUP_DAMAGED when the bytes are not what was stored, KEY_EXISTS when the other store has other
 *   bytes under a key of ours
 */
export async function copyItem(item: CopyItem, sizes: Inventory['sizes'], route: Route): Promise<number> {
  let copiedBytes = 0;
  const lacking = item.listed?.find((object) => !item.objects.includes(object) && !route.present.has(object));
  if (lacking !== undefined) throw notWhatWasStored(item.name, `its manifest names ${lacking}, which is not there`);
  for (const object of item.objects) {
    if (object === item.objects.at(-1)) await route.before;
    const expected = item.expected(object);
    // a hold says the same no matter who put it there
    if (route.present.has(object) && object.endsWith('.hold')) continue;
    if (route.present.has(object)) await assertSame(object, expected, route);
    else copiedBytes += await copyObject(object, expected, sizes.get(object), route);
  }
  return copiedBytes;
}

/** Of a log many small objects are read, one after the other. */
const OF_LOG = /(^|\/)wal\//;

async function copyObject(
  object: string,
  expected: Expected | undefined,
  listedBytes: number | undefined,
  route: Route,
): Promise<number> {
  const { from, to, atOnce, signal } = route;
  async function* body() {
    yield* await from.get(object, { signal });
  }
  try {
    const { sizeBytes } = await to.put(object, body(), {
      known: expected && { ...expected, open: () => from.get(object, { isUnpaused: true, signal }) },
      check: (read) => assertStored(object, read, expected ?? { sizeBytes: listedBytes }),
      atOnce,
      signal,
      ...(listedBytes === undefined ? {} : { expectedBytes: listedBytes }),
      isReadAtOnce: OF_LOG.test(object),
      ...(object.endsWith('.json') ? { contentType: 'application/json' } : {}),
    });
    return sizeBytes;
  } catch (error) {
    // another run was faster, perhaps on another machine
    if (!(error instanceof OperatorError) || error.code !== 'KEY_EXISTS') throw error;
    await assertSame(object, expected, route);
    return 0;
  }
}

/** @throws OperatorError BACKUP_DAMAGED for other bytes than were stored */
function assertStored(object: string, read: Expected, meant: { sizeBytes: number | undefined; sha256?: string }): void {
  if (meant.sizeBytes !== undefined && read.sizeBytes !== meant.sizeBytes)
    throw notWhatWasStored(object, `it has ${read.sizeBytes} bytes, not ${meant.sizeBytes}`);
  if (meant.sha256 !== undefined && read.sha256 !== meant.sha256)
    throw notWhatWasStored(object, `its SHA-256 is ${read.sha256}, the manifest says ${meant.sha256}`);
}

function notWhatWasStored(object: string, detail: string): OperatorError {
  return new OperatorError('BACKUP_DAMAGED', `${object} is not what was stored: ${detail}`, {
    hint: 'It is not copied. Find out what changed it; another copy may have it whole (verify says which).',
  });
}

/** @throws OperatorError KEY_EXISTS when what is in the other store is something else */
async function assertSame(object: string, expected: Expected | undefined, route: Route): Promise<void> {
  const there = await digestOf(route.to, object, route.signal);
  const meant = expected ?? (await digestOf(route.from, object, route.signal));
  if (there.sizeBytes === meant.sizeBytes && there.sha256 === meant.sha256) return;
  throw new OperatorError('KEY_EXISTS', `${route.to.description} has other bytes under ${object}`, {
    hint: 'Nothing is overwritten. Find out who wrote it; once it is removed there by hand, the next run copies the backup.',
  });
}

/** Size and SHA-256 of an object, by reading it. */
export async function digestOf(storage: Storage, object: string, signal: AbortSignal): Promise<Expected> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of await storage.get(object, { signal })) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}
