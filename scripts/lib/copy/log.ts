import { messageOf } from '../errors.ts';
import { baseManifestKey } from '../log/base-keys.ts';
import { parseLogKey } from '../log/keys.ts';
import { openLog, type StoredBase } from '../log/store.ts';
import { inParallel } from '../parallel.ts';
import { normalizePrefix } from '../repository/object-key.ts';
import type { Repository } from '../repository/repository.ts';
import { compareKeys } from '../storages/keys.ts';
import type { Storage, StoredObject } from '../storages/storage.ts';
import { log } from '../terminal/log.ts';
import type { Store } from './stores.ts';
import { type CopyItem, copyItem, type Route } from './transfer.ts';

/** What of the log of servers was copied. */
export interface LogCopied {
  readonly bases: number;
  /** Segments, parts of them, and what tells of them. */
  readonly objects: number;
  readonly bytes: number;
  readonly failed: readonly { readonly key: string; readonly error: string }[];
  /** Objects of another size in each store: one of them is not what was stored. */
  readonly differing: readonly string[];
}

/** Objects of the log are small. */
const AT_ONCE = 8;

/**
 * Copies bases, and then the log of every chain in its order, so that what is there at any time is a log without a gap. A
 * chain of which an object fails goes no further in this run.
 */
export async function copyLog(from: Store, to: Store, signal: AbortSignal): Promise<LogCopied> {
  const [here, there] = [from.repository.objects, to.repository.objects];
  const present = await listed(there, 'base/', signal);
  const route: Route = { from: here, to: there, present, atOnce: AT_ONCE, signal };
  const failed: { key: string; error: string }[] = [];
  const differing: string[] = [];
  let [bases, objects, bytes] = [0, 0, 0];
  const attempt = async (item: CopyItem, sizes: ReadonlyMap<string, number>): Promise<boolean> => {
    try {
      const copied = await copyItem(item, sizes, route);
      bytes += copied;
      return true;
    } catch (error) {
      signal.throwIfAborted();
      log.error(`${item.name} could not be copied to ${to.name}: ${messageOf(error)}`);
      failed.push({ key: item.name, error: messageOf(error) });
      return false;
    }
  };

  const sizes = await listed(here, 'base/', signal);
  const found = await openLog(from.repository).bases({}, signal);
  for (const base of found.filter(({ hasManifest }) => hasManifest).toReversed()) {
    const item = await baseItem(from.repository, base, signal);
    differing.push(
      ...item.objects.filter((object) => present.has(object) && present.get(object) !== sizes.get(object)),
    );
    if (item.objects.every((object) => present.has(object))) continue;
    if (await attempt(item, sizes)) bases += 1;
  }

  for (const missing of await lacking(here, there, differing, signal)) {
    let isWhole = true;
    await inParallel(missing, AT_ONCE, async ({ key, sizeBytes }) => {
      if (!isWhole) return;
      const item = { name: key, objects: [key], expected: () => undefined };
      if (await attempt(item, new Map([[key, sizeBytes]]))) objects += 1;
      else isWhole = false;
    });
  }
  if (bases + objects > 0) log.info(`${bases} bases and ${objects} objects of the log copied to ${to.name}`);
  for (const object of differing) log.error(`${object} has another size in ${to.name} than in ${from.name}`);
  return { bases, objects, bytes, failed, differing };
}

async function listed(objects: Storage, prefix: string, signal: AbortSignal): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for await (const { key, sizeBytes } of objects.list(prefix, { signal })) found.set(key, sizeBytes);
  return found;
}

/**
 * What of the log one store has and the other lacks, of each chain in the order in which it is to be copied. The two listings are gone
 * through side by side, so that of a log of half a million objects only those are kept that are missing.
 * @param differing is given those that are in both, and not the same
 */
async function lacking(
  here: Storage,
  there: Storage,
  differing: string[],
  signal: AbortSignal,
): Promise<Iterable<StoredObject[]>> {
  const chains = new Map<string, StoredObject[]>();
  const others = there.list('wal/', { signal })[Symbol.asyncIterator]();
  let other = await others.next();
  try {
    for await (const object of here.list('wal/', { signal })) {
      while (!other.done && compareKeys(other.value.key, object.key) < 0) other = await others.next();
      if (!other.done && other.value.key === object.key) {
        if (other.value.sizeBytes !== object.sizeBytes && parseLogKey('', object.key)) differing.push(object.key);
        continue;
      }
      const parsed = parseLogKey('', object.key);
      if (!parsed) continue;
      const chain = `${parsed.server}/${parsed.chain}`;
      const missing = chains.get(chain) ?? [];
      if (missing.length === 0) chains.set(chain, missing);
      // what a chain's objects are understood by comes before them
      if (parsed.kind === 'begun' || parsed.kind === 'history') missing.unshift(object);
      else missing.push(object);
    }
  } finally {
    await others.return?.();
  }
  return chains.values();
}

/** A base, with what its objects have to be by its manifest. */
export async function baseItem(repository: Repository, base: StoredBase, signal: AbortSignal): Promise<CopyItem> {
  const cut = normalizePrefix(repository.shelf.prefix).length;
  const name = (key: string) => key.slice(cut);
  // the folder of the day, from which a manifest names its objects
  const folder = base.stem.slice(0, base.stem.lastIndexOf('/') + 1);
  const manifest = await openLog(repository)
    .baseManifest(base, signal)
    .catch(() => undefined);
  const byName = new Map(manifest?.objects.map((object) => [name(`${folder}${object.name}`), object]));
  return {
    name: name(base.stem),
    objects: [...base.archives.map(({ key }) => name(key)), name(baseManifestKey(base.stem))],
    ...(manifest === undefined ? {} : { listed: [...byName.keys()] }),
    expected: (object) => byName.get(object),
  };
}
