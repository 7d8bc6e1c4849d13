import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MeasuredBody } from '../measured-body.ts';
import type { PutResult, Storage } from '../storage.ts';
import { assertRoot, type DirectoryContext, pathOf } from './context.ts';
import { directoryFailure } from './errors.ts';
import { makeFolder, publish } from './publish.ts';
import { pruneEmpty } from './tree.ts';

/** See Storage.put. The object is written aside, and takes its name when it is whole. */
export async function put(
  context: DirectoryContext,
  ...[key, body, { signal } = {}]: Parameters<Storage['put']>
): Promise<PutResult> {
  const { root, incomplete, hardLinks } = context;
  const measured = new MeasuredBody(body, signal);
  const draft = join(incomplete, randomBytes(8).toString('hex'));
  try {
    const target = pathOf(context, key);
    await assertRoot(context, `store ${key}`);
    const temporary = join(draft, key);
    await makeFolder(root, dirname(temporary));
    await write(temporary, measured);
    measured.signal.throwIfAborted();
    await publish(root, temporary, target, key, hardLinks);
    return measured.result();
  } catch (error) {
    // what the body threw, and the reason of an abort, are not the directory's failures
    if (measured.signal.aborted) throw measured.signal.reason;
    throw directoryFailure(error, `store ${key}`, root);
  } finally {
    await measured.close();
    // best effort: what stays is removed by removeUnfinished, and the failure that matters is the one under way
    await rm(draft, { recursive: true, force: true }).catch(() => {});
    await pruneEmpty(root, incomplete);
  }
}

async function write(temporary: string, body: MeasuredBody): Promise<void> {
  // dumps hold everything there is to know: for the owner alone, whatever the umask
  const file = await open(temporary, 'wx', 0o600);
  try {
    for (let chunk = await body.next(); chunk; chunk = await body.next()) await file.writeFile(chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}
