/**
 * A position in a server's log, in bytes since its beginning. PostgreSQL writes it as two hexadecimal numbers of 32 bits:
 * `0/8D0007D0`. https://www.postgresql.org/docs/current/datatype-pg-lsn.html
 */
export type Lsn = bigint;

const LOW_BITS = 32n;
const LOW_MASK = 0xffff_ffffn;

/** Reads `16/B374D848`; undefined for anything else. */
export function parseLsn(text: string): Lsn | undefined {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  return match ? (BigInt(`0x${match[1]}`) << LOW_BITS) | BigInt(`0x${match[2]}`) : undefined;
}

/** As PostgreSQL writes it. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> LOW_BITS).toString(16)}/${(lsn & LOW_MASK).toString(16)}`.toUpperCase();
}

/** The first position of the segment that a position lies in. */
export function segmentStart(lsn: Lsn, segmentBytes: number): Lsn {
  return lsn - (lsn % BigInt(segmentBytes));
}

/** How far into its segment a position lies, in bytes. */
export function offsetInSegment(lsn: Lsn, segmentBytes: number): number {
  return Number(lsn % BigInt(segmentBytes));
}

const hex = (value: bigint | number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0');

/** A timeline as it stands in the names of segments and histories: eight hexadecimal digits. */
export const timelineText = (timeline: number): string => hex(timeline, 8);

/** The name of the segment that a position lies in, as in pg_wal: timeline, log and segment, eight digits each. */
export function segmentName(timeline: number, lsn: Lsn, segmentBytes: number): string {
  const number = lsn / BigInt(segmentBytes);
  const perLog = (1n << LOW_BITS) / BigInt(segmentBytes);
  return `${timelineText(timeline)}${hex(number / perLog, 8)}${hex(number % perLog, 8)}`;
}

/** The timeline and the first position of a segment, from its name; undefined for what is no segment's name. */
export function parseSegmentName(name: string, segmentBytes: number): { timeline: number; start: Lsn } | undefined {
  const match = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})$/.exec(name);
  if (!match) return undefined;
  const [, timeline, log, segment] = match;
  const inLog = BigInt(`0x${segment}`) * BigInt(segmentBytes);
  // a larger segment number belongs to another size of segment
  if (inLog > LOW_MASK) return undefined;
  return { timeline: Number.parseInt(timeline as string, 16), start: (BigInt(`0x${log}`) << LOW_BITS) + inLog };
}

/** Whether initdb can make segments of this size: a power of two from 1 MB to 1 GB. */
export function isSegmentSize(bytes: number): boolean {
  return bytes >= 2 ** 20 && bytes <= 2 ** 30 && Number.isInteger(Math.log2(bytes));
}
