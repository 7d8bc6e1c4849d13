import { messageOf } from '../errors.ts';
import { baseManifestKey } from '../log/base-keys.ts';
import { parseLogKey } from '../log/keys.ts';
import { openLog, type StoredBase } from '../log/store.ts';
import { inParallel } from '../parallel.ts';
import { normalizePrefix } from '../repository/object-key.ts';
import type { Repository } from '../repository/repository.ts';
import type { Storage } from '../storages/storage.ts';
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
}

/** Objects of the log are small. */
const AT_ONCE = 8;

/**
 * Copies bases, and then the log of every chain in its order, so that what is there at any time is a log without a gap. A
 * chain of which an object fails goes no further in this run.
 */
export async function copyLog(from: Store, to: Store, signal: AbortSignal): Promise<LogCopied> {
  const sizes = new Map<string, number>();
  const [here, there] = [from.repository.objects, to.repository.objects];
  const present = new Map([...(await listed(there, 'base/', signal)), ...(await listed(there, 'wal/', signal))]);
  const route: Route = { from: here, to: there, present, atOnce: AT_ONCE, signal };
  const failed: { key: string; error: string }[] = [];
  let [bases, objects, bytes] = [0, 0, 0];
  const attempt = async (item: CopyItem): Promise<boolean> => {
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

  for (const [key, size] of await listed(here, 'base/', signal)) sizes.set(key, size);
  const found = await openLog(from.repository).bases({}, signal);
  for (const base of found.filter(({ hasManifest }) => hasManifest).toReversed()) {
    const item = await baseItem(from.repository, base, signal);
    if (item.objects.every((object) => present.has(object))) continue;
    if (await attempt(item)) bases += 1;
  }

  const chains = new Map<string, string[]>();
  for (const [key, size] of await listed(here, 'wal/', signal)) {
    const parsed = present.has(key) ? undefined : parseLogKey('', key);
    if (!parsed) continue;
    sizes.set(key, size);
    const chain = `${parsed.server}/${parsed.chain}`;
    const keys = chains.get(chain) ?? [];
    // what a chain's objects are understood by comes before them
    if (parsed.kind === 'begun' || parsed.kind === 'history') keys.unshift(key);
    else keys.push(key);
    chains.set(chain, keys);
  }
  for (const keys of chains.values()) {
    let isWhole = true;
    await inParallel(keys, AT_ONCE, async (key) => {
      if (!isWhole) return;
      const isThere = await attempt({ name: key, objects: [key], expected: () => undefined });
      if (isThere) objects += 1;
      else isWhole = false;
    });
  }
  if (bases + objects > 0) log.info(`${bases} bases and ${objects} objects of the log copied to ${to.name}`);
  return { bases, objects, bytes, failed };
}

async function listed(objects: Storage, prefix: string, signal: AbortSignal): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for await (const { key, sizeBytes } of objects.list(prefix, { signal })) found.set(key, sizeBytes);
  return found;
}

async function baseItem(repository: Repository, base: StoredBase, signal: AbortSignal): Promise<CopyItem> {
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
    expected: (object) => byName.get(object),
  };
}
