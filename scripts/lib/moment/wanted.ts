import type { BaseManifest } from '../log/base-manifest.ts';
import type { ChainLog } from '../log/catalog.ts';
import { parseLsn } from '../log/lsn.ts';
import type { SegmentParts } from '../log/segments.ts';
import type { LogPath } from './path.ts';
import type { MomentTarget } from './target.ts';

/** A mark is a position that has a name; the newest one of that name counts. */
export type Wanted =
  | Exclude<MomentTarget, { kind: 'mark' }>
  | { readonly kind: 'mark'; readonly lsn: string; readonly chain: string };

export function markOf(chains: readonly ChainLog[], name: string): Wanted | undefined {
  const marks = chains.flatMap(({ id, marks: all }) => all.map((mark) => ({ ...mark, chain: id.chain })));
  const found = marks
    .filter((mark) => mark.name === name)
    .sort((a, b) => a.at.getTime() - b.at.getTime())
    .at(-1);
  return found && { kind: 'mark', lsn: `${found.lsn}`, chain: found.chain };
}

/** Nothing before the end of a base can be restored from it: what comes out would be later than what was asked for. */
export function isAfterBase(wanted: Wanted, manifest: BaseManifest): boolean {
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

/** Whether a transaction was under way when the base ended, by its number: then it may have been committed after it. */
export function mayBeAfterBase(wanted: Wanted, { oldestXid }: BaseManifest): boolean {
  return wanted.kind === 'xid' && oldestXid !== undefined && BigInt(oldestXid) <= sameEpoch(wanted.xid, oldestXid);
}

/** Logs and programs tell a transaction's number without what came round before: 32 bits of 64. */
function sameEpoch(xid: string, near: string): bigint {
  const [number, other] = [BigInt(xid), BigInt(near)];
  if (number >= 2n ** 32n || other < 2n ** 32n) return number;
  const same = ((other >> 32n) << 32n) + number;
  // far behind: it has come round since
  return same + 2n ** 31n < other ? same + 2n ** 32n : same;
}

/** Whether the log is known to lead there. */
export function isReached(wanted: Wanted, path: LogPath): boolean {
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

export function mayBeReached(wanted: Wanted, path: LogPath): boolean {
  if (wanted.kind !== 'time' || wanted.at === undefined || path.segments.length === 0 || path.isBroken) return false;
  return wanted.at.getTime() - path.coverage.getTime() <= TOLD_LESS_MS;
}

/** Whether all that comes before the target lies at or before the end of this segment. */
export function holds(wanted: Wanted, { start, bytes, at }: SegmentParts): boolean {
  switch (wanted.kind) {
    case 'time':
      return wanted.at !== undefined && at > wanted.at;
    case 'mark':
      return start + BigInt(bytes) > BigInt(wanted.lsn);
    case 'lsn':
      return start + BigInt(bytes) > (parseLsn(wanted.lsn) ?? 0n);
    case 'xid':
      return false;
  }
}
