import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  type MultipartUpload,
} from '@aws-sdk/client-s3';
import { messageOf } from '../../errors.ts';
import { log } from '../../terminal/log.ts';
import type { RemoveFailure } from '../storage.ts';
import { control, raw, type S3Context, targetOf } from './context.ts';
import { nameOf, notS3, s3Failure, statusOf } from './errors.ts';
import { decodeKey } from './list.ts';

/** The most that S3 takes in one request. */
const BATCH = 1000;

const DELETE = { operation: 'delete', permission: 'delete' };
const UNFINISHED = { operation: 'remove unfinished uploads', permission: 'write' };

/** Deletes the keys in batches; see Storage.remove. */
export async function removeObjects(
  context: S3Context,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<RemoveFailure[]> {
  const failures: RemoveFailure[] = [];
  let inBatches = true;
  for (let start = 0; start < keys.length; start += BATCH) {
    signal?.throwIfAborted();
    const batch = keys.slice(start, start + BATCH);
    try {
      if (inBatches) {
        failures.push(...(await removeBatch(context, batch, signal)));
        continue;
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (!isNotImplemented(error)) {
        // the request as a whole: the next one would meet the same, after the same wait
        const reason = messageOf(s3Failure(error, targetOf(context, DELETE)));
        return [...failures, ...keys.slice(start).map((key) => ({ key, reason }))];
      }
      inBatches = false;
    }
    for (const key of batch) {
      const reason = await removeOne(context, key, signal);
      if (reason !== undefined) failures.push({ key, reason, ...(LOCKED.test(reason) ? { isLocked: true } : {}) });
    }
  }
  return failures;
}

async function removeBatch(context: S3Context, keys: string[], signal?: AbortSignal): Promise<RemoveFailure[]> {
  const command = new DeleteObjectsCommand({
    Bucket: context.bucket,
    Delete: { Objects: keys.map((Key) => ({ Key })), Quiet: false },
  });
  // S3 demands a digest of this request; the one that every store knows is Content-MD5, not the SDK's CRC32
  command.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { headers: Record<string, string>; body: string };
      for (const name of Object.keys(request.headers)) {
        if (/^x-amz-(sdk-)?checksum-/i.test(name)) delete request.headers[name];
      }
      request.headers['content-md5'] = createHash('md5').update(request.body).digest('base64');
      return next(args);
    },
    { step: 'build', priority: 'low', name: 'contentMd5' },
  );
  const { Deleted = [], Errors = [] } = await raw(
    context,
    context.clients.control,
    (client, http) => client.send(command, http),
    { signal },
  );
  tellOfVersions(context, Deleted.filter(({ DeleteMarker }) => DeleteMarker).length);
  const outcome = new Map(Errors.map(({ Key, Code, Message }) => [Key, { Code, Message }]));
  const deleted = new Set(Deleted.map(({ Key }) => Key));
  return keys.flatMap((key) => {
    const error = outcome.get(key);
    if (error === undefined) {
      return deleted.has(key) ? [] : [{ key, reason: 'the store did not confirm that it was deleted' }];
    }
    if (error.Code === 'NoSuchKey') return [];
    const reason = [error.Code, error.Message].filter(Boolean).join(': ') || 'refused without a reason';
    return [{ key, reason, ...(LOCKED.test(reason) ? { isLocked: true as const } : {}) }];
  });
}

/** How stores say that an object is not to be deleted yet: AWS, MinIO, Backblaze and Ceph each in their own words. */
const LOCKED = /object[ -]?lock|WORM|legal[ -]?hold|retention|ObjectLocked|under.?retention/i;

/** Says it once: a store that keeps versions frees no room when something is deleted. */
function tellOfVersions(context: S3Context, count: number): void {
  if (count === 0 || told.has(context)) return;
  told.add(context);
  log.info(
    `${context.bucket} keeps versions: what was deleted is hidden, and takes up room until a lifecycle rule of the bucket removes old versions (NoncurrentVersionExpiration)`,
  );
}

const told = new WeakSet<S3Context>();

/** Undefined when it is deleted, else why not. */
async function removeOne(context: S3Context, key: string, signal?: AbortSignal): Promise<string | undefined> {
  try {
    await raw(
      context,
      context.clients.control,
      (client, http) => client.send(new DeleteObjectCommand({ Bucket: context.bucket, Key: key }), http),
      { signal },
    );
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    if (nameOf(error) === 'NoSuchKey') return undefined;
    return messageOf(s3Failure(error, targetOf(context, { ...DELETE, operation: `delete ${key}` })));
  }
}

/** Ends old unfinished uploads; see Storage.removeUnfinished. */
export async function removeUploads(
  context: S3Context,
  prefix: string,
  which: Date | ((key: string) => boolean),
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const removed: string[] = [];
  for await (const { Key, UploadId, Initiated } of uploads(context, prefix, signal)) {
    if (Key === undefined || UploadId === undefined || Initiated === undefined) continue;
    const isOver = which instanceof Date ? Initiated < which : which(Key);
    if (!Key.startsWith(prefix) || !isOver) continue;
    await control(
      context,
      UNFINISHED,
      async (client, http) => {
        try {
          await client.send(new AbortMultipartUploadCommand({ Bucket: context.bucket, Key, UploadId }), http);
        } catch (error) {
          if (nameOf(error) !== 'NoSuchUpload') throw error;
        }
      },
      { signal },
    );
    removed.push(Key);
  }
  return removed;
}

async function* uploads(
  context: S3Context,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<MultipartUpload> {
  let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
  const markers = new Set<string>();
  const seen = new Set<string>();
  while (marker !== undefined) {
    const from: { KeyMarker?: string; UploadIdMarker?: string } = marker;
    const page = await control(
      context,
      UNFINISHED,
      (client, http) =>
        client.send(
          new ListMultipartUploadsCommand({ Bucket: context.bucket, Prefix: prefix, EncodingType: 'url', ...from }),
          http,
        ),
      { signal },
    );
    const target = targetOf(context, UNFINISHED);
    if (page.IsTruncated === undefined && page.Bucket === undefined) throw notS3(target, 'the answer is no S3 listing');
    const decode = page.EncodingType === 'url' ? decodeKey : (key: string) => key;
    const size = seen.size;
    for (const found of page.Uploads ?? []) {
      seen.add(`${found.Key}\0${found.UploadId}`);
      yield found.Key === undefined ? found : { ...found, Key: decode(found.Key) };
    }
    marker = undefined;
    if (page.IsTruncated) {
      const { NextKeyMarker, NextUploadIdMarker } = page;
      const place = `${NextKeyMarker}\0${NextUploadIdMarker}`;
      const isAgain = (page.Uploads?.length ?? 0) > 0 && seen.size === size;
      if (!NextKeyMarker || isAgain || markers.has(place))
        throw notS3(target, 'the list of uploads goes round in circles');
      markers.add(place);
      marker = {
        KeyMarker: decode(NextKeyMarker),
        ...(NextUploadIdMarker ? { UploadIdMarker: NextUploadIdMarker } : {}),
      };
    }
  }
}

/** Some stores cannot delete in batches, and each says so in its own way. */
function isNotImplemented(error: unknown): boolean {
  const status = statusOf(error);
  return (
    status === 501 ||
    status === 405 ||
    /^(NotImplemented|MethodNotAllowed|MalformedXML|InvalidArgument|InvalidRequest)$/.test(nameOf(error))
  );
}
