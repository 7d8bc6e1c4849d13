import { lstatSync, type Stats } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { OperatorError } from '../../../errors.ts';
import type { FilesSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { DatabaseSearch, type FoundDatabase } from '../sqlite/search.ts';
import type { Place } from '../swap/place.ts';
import { pathOf } from '../tree/byte-path.mjs';
import { leavesOut, UnusedPatterns } from '../tree/patterns.mjs';
import { walk } from '../tree/walk.mjs';

/** What was found in a folder, before any of it is read. */
export interface Found {
  /** On its disk, what is left out not among it. */
  readonly usedBytes: number;
  readonly databases: readonly FoundDatabase[];
}

/** Others get their turn after so many entries. */
const ENTRIES_PER_TURN = 1_000;
const DISK_BLOCK = 512;

/**
 * Goes through what is to be archived: how much it is, and which SQLite databases are in it. Says which patterns fit nothing.
 * @throws OperatorError CONFIG when patterns leave out all of it
 */
export async function lookThrough(source: FilesSource, place: Place, signal: AbortSignal): Promise<Found> {
  const patterns = source.exclude ?? [];
  const search = new DatabaseSearch(place.live);
  if (place.kind !== 'folder') {
    if (patterns.length > 0)
      throw new OperatorError(
        'CONFIG',
        `source ${source.name}: ${place.live} is a single file, of which nothing can be left out`,
        {
          hint: `Remove ?exclude=… from ${source.variable}, and ${source.variable}_EXCLUDE.`,
        },
      );
    const usedBytes = search.lookAtOnly();
    return { usedBytes, databases: search.found(source.name) };
  }
  const unused = new UnusedPatterns(patterns);
  let isLeftOutOf = false;
  const fits = leavesOut(patterns);
  const choice = {
    reserved: place.reserved,
    leavesOut: (path: string, isFolder: boolean) => {
      const isOut = fits(path, isFolder);
      isLeftOutOf ||= isOut;
      return isOut;
    },
    seen: ({ path, isFolder }: { path: string; isFolder: boolean }) => unused.see(path, isFolder),
    // what reads the archive's contents tells of it, together with all files that cannot be read
    unreadable: () => {},
  };
  let entries = 0;
  let usedBytes = 0;
  const severalNames = new Set<string>();
  for (const entry of walk(place.live, choice)) {
    entries += 1;
    if (entries % ENTRIES_PER_TURN === 0) {
      await nextTurn();
      signal.throwIfAborted();
    }
    const stat = statOf(pathOf(place.live, entry.path));
    if (stat === undefined) continue;
    const inode = `${stat.dev}:${stat.ino}`;
    if (entry.isFile && stat.nlink > 1 && severalNames.has(inode)) {
      search.lookAt(entry.path, stat);
      continue;
    }
    if (entry.isFile && stat.nlink > 1) severalNames.add(inode);
    usedBytes += stat.blocks * DISK_BLOCK;
    if (entry.isFile) search.lookAt(entry.path, stat);
  }
  for (const pattern of unused.list)
    log.warn(`${source.name}: the pattern ${pattern} (${source.variable}, exclude) fits nothing in ${place.live}`);
  if (entries === 1 && isLeftOutOf)
    throw new OperatorError('CONFIG', `source ${source.name}: its patterns leave out everything in ${place.live}`, {
      hint: `Correct ?exclude=… in ${source.variable}, or ${source.variable}_EXCLUDE: ${patterns.join(' ')}. Nothing was stored.`,
    });
  return { usedBytes, databases: search.found(source.name) };
}

/** Undefined of what is gone, or cannot be looked at: what reads it tells of that. */
function statOf(path: Buffer): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
