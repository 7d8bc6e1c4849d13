import type { BaseManifest } from '../log/base-manifest.ts';
import type { ChainLog } from '../log/catalog.ts';
import { parseLsn } from '../log/lsn.ts';
import type { SegmentParts } from '../log/segments.ts';
import type { LogStore, StoredBase } from '../log/store.ts';
import { type ChainContents, readContents } from './contents.ts';
import { baseAlone, follow, type LogPath, upTo } from './path.ts';
import type { MomentTarget } from './target.ts';

/** How a moment is restored: from which base, and with which log. */
export interface MomentPlan {
  readonly server: string;
  readonly target: MomentTarget | undefined;
  readonly base: StoredBase;
  readonly manifest: BaseManifest;
  readonly path: LogPath;
  readonly histories: ReadonlyMap<number, string>;
  /** The log is known to reach the target; else a commit in it that is later has to show it. */
  readonly isCovered: boolean;
  /** Of the log, raw and as it is stored. */
  readonly logBytes: number;
  readonly storedLogBytes: number;
}

/** A base with the log that goes on from it. */
export interface Reach extends Omit<MomentPlan, 'target' | 'server' | 'logBytes' | 'isCovered'> {
  readonly chain: ChainLog | undefined;
  readonly sizes: ReadonlyMap<string, number>;
}

/** What of a server's log is in the store. */
export interface ServerLog {
  readonly server: string;
  readonly chains: readonly ChainLog[];
  /** Those that count, the newest first. */
  readonly bases: readonly StoredBase[];
  /** How far the log goes on from a base. Asked once. @throws OperatorError BACKUP_DAMAGED */
  reach(base: StoredBase): Promise<Reach>;
}

/** Lists a server's log and bases. */
export async function openServerLog(store: LogStore, server: string, signal: AbortSignal): Promise<ServerLog> {
  const chains = await store.chains({ server }, new Date(), signal);
  const bases = (await store.bases({ server }, signal)).filter(({ hasManifest }) => hasManifest);
  const reaches = new Map<string, Promise<Reach>>();
  const contents = new Map<string, Promise<ChainContents>>();
  const contentsOf = (chain: ChainLog) => {
    const known = contents.get(chain.id.chain) ?? readContents(store, chain, signal);
    contents.set(chain.id.chain, known);
    return known;
  };
  const reachOf = async (base: StoredBase): Promise<Reach> => {
    const manifest = await store.baseManifest(base, signal);
    const chain = chains.find(({ id }) => id.chain === manifest.chain);
    const none = { base, manifest, path: baseAlone(manifest), histories: new Map(), storedLogBytes: 0 };
    if (chain === undefined) return { ...none, chain, sizes: new Map() };
    const { chain: now, segments, histories, sizes } = await contentsOf(chain);
    const path = follow(manifest, now, segments, histories);
    return { ...none, chain: now, path, histories, sizes, storedLogBytes: storedBytesOf(path.segments, sizes) };
  };
  return {
    server,
    chains,
    bases,
    reach: (base) => {
      const known = reaches.get(base.stem) ?? reachOf(base);
      reaches.set(base.stem, known);
      return known;
    },
  };
}

const storedBytesOf = (segments: readonly SegmentParts[], sizes: ReadonlyMap<string, number>) =>
  segments.flatMap(({ objects }) => objects).reduce((sum, { key }) => sum + (sizes.get(key) ?? 0), 0);

/** Why no base of a server's log leads to a target. */
export type Refusal =
  | { readonly kind: 'no base' }
  | { readonly kind: 'before the first base' }
  /** The log ends before it. */
  | { readonly kind: 'after the end'; readonly reach: Reach }
  /** It lies between where the log of one base ends and where the next one can be restored to. */
  | { readonly kind: 'in a gap'; readonly reach: Reach; readonly next: Reach | undefined }
  | { readonly kind: 'no such mark'; readonly marks: readonly string[] };

/**
 * Finds the newest base from which the log leads to the target.
 * @returns the plan, or why there is none
 */
export async function planMoment(log: ServerLog, target: MomentTarget): Promise<MomentPlan | Refusal> {
  if (log.bases.length === 0) return { kind: 'no base' };
  const wanted = target.kind === 'mark' ? markOf(log, target.name) : target;
  if (wanted === undefined)
    return { kind: 'no such mark', marks: log.chains.flatMap(({ marks }) => marks.map(({ name }) => name)) };
  let newest: Reach | undefined;
  let perhaps: Reach | undefined;
  for (const base of log.bases) {
    // its end comes after its beginning, which its key tells
    if (wanted.kind === 'time' && wanted.at !== undefined && base.createdAt > wanted.at) continue;
    const reach = await log.reach(base);
    if (!isAfterBase(wanted, reach)) continue;
    if (isReached(wanted, reach)) return planOf(log, target, wanted, { ...reach, isCovered: true });
    if (mayBeReached(wanted, reach)) perhaps ??= reach;
    newest ??= reach;
  }
  if (perhaps !== undefined) return planOf(log, target, wanted, { ...perhaps, isCovered: false });
  if (newest === undefined) return { kind: 'before the first base' };
  const next = await firstAfter(log, newest);
  return next === undefined ? { kind: 'after the end', reach: newest } : { kind: 'in a gap', reach: newest, next };
}

/** A mark is a position that has a name; the newest one of that name counts. */
type Wanted =
  | Exclude<MomentTarget, { kind: 'mark' }>
  | { readonly kind: 'mark'; readonly lsn: string; readonly chain: string };

function markOf(log: ServerLog, name: string): Wanted | undefined {
  const marks = log.chains.flatMap(({ id, marks: all }) => all.map((mark) => ({ ...mark, chain: id.chain })));
  const found = marks
    .filter((mark) => mark.name === name)
    .sort((a, b) => a.at.getTime() - b.at.getTime())
    .at(-1);
  return found && { kind: 'mark', lsn: `${found.lsn}`, chain: found.chain };
}

/** Nothing before the end of a base can be restored from it: what comes out would be later than what was asked for. */
function isAfterBase(wanted: Wanted, { manifest }: Reach): boolean {
  const end = parseLsn(manifest.endLsn) ?? 0n;
  switch (wanted.kind) {
    case 'time':
      return wanted.at !== undefined && new Date(manifest.endedAt) <= wanted.at;
    case 'mark':
      return manifest.chain === wanted.chain && end <= BigInt(wanted.lsn);
    case 'lsn':
      return end <= (parseLsn(wanted.lsn) ?? 0n);
    case 'xid':
      return manifest.nextXid !== undefined && BigInt(manifest.nextXid) <= sameEpoch(wanted.xid, manifest.nextXid);
  }
}

/** Logs and programs tell a transaction's number without what came round before: 32 bits of 64. */
function sameEpoch(xid: string, near: string): bigint {
  const [number, other] = [BigInt(xid), BigInt(near)];
  if (number >= 2n ** 32n || other < 2n ** 32n) return number;
  const same = ((other >> 32n) << 32n) + number;
  // far behind: it has come round since
  return same + 2n ** 31n < other ? same + 2n ** 32n : same;
}

function isReached(wanted: Wanted, { path }: Reach): boolean {
  switch (wanted.kind) {
    case 'time':
      return wanted.at !== undefined && path.coverage >= wanted.at;
    case 'mark':
      return path.end >= BigInt(wanted.lsn);
    case 'lsn':
      return path.end >= (parseLsn(wanted.lsn) ?? 0n);
    case 'xid':
      // the log itself tells
      return true;
  }
}

/** What a name says of a moment is to the second, and less than the log itself may tell. */
const TOLD_LESS_MS = 3_000;

function mayBeReached(wanted: Wanted, { path }: Reach): boolean {
  if (wanted.kind !== 'time' || wanted.at === undefined || path.segments.length === 0 || path.isBroken) return false;
  return wanted.at.getTime() - path.coverage.getTime() <= TOLD_LESS_MS;
}

function planOf(
  log: ServerLog,
  target: MomentTarget,
  wanted: Wanted,
  reach: Reach & { isCovered: boolean },
): MomentPlan {
  const { chain, sizes, ...rest } = reach;
  const { segmentBytes } = chain ?? { segmentBytes: reach.manifest.walSegmentBytes };
  const path = upTo(reach.path, (segment) => holds(wanted, segment), segmentBytes);
  return {
    ...rest,
    server: log.server,
    target,
    path,
    logBytes: path.segments.reduce((sum, { bytes }) => sum + bytes, 0),
    storedLogBytes: storedBytesOf(path.segments, sizes),
  };
}

/** Whether all that comes before the target lies at or before the end of this segment. */
function holds(wanted: Wanted, { start, bytes, objects }: SegmentParts): boolean {
  switch (wanted.kind) {
    case 'time': {
      const last = objects.at(-1);
      return wanted.at !== undefined && last !== undefined && last.object.at > wanted.at;
    }
    case 'mark':
      return start + BigInt(bytes) > BigInt(wanted.lsn);
    case 'lsn':
      return start + BigInt(bytes) > (parseLsn(wanted.lsn) ?? 0n);
    case 'xid':
      return false;
  }
}

/** The plan that goes to the end of the log from the newest base. @returns undefined without a base */
export async function planEnd(log: ServerLog): Promise<MomentPlan | undefined> {
  const [base] = log.bases;
  if (base === undefined) return undefined;
  const { chain: _, sizes: __, ...reach } = await log.reach(base);
  return {
    ...reach,
    server: log.server,
    target: undefined,
    isCovered: true,
    logBytes: reach.path.segments.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** The oldest base that is newer than this one. */
async function firstAfter(log: ServerLog, { base }: Reach): Promise<Reach | undefined> {
  const next = log.bases.filter(({ createdAt }) => createdAt > base.createdAt).at(-1);
  return next && log.reach(next);
}

/** Everything that can be restored to, the oldest first; what touches is one. */
export async function recoverableRanges(log: ServerLog): Promise<{ from: Date; to: Date }[]> {
  const ranges: { from: Date; to: Date }[] = [];
  for (const base of log.bases.toReversed()) {
    const { manifest, path } = await log.reach(base);
    const from = new Date(manifest.endedAt);
    const last = ranges.at(-1);
    if (last && from <= last.to) last.to = path.coverage > last.to ? path.coverage : last.to;
    else ranges.push({ from, to: path.coverage });
  }
  return ranges;
}
