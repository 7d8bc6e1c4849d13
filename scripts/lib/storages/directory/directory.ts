import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { codeOf, messageOf, OperatorError } from '../../errors.ts';
import { assertKey, assertPrefix } from '../keys.ts';
import { MeasuredBody } from '../measured-body.ts';
import type { RemoveFailure, Storage, StoredObject } from '../storage.ts';
import { directoryFailure, isMissing } from './errors.ts';
import { makeFolder, publish } from './publish.ts';
import { pruneEmpty, walkTree } from './tree.ts';

/** Where objects are written before they exist: one folder per put, with the object's own path below it. */
const INCOMPLETE = '.incomplete';

const READ_CHUNK_BYTES = 1024 * 1024;
const REMOVE_BATCH = 32;
/** Nobody makes a folder to write into and then waits so long. */
const EMPTY_DRAFT_MS = 10 * 60_000;

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
export function openDirectory(path: string, options: DirectoryOptions = {}): Storage {
  const root = resolve(path);
  const incomplete = join(root, INCOMPLETE);

  function pathOf(key: string): string {
    assertKey(key);
    if (key === INCOMPLETE || key.startsWith(`${INCOMPLETE}/`)) {
      throw new OperatorError('USAGE', `${key} is where unfinished uploads lie, not an object's key`);
    }
    return join(root, key);
  }

  async function assertRoot(operation: string): Promise<void> {
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

  return {
    description: root,

    async put(key, body, { signal } = {}) {
      const measured = new MeasuredBody(body, signal);
      const draft = join(incomplete, randomBytes(8).toString('hex'));
      try {
        const target = pathOf(key);
        await assertRoot(`store ${key}`);
        const temporary = join(draft, key);
        await makeFolder(root, dirname(temporary));
        await write(temporary, measured);
        measured.signal.throwIfAborted();
        await publish(root, temporary, target, key, options.hardLinks ?? true);
        return measured.result();
      } catch (error) {
        // what the body threw, and the reason of an abort, are not the directory's failures
        if (measured.signal.aborted) throw measured.signal.reason;
        throw directoryFailure(error, `store ${key}`, root);
      } finally {
        await measured.close();
        await discard(draft);
      }
    },

    async get(key, { signal } = {}) {
      signal?.throwIfAborted();
      const source = pathOf(key);
      let file: FileHandle | undefined;
      try {
        file = await open(source, 'r');
        const found = await file.stat();
        if (found.isFile()) return readable(file, key, found.size, signal);
      } catch (error) {
        await file?.close();
        if (!isMissing(error)) throw directoryFailure(error, `read ${key}`, root);
        await assertRoot(`read ${key}`);
      }
      await file?.close();
      throw new OperatorError('NO_SUCH_BACKUP', `there is no ${key} in ${root}`, {
        hint: 'list shows what there is.',
      });
    },

    async *list(prefix, { signal } = {}): AsyncGenerator<StoredObject> {
      assertPrefix(prefix);
      await assertRoot('list backups');
      try {
        for await (const { key, sizeBytes } of walkTree(root, prefix, { skip: INCOMPLETE, signal })) {
          yield { key, sizeBytes };
        }
      } catch (error) {
        signal?.throwIfAborted();
        throw directoryFailure(error, 'list backups', root);
      }
    },

    async remove(keys, { signal } = {}) {
      const paths = new Map(keys.map((key) => [key, pathOf(key)]));
      try {
        // a directory that is not there has lost its files, which is not the same as having deleted them
        await assertRoot('delete backups');
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
    },

    async removeUnfinished(prefix, which, { signal } = {}) {
      assertPrefix(prefix);
      await assertRoot('remove unfinished uploads');
      const removed: string[] = [];
      try {
        for (const draft of await draftsOf(incomplete)) {
          signal?.throwIfAborted();
          const path = join(incomplete, draft);
          const keys: string[] = [];
          let newest = (await stat(path).catch(() => undefined))?.mtime ?? new Date();
          for await (const { key, modifiedAt } of walkTree(path, '', { signal })) {
            keys.push(key);
            if (modifiedAt > newest) newest = modifiedAt;
          }
          if (keys.some((key) => !key.startsWith(prefix))) continue;
          // an empty one tells no key: somebody may be about to write into it
          const isOver =
            which instanceof Date
              ? newest < which
              : keys.length > 0
                ? keys.every(which)
                : newest.getTime() < Date.now() - EMPTY_DRAFT_MS;
          if (!isOver) continue;
          await rm(path, { recursive: true, force: true });
          removed.push(...keys);
        }
        await pruneEmpty(root, incomplete);
      } catch (error) {
        signal?.throwIfAborted();
        throw directoryFailure(error, 'remove unfinished uploads', root);
      }
      return removed;
    },

    close() {},
  };

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

  async function discard(draft: string): Promise<void> {
    // best effort: what stays is removed by removeUnfinished, and the failure that matters is the one under way
    await rm(draft, { recursive: true, force: true }).catch(() => {});
    await pruneEmpty(root, incomplete);
  }

  function readable(file: FileHandle, key: string, sizeBytes: number, signal: AbortSignal | undefined): Readable {
    let left = sizeBytes;
    const stream = new Readable({
      highWaterMark: READ_CHUNK_BYTES,
      read() {
        file.read(Buffer.allocUnsafe(READ_CHUNK_BYTES)).then(
          ({ bytesRead, buffer }) => {
            left -= bytesRead;
            if (bytesRead > 0) stream.push(buffer.subarray(0, bytesRead));
            else if (left <= 0) stream.push(null);
            else stream.destroy(new OperatorError('STORAGE', `${key} in ${root} became shorter while it was read`));
          },
          (error: unknown) => stream.destroy(directoryFailure(error, `read ${key}`, root)),
        );
      },
      destroy(error, done) {
        signal?.removeEventListener('abort', onAbort);
        file.close().then(
          () => done(error),
          () => done(error),
        );
      },
    });
    const onAbort = () => stream.destroy(signal?.reason);
    signal?.addEventListener('abort', onAbort);
    return stream;
  }
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
