import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { INSIDE_RETRIES } from './client.ts';
import { commit, GRACE_MS, kindOf, type ObjectUpload, objectOf, PART_TIMEOUT_MS, purposeOf } from './commit.ts';
import { control, raw, targetOf } from './context.ts';
import { nameOf, notS3, s3Failure } from './errors.ts';
import { adapting, conditionFor, md5For } from './features.ts';
import { wholeETag } from './settle.ts';

const ABORT_TIMEOUT_MS = 60_000;

/** Begins an upload in parts. @returns its id */
export async function create(upload: ObjectUpload): Promise<string> {
  const { context, signal } = upload;
  // not cut off at once: an upload that was begun and whose id was never learned could not be ended
  const { UploadId } = await control(
    context,
    purposeOf(upload),
    (client, http) => client.send(new CreateMultipartUploadCommand({ ...objectOf(upload), ...kindOf(upload) }), http),
    { signal, graceMs: GRACE_MS },
  );
  if (UploadId) return UploadId;
  const target = targetOf(context, purposeOf(upload));
  throw notS3(target, 'the answer to CreateMultipartUpload is none of S3’s: it has no upload id');
}

/** Sends one part. @returns its ETag */
export async function sendPart(
  upload: ObjectUpload,
  { uploadId, number, bytes }: { uploadId: string; number: number; bytes: Uint8Array },
  stopped: AbortSignal,
): Promise<string> {
  const { context, features } = upload;
  const target = targetOf(context, purposeOf(upload));
  try {
    const { ETag } = await raw(
      context,
      context.clients.uploads,
      (client, http) =>
        adapting(features, (use) =>
          client.send(
            new UploadPartCommand({
              ...objectOf(upload),
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
    return ETag;
  } catch (error) {
    if (stopped.aborted) throw stopped.reason;
    throw s3Failure(error, target);
  }
}

/** Makes an object of the parts that were sent. */
export async function complete(
  upload: ObjectUpload,
  { uploadId, etags, sizeBytes }: { uploadId: string; etags: readonly string[]; sizeBytes: number },
): Promise<void> {
  const { context, features, signal } = upload;
  const Parts = etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }));
  await commit(
    upload,
    (attempts) =>
      raw(
        context,
        context.clients.control,
        (client, http) =>
          adapting(features, (use) => {
            const command = new CompleteMultipartUploadCommand({
              ...objectOf(upload),
              UploadId: uploadId,
              MultipartUpload: { Parts },
              ...conditionFor(use),
            });
            command.middlewareStack.add(attempts.middleware, INSIDE_RETRIES);
            return client.send(command, http);
          }),
        { signal, graceMs: GRACE_MS },
      ),
    sizeBytes,
    () => wholeETag(etags),
  );
}

/** Ends an upload of which nothing is to stay. */
export async function abort({ context, ...upload }: ObjectUpload, uploadId: string): Promise<void> {
  const { clients } = context;
  const whole = { context, ...upload };
  try {
    // its own deadline: what ended the upload must not end this
    await raw(
      context,
      clients.control,
      (client, http) => client.send(new AbortMultipartUploadCommand({ ...objectOf(whole), UploadId: uploadId }), http),
      { timeoutMs: Math.min(ABORT_TIMEOUT_MS, clients.silenceMs) },
    );
  } catch (error) {
    const target = targetOf(context, purposeOf(whole));
    if (nameOf(error) !== 'NoSuchUpload') throw s3Failure(error, { ...target, operation: 'end the upload' });
  }
}
