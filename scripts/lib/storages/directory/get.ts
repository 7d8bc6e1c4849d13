import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { OperatorError } from '../../errors.ts';
import type { ByteRange, GetOptions } from '../storage.ts';
import { assertRoot, type DirectoryContext, pathOf } from './context.ts';
import { directoryFailure, isMissing } from './errors.ts';

const READ_CHUNK_BYTES = 1024 * 1024;

/** See Storage.get. */
export async function get(
  context: DirectoryContext,
  key: string,
  { range = { from: 0 }, signal }: GetOptions = {},
): Promise<Readable> {
  signal?.throwIfAborted();
  const { root } = context;
  const source = pathOf(context, key);
  let file: FileHandle | undefined;
  try {
    file = await open(source, 'r');
    const found = await file.stat();
    if (found.isFile()) return readable(file, { key, root, sizeBytes: found.size, range }, signal);
  } catch (error) {
    await file?.close();
    if (!isMissing(error)) throw directoryFailure(error, `read ${key}`, root);
    await assertRoot(context, `read ${key}`);
  }
  await file?.close();
  throw new OperatorError('NO_SUCH_BACKUP', `there is no ${key} in ${root}`, {
    hint: 'list shows what there is.',
  });
}

function readable(
  file: FileHandle,
  { key, root, sizeBytes, range }: { key: string; root: string; sizeBytes: number; range: ByteRange },
  signal: AbortSignal | undefined,
): Readable {
  const end = Math.min(range.to ?? sizeBytes, sizeBytes);
  let at = range.from;
  const stream = new Readable({
    highWaterMark: READ_CHUNK_BYTES,
    read() {
      // one that has grown meanwhile is read on: what is compared with it is to see that
      const most = range.to === undefined ? READ_CHUNK_BYTES : Math.min(READ_CHUNK_BYTES, Math.max(0, end - at));
      if (most === 0) {
        stream.push(null);
        return;
      }
      file.read(Buffer.allocUnsafe(most), 0, most, at).then(
        ({ bytesRead, buffer }) => {
          at += bytesRead;
          if (bytesRead > 0) stream.push(buffer.subarray(0, bytesRead));
          else if (at >= end) stream.push(null);
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
