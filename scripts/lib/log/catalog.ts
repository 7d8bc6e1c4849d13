import { noteKept } from '../machine/heap.ts';
import type { StoredObject } from '../storages/storage.ts';
import { ChainObjects, type PlacedBytes } from './chain-objects.ts';
import { type ChainCause, type ChainId, type LogObject, parseChain, parseLogKey } from './keys.ts';
import { type Lsn, parseSegmentName } from './lsn.ts';

/** The size of a segment where nothing tells: what every server has that was not made otherwise. */
const USUAL_SEGMENT_BYTES = 16 * 2 ** 20;

/** Consecutive bytes of the log on one timeline, all of them stored. */
export interface Run {
  readonly timeline: number;
  readonly start: Lsn;
  /** Exclusive. */
  readonly end: Lsn;
  /** The moment that the run's first object tells. */
  readonly firstAt: Date;
  /** Everything committed before this moment lies before `end`. Heartbeats at the end count. */
  readonly at: Date;
}

/** A place in the log that has a name. */
export type Mark = Omit<Extract<LogObject, { kind: 'mark' }>, 'kind' | 'server' | 'chain'>;

/** What a listing tells of one chain. */
export interface ChainLog {
  readonly server: string;
  readonly id: ChainId;
  readonly cause: ChainCause | undefined;
  readonly segmentBytes: number;
  /** By timeline and position. More than one of a timeline: something between them is missing. */
  readonly runs: readonly Run[];
  /** The timelines whose history is stored. */
  readonly histories: readonly number[];
  /** The oldest first. */
  readonly marks: readonly Mark[];
  /** All that the listing has of it: who goes on from here need not list it again. */
  readonly contents: ChainObjects;
  readonly objects: number;
  readonly storedBytes: number;
  /** Objects of the last day before `now`. */
  readonly objectsOfDay: number;
  /** The newest moment that an object tells; undefined for a chain of which no log is stored. */
  readonly lastAt: Date | undefined;
}

const DAY_MS = 86_400_000;

/** Bytes of the log that one object tells of. */
interface Piece {
  readonly timeline: number;
  start: Lsn;
  end: Lsn;
  firstAt: number;
  at: number;
}

interface Growing {
  readonly server: string;
  readonly id: ChainId;
  cause: ChainCause | undefined;
  segmentBytes: number;
  readonly contents: ChainObjects;
  readonly histories: number[];
  readonly marks: Mark[];
  objects: number;
  storedBytes: number;
  objectsOfDay: number;
  lastAt: number;
}

/**
 * Sorts a listing of `wal/` into chains, by server and the chains' beginnings, the oldest first. What is named otherwise is left
 * out.
 * @param now of which objectsOfDay counts the day before
 */
export async function readChains(
  objects: AsyncIterable<StoredObject> | Iterable<StoredObject>,
  prefix: string,
  now: Date,
): Promise<ChainLog[]> {
  const chains = new Map<string, Growing>();
  let kept = 0;
  for await (const { key, sizeBytes } of objects) {
    const object = parseLogKey(prefix, key);
    if (!object) continue;
    sortIn(chains, prefix, object, sizeBytes, now.getTime());
    kept += 1;
    noteKept(kept);
  }
  return [...chains.values()]
    .map(finished)
    .sort((a, b) => compare(a.server, b.server) || compare(a.id.chain, b.id.chain));
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function sortIn(chains: Map<string, Growing>, prefix: string, object: LogObject, sizeBytes: number, now: number): void {
  const name = `${object.server}\0${object.chain}`;
  const chain = chains.get(name) ?? begin(prefix, object);
  chains.set(name, chain);
  chain.contents.add(object, sizeBytes);
  chain.objects += 1;
  chain.storedBytes += sizeBytes;
  if (object.kind === 'begun') {
    chain.cause = object.cause;
    chain.segmentBytes = object.segmentBytes;
    return;
  }
  if (object.kind === 'history') {
    chain.histories.push(object.timeline);
    return;
  }
  if (object.kind === 'mark') {
    const { name: mark, lsn, at: markedAt } = object;
    chain.marks.push({ name: mark, lsn, at: markedAt });
    return;
  }
  const at = object.at.getTime();
  if (at > now - DAY_MS) chain.objectsOfDay += 1;
  chain.lastAt = Math.max(chain.lastAt, at);
}

function begin(prefix: string, { server, chain }: LogObject): Growing {
  return {
    server,
    id: parseChain(chain) as ChainId,
    cause: undefined,
    segmentBytes: USUAL_SEGMENT_BYTES,
    contents: new ChainObjects(prefix, { server, chain }),
    histories: [],
    marks: [],
    objects: 0,
    storedBytes: 0,
    objectsOfDay: 0,
    lastAt: Number.NEGATIVE_INFINITY,
  };
}

function finished({ lastAt, ...chain }: Growing): ChainLog {
  const runs: Piece[] = [];
  for (const name of chain.contents.segments()) {
    const segment = parseSegmentName(name, chain.segmentBytes);
    if (segment === undefined) continue;
    for (const piece of inOrder(segment, chain.contents.ofSegment(name), chain.segmentBytes)) append(runs, piece);
  }
  return {
    ...chain,
    histories: chain.histories.sort((a, b) => a - b),
    marks: chain.marks.sort((a, b) => Number(a.lsn - b.lsn)),
    lastAt: Number.isFinite(lastAt) ? new Date(lastAt) : undefined,
    runs: runs.map(({ firstAt, at, ...run }) => ({ ...run, firstAt: new Date(firstAt), at: new Date(at) })),
  };
}

function inOrder(
  segment: { timeline: number; start: Lsn },
  objects: readonly PlacedBytes[],
  segmentBytes: number,
): Piece[] {
  const pieces = objects.map(({ object }) => {
    const start = object.kind === 'segment' ? 0 : object.start;
    const end = object.kind === 'segment' ? segmentBytes : object.kind === 'part' ? object.end : start;
    const at = object.at.getTime();
    return {
      timeline: segment.timeline,
      start: segment.start + BigInt(start),
      end: segment.start + BigInt(end),
      firstAt: at,
      at,
    };
  });
  return pieces.sort((a, b) => Number(a.start - b.start) || Number(a.end - b.end) || a.at - b.at);
}

/** Adds what comes next to the last run, or begins another where bytes are missing between. */
function append(runs: Piece[], piece: Piece): void {
  const last = runs.at(-1);
  const follows = last !== undefined && last.timeline === piece.timeline && piece.start <= last.end;
  if (last === undefined || !follows) {
    // a heartbeat tells of bytes that are stored, and is none itself
    if (piece.end > piece.start) runs.push({ ...piece });
    return;
  }
  // that of bytes in the middle says nothing of the end
  if (piece.end >= last.end) last.at = piece.end > last.end ? piece.at : Math.max(last.at, piece.at);
  last.end = piece.end > last.end ? piece.end : last.end;
}
