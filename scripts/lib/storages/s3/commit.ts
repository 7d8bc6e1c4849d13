import type { StorageClass } from '@aws-sdk/client-s3';
import { OperatorError } from '../../errors.ts';
import type { Lock } from '../storage.ts';
import { type S3Context, targetOf } from './context.ts';
import { nameOf, notS3, type S3Target, s3Failure } from './errors.ts';
import type { S3Features } from './features.ts';
import { lockHeaders } from './lock.ts';
import { Attempts, isKept, isOurs, type Sent } from './settle.ts';

/** An object on its way into the store. */
export interface ObjectUpload {
  readonly context: S3Context;
  readonly features: S3Features;
  readonly key: string;
  readonly contentType: string | undefined;
  /** S3_STORAGE_CLASS. */
  readonly storageClass: string | undefined;
  readonly lock: Lock | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Requests that decide whether the object exists are rather finished than cut off when the run is interrupted. */
export const GRACE_MS = 5_000;
/** Idle lines are ended earlier; this is for an answer that never comes to its end. */
export const PART_TIMEOUT_MS = 6 * 3_600_000;

/** What an upload does, for messages. */
export const purposeOf = ({ key }: ObjectUpload) => ({ operation: `store ${key}`, permission: 'write' }) as const;

/** The parameters of every request that names the object. */
export const objectOf = ({ context, key }: ObjectUpload) => ({ Bucket: context.bucket, Key: key });

/** Those of a request that makes it. */
export const kindOf = ({ contentType, storageClass, lock }: ObjectUpload) => ({
  ...lockHeaders(lock),
  ...(contentType === undefined ? {} : { ContentType: contentType }),
  ...(storageClass === undefined ? {} : { StorageClass: storageClass as StorageClass }),
});

/**
 * Makes the request after which the object exists; when its outcome is unknown, looks.
 * @throws OperatorError KEY_EXISTS, STORAGE, STORAGE_DENIED
 */
export async function commit(
  upload: ObjectUpload,
  send: (attempts: Attempts) => Promise<{ ETag?: string | undefined }>,
  sizeBytes: number,
  etagOf: () => Sent['etag'],
): Promise<void> {
  const { context, features, key, signal } = upload;
  const target = targetOf(context, purposeOf(upload));
  const attempts = new Attempts();
  let answer: { ETag?: string | undefined };
  try {
    answer = await send(attempts);
  } catch (error) {
    const ours = attempts.mayHaveSucceeded ? await isOurs(context, key, { sizeBytes, etag: etagOf() }) : false;
    if (ours === true) return;
    const failure = isTaken(error) ? keyExists(key, context.bucket) : s3Failure(error, target);
    if (signal?.aborted) throw signal.reason;
    throw ours === undefined ? unknownOutcome(failure) : failure;
  }
  if (!answer.ETag) throw notS3(target, 'the answer to the upload is none of S3’s: it has no ETag');
  if (!features.looks) return;
  const isThere = await isKept(context, key, sizeBytes);
  if (isThere === false) throw lostByStore(target);
  // refused once, it is not asked for again
  if (isThere === undefined) features.looks = false;
}

function isTaken(error: unknown): boolean {
  return nameOf(error) === 'PreconditionFailed' || nameOf(error) === 'ConditionalRequestConflict';
}

function unknownOutcome(failure: OperatorError): OperatorError {
  return new OperatorError(failure.code, `${failure.message}; whether the object was stored after all is not known`, {
    hint: `${failure.hint} An answer was lost: check with list before the next step.`,
    cause: failure.cause ?? failure,
  });
}

function lostByStore({ operation, bucket, endpoint }: S3Target): OperatorError {
  return new OperatorError(
    'STORAGE',
    `cannot ${operation} in s3://${bucket} at ${endpoint}: the store confirmed the upload, and does not have it whole`,
    { hint: 'The store loses data: check its log and disks before you keep anything there.' },
  );
}

function keyExists(key: string, bucket: string): OperatorError {
  return new OperatorError('KEY_EXISTS', `${key} is already in s3://${bucket}; a backup is never overwritten`, {
    hint: 'Another run stored it in the same second; run it again.',
  });
}
