import { Readable } from 'node:stream';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { OperatorError } from '../../errors.ts';
import type { MeasuredBody } from '../measured-body.ts';
import type { PutResult } from '../storage.ts';
import { INSIDE_RETRIES } from './client.ts';
import { commit, kindOf, type ObjectUpload, objectOf, PART_TIMEOUT_MS } from './commit.ts';
import { raw } from './context.ts';
import { conditionFor } from './features.ts';

const MIB = 1024 * 1024;

/** What is sent in one request is sent from its beginning when the line breaks. S3's own limit is 5 GiB. */
export const MOST_STREAMED_BYTES = 2048 * MIB;

/**
 * The whole object in one request, sent as it is read: nothing of it waits in memory, and its SHA-256, which the signature
 * wants before the first byte, is not computed a second time. Nothing is tried twice, since the body can be read once.
 *
 * @throws OperatorError as `commit`; what stopped the body
 */
export async function putStreamed(
  upload: ObjectUpload,
  body: MeasuredBody,
  { sizeBytes, sha256 }: PutResult,
): Promise<void> {
  const { context, features } = upload;
  const stream = Readable.from(heldBack(body, { sizeBytes, sha256 }), { objectMode: false });
  // of a request that fails first, nobody reads it any more
  stream.on('error', () => {});
  try {
    await commit(
      upload,
      (attempts) =>
        raw(
          context,
          context.clients.uploads,
          (client, http) => {
            const command = new PutObjectCommand({
              ...objectOf(upload),
              ...kindOf(upload),
              ...conditionFor(features),
              ContentLength: sizeBytes,
              Body: stream,
            });
            command.middlewareStack.add(
              (next) => (args) => {
                (args.request as { headers: Record<string, string> }).headers['x-amz-content-sha256'] = sha256;
                return next(args);
              },
              { step: 'build' },
            );
            command.middlewareStack.add(attempts.middleware, INSIDE_RETRIES);
            return client.send(command, http);
          },
          { signal: body.signal, timeoutMs: PART_TIMEOUT_MS },
        ),
      sizeBytes,
      () => undefined,
    );
  } catch (error) {
    body.signal.throwIfAborted();
    throw error;
  } finally {
    stream.destroy();
  }
}

/**
 * The last chunk is not let go before the body has been found to be what it should be: without it, the store has no object.
 * Nor is a byte beyond the size that the request names, which would be taken for the next request.
 */
async function* heldBack(body: MeasuredBody, known: PutResult): AsyncGenerator<Uint8Array> {
  let held: Uint8Array | undefined;
  let readBytes = 0;
  for (let chunk = await body.next(); chunk; chunk = await body.next()) {
    readBytes += chunk.length;
    if (readBytes > known.sizeBytes) continue;
    if (held) yield held;
    held = chunk;
  }
  const read = body.result();
  if (read.sizeBytes !== known.sizeBytes || read.sha256 !== known.sha256)
    return body.stop(new OperatorError('BACKUP_DAMAGED', 'the bytes are not those that were meant to be stored'));
  if (held) yield held;
}
