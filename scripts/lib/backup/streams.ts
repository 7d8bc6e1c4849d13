import type { DumpSession, DumpStream } from '../engines/engine.ts';
import { inParallel } from '../parallel.ts';
import { ownFailure, type StageResult } from '../pipeline/result.ts';
import type { Contents } from '../repository/manifest.ts';
import { withdraw } from '../repository/withdraw.ts';
import type { PutResult } from '../storages/storage.ts';
import { startProgress } from '../terminal/progress.ts';
import type { DumpOrder } from './order.ts';
import { startStream } from './stream.ts';

/** An object of the dump as it was stored. */
export interface UploadedObject extends PutResult {
  readonly key: string;
}

/** What was stored of a dump, in the order of its streams. */
export interface Uploaded {
  readonly objects: readonly UploadedObject[];
  readonly rawBytes: number;
  readonly contents: Contents;
}

/**
 * Streams the dump into the storage, so many streams at a time as the session says, while the engine counts what it
 * holds. The last stream is stored when all others are. When one fails the others are ended, their uploads too, and
 * what was stored already is taken back.
 *
 * @param keyOf where a stream is stored
 */
export async function uploadStreams(
  order: DumpOrder,
  session: DumpSession,
  keyOf: (part: string | undefined) => string,
): Promise<Uploaded> {
  const { storage, signal: outer } = order;
  // a failed count has to end the uploads, and a failed upload the count and the other uploads
  const failed = new AbortController();
  const signal = AbortSignal.any([outer, failed.signal]);
  const stored: UploadedObject[] = [];
  const begun: { upload: Promise<UploadedObject>; ended: Promise<readonly StageResult[]> }[] = [];
  let rawBytes = 0;
  const progress = startProgress({
    what: `backup of ${order.source.name}`,
    totalBytes: session.facts.tableBytes,
    isEstimate: true,
  });

  async function upload(stream: DumpStream): Promise<UploadedObject> {
    const running = startStream(order, stream, progress, signal);
    // told at once: an upload that waits for its store asks for no more of a dump that has died
    void running.finished.then((results) => {
      const failure = ownFailure(results);
      if (failure !== undefined) failed.abort(failure);
    });
    const isLast = stream === session.streams.at(-1);
    const before = isLast ? begun.map((other) => other.upload) : [];
    const key = keyOf(stream.part);
    const uploading = (async () => {
      try {
        // its processes work meanwhile, until the pipes are full
        await Promise.all(before);
        signal.throwIfAborted();
      } catch (error) {
        await running.discard();
        throw error;
      }
      const { expectedBytes } = stream;
      const put = await storage.put(key, running.body, { expectedBytes, signal, atOnce: session.jobs });
      const object = { key, ...put };
      stored.push(object);
      rawBytes += running.rawBytes();
      return object;
    })();
    uploading.catch((error) => failed.abort(error));
    begun.push({ upload: uploading, ended: running.finished });
    return uploading;
  }

  const uploads = inParallel(session.streams, session.jobs, (stream) => {
    signal.throwIfAborted();
    return upload(stream);
  });
  const counting = session.contents(uploads.then(() => Promise.all(begun.map(({ ended }) => ended))));
  for (const part of [uploads, counting]) part.catch((error) => failed.abort(error));
  const [objects, contents] = await Promise.allSettled([uploads, counting]);
  // one that had not failed by itself was ended: none may still be storing
  await Promise.allSettled(begun.map((one) => one.upload));
  progress.end();
  if (objects.status === 'fulfilled' && contents.status === 'fulfilled' && !signal.aborted) {
    return { objects: objects.value, rawBytes, contents: contents.value };
  }
  const reason: unknown = outer.aborted ? outer.reason : failed.signal.reason;
  const keys = stored.map(({ key }) => key);
  if (keys.length > 0) await withdraw(storage, keys, reason);
  throw reason;
}
