import { Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { OperatorError } from '../../errors.ts';
import type { ByteRange } from '../storage.ts';
import { control, type S3Context, targetOf } from './context.ts';
import { notS3, statusOf } from './errors.ts';
import { guarded } from './guard.ts';
import { inRanges, RANGE_BYTES, type RangeAnswer } from './ranges.ts';

/** A requested range begins where the object ends: what an empty one answers to every range. */
const RANGE_NOT_SATISFIABLE = 416;

export interface GetOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long the store may be silent in the middle of a download. */
  readonly idleTimeoutMs?: number;
  /** Which version of it; the newest when unset. */
  readonly versionId?: string;
  /** What is asked for at a time. */
  readonly rangeBytes?: number;
  /** See Storage.get. */
  readonly isUnpaused?: boolean | undefined;
  readonly range?: ByteRange | undefined;
}

/** Opens a download, in ranges where the store knows them; see Storage.get. */
export async function getObject(
  context: S3Context,
  key: string,
  {
    signal,
    versionId,
    idleTimeoutMs = context.clients.silenceMs,
    rangeBytes = RANGE_BYTES,
    range,
    isUnpaused,
  }: GetOptions = {},
): Promise<Readable> {
  const purpose = { operation: `read ${key}`, permission: 'read' };
  const target = targetOf(context, purpose);
  const object = { Bucket: context.bucket, Key: key, ...(versionId === undefined ? {} : { VersionId: versionId }) };
  const ask = async (headers: { Range?: string; IfMatch?: string }, ended = signal) => {
    const answer = await control(
      context,
      purpose,
      (client, http) => client.send(new GetObjectCommand({ ...object, ...headers }), http),
      { signal: ended },
    );
    if (answer.Body === undefined || answer.ETag === undefined) throw notS3(target, 'the answer is none of S3’s');
    return answer;
  };
  const whole = (answer: GetObjectCommandOutput) =>
    guarded(answer.Body as Readable, answer.ContentLength, { target, signal, idleTimeoutMs });
  const rangeOf = (answer: GetObjectCommandOutput): RangeAnswer => {
    const [, from, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? '') ?? [];
    if (total === undefined) throw notS3(target, `the answer is of the range "${answer.ContentRange}"`);
    return {
      body: answer.Body as Readable,
      from: Number(from),
      to: Number(last) + 1,
      totalBytes: Number(total),
    };
  };

  if (isUnpaused && !range) return whole(await ask({}));
  const { from = 0, to = Number.POSITIVE_INFINITY } = range ?? {};
  if (to <= from) return Readable.from([]);
  const isBeyond = (error: unknown) => statusOf((error as Error).cause) === RANGE_NOT_SATISFIABLE;
  const first = await ask({ Range: `bytes=${from}-${Math.min(from + rangeBytes, to) - 1}` }).catch((error: unknown) => {
    if (!isBeyond(error)) throw error;
    return range ? undefined : ask({});
  });
  // of what an object does not have there is nothing
  if (first === undefined) return Readable.from([]);
  if (first.ContentRange === undefined) {
    if (!range) return whole(first);
    (first.Body as Readable).destroy();
    throw new OperatorError('NO_RANGES', `could not read ${key}: a part of it was asked for, and all of it came`, {
      hint: 'The store, or what is in front of it, gives whole objects alone.',
    });
  }
  const etag = first.ETag as string;
  return inRanges(rangeOf(first), {
    from,
    to,
    // what was written over in the meantime is another object
    ask: async (start, end, ended) => rangeOf(await ask({ Range: `bytes=${start}-${end - 1}`, IfMatch: etag }, ended)),
    target,
    rangeBytes,
    idleTimeoutMs,
    signal,
  });
}
