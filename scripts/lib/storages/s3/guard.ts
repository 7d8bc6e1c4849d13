import { finished, type Readable, Transform } from 'node:stream';
import { OperatorError } from '../../errors.ts';
import { type S3Target, s3Failure } from './errors.ts';

export interface Guard {
  readonly target: S3Target;
  readonly signal: AbortSignal | undefined;
  readonly idleTimeoutMs: number;
}

/** Passes the bytes of a whole object on, and errors when they stop coming or end too early. */
export function guarded(
  body: Readable,
  expectedBytes: number | undefined,
  { target, signal, idleTimeoutMs }: Guard,
): Readable {
  let received = 0;
  let movedAt = Date.now();
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      movedAt = Date.now();
      done(null, chunk);
    },
    flush(done) {
      const isShort = expectedBytes !== undefined && received < expectedBytes;
      done(isShort ? cutOff(target, received, expectedBytes) : null);
    },
  });
  const watch = setInterval(() => {
    // a reader that builds an index meanwhile is not the store's silence
    if (stream.readableLength > 0 || stream.writableLength > 0 || body.readableEnded) movedAt = Date.now();
    if (Date.now() - movedAt >= idleTimeoutMs) stream.destroy(silent(target, received, idleTimeoutMs));
  }, idleTimeoutMs / 10);
  const onAbort = () => stream.destroy(signal?.reason);
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort);
  finished(body, (error) => {
    if (error && !stream.destroyed) stream.destroy(cutOff(target, received, expectedBytes, error));
  });
  stream.once('close', () => {
    clearInterval(watch);
    signal?.removeEventListener('abort', onAbort);
    body.destroy();
  });
  return body.pipe(stream);
}

/** The failure of a download whose bytes stopped coming. */
export function silent(target: S3Target, received: number, idleTimeoutMs: number): OperatorError {
  const error = new Error(`no byte came for ${idleTimeoutMs / 1000} s, ${received} came before`);
  error.name = 'TimeoutError';
  return s3Failure(error, target);
}

/** The failure of a download that ended too early. */
export function cutOff(
  target: S3Target,
  received: number,
  expected: number | undefined,
  cause?: unknown,
): OperatorError {
  const { operation, bucket, endpoint } = target;
  return new OperatorError(
    'STORAGE',
    `cannot ${operation} in s3://${bucket} at ${endpoint}: the connection ended after ${received} of ${expected ?? 'unknown'} bytes`,
    { hint: 'Try again; if it happens every time, look at the store and what is between it and this machine.', cause },
  );
}
