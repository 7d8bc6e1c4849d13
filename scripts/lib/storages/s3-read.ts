import { finished, type Readable, Transform } from 'node:stream';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { OperatorError } from '../errors.ts';
import { compareKeys } from './keys.ts';
import { control, type S3Context, targetOf } from './s3-context.ts';
import { notS3, type S3Target, s3Failure } from './s3-errors.ts';
import type { StoredObject } from './storage.ts';

/** An answer with no objects but with a next page is allowed, an endless row of them is not. */
const MAX_EMPTY_PAGES = 1000;

/** Opens a download; see Storage.get. */
export async function getObject(
  context: S3Context,
  key: string,
  signal: AbortSignal | undefined,
  idleTimeoutMs = context.clients.silenceMs,
): Promise<Readable> {
  const purpose = { operation: `read ${key}`, permission: 'read' };
  const answer = await control(
    context,
    purpose,
    (client, http) => client.send(new GetObjectCommand({ Bucket: context.bucket, Key: key }), http),
    { signal },
  );
  const target = targetOf(context, purpose);
  if (answer.Body === undefined || answer.ETag === undefined) throw notS3(target, 'the answer is none of S3’s');
  return guarded(answer.Body as Readable, answer.ContentLength, target, signal, idleTimeoutMs);
}

/** Passes the bytes on, and errors when they stop coming or end too early. */
function guarded(
  body: Readable,
  expectedBytes: number | undefined,
  target: S3Target,
  signal: AbortSignal | undefined,
  idleTimeoutMs: number,
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
    if (Date.now() - movedAt < idleTimeoutMs) return;
    const error = new Error(`no byte came for ${idleTimeoutMs / 1000} s, ${received} came before`);
    error.name = 'TimeoutError';
    stream.destroy(s3Failure(error, target));
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

function cutOff(target: S3Target, received: number, expected: number | undefined, cause?: unknown): OperatorError {
  const { operation, bucket, endpoint } = target;
  return new OperatorError(
    'STORAGE',
    `cannot ${operation} in s3://${bucket} at ${endpoint}: the connection ended after ${received} of ${expected ?? 'unknown'} bytes`,
    { hint: 'Try again; if it happens every time, look at the store and what is between it and this machine.', cause },
  );
}

/** Lists page by page; see Storage.list. Anything that could hide objects is an error, never an early end. */
export async function* listObjects(
  context: S3Context,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredObject> {
  const purpose = { operation: 'list backups', permission: 'list' };
  const target = targetOf(context, purpose);
  const tokens = new Set<string>();
  let token: string | undefined;
  let lastKey: string | undefined;
  let emptyPages = 0;
  do {
    const page = await control(
      context,
      purpose,
      (client, http) =>
        client.send(
          new ListObjectsV2Command({
            Bucket: context.bucket,
            Prefix: prefix,
            // a key with a control character cannot stand in XML, and would make the page unreadable
            EncodingType: 'url',
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          http,
        ),
      { signal },
    );
    if (page.IsTruncated === undefined && page.Name === undefined) throw notS3(target, 'the answer is no S3 listing');
    const decode = page.EncodingType === 'url' ? decodeKey : (key: string) => key;
    for (const { Key, Size } of page.Contents ?? []) {
      if (Key === undefined || Size === undefined) throw notS3(target, 'the listing has an entry without key or size');
      const key = decode(Key);
      // also what a page that comes a second time looks like
      if (lastKey !== undefined && compareKeys(key, lastKey) <= 0) {
        throw notS3(target, `the listing is out of order: ${key} after ${lastKey}`);
      }
      lastKey = key;
      if (key.startsWith(prefix)) yield { key, sizeBytes: Size };
    }
    emptyPages = page.Contents?.length ? 0 : emptyPages + 1;
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
    if (page.IsTruncated && !token) throw notS3(target, 'the listing says that it goes on, but not where');
    if (token !== undefined && (tokens.has(token) || emptyPages > MAX_EMPTY_PAGES)) {
      throw notS3(target, 'the listing goes round in circles');
    }
    if (token !== undefined) tokens.add(token);
  } while (token !== undefined);
}

/** A key as a listing with `encoding-type=url` writes it: a space may be a plus. */
export function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    // not encoded after all, whatever the listing says
    return key;
  }
}
