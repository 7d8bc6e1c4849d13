import { createHash } from 'node:crypto';
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { raw, type S3Context } from './s3-context.ts';
import { statusOf } from './s3-errors.ts';

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
      context.clients.control,
      (client, http) => client.send(new HeadObjectCommand({ Bucket: context.bucket, Key: key }), http),
      { timeoutMs: LOOK_TIMEOUT_MS },
    );
    if (found.ContentLength !== sent.sizeBytes) return false;
    const etag = found.ETag?.replaceAll('"', '');
    return etag === undefined || sent.etag === undefined ? undefined : etag === sent.etag;
  } catch (error) {
    return statusOf(error) === 404 ? false : undefined;
  }
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
