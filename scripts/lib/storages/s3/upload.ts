import { messageOf, OperatorError } from '../../errors.ts';
import type { MeasuredBody } from '../measured-body.ts';
import { MAX_PARTS, type UploadPlan } from './part-size.ts';

/** The requests of one object's upload. Each is retried and bounded by its caller, and throws OperatorErrors. */
export interface UploadCalls {
  /** The whole object in one request. */
  put(bytes: Uint8Array): Promise<void>;
  /** Begins an upload in parts; resolves to its id. */
  create(): Promise<string>;
  /** Resolves to the part's ETag, as `complete` wants it. `number` counts from 1. */
  part(uploadId: string, number: number, bytes: Uint8Array, signal: AbortSignal): Promise<string>;
  complete(uploadId: string, etags: readonly string[]): Promise<void>;
  abort(uploadId: string): Promise<void>;
}

/**
 * Sends a body of unknown length: one that fits into a part as a single request, a longer one in equal parts, several
 * at a time. Memory is `concurrency` parts, whatever the length: buffers are filled, sent and filled again, and the
 * body is not read while none is free.
 *
 * Any failure stops the parts under way and waits for them (one that arrives after the abort would keep its space
 * in the store forever), then ends the upload. Throws the first failure.
 */
export async function upload(body: MeasuredBody, calls: UploadCalls, plan: UploadPlan): Promise<void> {
  const { partSizeBytes, concurrency } = plan;
  const etags: string[] = [];
  const free: Buffer[] = [];
  const running = new Set<Promise<void>>();
  let buffers = 0;
  let uploadId: string | undefined;

  async function freeBuffer(): Promise<Buffer> {
    while (free.length === 0) {
      if (buffers < concurrency) {
        buffers++;
        // not from the pool and not zeroed: pages that a small body never fills are never taken from the system
        return Buffer.allocUnsafeSlow(partSizeBytes);
      }
      await Promise.race(running);
      body.signal.throwIfAborted();
    }
    return free.pop() as Buffer;
  }

  let sent = 0;
  async function send(buffer: Buffer, sizeBytes: number): Promise<void> {
    const number = ++sent;
    if (number > MAX_PARTS) {
      throw new OperatorError(
        'STORAGE',
        `the dump is larger than estimated: more than ${MAX_PARTS} parts of ${partSizeBytes} bytes`,
        { hint: 'Back it up as a folder of several objects (BACKUP_FORMAT=folder).' },
      );
    }
    uploadId ??= await calls.create();
    const part = calls
      .part(uploadId, number, buffer.subarray(0, sizeBytes), body.signal)
      .then(
        (etag) => {
          etags[number - 1] = etag;
          free.push(buffer);
        },
        // stops the other parts, and what waits for the body's next chunk
        (error: unknown) => body.stop(error),
      )
      .finally(() => running.delete(part));
    running.add(part);
  }

  try {
    let buffer = await freeBuffer();
    let filled = 0;
    for (let chunk = await body.next(); chunk; chunk = await body.next()) {
      for (let taken = 0; taken < chunk.length; ) {
        if (filled === partSizeBytes) {
          await send(buffer, filled);
          buffer = await freeBuffer();
          filled = 0;
        }
        const some = chunk.subarray(taken, taken + partSizeBytes - filled);
        buffer.set(some, filled);
        filled += some.length;
        taken += some.length;
      }
    }
    if (sent === 0) return await calls.put(buffer.subarray(0, filled));
    await send(buffer, filled);
    await Promise.all(running);
    body.signal.throwIfAborted();
    await calls.complete(uploadId as unknown as string, etags);
  } catch (error) {
    body.stop(error);
    await Promise.all(running);
    const first: unknown = body.signal.reason;
    if (uploadId !== undefined) throw await ended(calls, uploadId, first);
    throw first;
  }
}

/** Ends an upload that failed with `error`; resolves to the error to throw. */
async function ended(calls: UploadCalls, uploadId: string, error: unknown): Promise<unknown> {
  try {
    await calls.abort(uploadId);
    return error;
  } catch (abortError) {
    const leftover =
      `The unfinished upload ${uploadId} could not be ended either (${messageOf(abortError)}): ` +
      'cleanup removes it later, or a lifecycle rule of the bucket.';
    // anything else is the caller's own reason, to be handed back as it is
    if (!(error instanceof OperatorError)) return error;
    return new OperatorError(error.code, error.message, { hint: `${error.hint} ${leftover}`.trim(), cause: error });
  }
}
