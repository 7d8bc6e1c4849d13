import { createHash } from 'node:crypto';
import { type Lsn, offsetInSegment, segmentName } from '../log/lsn.ts';

/** No object is larger, compressed or not; and no more of a segment is kept in memory to be put again as a whole. */
export const MOST_PART_BYTES = 16 * 2 ** 20;
/** A segment of more parts than this is stored once more as one object. */
const MANY_PARTS = 8;

/** Some consecutive bytes of one segment. */
export interface Part {
  readonly timeline: number;
  readonly segment: string;
  readonly lsn: Lsn;
  readonly endLsn: Lsn;
  /** In the segment, `end` exclusive. */
  readonly start: number;
  readonly end: number;
  /** Not to be changed: it is a view of the segment's memory. */
  readonly raw: Buffer;
  /** It is stored already, in parts: this is their segment as a whole. */
  readonly isAgain: boolean;
}

/** What is stored already, by which a server is known again. */
export interface LastPart {
  readonly lsn: Lsn;
  readonly endLsn: Lsn;
  /** Hexadecimal SHA-256 of its raw bytes. */
  readonly sha256: string;
  /** The bytes themselves, where a server is to be known before it has sent as many. */
  readonly raw?: Uint8Array;
}

/** The server sent other bytes for a place than those that came before: its log is another one. */
export class OtherBytes extends Error {
  constructor(lsn: Lsn) {
    super(`the server's log has other bytes before ${lsn.toString(16)} than were stored`);
    this.name = 'OtherBytes';
  }
}

/**
 * Takes the log as it comes and cuts it into parts. What comes again is compared with what came before, as far as that is in memory.
 */
export interface Cutter {
  /** The position after the last byte that has come. */
  readonly received: Lsn;
  /** From where the log is wanted: what has come since is still in memory, and is compared when it comes again. */
  readonly wanted: Lsn;
  /** Bytes that have come and are in no part yet. */
  readonly waiting: number;
  readonly timeline: number;
  /**
   * Takes bytes. Returns the parts that are full.
   * @throws OtherBytes, Error when bytes before these have not come
   */
  append(start: Lsn, bytes: Buffer): Part[];
  /** Cuts what waits; undefined when nothing does. */
  cut(): Part | undefined;
  /** Goes on with another timeline, from the beginning of a segment. */
  follow(timeline: number, start: Lsn): void;
}

/**
 * @param from.stored where the parts of an earlier run end
 * @param from.known some of what is stored already, to be found again, by their ends
 */
export function newCutter(
  segmentBytes: number,
  from: { timeline: number; stored: Lsn; known?: readonly LastPart[] },
): Cutter {
  const blockBytes = Math.min(segmentBytes, MOST_PART_BYTES);
  let { timeline } = from;
  let received = from.stored - (from.stored % BigInt(blockBytes));
  let cutAt = from.stored;
  let block = Buffer.alloc(0);
  let blockStart = received;
  let partsOfBlock = 0;
  let known = (from.known ?? []).filter(({ lsn }) => lsn >= received);

  const view = (start: Lsn, end: Lsn) => block.subarray(Number(start - blockStart), Number(end - blockStart));
  const partOf = (lsn: Lsn, endLsn: Lsn, isAgain: boolean): Part => {
    const start = offsetInSegment(lsn, segmentBytes);
    const segment = segmentName(timeline, lsn, segmentBytes);
    return {
      timeline,
      segment,
      lsn,
      endLsn,
      start,
      end: start + Number(endLsn - lsn),
      raw: view(lsn, endLsn),
      isAgain,
    };
  };
  const cut = (): Part | undefined => {
    if (received <= cutAt) return undefined;
    const part = partOf(cutAt, received, false);
    cutAt = received;
    partsOfBlock += 1;
    return part;
  };
  const assertSame = (start: Lsn, bytes: Buffer) => {
    if (block.length === 0 || start < blockStart || start >= received) return;
    // what comes again comes in pieces: one need not hold all of it
    const end = start + BigInt(bytes.length);
    if (!view(start, end < received ? end : received).equals(bytes)) throw new OtherBytes(start);
  };
  const isOther = ({ lsn, endLsn, sha256, raw }: LastPart, from: Lsn): boolean => {
    if (lsn < blockStart) return false;
    if (raw === undefined) return received >= endLsn && digest(view(lsn, endLsn)) !== sha256;
    // what is nearer than its end is told apart already: nothing of another server's log may be stored meanwhile
    const [start, end] = [from > lsn ? from : lsn, received < endLsn ? received : endLsn];
    return start < end && !view(start, end).equals(raw.subarray(Number(start - lsn), Number(end - lsn)));
  };
  /** @param from what came before it was looked at already */
  const assertKnown = (from: Lsn) => {
    for (const part of known) {
      if (part.lsn < received && isOther(part, from))
        throw new OtherBytes(part.endLsn < received ? part.endLsn : received);
    }
    known = known.filter(({ endLsn }) => endLsn > received);
  };

  return {
    get received() {
      return received;
    },
    get wanted() {
      return blockStart;
    },
    get waiting() {
      return Number(received > cutAt ? received - cutAt : 0n);
    },
    get timeline() {
      return timeline;
    },
    append: (start, bytes) => {
      if (start > received) throw new Error('the server left out a part of its log');
      const again = Number(received - start);
      if (again > 0) assertSame(start, bytes.subarray(0, again));
      const parts: Part[] = [];
      for (let taken = Math.min(again, bytes.length); taken < bytes.length; ) {
        if (received === blockStart || block.length === 0) {
          blockStart = received;
          block = Buffer.allocUnsafeSlow(blockBytes);
          partsOfBlock = 0;
        }
        const room = blockBytes - Number(received - blockStart);
        const some = bytes.subarray(taken, taken + room);
        const from = received;
        block.set(some, Number(received - blockStart));
        received += BigInt(some.length);
        taken += some.length;
        assertKnown(from);
        if (some.length < room) continue;
        const full = cut();
        if (full) parts.push(full);
        if (partsOfBlock > MANY_PARTS && blockBytes === segmentBytes) parts.push(partOf(blockStart, received, true));
        blockStart = received;
      }
      return parts;
    },
    cut,
    follow: (next, start) => {
      timeline = next;
      received = start;
      cutAt = start;
      blockStart = start;
      block = Buffer.alloc(0);
      known = [];
    },
  };
}

/** Hexadecimal SHA-256. */
export function digest(raw: Uint8Array): string {
  return createHash('sha256').update(raw).digest('hex');
}
