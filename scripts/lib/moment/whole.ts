import type { Lsn } from '../log/lsn.ts';

const PAGE = 8192;
/** Of the first page of a segment, and of every other one. https://doxygen.postgresql.org/xlog__internal_8h_source.html */
const LONG_HEADER = 40;
const SHORT_HEADER = 24;

/**
 * Whether a server that has replayed the log up to `reached` has replayed all of it that there is up to `end`: what lies between
 * may only be a record whose own end is not there, or nothing. A record that is there whole and was not replayed is damaged,
 * and everything after it is lost.
 *
 * @param segment the bytes of the segment that `reached` lies in
 */
export function isAllReplayed(
  segment: Uint8Array,
  { reached, end, segmentStart }: { reached: Lsn; end: Lsn; segmentStart: Lsn },
): boolean {
  if (reached >= end) return true;
  let at = Number(reached - segmentStart);
  if (at % PAGE === 0) at += at === 0 ? LONG_HEADER : SHORT_HEADER;
  const last = Math.min(segment.length, Number(end - segmentStart));
  if (at + 4 > last) return Number(end - segmentStart) <= segment.length;
  const length = new DataView(segment.buffer, segment.byteOffset).getUint32(at, true);
  const rest = segment.subarray(at, last);
  // zeros are no log: whole segments after them would be, if there are any
  if (length === 0) return rest.every((byte) => byte === 0) && Number(end - segmentStart) <= segment.length;
  return at + withHeaders(length, at) > Number(end - segmentStart) && Number(end - reached) <= 2 * segment.length;
}

/** The bytes that a record takes from there on, with the headers of the pages that it goes on in. */
function withHeaders(length: number, at: number): number {
  let left = length;
  let taken = 0;
  let room = PAGE - (at % PAGE);
  while (left > room) {
    left -= room;
    taken += room + SHORT_HEADER;
    room = PAGE - SHORT_HEADER;
  }
  return taken + left;
}
