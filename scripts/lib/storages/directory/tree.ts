import { lstat, readdir } from 'node:fs';
import { open, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../../errors.ts';
import { compareKeys } from '../keys.ts';
import { isMissing } from './errors.ts';

export interface TreeFile {
  /** The path below the root, `/`-separated. */
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
}

/** Files whose size is asked for at the same time. */
const STAT_BATCH = 256;
/** Folders side by side that are read at the same time. The log of a server is tens of thousands of them, a few files in each. */
const FOLDERS_AT_ONCE = 64;

interface WalkOptions {
  /** A name directly below the root that is not looked at. */
  readonly skip?: string;
  readonly signal?: AbortSignal | undefined;
}

interface Entry {
  /** A folder's ends in `/`. */
  readonly key: string;
  readonly isFolder: boolean;
}

/**
 * Every regular file below `root` whose key starts with `prefix`, in the order of the keys' bytes, some hundred at a time: one by one
 * they would cost more than the files do. Links are not followed. What vanishes while this runs is left out; what cannot be read throws.
 */
export async function* walkTree(
  root: string,
  prefix: string,
  { skip, signal }: WalkOptions = {},
): AsyncGenerator<readonly TreeFile[]> {
  const isMeant = ({ key, isFolder }: Entry) =>
    (key.startsWith(prefix) || (isFolder && prefix.startsWith(key))) && key !== `${skip}/`;
  const read = async (folder: string) => (await entriesOf(`${root}/${folder}`, folder)).filter(isMeant);

  async function* below(entries: readonly Entry[]): AsyncGenerator<readonly TreeFile[]> {
    let files: string[] = [];
    for (let i = 0; i < entries.length; i += FOLDERS_AT_ONCE) {
      signal?.throwIfAborted();
      const some = entries.slice(i, i + FOLDERS_AT_ONCE);
      const inside = await Promise.all(some.map(({ key, isFolder }) => (isFolder ? read(key) : undefined)));
      for (const [place, { key }] of some.entries()) {
        const inner = inside[place] ?? [{ key, isFolder: false }];
        const isDeep = inner.some(({ isFolder }) => isFolder);
        if (!isDeep) for (const file of inner) files.push(file.key);
        if (isDeep || files.length >= STAT_BATCH) {
          yield await statAll(root, files);
          files = [];
        }
        if (isDeep) yield* below(inner);
      }
    }
    yield await statAll(root, files);
  }

  yield* below(await read(prefix.slice(0, prefix.lastIndexOf('/') + 1)));
}

/** The files and folders in one folder, a folder's key ending in `/`: so sorted, walking down gives byte order. */
function entriesOf(path: string, parent: string): Promise<Entry[]> {
  return new Promise((resolve, reject) => {
    // by a callback: for tens of thousands of folders a promise of node's costs more than the folder
    readdir(path, { withFileTypes: true }, (error, found) => {
      if (error !== null) {
        if (isMissing(error)) resolve([]);
        else reject(error);
        return;
      }
      const entries: Entry[] = [];
      for (const entry of found) {
        if (entry.isDirectory()) entries.push({ key: `${parent}${entry.name}/`, isFolder: true });
        else if (entry.isFile()) entries.push({ key: parent + entry.name, isFolder: false });
      }
      resolve(entries.sort((a, b) => compareKeys(a.key, b.key)));
    });
  });
}

/** By callbacks: a promise for each of a million files takes longer than the file. */
function statAll(root: string, keys: readonly string[]): Promise<TreeFile[]> {
  return new Promise((resolve, reject) => {
    const files: (TreeFile | undefined)[] = [];
    let waitsFor = keys.length;
    if (waitsFor === 0) resolve([]);
    for (const [index, key] of keys.entries()) {
      lstat(`${root}/${key}`, (error, stats) => {
        if (error === null) files[index] = { key, sizeBytes: stats.size, modifiedAt: stats.mtime };
        else if (!isMissing(error)) reject(error);
        waitsFor -= 1;
        if (waitsFor === 0) resolve(files.filter((file) => file !== undefined));
      });
    }
  });
}

/** Removes `folder` and the ones above it as long as they are empty, never `root` itself. */
export async function pruneEmpty(root: string, folder: string): Promise<void> {
  for (let path = folder; path !== root && path.startsWith(root); path = dirname(path)) {
    try {
      await rmdir(path);
    } catch (error) {
      // somebody else removed it: what is above it may be empty now
      if (isMissing(error)) continue;
      // not empty; and an empty folder that may not be removed does no harm
      return;
    }
  }
}

/** Makes the entries of `folder`, and those of the ones above it up to `root`, survive a power cut. */
export async function syncFolders(root: string, folder: string): Promise<void> {
  for (let path = folder; path.startsWith(root); path = dirname(path)) {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } catch (error) {
      // network and FUSE file systems that cannot sync a folder
      if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EBADF', 'EISDIR', 'EPERM'].includes(codeOf(error) ?? '')) {
        throw error;
      }
    } finally {
      await handle.close();
    }
    if (path === root) return;
  }
}
