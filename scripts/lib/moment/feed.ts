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
    segment: async (name, signal) => {
      const parts = byName.get(name);
      if (!parts) throw new OperatorError('BACKUP_DAMAGED', `${name} is not in the listing`);
      return assemble(store, parts, segmentBytes, signal);
    },
  };
}

/**
 * A segment from its objects, as long as the server wants it: where the log ends in it, zeros follow.
 * @throws OperatorError BACKUP_DAMAGED naming the object
 */
export async function assemble(
  store: LogStore,
  { objects, bytes }: SegmentParts,
  segmentBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const whole = Buffer.alloc(segmentBytes);
  let filled = 0;
  for (const each of objects) {
    const raw = await store.read(each, segmentBytes, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      throw gone(each.key, error);
    });
    const start = each.object.kind === 'part' ? each.object.start : 0;
    // what overlaps is the same
    whole.set(raw.subarray(filled - start), filled);
    filled = start + raw.length;
  }
  if (filled !== bytes)
    throw new OperatorError(
      'BACKUP_DAMAGED',
      `the objects of ${objects[0]?.key ?? 'a segment'} hold ${filled} bytes, not ${bytes}`,
    );
  return whole;
}

/** One that was in the listing a moment ago is gone. */
function gone(key: string, error: unknown): unknown {
  if (!(error instanceof OperatorError) || error.code !== 'NO_SUCH_BACKUP') return error;
  return new OperatorError('BACKUP_DAMAGED', `${key} is no longer there: ${messageOf(error)}`, {
    hint: 'Find out what deleted it. A moment before it can still be restored. Nothing was touched.',
    cause: error,
  });
}
