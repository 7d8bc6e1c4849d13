import { open } from 'node:fs/promises';
import type { LogFeed } from '../engines/postgres/recovery/spool.ts';
import { messageOf, OperatorError } from '../errors.ts';
import type { BaseManifest } from '../log/base-manifest.ts';
import { timelineText } from '../log/lsn.ts';
import type { SegmentParts } from '../log/segments.ts';
import type { LogStore } from '../log/store.ts';
import { absentFrom, type LogPath } from './path.ts';

/** The log of a path, read from the store. */
export function feedOf(
  store: LogStore,
  path: LogPath,
  manifest: BaseManifest,
  histories: ReadonlyMap<number, string>,
): LogFeed {
  const segmentBytes = manifest.walSegmentBytes;
  const byName = new Map(path.segments.map((each) => [each.segment, each]));
  return {
    planned: path.segments.map(({ segment }) => segment),
    absent: absentFrom(path, manifest),
    histories: [...histories].map(([timeline, content]) => ({ name: `${timelineText(timeline)}.history`, content })),
    segmentBytes,
    write: async (name, path, signal) => {
      const parts = byName.get(name);
      if (!parts) throw new OperatorError('BACKUP_DAMAGED', `${name} is not in the listing`);
      await writeSegment(store, parts, { segmentBytes, path }, signal);
    },
  };
}

/** The bytes of a segment, object by object; what two of them hold comes once. @throws OperatorError BACKUP_DAMAGED naming the object */
async function* piecesOf(
  store: LogStore,
  { objects, bytes }: SegmentParts,
  segmentBytes: number,
  signal: AbortSignal,
): AsyncGenerator<{ readonly at: number; readonly bytes: Uint8Array }> {
  let filled = 0;
  for (const each of objects) {
    const raw = await store.read(each, segmentBytes, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      throw gone(each.key, error);
    });
    const start = each.object.kind === 'part' ? each.object.start : 0;
    // what overlaps is the same
    yield { at: filled, bytes: raw.subarray(filled - start) };
    filled = start + raw.length;
  }
  if (filled !== bytes)
    throw new OperatorError(
      'BACKUP_DAMAGED',
      `the objects of ${objects[0]?.key ?? 'a segment'} hold ${filled} bytes, not ${bytes}`,
    );
}

/** A segment in memory, as long as the server wants it: where the log ends in it, zeros follow. @throws as piecesOf */
export async function assemble(
  store: LogStore,
  parts: SegmentParts,
  segmentBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const whole = Buffer.alloc(segmentBytes);
  for await (const { at, bytes } of piecesOf(store, parts, segmentBytes, signal)) whole.set(bytes, at);
  return whole;
}

/** The same into a new file, an object at a time: a segment may be of a gigabyte. @throws as piecesOf */
export async function writeSegment(
  store: LogStore,
  parts: SegmentParts,
  { segmentBytes, path }: { segmentBytes: number; path: string },
  signal: AbortSignal,
): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.truncate(segmentBytes);
    for await (const { at, bytes } of piecesOf(store, parts, segmentBytes, signal)) {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
        done += bytesWritten;
      }
    }
  } finally {
    await file.close();
  }
}

/** One that was in the listing a moment ago is gone. */
function gone(key: string, error: unknown): unknown {
  if (!(error instanceof OperatorError) || error.code !== 'NO_SUCH_BACKUP') return error;
  return new OperatorError('BACKUP_DAMAGED', `${key} is no longer there: ${messageOf(error)}`, {
    hint: 'Find out what deleted it. A moment before it can still be restored. Nothing was touched.',
    cause: error,
  });
}
