import { PutObjectCommand } from '@aws-sdk/client-s3';
import { type ErrorCode, OperatorError } from '../../errors.ts';
import { log } from '../../terminal/log.ts';
import { MeasuredBody } from '../measured-body.ts';
import type { PutOptions, PutResult } from '../storage.ts';
import { INSIDE_RETRIES } from './client.ts';
import { commit, GRACE_MS, kindOf, type ObjectUpload, objectOf, PART_TIMEOUT_MS } from './commit.ts';
import { raw } from './context.ts';
import { adapting, conditionFor, md5, md5For } from './features.ts';
import { abort, complete, create, sendPart } from './multipart.ts';
import type { UploadPlan } from './part-size.ts';
import { MOST_STREAMED_BYTES, putStreamed } from './streamed.ts';
import { type UploadCalls, upload } from './upload.ts';

/** What a second attempt would only meet again. */
const FINAL: readonly ErrorCode[] = ['KEY_EXISTS', 'BACKUP_DAMAGED', 'NO_SUCH_BACKUP'];

/** See Storage.put. What is known before it is read goes in one request, and in parts where that fails. */
export async function put(
  object: ObjectUpload,
  body: AsyncIterable<Uint8Array>,
  plan: UploadPlan,
  { known, check }: Pick<PutOptions, 'known' | 'check'>,
): Promise<PutResult> {
  const sent = async (bytes: AsyncIterable<Uint8Array>, send: (read: MeasuredBody) => Promise<void>) => {
    const read = new MeasuredBody(bytes, object.signal, check);
    try {
      await send(read);
      return read.result();
    } finally {
      await read.close();
    }
  };
  const inParts = (read: MeasuredBody) => upload(read, uploadCalls(object), plan);
  if (!known || !isStreamable(object, known.sizeBytes, plan)) return sent(body, inParts);
  try {
    return await sent(await known.open(), (read) => putStreamed(object, read, known));
  } catch (error) {
    if (object.signal?.aborted || !(error instanceof OperatorError) || FINAL.includes(error.code)) throw error;
    log.warn(`${error.message}; it is sent once more, in parts`);
    // what parts are for: of what broke off only a part is sent again, and what a store will not have is learned
    object.features.streams = false;
    return sent(body, inParts);
  }
}

/** Nothing is gained with what fits into a part; and a store that demands an MD5 has to be told it before the first byte. */
function isStreamable({ features }: ObjectUpload, sizeBytes: number, plan: UploadPlan): boolean {
  const { streams, md5 } = features;
  return streams && !md5 && sizeBytes > plan.partSizeBytes && sizeBytes <= MOST_STREAMED_BYTES;
}

/** The requests that upload one object; they need no permission but to write. */
export function uploadCalls(upload: ObjectUpload): UploadCalls {
  let sentBytes = 0;
  return {
    put: (bytes) => putObject(upload, bytes),
    create: () => create(upload),
    part: async (uploadId, number, bytes, stopped) => {
      const etag = await sendPart(upload, { uploadId, number, bytes }, stopped);
      sentBytes += bytes.length;
      return etag;
    },
    complete: (uploadId, etags) => complete(upload, { uploadId, etags, sizeBytes: sentBytes }),
    abort: (uploadId) => abort(upload, uploadId),
  };
}

/** The whole object in one request. */
async function putObject(upload: ObjectUpload, bytes: Uint8Array): Promise<void> {
  const { context, features, signal } = upload;
  await commit(
    upload,
    (attempts) =>
      raw(
        context,
        context.clients.uploads,
        (client, http) =>
          adapting(features, (use) => {
            const adapted = { ...conditionFor(use), ...md5For(use, bytes) };
            const command = new PutObjectCommand({ ...objectOf(upload), ...kindOf(upload), ...adapted, Body: bytes });
            command.middlewareStack.add(attempts.middleware, INSIDE_RETRIES);
            return client.send(command, http);
          }),
        { signal, graceMs: GRACE_MS, timeoutMs: PART_TIMEOUT_MS },
      ),
    bytes.length,
    () => md5(bytes).toString('hex'),
  );
}
