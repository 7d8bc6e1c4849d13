import { createHash } from 'node:crypto';
import { link, lstat, mkdir, rename, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf, OperatorError } from '../../errors.ts';
import { isMissing } from './errors.ts';
import { syncFolders } from './tree.ts';

/** What file systems without hard links answer: FAT, exFAT, some SMB, FUSE and NFS mounts. */
const NO_HARD_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV', 'EINVAL']);

/** A folder that another process removes because it is empty, again and again, is not to be expected. */
const ATTEMPTS = 20;

/**
 * Gives the finished file `temporary` its final name, durably, and never over an existing one.
 * @throws OperatorError KEY_EXISTS; anything else as the file system said it
 */
export async function publish(
  root: string,
  temporary: string,
  target: string,
  key: string,
  hardLinks: boolean,
): Promise<void> {
  await inFolderOf(root, target, async () => {
    if (!hardLinks) return moveUnlessThere(root, temporary, target, key);
    try {
      await link(temporary, target);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') throw keyExists(root, key);
      if (!NO_HARD_LINKS.has(codeOf(error) ?? '')) throw error;
      await moveUnlessThere(root, temporary, target, key);
    }
  });
  try {
    await syncFolders(root, dirname(target));
  } catch (error) {
    // not known to be durable is not stored
    await unlink(target).catch(() => {});
    throw error;
  }
}

/** Makes a folder and those above it, down from `root` which is there, for the owner alone. */
export async function makeFolder(root: string, folder: string): Promise<void> {
  const missing: string[] = [];
  for (let path = folder; path !== root && path.startsWith(root); path = dirname(path)) missing.unshift(path);
  for (let attempt = 1; ; attempt++) {
    try {
      // one by one: node's own recursive mkdir reports a read-only disk as ENOENT
      for (const path of missing) await makeOne(path);
      return;
    } catch (error) {
      // a cleanup removed the one above, still empty, in between
      if (codeOf(error) !== 'ENOENT' || attempt === ATTEMPTS) throw error;
    }
  }
}

async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path, 0o700);
  } catch (error) {
    // a file of that name shows when something is made inside it; a read-only disk says so even of what is there
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) === 'EROFS' && (await lstat(path).catch(() => undefined))?.isDirectory()) return;
    throw error;
  }
}

/**
 * A rename would replace an existing file, so a writer takes a claim on the key first (making a folder fails when
 * it is there) and then looks. Not a placeholder under the final name: a run killed in between would leave an empty
 * file that looks like a backup.
 */
async function moveUnlessThere(root: string, temporary: string, target: string, key: string): Promise<void> {
  const claim = join(
    dirname(temporary.slice(0, -key.length)),
    `claim-${createHash('sha256').update(key).digest('hex')}`,
  );
  try {
    await mkdir(claim);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw keyExists(root, key);
    throw error;
  }
  try {
    const there = await lstat(target).then(
      () => true,
      (error: unknown) => {
        if (isMissing(error)) return false;
        throw error;
      },
    );
    if (there) throw keyExists(root, key);
    await rename(temporary, target);
  } finally {
    await rmdir(claim).catch(() => {});
  }
}

/** Makes the folder and does the step; once more when a cleanup removed the folder, still empty, in between. */
async function inFolderOf(root: string, target: string, step: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await makeFolder(root, dirname(target));
    try {
      return await step();
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || attempt === ATTEMPTS) throw error;
    }
  }
}

function keyExists(root: string, key: string): OperatorError {
  return new OperatorError('KEY_EXISTS', `${key} is already in ${root}; a backup is never overwritten`, {
    hint: 'Another run stored it in the same second; run it again.',
  });
}
