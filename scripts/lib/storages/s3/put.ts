import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type StorageClass,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { messageOf, OperatorError } from '../../errors.ts';
import { INSIDE_RETRIES } from './client.ts';
import { control, raw, type S3Context, targetOf } from './context.ts';
import { nameOf, notS3, type S3Target, s3Failure, statusOf } from './errors.ts';
import { Attempts, isKept, isOurs, type Sent, wholeETag } from './settle.ts';
import type { UploadCalls } from './upload.ts';

/** What this store can and wants, learned from its refusals. */
export interface S3Features {
  /** Honours, or at least ignores, If-None-Match on a write. */
  conditional: boolean;
  /** Insists on Content-MD5, as buckets with object lock do. */
  md5: boolean;
  /** Lets what has been stored be looked at: not with a key that may only write. */
  looks: boolean;
}

/** Requests that decide whether the object exists are rather finished than cut off when the run is interrupted. */
const GRACE_MS = 5_000;
/** Idle lines are ended earlier; this is for an answer that trickles in for ever. */
const PART_TIMEOUT_MS = 6 * 3_600_000;
const ABORT_TIMEOUT_MS = 60_000;

/** The requests that upload one object; they need no permission but to write. */
export function uploadCalls(
  context: S3Context,
  features: S3Features,
  key: string,
  options: { contentType?: string | undefined; storageClass?: string | undefined; signal?: AbortSignal | undefined },
): UploadCalls {
  const { clients, bucket } = context;
  const purpose = { operation: `store ${key}`, permission: 'write' };
  const target = targetOf(context, purpose);
  const object = { Bucket: bucket, Key: key };
  const kind = {
    ...(options.contentType === undefined ? {} : { ContentType: options.contentType }),
    ...(options.storageClass === undefined ? {} : { StorageClass: options.storageClass as StorageClass }),
  };
  const { signal } = options;
  let sentBytes = 0;

  /** Sends, and sends again without (or with) what the store refused (or demanded). */
  async function adapting<T>(send: (features: S3Features) => Promise<T>): Promise<T> {
    for (;;) {
      const used = { ...features };
      try {
        return await send(used);
      } catch (error) {
        if (used.conditional && refusesCondition(error)) features.conditional = false;
        else if (!used.md5 && demandsMd5(error)) features.md5 = true;
        else throw error;
      }
    }
  }

  /** Makes the request after which the object exists; when its outcome is unknown, looks. */
  async function commit(
    send: (attempts: Attempts) => Promise<{ ETag?: string | undefined }>,
    sent: () => Sent,
  ): Promise<void> {
    const attempts = new Attempts();
    let answer: { ETag?: string | undefined };
    try {
      answer = await send(attempts);
    } catch (error) {
      const ours = attempts.mayHaveSucceeded ? await isOurs(context, key, sent()) : false;
      if (ours === true) return;
      const failure = isTaken(error) ? keyExists(key, bucket) : s3Failure(error, target);
      if (signal?.aborted) throw signal.reason;
      throw ours === undefined ? unknownOutcome(failure) : failure;
    }
    if (!answer.ETag) throw notS3(target, 'the answer to the upload is none of S3’s: it has no ETag');
    if (!features.looks) return;
    const isThere = await isKept(context, key, sent().sizeBytes);
    if (isThere === false) throw lostByStore(target);
    // refused once, it is not asked for again
    if (isThere === undefined) features.looks = false;
  }

  return {
    async put(bytes) {
      await commit(
        (attempts) =>
          raw(
            context,
            clients.uploads,
            (client, http) =>
              adapting((use) => {
                const adapted = { ...conditionFor(use), ...md5For(use, bytes) };
                const command = new PutObjectCommand({ ...object, ...kind, ...adapted, Body: bytes });
                command.middlewareStack.add(attempts.middleware, INSIDE_RETRIES);
                return client.send(command, http);
              }),
            { signal, graceMs: GRACE_MS, timeoutMs: PART_TIMEOUT_MS },
          ),
        () => ({ sizeBytes: bytes.length, etag: md5(bytes).toString('hex') }),
      );
    },

    async create() {
      // not cut off at once: an upload that was begun and whose id was never learned could not be ended
      const { UploadId } = await control(
        context,
        purpose,
        (client, http) => client.send(new CreateMultipartUploadCommand({ ...object, ...kind }), http),
        { signal, graceMs: GRACE_MS },
      );
      if (!UploadId) throw notS3(target, 'the answer to CreateMultipartUpload is none of S3’s: it has no upload id');
      return UploadId;
    },

    async part(uploadId, number, bytes, stopped) {
      try {
        const { ETag } = await raw(
          context,
          clients.uploads,
          (client, http) =>
            adapting((use) =>
              client.send(
                new UploadPartCommand({
                  ...object,
                  UploadId: uploadId,
                  PartNumber: number,
                  Body: bytes,
                  ...md5For(use, bytes),
                }),
                http,
              ),
            ),
          { signal: stopped, timeoutMs: PART_TIMEOUT_MS },
        );
        if (!ETag) throw notS3(target, `the answer to part ${number} has no ETag`);
        sentBytes += bytes.length;
        return ETag;
      } catch (error) {
        if (stopped.aborted) throw stopped.reason;
        throw s3Failure(error, target);
      }
    },

    async complete(uploadId, etags) {
      const Parts = etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }));
      await commit(
        (attempts) =>
          raw(
            context,
            clients.control,
            (client, http) =>
              adapting((use) => {
                const upload = { ...object, UploadId: uploadId, MultipartUpload: { Parts } };
                const command = new CompleteMultipartUploadCommand({ ...upload, ...conditionFor(use) });
                command.middlewareStack.add(attempts.middleware, INSIDE_RETRIES);
                return client.send(command, http);
              }),
            { signal, graceMs: GRACE_MS },
          ),
        () => ({ sizeBytes: sentBytes, etag: wholeETag(etags) }),
      );
    },

    async abort(uploadId) {
      try {
        // its own deadline: what ended the upload must not end this
        await raw(
          context,
          clients.control,
          (client, http) => client.send(new AbortMultipartUploadCommand({ ...object, UploadId: uploadId }), http),
          { timeoutMs: Math.min(ABORT_TIMEOUT_MS, clients.silenceMs) },
        );
      } catch (error) {
        if (nameOf(error) !== 'NoSuchUpload') throw s3Failure(error, { ...target, operation: 'end the upload' });
      }
    },
  };
}

function conditionFor(use: S3Features): { IfNoneMatch?: '*' } {
  return use.conditional ? { IfNoneMatch: '*' } : {};
}

function md5For(use: S3Features, bytes: Uint8Array): { ContentMD5?: string } {
  return use.md5 ? { ContentMD5: md5(bytes).toString('base64') } : {};
}

function md5(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest();
}

function refusesCondition(error: unknown): boolean {
  if (statusOf(error) === 501 || nameOf(error) === 'NotImplemented') return true;
  return statusOf(error) === 400 && /if-none-match|conditional/i.test(messageOf(error));
}

function demandsMd5(error: unknown): boolean {
  return statusOf(error) === 400 && /content-?md5/i.test(`${nameOf(error)} ${messageOf(error)}`);
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
