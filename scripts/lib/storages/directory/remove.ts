import { readdir, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { assertPrefix } from '../keys.ts';
import type { RemoveFailure } from '../storage.ts';
import { assertRoot, type DirectoryContext, pathOf } from './context.ts';
import { directoryFailure, isMissing } from './errors.ts';
import { pruneEmpty, walkTree } from './tree.ts';

const REMOVE_BATCH = 32;
/** Nobody makes a folder to write into and then waits this long. */
const EMPTY_DRAFT_MS = 10 * 60_000;

/** See Storage.remove. */
export async function remove(
  context: DirectoryContext,
  keys: readonly string[],
  { signal }: { signal?: AbortSignal } = {},
): Promise<RemoveFailure[]> {
  const { root } = context;
  const paths = new Map(keys.map((key) => [key, pathOf(context, key)]));
  try {
    // a directory that is not there has lost its files, which is not the same as having deleted them
    await assertRoot(context, 'delete backups');
  } catch (error) {
    return keys.map((key) => ({ key, reason: messageOf(error) }));
  }
  const failures: RemoveFailure[] = [];
  const waiting = [...paths];
  while (waiting.length > 0) {
    signal?.throwIfAborted();
    const batch = waiting.splice(0, REMOVE_BATCH);
    await Promise.all(
      batch.map(async ([key, target]) => {
        try {
          await unlink(target);
        } catch (error) {
          if (!isMissing(error)) failures.push({ key, reason: messageOf(directoryFailure(error, 'delete', root)) });
        }
      }),
    );
    for (const folder of new Set(batch.map(([, target]) => dirname(target)))) await pruneEmpty(root, folder);
  }
  return failures;
}

type Which = Date | ((key: string) => boolean);

/** See Storage.removeUnfinished. */
export async function removeUnfinished(
  context: DirectoryContext,
  prefix: string,
  which: Which,
  { signal }: { signal?: AbortSignal } = {},
): Promise<string[]> {
  const { root, incomplete } = context;
  assertPrefix(prefix);
  await assertRoot(context, 'remove unfinished uploads');
  const removed: string[] = [];
  try {
    for (const name of await draftsOf(incomplete)) {
      signal?.throwIfAborted();
      const draft = await lookAt(join(incomplete, name), signal);
      if (draft.keys.some((key) => !key.startsWith(prefix)) || !isOver(draft, which)) continue;
      await rm(draft.path, { recursive: true, force: true });
      removed.push(...draft.keys);
    }
    await pruneEmpty(root, incomplete);
  } catch (error) {
    signal?.throwIfAborted();
    throw directoryFailure(error, 'remove unfinished uploads', root);
  }
  return removed;
}

/** The folder of an unfinished put. */
interface Draft {
  readonly path: string;
  readonly keys: readonly string[];
  /** When something of it was last written. */
  readonly newest: Date;
}

async function lookAt(path: string, signal: AbortSignal | undefined): Promise<Draft> {
  const keys: string[] = [];
  let newest = (await stat(path).catch(() => undefined))?.mtime ?? new Date();
  for await (const files of walkTree(path, '', { signal }))
    for (const { key, modifiedAt } of files) {
      keys.push(key);
      if (modifiedAt > newest) newest = modifiedAt;
    }
  return { path, keys, newest };
}

function isOver({ keys, newest }: Draft, which: Which): boolean {
  if (which instanceof Date) return newest < which;
  if (keys.length > 0) return keys.every(which);
  // an empty one tells no key: somebody may be about to write into it
  return newest.getTime() < Date.now() - EMPTY_DRAFT_MS;
}

/** The folders of unfinished puts; none when there never was one. */
async function draftsOf(incomplete: string): Promise<string[]> {
  try {
    return await readdir(incomplete);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
