import { messageOf } from '../errors.ts';
import type { RemoveFailure, Storage } from '../storages/storage.ts';
import { log } from '../terminal/log.ts';
import type { Leftover } from './catalog.ts';
import { LAST_PART, normalizePrefix, parseKey, sourceDayPrefix } from './object-key.ts';
import type { Shelf } from './shelf.ts';

const DAY_MS = 86_400_000;
/** What says something of a dump, and without one says nothing; and the objects of a folder that was never finished. */
const ASIDE = ['kind', 'globals', 'part'] as const;

/**
 * Removes what killed runs of a source left half done before a time: unfinished uploads, and what was to stand beside a
 * dump that never came. To be called by the run that holds the source's lock: nothing of it can be in use then. Never
 * throws: credentials that may only write are enough for a backup, and cleanup removes it in time.
 */
export async function removeLeftoversOf(
  { storage, prefix }: Shelf,
  { source, before }: { source: string; before: Date },
  signal: AbortSignal,
): Promise<void> {
  const isOurs = (key: string) => {
    const parsed = parseKey(prefix, key);
    return parsed?.source === source && parsed.createdAt < before;
  };
  try {
    const uploads = await storage.removeUnfinished(normalizePrefix(prefix), isOurs, { signal });
    const aside = await asideOf({ storage, prefix }, { source, before }, signal);
    const failures = new Set((await storage.remove(aside, { signal })).map(({ key }) => key));
    const removed = [...uploads, ...aside.filter((key) => !failures.has(key))];
    if (removed.length > 0) log.info(`removed what a killed run left unfinished: ${removed.join(', ')}`);
  } catch {
    // no right to look, or a storage whose own failure is told where it matters
  }
}

/** Objects that stand beside a dump which is not there, of the day and the one before. */
async function asideOf(
  { storage, prefix }: Pick<Shelf, 'storage' | 'prefix'>,
  { source, before }: { source: string; before: Date },
  signal: AbortSignal,
): Promise<string[]> {
  const stems = new Set<string>();
  const aside: { key: string; stem: string }[] = [];
  for (const time of [before.getTime(), before.getTime() - DAY_MS]) {
    for await (const { key } of storage.list(sourceDayPrefix(prefix, source, new Date(time)), { signal })) {
      const parsed = parseKey(prefix, key);
      if (parsed?.source !== source || parsed.createdAt >= before) continue;
      const isWhole = parsed.role === 'part' && parsed.part === LAST_PART;
      if (!isWhole && ASIDE.some((role) => role === parsed.role)) aside.push({ key, stem: parsed.stem });
      else stems.add(parsed.stem);
    }
  }
  return aside.filter(({ stem }) => !stems.has(stem)).map(({ key }) => key);
}

/** Deletes folders that were never finished, and that no run can be at any more. Returns what could not be deleted. */
export async function removeLeftovers(
  storage: Storage,
  leftovers: readonly Leftover[],
  signal: AbortSignal,
): Promise<RemoveFailure[]> {
  if (leftovers.length === 0) return [];
  log.info(`deleting what killed runs left unfinished: ${leftovers.map(({ stem }) => `${stem}/`).join(', ')}`);
  return storage.remove(
    leftovers.flatMap(({ keys }) => [...keys]),
    { signal },
  );
}

/** Ends the uploads that began before this moment. A storage that cannot tell is told of. */
export async function endUnfinishedUploads(
  { storage, prefix }: Shelf,
  before: Date,
  signal: AbortSignal,
): Promise<void> {
  try {
    const ended = await storage.removeUnfinished(normalizePrefix(prefix), before, { signal });
    const ours = ended.filter((key) => parseKey(prefix, key) !== undefined);
    if (ours.length > 0) log.info(`ended ${ours.length} uploads that killed runs left unfinished: ${ours.join(', ')}`);
  } catch (error) {
    signal.throwIfAborted();
    log.warn(`unfinished uploads could not be listed: ${messageOf(error)}`);
  }
}
