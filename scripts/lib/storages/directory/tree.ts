import { type Dirent, lstat } from 'node:fs';
import { open, readdir, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
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

/**
 * Every regular file below `root` whose key starts with `prefix`, in the order of the keys' bytes. Links are not
 * followed. What vanishes while this runs is left out; what cannot be read throws.
 *
 * @param skip names directly below the root that are not looked at
 */
export async function* walkTree(
  root: string,
  prefix: string,
  options: { skip?: string; signal?: AbortSignal | undefined } = {},
): AsyncGenerator<TreeFile> {
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  const { signal } = options;

  async function* below(parent: string): AsyncGenerator<TreeFile> {
    signal?.throwIfAborted();
    let files: string[] = [];
    for (const { key, isFolder } of await entriesOf(join(root, parent), parent)) {
      if (!key.startsWith(prefix) && !(isFolder && prefix.startsWith(key))) continue;
      if (parent === '' && key === `${options.skip}/`) continue;
      if (!isFolder) files.push(key);
      if (isFolder || files.length === STAT_BATCH) {
        yield* await statAll(root, files);
        files = [];
        signal?.throwIfAborted();
      }
      if (isFolder) yield* below(key);
    }
    yield* await statAll(root, files);
  }

  yield* below(folder);
}

/** The files and folders in one folder, a folder's key ending in `/`: so sorted, walking down gives byte order. */
async function entriesOf(path: string, parent: string): Promise<{ key: string; isFolder: boolean }[]> {
  let found: Dirent[];
  try {
    found = await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  const entries = [];
  for (const entry of found) {
    if (entry.isDirectory()) entries.push({ key: `${parent}${entry.name}/`, isFolder: true });
    else if (entry.isFile()) entries.push({ key: parent + entry.name, isFolder: false });
  }
  return entries.sort((a, b) => compareKeys(a.key, b.key));
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
