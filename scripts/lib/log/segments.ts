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
}

/**
 * From which objects each segment of a chain is to be put together, by name: by timeline and position. A whole one is taken
 * before parts. A segment whose beginning is missing is left out; one with a hole ends there.
 */
export function segmentsFrom(objects: readonly LogBytes[], segmentBytes: number): SegmentParts[] {
  const bySegment = new Map<string, LogBytes[]>();
  for (const each of objects) {
    const others = bySegment.get(each.object.segment);
    if (others) others.push(each);
    else bySegment.set(each.object.segment, [each]);
  }
  return [...bySegment.keys()].sort().flatMap((segment) => {
    const place = parseSegmentName(segment, segmentBytes);
    const { chosen, bytes } = choose(bySegment.get(segment) ?? [], segmentBytes);
    return place && bytes > 0 ? [{ segment, ...place, objects: chosen, bytes }] : [];
  });
}

function choose(objects: readonly LogBytes[], segmentBytes: number): { chosen: LogBytes[]; bytes: number } {
  const whole = objects.find(({ object }) => object.kind === 'segment');
  if (whole) return { chosen: [whole], bytes: segmentBytes };
  const parts = objects.map((each) => ({ each, ...rangeOf(each) }));
  const chosen: LogBytes[] = [];
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
