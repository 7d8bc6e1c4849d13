import type { RecoveryTarget } from '../engines/postgres/recovery/target.ts';
import type { BaseManifest } from '../log/base-manifest.ts';
import type { ChainLog } from '../log/catalog.ts';
import { formatLsn } from '../log/lsn.ts';
import type { SegmentParts } from '../log/segments.ts';
import type { LogStore, StoredBase } from '../log/store.ts';
import { type ChainContents, readContents } from './contents.ts';
import { KINSHIPS, kinshipOf, type LiveServer } from './live.ts';
import { baseAlone, follow, type LogPath, upTo } from './path.ts';
import type { MomentTarget } from './target.ts';
import { holds, isAfterBase, isReached, markOf, mayBeAfterBase, mayBeReached, type Wanted } from './wanted.ts';

/** How a moment is restored: from which base, and with which log. */
export interface MomentPlan {
  readonly server: string;
  readonly target: MomentTarget | undefined;
  /** What the recovering server is told for it. */
  readonly stopsAt: RecoveryTarget | undefined;
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
export interface Reach extends Omit<MomentPlan, 'target' | 'stopsAt' | 'server' | 'logBytes' | 'isCovered'> {
  readonly chain: ChainLog | undefined;
}

/** What of a server's log is in the store. */
export interface ServerLog {
  readonly server: string;
  readonly chains: readonly ChainLog[];
  /** Those that count, the newest first. */
  readonly bases: readonly StoredBase[];
  /** What the server says of itself; undefined where it does not matter, or cannot be asked. */
  readonly live?: LiveServer | undefined;
  /** How far the log goes on from a base. Asked once. @throws OperatorError BACKUP_DAMAGED */
  reach(base: StoredBase): Promise<Reach>;
}

/**
 * Lists a server's log and bases.
 * @param ask asks the server which of the chains are its own; without it all of them count as such
 */
export async function openServerLog(
  store: LogStore,
  server: string,
  signal: AbortSignal,
  ask?: (of: { store: LogStore; server: string; chains: readonly ChainLog[] }) => Promise<LiveServer | undefined>,
): Promise<ServerLog> {
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
    if (chain === undefined) return { ...none, chain };
    const found = await contentsOf(chain);
    const path = follow(manifest, found);
    return { ...none, chain, path, histories: found.histories, storedLogBytes: storedBytesOf(path.segments) };
  };
  return {
    server,
    chains,
    bases,
    live: await ask?.({ store, server, chains }),
    reach: (base) => {
      const known = reaches.get(base.stem) ?? reachOf(base);
      reaches.set(base.stem, known);
      return known;
    },
  };
}

const storedBytesOf = (segments: readonly SegmentParts[]) =>
  segments.reduce((sum, { storedBytes }) => sum + storedBytes, 0);

/** Why no base of a server's log leads to a target. */
export type Refusal =
  | { readonly kind: 'no base' }
  | { readonly kind: 'before the first base' }
  /** The log ends before it. */
  | { readonly kind: 'after the end'; readonly reach: Reach }
  /** It lies between where the log of one base ends and where the next one can be restored to. */
  | { readonly kind: 'in a gap'; readonly reach: Reach; readonly next: Reach | undefined }
  /** Only the log of another server leads there, which is stored under the same name. */
  | { readonly kind: 'of another'; readonly reach: Reach }
  | { readonly kind: 'no such mark'; readonly marks: readonly string[] };

const rankOf = ({ live }: ServerLog, { chain, manifest }: Reach) => {
  const rank = KINSHIPS.indexOf(kinshipOf(live, chain, manifest.systemIdentifier));
  return rank < 0 ? undefined : rank;
};

/**
 * Finds the newest base from which the log leads to the target: of the server's own chain, where one does, else of one that is
 * near to it.
 * @returns the plan, or why there is none
 */
export async function planMoment(log: ServerLog, target: MomentTarget): Promise<MomentPlan | Refusal> {
  if (log.bases.length === 0) return { kind: 'no base' };
  const wanted = target.kind === 'mark' ? nearestMark(log, target.name) : target;
  if (wanted === undefined)
    return { kind: 'no such mark', marks: log.chains.flatMap(({ marks }) => marks.map(({ name }) => name)) };
  const candidates: { readonly reach: Reach; readonly rank: number }[] = [];
  let another: Reach | undefined;
  let underWay: Reach | undefined;
  for (const base of log.bases) {
    // its end comes after its beginning, which its key tells
    if (wanted.kind === 'time' && wanted.at !== undefined && base.createdAt > wanted.at) continue;
    const reach = await log.reach(base);
    if (!isAfterBase(wanted, reach.manifest)) {
      if (mayBeAfterBase(wanted, reach.manifest) && rankOf(log, reach) !== undefined) underWay ??= reach;
      continue;
    }
    const rank = rankOf(log, reach);
    if (rank === undefined) another ??= reach;
    else candidates.push({ reach, rank });
    if (rank === 0 && isReached(wanted, reach.path)) break;
  }
  // where a nearer log has begun by then, one that is less near holds what another server did
  const nearest = Math.min(...candidates.map(({ rank }) => rank));
  const near = candidates.filter(({ rank }) => rank === nearest).map(({ reach }) => reach);
  const reached = near.find(({ path }) => isReached(wanted, path));
  if (reached !== undefined) return planOf(log, target, wanted, { ...reached, isCovered: true });
  const perhaps = near.find(({ path }) => mayBeReached(wanted, path));
  if (perhaps !== undefined) return planOf(log, target, wanted, { ...perhaps, isCovered: false });
  const [newest] = near;
  if (newest === undefined && underWay !== undefined)
    return planOf(log, target, wanted, { ...underWay, isCovered: false });
  if (newest === undefined && another !== undefined && isReached(wanted, another.path))
    return { kind: 'of another', reach: another };
  if (newest === undefined) return { kind: 'before the first base' };
  const next = await firstAfter(log, newest);
  return next === undefined ? { kind: 'after the end', reach: newest } : { kind: 'in a gap', reach: newest, next };
}

function nearestMark({ live, chains }: ServerLog, name: string): Wanted | undefined {
  const kin = (chain: ChainLog) => kinshipOf(live, chain, chain.id.systemIdentifier);
  const found = KINSHIPS.map((each) =>
    markOf(
      chains.filter((chain) => kin(chain) === each),
      name,
    ),
  );
  return found.find((mark) => mark !== undefined);
}

function planOf(
  log: ServerLog,
  target: MomentTarget,
  wanted: Wanted,
  reach: Reach & { isCovered: boolean },
): MomentPlan {
  const { chain, ...rest } = reach;
  const { segmentBytes } = chain ?? { segmentBytes: reach.manifest.walSegmentBytes };
  const path = upTo(reach.path, (segment) => holds(wanted, segment), segmentBytes);
  return {
    ...rest,
    server: log.server,
    target,
    stopsAt: stopFor(wanted),
    path,
    logBytes: path.segments.reduce((sum, { bytes }) => sum + bytes, 0),
    storedLogBytes: storedBytesOf(path.segments),
  };
}

/** A server stops at the first of several marks of one name, and not at the one that is meant. */
function stopFor(wanted: Wanted): RecoveryTarget {
  switch (wanted.kind) {
    case 'time':
      return { kind: 'time', time: wanted.time };
    case 'mark':
      return { kind: 'lsn', lsn: formatLsn(BigInt(wanted.lsn)) };
    default:
      return wanted;
  }
}

/** The plan that goes to the end of the log from the newest base. @returns undefined without a base */
export async function planEnd(log: ServerLog): Promise<MomentPlan | undefined> {
  let nearest: { readonly reach: Reach; readonly rank: number } | undefined;
  for (const base of log.bases) {
    const found = await log.reach(base);
    const rank = rankOf(log, found);
    if (rank !== undefined && (nearest === undefined || rank < nearest.rank)) nearest = { reach: found, rank };
    if (nearest?.rank === 0) break;
  }
  if (nearest === undefined) return undefined;
  const { chain: _, ...reach } = nearest.reach;
  return {
    ...reach,
    server: log.server,
    target: undefined,
    stopsAt: undefined,
    isCovered: true,
    logBytes: reach.path.segments.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** The oldest base that is newer than this one. */
async function firstAfter(log: ServerLog, { base }: Reach): Promise<Reach | undefined> {
  for (const next of log.bases.filter(({ createdAt }) => createdAt > base.createdAt).toReversed()) {
    const reach = await log.reach(next);
    if (rankOf(log, reach) !== undefined) return reach;
  }
  return undefined;
}

/** Everything that can be restored to, the oldest first; what touches is one. */
export async function recoverableRanges(log: ServerLog): Promise<{ from: Date; to: Date }[]> {
  const ranges: { from: Date; to: Date }[] = [];
  for (const base of log.bases.toReversed()) {
    const reach = await log.reach(base);
    if (rankOf(log, reach) === undefined) continue;
    const { manifest, path } = reach;
    const from = new Date(manifest.endedAt);
    const last = ranges.at(-1);
    if (last && from <= last.to) last.to = path.coverage > last.to ? path.coverage : last.to;
    else ranges.push({ from, to: path.coverage });
  }
  return ranges;
}
