import { Readable } from 'node:stream';

const SLICE_BYTES = 256 * 1024;

/** Where a middleware sees the request signed, and once for every attempt. */
export const SIGNED = { step: 'deserialize', priority: 'high' } as const;

/**
 * Sends a large body slice by slice. Given whole, TLS encrypts all of it at once, into a second copy of every part
 * under way. Only the sending sees a stream: the signature and the retries need the buffer that it is made from.
 */
export const inSlices =
  <A extends { request: unknown }, R>(next: (args: A) => Promise<R>) =>
  (args: A): Promise<R> => {
    const request = args.request as { body?: unknown };
    if (!Buffer.isBuffer(request.body) || request.body.length <= SLICE_BYTES) return next(args);
    const body = slicesOf(request.body);
    return next({ ...args, request: Object.assign(Object.create(Object.getPrototypeOf(request)), request, { body }) });
  };

function slicesOf(bytes: Buffer): Readable {
  let start = 0;
  return new Readable({
    highWaterMark: SLICE_BYTES,
    read() {
      const slice = bytes.subarray(start, start + SLICE_BYTES);
      start += SLICE_BYTES;
      this.push(slice.length > 0 ? slice : null);
    },
  });
}
