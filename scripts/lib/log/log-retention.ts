import type { ChainLog } from './catalog.ts';
import type { KeyedObject } from './chain-objects.ts';
import { parseLsn, parseSegmentName, segmentName } from './lsn.ts';
import type { BaseFacts, Reach } from './ranges.ts';

/** What is decided of one base. */
export interface BaseDecision<B> {
  readonly base: B;
  readonly keep: boolean;
  readonly reason: string;
}

/** What of one chain's log stays. */
export interface ChainDecision {
  readonly chain: ChainLog;
  /** Objects of segments whose names are less are no longer needed; undefined: all of it stays. `all`: nothing stays. */
  readonly below: string | 'all' | undefined;
}

export interface LogPlan<B extends BaseFacts> {
  /** Every moment from here to where the log ends stays restorable, if it was. Undefined while nothing is restorable. */
  readonly since: Date | undefined;
  readonly bases: readonly BaseDecision<B>[];
  readonly chains: readonly ChainDecision[];
}

/**
 * What of a server's bases and log is needed to restore any moment of the window, which ends where the log ends and not today: when the
 * log is no longer taken, nothing fades. A chain without a base restores nothing; it stays until the window is past it, to be seen.
 *
 * @param windowMs PITR_WINDOW
 */
export function planLog<B extends BaseFacts>(
  reaches: readonly Reach<B>[],
  chains: readonly ChainLog[],
  windowMs: number,
): LogPlan<B> {
  const end = Math.max(...reaches.map(({ to }) => to.getTime()));
  if (!Number.isFinite(end)) {
    return { since: undefined, bases: [], chains: chains.map((chain) => ({ chain, below: undefined })) };
  }
  const since = end - windowMs;
  const needed = new Set<Reach<B>>();
  const byRun = new Map<unknown, Reach<B>>();
  for (const reach of reaches) {
    if (reach.from.getTime() > since) needed.add(reach);
    else if (reach.to.getTime() >= since) {
      // of those from which the log leads to one end, the newest before the window leads to every moment of it
      const key = reach.lastRun ?? reach;
      const other = byRun.get(key);
      if (!other || other.from < reach.from) byRun.set(key, reach);
    }
  }
  for (const reach of byRun.values()) needed.add(reach);
  const bases = reaches.map((reach) => {
    const keep = needed.has(reach);
    const reason = !keep
      ? 'no moment of the window needs it'
      : reach.from.getTime() > since
        ? 'within the window'
        : 'the newest one before the window';
    return { base: reach.base, keep, reason };
  });
  const newest = chains.at(-1);
  return {
    since: new Date(since),
    bases,
    chains: chains.map((chain) => {
      const kept = bases.filter(({ base, keep }) => keep && base.chain === chain.id.chain);
      if (kept.length > 0) return { chain, below: kept.map(({ base }) => firstSegment(base, chain)).sort()[0] };
      const isOver = chain !== newest && (chain.lastAt ?? chain.id.begunAt).getTime() < since;
      return { chain, below: isOver ? ('all' as const) : undefined };
    }),
  };
}

function firstSegment({ timeline, startLsn }: BaseFacts, { segmentBytes }: ChainLog): string {
  return segmentName(timeline, parseLsn(startLsn) ?? 0n, segmentBytes);
}

/** Parts are left for this long after their segment is stored as a whole: somebody may just be reading them. */
const READ_WITHIN_MS = 3_600_000;

/**
 * Which objects of a chain are no longer needed: those below, parts of segments that are stored as a whole, and heartbeats but the newest.
 * Of a chain that goes altogether the one that names it comes last.
 *
 * @param objects gone through more than once; of those that stay no key is asked for
 */
export function* objectsToRemove(
  objects: Iterable<KeyedObject>,
  { below, segmentBytes, now }: { below: ChainDecision['below']; segmentBytes: number; now: Date },
): Generator<KeyedObject> {
  if (below === 'all') {
    for (const each of objects) if (each.object.kind !== 'begun') yield each;
    for (const each of objects) if (each.object.kind === 'begun') yield each;
    return;
  }
  const wholes = new Map<string, { key: string; at: number }>();
  let newestBeat: { each: KeyedObject; at: number } | undefined;
  for (const each of objects) {
    const { object } = each;
    if (object.kind === 'segment' && !wholes.has(object.segment))
      wholes.set(object.segment, { key: each.key, at: object.at.getTime() });
    if (object.kind === 'heartbeat' && object.at.getTime() >= (newestBeat?.at ?? 0))
      newestBeat = { each, at: object.at.getTime() };
  }
  const start = below;
  const firstLsn = start === undefined ? undefined : parseSegmentName(start, segmentBytes)?.start;
  const newestKey = newestBeat?.each.key;
  for (const each of objects) if (isDone(each)) yield each;

  function isDone(each: KeyedObject): boolean {
    const { object } = each;
    if (object.kind === 'begun' || object.kind === 'history') return false;
    if (object.kind === 'mark') return firstLsn !== undefined && object.lsn < firstLsn;
    if (start !== undefined && object.segment < start) return true;
    if (object.kind === 'heartbeat') return each.key !== newestKey;
    const whole = wholes.get(object.segment);
    if (whole === undefined || whole.at >= now.getTime() - READ_WITHIN_MS) return false;
    return object.kind === 'part' || each.key !== whole.key;
  }
}
