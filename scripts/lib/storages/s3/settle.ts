import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { raw, type S3Context } from './context.ts';
import { nameOf, statusOf } from './errors.ts';

/** What was sent, to be recognised again. */
export interface Sent {
  readonly sizeBytes: number;
  /** As S3 computes it from the content, without quotes; undefined when this store computes it otherwise. */
  readonly etag: string | undefined;
}

const LOOK_TIMEOUT_MS = 20_000;

/**
 * Whether the object under `key` is the one that was sent, asked when the answer to the upload was lost. Undefined
 * when that cannot be told: the key of a backup host may only write, and then this is refused.
 */
export async function isOurs(context: S3Context, key: string, sent: Sent): Promise<boolean | undefined> {
  try {
    const found = await raw(
      context,
      context.clients.control,
      (client, http) => client.send(new HeadObjectCommand({ Bucket: context.bucket, Key: key }), http),
      { timeoutMs: Math.min(LOOK_TIMEOUT_MS, context.clients.silenceMs) },
    );
    if (found.ContentLength !== sent.sizeBytes) return false;
    const etag = found.ETag?.replaceAll('"', '');
    return etag === undefined || sent.etag === undefined ? undefined : etag === sent.etag;
  } catch (error) {
    return statusOf(error) === 404 ? false : undefined;
  }
}

/** A store that has just confirmed an object may need a moment to know of it. */
const SECOND_LOOK_MS = 500;

/**
 * Whether a store that has confirmed an object has it, of that size; undefined where it cannot be asked: the key of a
 * backup host may only write.
 */
export async function isKept(context: S3Context, key: string, sizeBytes: number): Promise<boolean | undefined> {
  const look = () =>
    raw(
      context,
      context.clients.control,
      (client, http) => client.send(new HeadObjectCommand({ Bucket: context.bucket, Key: key }), http),
      { timeoutMs: Math.min(LOOK_TIMEOUT_MS, context.clients.silenceMs) },
    ).then(
      ({ ContentLength }) => ContentLength === undefined || ContentLength === sizeBytes,
      (error: unknown) => (statusOf(error) === 404 ? false : undefined),
    );
  const isThere = await look();
  if (isThere !== false) return isThere;
  await sleep(SECOND_LOOK_MS);
  return look();
}

/** The ETag of an object from those of its parts: the MD5 of their MD5s, and their number. */
export function wholeETag(partETags: readonly string[]): string | undefined {
  const hash = createHash('md5');
  for (const etag of partETags) {
    const hex = /^"?([0-9a-f]{32})"?$/i.exec(etag)?.[1];
    if (hex === undefined) return undefined;
    hash.update(Buffer.from(hex, 'hex'));
  }
  return `${hash.digest('hex')}-${partETags.length}`;
}

/** Failures before the store can have received the request. */
const NEVER_ARRIVED =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EPROTO|CredentialsProviderError|ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/;

/**
 * The attempts of one request, retries included. One whose answer was lost may have been carried out, and then a
 * later one fails because of it: the key is taken, by ourselves, or the upload is gone, because it is complete.
 */
export class Attempts {
  mayHaveSucceeded = false;

  readonly middleware =
    <A, R>(next: (args: A) => Promise<R>) =>
    async (args: A): Promise<R> => {
      try {
        return await next(args);
      } catch (error) {
        const status = statusOf(error);
        // 503 is a refusal; other 5xx, and silence, leave it open
        const isOpen = status === undefined ? !NEVER_ARRIVED.test(nameOf(error)) : status >= 500 && status !== 503;
        if (isOpen && status !== 501 && status !== 507) this.mayHaveSucceeded = true;
        throw error;
      }
    };
}
