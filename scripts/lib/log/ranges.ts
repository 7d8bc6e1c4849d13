import type { BaseManifest } from './base-manifest.ts';
import type { ChainLog, Run } from './catalog.ts';
import { CAUSES } from './keys.ts';
import { parseLsn, segmentStart } from './lsn.ts';

/** What of a base decides how far it restores. */
export type BaseFacts = Pick<BaseManifest, 'chain' | 'timeline' | 'startLsn' | 'endLsn' | 'endedAt'>;

/** What a base and the log that goes on from it restore: every moment from the base's end to `to`. */
export interface Reach<B extends BaseFacts = BaseFacts> {
  readonly base: B;
  readonly from: Date;
  readonly to: Date;
  /** The stretch of log that ends the reach; undefined for a base that restores its own end alone. */
  readonly lastRun: Run | undefined;
  /** When the newest log was written that lies beyond a hole which ends the reach; undefined for a log without one. */
  readonly beyond?: Date | undefined;
}

export interface Range {
  readonly from: Date;
  readonly to: Date;
}

export interface Gap extends Range {
  readonly why: string;
  /** Nothing restores what comes after it either: log that is stored beyond it has no base of its own. */
  readonly isOpen: boolean;
}

/**
 * How far each base restores, by the log of its chain. Bases whose chain is not stored restore their own end.
 * @param withHistories only onto timelines whose history is stored, without which no server can be led there
 */
export function reachesOf<B extends BaseFacts>(
  bases: readonly B[],
  chains: readonly ChainLog[],
  { withHistories = false }: { withHistories?: boolean } = {},
): Reach<B>[] {
  return bases.map((base) => {
    const chain = chains.find(({ id }) => id.chain === base.chain);
    const lastRun = chain && followed(base, chain, withHistories);
    const from = new Date(base.endedAt);
    // what the log covers is told a little late
    const to = lastRun && lastRun.at > from ? lastRun.at : from;
    return { base, from, to, lastRun, beyond: chain && beyondHole(base, chain, lastRun) };
  });
}

/** Of the log that lies where a base's own does not lead: when the newest of it was written. */
function beyondHole(base: BaseFacts, { runs }: ChainLog, last: Run | undefined): Date | undefined {
  const place = last ?? { timeline: base.timeline, end: parseLsn(base.endLsn) ?? 0n };
  const later = runs.filter(
    ({ timeline, start, end }) =>
      timeline > place.timeline || (timeline === place.timeline && (last ? start > place.end : end > place.end)),
  );
  return later.length === 0 ? undefined : new Date(Math.max(...later.map(({ at }) => at.getTime())));
}

/** The last run that the log leads to from a base, from one timeline to the next. */
function followed(
  base: BaseFacts,
  { runs, segmentBytes, histories }: ChainLog,
  withHistories: boolean,
): Run | undefined {
  const isTold = (timeline: number) => !withHistories || histories.some((each) => each >= timeline);
  const end = parseLsn(base.endLsn) ?? 0n;
  // a server reads a segment from its beginning
  const isReadTo = (each: Run, position: bigint) =>
    each.start <= (withHistories ? segmentStart(position, segmentBytes) : position);
  let run = runs.find((each) => each.timeline === base.timeline && isReadTo(each, end) && end <= each.end);
  for (;;) {
    const here = run;
    if (!here) return undefined;
    // a timeline's first segment is stored from its beginning, before the place where the older one was left
    const next = runs.find(
      (each) =>
        each.timeline > here.timeline &&
        isTold(each.timeline) &&
        isReadTo(each, here.end) &&
        here.end - each.start <= BigInt(segmentBytes),
    );
    if (!next) return here;
    run = next;
  }
}

/** The ranges of moments that can be restored, the oldest first, none touching the next. */
export function rangesOf(reaches: readonly Reach[]): Range[] {
  const ranges: { from: Date; to: Date; run: Run | undefined }[] = [];
  for (const { from, to, lastRun: run } of [...reaches].sort((a, b) => a.from.getTime() - b.from.getTime())) {
    const last = ranges.at(-1);
    // of another chain, it is another history, however near in time
    const goesOn = last !== undefined && run !== undefined && last.run === run;
    if (goesOn) last.to = to > last.to ? to : last.to;
    else ranges.push({ from, to, run });
  }
  return ranges.map(({ from, to }) => ({ from, to }));
}

/**
 * The times between ranges, which nothing restores, and why not; and what lies beyond a hole after the last of them.
 * @param reaches that the ranges are of
 */
export function gapsOf(ranges: readonly Range[], chains: readonly ChainLog[], reaches: readonly Reach[]): Gap[] {
  const gaps: Gap[] = ranges.slice(1).map((range, i) => {
    const from = (ranges[i] as Range).to;
    const begun = chains.findLast(({ id }) => id.begunAt > from && id.begunAt <= range.from);
    const why = begun?.cause === undefined ? MISSING : CAUSES[begun.cause];
    return { from, to: range.from, why, isOpen: false };
  });
  const last = ranges.at(-1);
  const newest = reaches.reduce<Reach | undefined>((a, b) => (a && a.from >= b.from ? a : b), undefined);
  if (last === undefined || newest?.beyond === undefined) return gaps;
  const to = newest.beyond > last.to ? newest.beyond : last.to;
  return [...gaps, { from: last.to, to, why: MISSING, isOpen: true }];
}

const MISSING = 'objects of the log are missing';
