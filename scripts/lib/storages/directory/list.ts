import { assertPrefix } from '../keys.ts';
import type { StoredObject } from '../storage.ts';
import { assertRoot, type DirectoryContext, INCOMPLETE } from './context.ts';
import { directoryFailure } from './errors.ts';
import { walkTree } from './tree.ts';

/** See Storage.list. */
export async function* list(
  context: DirectoryContext,
  prefix: string,
  { signal }: { signal?: AbortSignal } = {},
): AsyncGenerator<StoredObject> {
  assertPrefix(prefix);
  await assertRoot(context, 'list backups');
  try {
    for await (const files of walkTree(context.root, prefix, { skip: INCOMPLETE, signal }))
      for (const { key, sizeBytes } of files) yield { key, sizeBytes };
  } catch (error) {
    signal?.throwIfAborted();
    throw directoryFailure(error, 'list backups', context.root);
  }
}
