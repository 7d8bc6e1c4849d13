import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, OperatorError } from '../../errors.ts';
import { assertKey } from '../keys.ts';
import { directoryFailure } from './errors.ts';

/** Where objects are written before they exist: one folder per put, with the object's own path below it. */
export const INCOMPLETE = '.incomplete';

/** What every operation on a directory needs. */
export interface DirectoryContext {
  /** The directory's absolute path. */
  readonly root: string;
  /** Where unfinished puts lie. */
  readonly incomplete: string;
  /** False: do not even try hard links, which some network and FUSE file systems do not have. */
  readonly hardLinks: boolean;
}

/** The object's path. @throws OperatorError USAGE for what is no key */
export function pathOf({ root }: DirectoryContext, key: string): string {
  assertKey(key);
  if (key === INCOMPLETE || key.startsWith(`${INCOMPLETE}/`)) {
    throw new OperatorError('USAGE', `${key} is where unfinished uploads lie, not an object's key`);
  }
  return join(root, key);
}

/** @throws OperatorError STORAGE when the directory is not there: its disk may not be mounted */
export async function assertRoot({ root }: DirectoryContext, operation: string): Promise<void> {
  try {
    if ((await stat(root)).isDirectory()) return;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw directoryFailure(error, operation, root);
    throw new OperatorError('STORAGE', `cannot ${operation} in ${root}: the directory does not exist`, {
      hint: `Mount its disk, correct BACKUP_DIR, or make it yourself: mkdir -p '${root}'.`,
      cause: error,
    });
  }
  throw new OperatorError('STORAGE', `cannot ${operation} in ${root}: it is not a directory`, {
    hint: 'Set BACKUP_DIR to a directory.',
  });
}
