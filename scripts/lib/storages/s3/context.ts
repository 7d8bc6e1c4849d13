import type { S3Client } from '@aws-sdk/client-s3';
import { within } from '../../deadline.ts';
import type { S3Clients } from './client.ts';
import { type S3Target, s3Failure } from './errors.ts';

/** A call that carries no object may take this many times the silence: enough for a retry, short enough to be noticed. */
const CONTROL_SILENCES = 2.5;

/** A bucket, and how to ask it something. */
export interface S3Context {
  readonly clients: S3Clients;
  readonly bucket: string;
}

/** When a request has to end. */
export interface RequestBounds {
  /** The whole of it, retries included. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** How long it may go on after `signal` aborted: for requests that are better finished than cut off. */
  readonly graceMs?: number;
}

/** What a failure is reported with. */
export type Purpose = Pick<S3Target, 'operation' | 'permission'>;

export function targetOf({ bucket, clients }: S3Context, purpose: Purpose): S3Target {
  return { ...purpose, bucket, endpoint: clients.endpoint, bucketInHost: clients.bucketInHost };
}

/**
 * One request that carries no object, bounded in time; fails with an OperatorError or the signal's reason.
 */
export async function control<T>(
  context: S3Context,
  purpose: Purpose,
  send: (client: S3Client, options: { abortSignal: AbortSignal }) => Promise<T>,
  bounds: RequestBounds = {},
): Promise<T> {
  try {
    return await raw(context, context.clients.control, send, bounds);
  } catch (error) {
    if (bounds.signal?.aborted) throw bounds.signal.reason;
    throw s3Failure(error, targetOf(context, purpose));
  }
}

/** The same, failing with what the SDK threw, with a TimeoutError, or with the signal's reason. */
export async function raw<T>(
  { clients }: S3Context,
  client: S3Client,
  send: (client: S3Client, options: { abortSignal: AbortSignal }) => Promise<T>,
  bounds: RequestBounds = {},
): Promise<T> {
  const { signal, timeoutMs: ms = clients.silenceMs * CONTROL_SILENCES, graceMs = 0 } = bounds;
  signal?.throwIfAborted();
  return within(signal, { time: { ms, overdue: () => timeoutError(ms) }, graceMs }, async (abortSignal) => {
    try {
      return await send(client, { abortSignal });
    } catch (error) {
      // the SDK throws an AbortError of its own, which says nothing
      abortSignal.throwIfAborted();
      throw error;
    }
  });
}

function timeoutError(ms: number): Error {
  const error = new Error(`no answer within ${ms / 1000} s`);
  error.name = 'TimeoutError';
  return error;
}
