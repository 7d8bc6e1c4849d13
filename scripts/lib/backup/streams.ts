import type { DumpSession, DumpStream } from '../engines/dumping.ts';
import { inParallel } from '../parallel.ts';
import { ownFailure, type StageResult } from '../pipeline/result.ts';
import type { Contents } from '../repository/manifest.ts';
import type { DumpShape, NewBackup, StoredBackupObject } from '../repository/new-backup.ts';
import { startProgress } from '../terminal/progress.ts';
import type { DumpOrder } from './order.ts';
import { startStream } from './stream.ts';

/** What was stored of a dump, in the order of its streams. */
export interface Uploaded {
  readonly objects: readonly StoredBackupObject[];
  readonly rawBytes: number;
  readonly contents: Contents;
}

/**
 * Streams the dump into the repository, as many streams at a time as the session says, while the engine counts what it
 * holds. The last stream is stored when all others are. When one fails the others are ended, their uploads too.
 */
export async function uploadStreams(
  order: DumpOrder,
  { session, backup, shape }: { session: DumpSession; backup: NewBackup; shape: DumpShape },
): Promise<Uploaded> {
  const { signal: outer } = order;
  // a failed count has to end the uploads, and a failed upload the count and the other uploads
  const failed = new AbortController();
  const signal = AbortSignal.any([outer, failed.signal]);
  const begun: { upload: Promise<StoredBackupObject>; ended: Promise<readonly StageResult[]> }[] = [];
  let rawBytes = 0;
  const progress = startProgress({
    what: `backup of ${order.source.name}`,
    totalBytes: session.facts.tableBytes,
    isEstimate: true,
  });

  async function upload(stream: DumpStream): Promise<StoredBackupObject> {
    const running = startStream(order, stream, progress, signal);
    // told at once: an upload that waits for its store asks for no more of a dump that has died
    void running.finished.then((results) => {
      const failure = ownFailure(results);
      if (failure !== undefined) failed.abort(failure);
    });
    const isLast = stream === session.streams.at(-1);
    const before = isLast ? begun.map((other) => other.upload) : [];
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
      const options = { expectedBytes, signal, atOnce: session.jobs };
      const object = await backup.put(stream.part, shape, running.body, options);
      rawBytes += running.rawBytes();
      return { ...object, ...running.members() };
    })();
    uploading.catch((error) => failed.abort(error));
    begun.push({ upload: uploading, ended: running.finished });
    return uploading;
  }

  const uploads = inParallel(session.streams, session.jobs, (stream) => {
    signal.throwIfAborted();
    return upload(stream);
  });
  const dumpEnded = uploads.then(() => Promise.all(begun.map(({ ended }) => ended)));
  // who counts may have failed before, and then waits for it no more
  dumpEnded.catch(() => {});
  const counting = session.contents(dumpEnded);
  for (const part of [uploads, counting]) part.catch((error) => failed.abort(error));
  const [objects, contents] = await Promise.allSettled([uploads, counting]);
  // one that had not failed by itself was ended: none may still be storing
  await Promise.allSettled(begun.map((one) => one.upload));
  progress.end();
  if (objects.status === 'fulfilled' && contents.status === 'fulfilled' && !signal.aborted) {
    return { objects: objects.value, rawBytes, contents: contents.value };
  }
  throw outer.aborted ? outer.reason : failed.signal.reason;
}
