import { baseItem } from '../copy/log.ts';
import type { Store } from '../copy/stores.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { baseManifestKey } from '../log/base-keys.ts';
import type { ChainLog } from '../log/catalog.ts';
import type { KeyedObject } from '../log/chain-objects.ts';
import { type LogStore, openLog, type StoredBase } from '../log/store.ts';
import { historyOf } from '../log/timeline.ts';
import { inParallel } from '../parallel.ts';
import { normalizePrefix } from '../repository/object-key.ts';
import type { Repository } from '../repository/repository.ts';
import type { VerifyRecord } from '../repository/verify-record.ts';
import { damagedIn, planVerify } from './plan.ts';
import { damageIn } from './read-item.ts';

/** What a record says of what was read back. */
type Entry = VerifyRecord['backups'][number];

export interface LogReadBack {
  readonly entries: readonly Entry[];
  readonly bases: number;
  readonly objects: number;
}

/** Objects of the log are small. */
const AT_ONCE = 4;
/** Moments in names are those of the server's clock, and what is stored later may tell an earlier one. */
const OVERLAP_MS = 86_400_000;

/**
 * Reads bases and logs back: bases as backups, by their manifests; of the log what was written since the last run, which so is read once.
 * Its objects have no digests beside them: the checksum within each tells whether it is whole, or, of an encrypted one without its
 * key, its size alone.
 *
 * @param wanted the key of one base; undefined for those whose turn it is
 * @throws what is no answer: a store that cannot be asked has not lost anything
 */
export async function readLogBack(
  { repository }: Store,
  records: readonly VerifyRecord[],
  { all, wanted, intervalMs }: { all: boolean; wanted?: string; intervalMs: number },
  signal: AbortSignal,
): Promise<LogReadBack> {
  const store = openLog(repository);
  const cut = normalizePrefix(repository.shelf.prefix).length;
  const bases = (await store.bases({}, signal))
    .filter(({ hasManifest }) => hasManifest)
    .map((base) => itemOf(base, cut));
  const chosen =
    wanted !== undefined
      ? bases.filter(({ name, base }) => [name, baseManifestKey(base.stem)].includes(wanted))
      : all
        ? bases
        : planVerify(bases, records, intervalMs);
  const entries: Entry[] = [];
  for (const { name, base, backup } of chosen)
    entries.push(entryOf(name, backup.sizeBytes, await damageOfBase(repository, store, base, signal)));
  if (wanted !== undefined) return { entries, bases: chosen.length, objects: 0 };

  const last = records[0];
  const since = all || last === undefined ? undefined : Date.parse(last.startedAt) - OVERLAP_MS;
  const before = new Set([...damagedIn(records)].filter((key) => /^(base|wal)\//.test(key)));
  for (const { name } of bases) before.delete(name);
  let objects = 0;
  for (const chain of await store.chains({}, new Date(), signal)) {
    const meant = [...chain.contents].filter(
      ({ key, object }) =>
        before.has(key.slice(cut)) ||
        object.kind === 'history' ||
        ((object.kind === 'segment' || object.kind === 'part') &&
          (since === undefined || object.at.getTime() >= since)),
    );
    let bytes = 0;
    await inParallel(meant, AT_ONCE, async (each) => {
      const name = each.key.slice(cut);
      const detail = await damageOfObject(repository, store, chain, each, signal);
      bytes += each.sizeBytes;
      objects += 1;
      if (detail !== undefined || before.has(name)) entries.push(entryOf(name, each.sizeBytes, detail));
      before.delete(name);
    });
    if (meant.length > 0) entries.push(entryOf(`wal/${chain.server}/${chain.id.chain}/`, bytes, undefined));
  }
  // deleted since: by retention, or it leaves a gap, of which status tells
  for (const key of before) entries.push({ key, ok: true, sizeBytes: 0, detail: 'it is no longer there' });
  return { entries, bases: chosen.length, objects };
}

const entryOf = (key: string, sizeBytes: number, detail: string | undefined): Entry => ({
  key,
  ok: detail === undefined,
  sizeBytes,
  ...(detail === undefined ? {} : { detail }),
});

function itemOf(base: StoredBase, cut: number) {
  const { stem, server, createdAt, sizeBytes } = base;
  const backup = { kind: 'backup' as const, source: server, createdAt, sizeBytes };
  return { name: baseManifestKey(stem).slice(cut), base, backup };
}

async function damageOfBase(
  repository: Repository,
  store: LogStore,
  base: StoredBase,
  signal: AbortSignal,
): Promise<string | undefined> {
  return damageIn(async () => {
    await store.baseManifest(base, signal).catch((error: unknown) => {
      // only its key opens it, and that need not be at hand
      if (!(error instanceof OperatorError) || error.code !== 'CONFIG') throw error;
    });
    const item = await baseItem(repository, base, signal);
    return { repository, item, sizes: undefined };
  }, signal);
}

/** What is wrong with an object of the log; undefined for one that is whole. @throws what is no answer */
async function damageOfObject(
  repository: Repository,
  store: LogStore,
  { server, id, segmentBytes }: ChainLog,
  { key, object, sizeBytes }: KeyedObject,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    if (object.kind === 'history') {
      const text = await store.history({ server, chain: id.chain, timeline: object.timeline }, signal);
      return historyProblem(object.timeline, text);
    }
    if (object.kind !== 'segment' && object.kind !== 'part') return undefined;
    if (object.encrypted && repository.encryption.identity === undefined) {
      let found = 0;
      for await (const chunk of await store.get(key, signal)) found += chunk.length;
      return found === sizeBytes ? undefined : `it has ${found} bytes, not ${sizeBytes}`;
    }
    await store.read({ key, object }, segmentBytes, signal);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof OperatorError)) throw error;
    if (error.code === 'BACKUP_DAMAGED') return messageOf(error);
    if (error.code !== 'NO_SUCH_BACKUP') throw error;
    // retention may have had it since it was listed
    return (await isListed(repository, key, signal)) ? messageOf(error) : undefined;
  }
}

async function isListed({ shelf }: Repository, key: string, signal: AbortSignal): Promise<boolean> {
  for await (const found of shelf.storage.list(key, { signal })) if (found.key === key) return true;
  return false;
}

function historyProblem(timeline: number, text: string): string | undefined {
  try {
    historyOf(timeline, text);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
