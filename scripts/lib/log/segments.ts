import type { ChainObjects, PlacedBytes } from './chain-objects.ts';
import type { LogObject } from './keys.ts';
import { type Lsn, parseSegmentName } from './lsn.ts';

/** An object that holds bytes of the log, and its key. */
export interface LogBytes {
  readonly key: string;
  readonly object: Extract<LogObject, { kind: 'segment' | 'part' }>;
}

/** What one segment is put together from. */
export interface SegmentParts {
  readonly segment: string;
  readonly timeline: number;
  readonly start: Lsn;
  /**
   * From the segment's beginning without a gap; each holds bytes that those before it do not. Where two overlap, their bytes are
   * the same: both are what one server sent.
   */
  readonly objects: readonly LogBytes[];
  /** How many bytes of the segment they hold, from its beginning. */
  readonly bytes: number;
  /** The moment that the last of them tells. */
  readonly at: Date;
  /** How many bytes they take where they are stored, as far as the listing that they are from tells. */
  readonly storedBytes: number;
}

/** An object of the log, and how large it is where that is known. */
type Listed = LogBytes & { readonly sizeBytes?: number };

/**
 * From which objects each segment of a chain is to be put together, by name: by timeline and position. A whole one is taken
 * before parts. A segment whose beginning is missing is left out; one with a hole ends there.
 */
export function segmentsFrom(objects: readonly Listed[], segmentBytes: number): SegmentParts[] {
  const bySegment = new Map<string, Listed[]>();
  for (const each of objects) {
    const others = bySegment.get(each.object.segment);
    if (others) others.push(each);
    else bySegment.set(each.object.segment, [each]);
  }
  return [...bySegment.keys()]
    .sort()
    .flatMap((segment) => segmentFrom(segment, bySegment.get(segment) ?? [], segmentBytes) ?? []);
}

/** One segment of a chain, from the listing that told of the chain; undefined where its beginning is missing. */
export function segmentOf(contents: ChainObjects, segment: string, segmentBytes: number): SegmentParts | undefined {
  const objects = contents.ofSegment(segment).filter(hasBytes);
  const found = segmentFrom(segment, objects, segmentBytes);
  if (found === undefined) return undefined;
  const { objects: _, ...facts } = found;
  return {
    ...facts,
    // a month's log has fifty thousand segments, and few of them are read
    get objects() {
      return choose(contents.ofSegment(segment).filter(hasBytes), segmentBytes).chosen;
    },
  };
}

function hasBytes(placed: PlacedBytes): placed is PlacedBytes & LogBytes {
  return placed.object.kind !== 'heartbeat';
}

function segmentFrom(segment: string, objects: readonly Listed[], segmentBytes: number): SegmentParts | undefined {
  const place = parseSegmentName(segment, segmentBytes);
  const { chosen, bytes } = choose(objects, segmentBytes);
  const last = chosen.at(-1);
  if (place === undefined || last === undefined) return undefined;
  const storedBytes = chosen.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0);
  return { segment, ...place, objects: chosen, bytes, at: last.object.at, storedBytes };
}

function choose(objects: readonly Listed[], segmentBytes: number): { chosen: Listed[]; bytes: number } {
  const whole = objects.find(({ object }) => object.kind === 'segment');
  if (whole) return { chosen: [whole], bytes: segmentBytes };
  const parts = objects.map((each) => ({ each, ...rangeOf(each) }));
  const chosen: Listed[] = [];
  let bytes = 0;
  for (;;) {
    // of those that go on from here, the one that reaches farthest
    const next = parts
      .filter(({ start, end }) => start <= bytes && end > bytes)
      .reduce<(typeof parts)[number] | undefined>(
        (best, part) => (best && best.end >= part.end ? best : part),
        undefined,
      );
    if (!next) return { chosen, bytes };
    chosen.push(next.each);
    bytes = next.end;
  }
}

/** Which bytes of its segment an object holds, `end` exclusive; of a whole one all. */
function rangeOf({ object }: LogBytes): { start: number; end: number } {
  return object.kind === 'part' ? object : { start: 0, end: Number.POSITIVE_INFINITY };
}
