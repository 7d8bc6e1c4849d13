import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { OperatorError } from '../../errors.ts';
import { assertRoot, type DirectoryContext, pathOf } from './context.ts';
import { directoryFailure, isMissing } from './errors.ts';

const READ_CHUNK_BYTES = 1024 * 1024;

/** See Storage.get. */
export async function get(
  context: DirectoryContext,
  key: string,
  { signal }: { signal?: AbortSignal } = {},
): Promise<Readable> {
  signal?.throwIfAborted();
  const { root } = context;
  const source = pathOf(context, key);
  let file: FileHandle | undefined;
  try {
    file = await open(source, 'r');
    const found = await file.stat();
    if (found.isFile()) return readable(file, { key, root, sizeBytes: found.size }, signal);
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
  { key, root, sizeBytes }: { key: string; root: string; sizeBytes: number },
  signal: AbortSignal | undefined,
): Readable {
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
