import { PutObjectCommand } from '@aws-sdk/client-s3';
import { INSIDE_RETRIES } from './client.ts';
import { commit, GRACE_MS, kindOf, type ObjectUpload, objectOf, PART_TIMEOUT_MS } from './commit.ts';
import { raw } from './context.ts';
import { adapting, conditionFor, md5, md5For } from './features.ts';
import { abort, complete, create, sendPart } from './multipart.ts';
import type { UploadCalls } from './upload.ts';

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
    () => ({ sizeBytes: bytes.length, etag: md5(bytes).toString('hex') }),
  );
}
