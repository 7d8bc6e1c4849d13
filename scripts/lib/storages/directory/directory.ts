import { join, resolve } from 'node:path';
import type { Storage } from '../storage.ts';
import { type DirectoryContext, INCOMPLETE } from './context.ts';
import { get } from './get.ts';
import { list } from './list.ts';
import { probe } from './probe.ts';
import { put } from './put.ts';
import { remove, removeUnfinished } from './remove.ts';

export interface DirectoryOptions {
  /** False: do not even try hard links, which some network and FUSE file systems do not have. */
  readonly hardLinks?: boolean;
}

/**
 * A directory as the storage. The directory itself is never created: when its disk is not mounted, backups would
 * fill the disk below it and be gone from sight as soon as the right one is back.
 *
 * @param path the directory, absolute or relative to the working directory
 */
export function openDirectory(path: string, { hardLinks = true }: DirectoryOptions = {}): Storage {
  const root = resolve(path);
  const context: DirectoryContext = { root, incomplete: join(root, INCOMPLETE), hardLinks };
  return {
    description: root,
    put: (...call) => put(context, ...call),
    get: (...call) => get(context, ...call),
    list: (...call) => list(context, ...call),
    remove: (...call) => remove(context, ...call),
    removeUnfinished: (...call) => removeUnfinished(context, ...call),
    probe: (...call) => probe(context, ...call),
    close: () => {},
  };
}
