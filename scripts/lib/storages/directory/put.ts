import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MeasuredBody } from '../measured-body.ts';
import type { PutResult, Storage } from '../storage.ts';
import { assertRoot, type DirectoryContext, pathOf } from './context.ts';
import { directoryFailure } from './errors.ts';
import { makeFolder, publish } from './publish.ts';
import { pruneEmpty } from './tree.ts';

/** What comes through pipes comes in 64 KB at most: a thread is asked to write only when there is as much as that. */
const WRITE_BYTES = 1024 * 1024;

/** See Storage.put. The object is written aside, and takes its name when it is whole. */
export async function put(
  context: DirectoryContext,
  ...[key, body, { signal, check } = {}]: Parameters<Storage['put']>
): Promise<PutResult> {
  const { root, incomplete, hardLinks } = context;
  const measured = new MeasuredBody(body, signal, check);
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
    let held: Uint8Array[] = [];
    let heldBytes = 0;
    for (let chunk = await body.next(); chunk; chunk = await body.next()) {
      held.push(chunk);
      heldBytes += chunk.length;
      if (heldBytes < WRITE_BYTES) continue;
      await writeAll(file, held, heldBytes);
      held = [];
      heldBytes = 0;
    }
    await writeAll(file, held, heldBytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, chunks: readonly Uint8Array[], sizeBytes: number): Promise<void> {
  if (sizeBytes === 0) return;
  const { bytesWritten } = await file.writev(chunks);
  // a disk that has room for a part takes that part, and says why not more when asked again
  if (bytesWritten < sizeBytes) await file.writeFile(Buffer.concat(chunks).subarray(bytesWritten));
}
