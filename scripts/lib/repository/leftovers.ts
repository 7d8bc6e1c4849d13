import type { Storage } from '../storages/storage.ts';
import { log } from '../terminal/log.ts';
import { LAST_PART, normalizePrefix, parseKey } from './object-key.ts';

const DAY_MS = 86_400_000;
/** What says something of a dump, and without one says nothing; and the objects of a folder that was never finished. */
const ASIDE = ['kind', 'globals', 'part'] as const;

/**
 * Removes what killed runs of a source left half done before a time: unfinished uploads, and what was to stand beside a
 * dump that never came. To be called by whoever holds the source's lock: nothing of it can be in use then. Never
 * throws: credentials that may only write are enough for a backup, and cleanup removes it in time.
 */
export async function removeAbandoned(
  storage: Storage,
  prefix: string,
  { source, before }: { source: string; before: Date },
  signal: AbortSignal,
): Promise<void> {
  const isOurs = (key: string) => {
    const parsed = parseKey(prefix, key);
    return parsed?.source === source && parsed.createdAt < before;
  };
  try {
    const uploads = await storage.removeUnfinished(normalizePrefix(prefix), isOurs, { signal });
    const aside = await lonely(storage, prefix, { source, before }, signal);
    const failures = new Set((await storage.remove(aside, { signal })).map(({ key }) => key));
    const removed = [...uploads, ...aside.filter((key) => !failures.has(key))];
    if (removed.length > 0) log.info(`removed what a run that was killed left half done: ${removed.join(', ')}`);
  } catch {
    // no right to look, or a storage whose own failure is told where it matters
  }
}

/** Objects that stand beside a dump which is not there, of the day and the one before. */
async function lonely(
  storage: Storage,
  prefix: string,
  { source, before }: { source: string; before: Date },
  signal: AbortSignal,
): Promise<string[]> {
  const stems = new Set<string>();
  const aside: { key: string; stem: string }[] = [];
  for (const time of [before.getTime(), before.getTime() - DAY_MS]) {
    const day = new Date(time).toISOString().slice(0, 10).replaceAll('-', '/');
    for await (const { key } of storage.list(`${normalizePrefix(prefix)}${day}/`, { signal })) {
      const parsed = parseKey(prefix, key);
      if (parsed?.source !== source || parsed.createdAt >= before) continue;
      const isWhole = parsed.role === 'part' && parsed.part === LAST_PART;
      if (!isWhole && ASIDE.some((role) => role === parsed.role)) aside.push({ key, stem: parsed.stem });
      else stems.add(parsed.stem);
    }
  }
  return aside.filter(({ stem }) => !stems.has(stem)).map(({ key }) => key);
}
