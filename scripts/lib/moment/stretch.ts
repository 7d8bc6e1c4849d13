import { mkdtempSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError } from '../errors.ts';
import type { ChainLog } from '../log/catalog.ts';
import type { Lsn } from '../log/lsn.ts';
import { type SegmentParts, segmentOf } from '../log/segments.ts';
import type { LogStore } from '../log/store.ts';
import { inParallel } from '../parallel.ts';
import { formatBytes } from '../quantities.ts';
import { writeSegment } from './feed.ts';

/** Consecutive segments of one timeline that hold what was committed around a time. */
export interface LogStretch {
  readonly chain: ChainLog;
  readonly timeline: number;
  readonly segments: readonly SegmentParts[];
  /** From here on the stored log may end. */
  readonly last: Lsn;
}

/** Moments in names are to the second. */
const ROUGH_MS = 2_000;

/** What of a server's chains was written between two moments, and the segment before it, for transactions that had begun then. */
export function stretchesBetween(chains: readonly ChainLog[], { from, to }: { from: Date; to: Date }): LogStretch[] {
  const stretches: LogStretch[] = [];
  for (const chain of chains) {
    const isBefore = (chain.lastAt?.getTime() ?? 0) < from.getTime() - ROUGH_MS;
    if (isBefore || chain.id.begunAt.getTime() > to.getTime() + ROUGH_MS) continue;
    const segments = chain.contents
      .segments()
      .flatMap((name) => segmentOf(chain.contents, name, chain.segmentBytes) ?? []);
    for (const timeline of new Set(segments.map((segment) => segment.timeline))) {
      const own = segments.filter((segment) => segment.timeline === timeline);
      const endOf = (segment: SegmentParts | undefined) => segment?.at.getTime() ?? 0;
      const first = own.findIndex((segment) => endOf(segment) >= from.getTime() - ROUGH_MS);
      if (first < 0) continue;
      const after = own.findIndex((_, i) => i > first && endOf(own[i - 1]) > to.getTime() + ROUGH_MS);
      const chosen = unbroken(own.slice(Math.max(0, first - 1), after < 0 ? undefined : after), chain.segmentBytes);
      stretches.push(...chosen.map((each) => ({ chain, timeline, segments: each, last: each.at(-1)?.start ?? 0n })));
    }
  }
  return stretches;
}

/** The same in pieces, where something is missing between. */
function unbroken(segments: readonly SegmentParts[], segmentBytes: number): SegmentParts[][] {
  const pieces: SegmentParts[][] = [];
  for (const segment of segments) {
    const before = pieces.at(-1)?.at(-1);
    const follows = before?.bytes === segmentBytes && before.start + BigInt(segmentBytes) === segment.start;
    if (follows) pieces.at(-1)?.push(segment);
    else pieces.push([segment]);
  }
  return pieces;
}

/** Lays a stretch into a folder of its own. @returns the folder @throws OperatorError NO_SPACE, BACKUP_DAMAGED */
export async function layOut(
  store: LogStore,
  { chain, segments }: LogStretch,
  directory: string,
  signal: AbortSignal,
): Promise<string> {
  const { bavail, bsize } = await statfs(directory);
  const needed = segments.length * chain.segmentBytes;
  if (bavail * bsize < needed)
    throw new OperatorError(
      'NO_SPACE',
      `${directory} has ${formatBytes(bavail * bsize)} free; the log of that time needs ${formatBytes(needed)}`,
      { hint: 'Look at less of it (--for), or point DRILL_DIR at a folder with more room. Nothing was fetched.' },
    );
  const folder = mkdtempSync(join(directory, 'commits-'));
  await inParallel(segments, 4, async (segment) => {
    const into = { segmentBytes: chain.segmentBytes, path: join(folder, segment.segment) };
    await writeSegment(store, segment, into, signal);
  });
  return folder;
}
