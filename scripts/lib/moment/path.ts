import type { BaseManifest } from '../log/base-manifest.ts';
import type { ChainLog } from '../log/catalog.ts';
import { type Lsn, parseLsn, segmentName, segmentStart } from '../log/lsn.ts';
import type { SegmentParts } from '../log/segments.ts';
import { historyOf, isInHistory, type Stretch } from '../log/timeline.ts';
import type { ChainContents } from './contents.ts';

/** The log that goes on from a base without a hole. */
export interface LogPath {
  /** In the order of replay. */
  readonly segments: readonly SegmentParts[];
  /** The timelines that it goes through. */
  readonly stretches: readonly Stretch[];
  /** The timeline that it ends on. */
  readonly timeline: number;
  /** Where it ends: everything before it is stored. */
  readonly end: Lsn;
  /** Everything that was committed before this moment is in it. */
  readonly coverage: Date;
  /** More of the log of this chain is stored beyond a hole that begins at `end`. */
  readonly isBroken: boolean;
}

/** What a base alone is: a server as it was when it ended. */
export function baseAlone(manifest: BaseManifest): LogPath {
  const { timeline } = manifest;
  return {
    segments: [],
    stretches: [{ timeline, start: 0n, end: undefined }],
    timeline,
    end: lsnOf(manifest.endLsn),
    coverage: new Date(manifest.endedAt),
    isBroken: false,
  };
}

const lsnOf = (text: string): Lsn => parseLsn(text) ?? 0n;

/**
 * Follows the log of a chain from the end of a base, segment by segment, across timelines as their histories say, to where the
 * first byte is missing.
 */
export function follow(
  manifest: BaseManifest,
  {
    chain,
    segment: segmentNamed,
    histories,
  }: Pick<ChainContents, 'segment' | 'histories'> & { readonly chain: Pick<ChainLog, 'segmentBytes' | 'runs'> },
): LogPath {
  const start = lsnOf(manifest.endLsn);
  const stretches = newestHistory(manifest.timeline, start, histories);
  const { segmentBytes } = chain;
  const chosen = new Map<string, SegmentParts>();
  let position = start;
  let timeline = manifest.timeline;
  for (const stretch of stretches) {
    if (stretch.end !== undefined && stretch.end <= start && stretch.timeline !== manifest.timeline) continue;
    if (!advance(stretch)) break;
  }
  const run = chain.runs.find((each) => each.timeline === timeline && each.start <= position && each.end >= position);
  const ended = new Date(manifest.endedAt);
  const reached = run !== undefined && chosen.size > 0 ? run.at : ended;
  return {
    segments: [...chosen.values()],
    stretches,
    timeline,
    end: position,
    coverage: reached > ended ? reached : ended,
    isBroken: chain.runs.some((each) => each.timeline >= timeline && each.end > position),
  };

  /** Takes all that is stored of a stretch. @returns whether that is all of it, so that the next one goes on */
  function advance({ timeline: on, end }: Stretch): boolean {
    while (end === undefined || position < end) {
      const name = segmentName(on, position, segmentBytes);
      const segment = chosen.get(name) ?? segmentNamed(name);
      if (segment === undefined) return false;
      const stored = segment.start + BigInt(segment.bytes);
      // a base may end where its segment is stored no further
      if (stored < position) return false;
      chosen.set(name, segment);
      timeline = on;
      if (end !== undefined && stored >= end) {
        position = end;
        return true;
      }
      position = stored;
      if (segment.bytes < segmentBytes) return false;
    }
    return true;
  }
}

/** The history of the newest timeline that goes on from this place; the place's own timeline, where there is none. */
function newestHistory(timeline: number, at: Lsn, histories: ReadonlyMap<number, string>): Stretch[] {
  const newer = [...histories.keys()].filter((each) => each > timeline).sort((a, b) => b - a);
  for (const each of newer) {
    const history = historyOf(each, histories.get(each));
    if (isInHistory(history, timeline, at)) return history;
  }
  return historyOf(timeline, histories.get(timeline));
}

/**
 * The path as far as a target needs it: what comes later is not fetched.
 * @param isEnough whether this segment holds all that comes before the target
 */
export function upTo(path: LogPath, isEnough: (segment: SegmentParts) => boolean, segmentBytes: number): LogPath {
  const last = path.segments.findIndex(isEnough);
  // one more, in which the commit that the recovery stops at is likely to be
  const kept = last < 0 ? path.segments : path.segments.slice(0, last + 2);
  const final = kept.at(-1);
  if (final === undefined || kept.length === path.segments.length) return path;
  const end = final.start + BigInt(segmentBytes);
  return { ...path, segments: kept, end: end < path.end ? end : path.end, isBroken: false };
}

/**
 * What a recovering server may ask for and the listing does not have: the segments that came with the base, the one after the
 * end, and on each other timeline those of the same places.
 */
export function absentFrom(path: LogPath, manifest: BaseManifest): string[] {
  const { walSegmentBytes: bytes } = manifest;
  const step = BigInt(bytes);
  const planned = new Set(path.segments.map(({ segment }) => segment));
  const timelines = new Set([manifest.timeline, ...path.stretches.map(({ timeline }) => timeline)]);
  const names: string[] = [];
  const last = segmentStart(path.end, bytes) + step;
  for (let at = segmentStart(lsnOf(manifest.startLsn), bytes); at <= last; at += step)
    for (const timeline of timelines) names.push(segmentName(timeline, at, bytes));
  return names.filter((name) => !planned.has(name));
}
