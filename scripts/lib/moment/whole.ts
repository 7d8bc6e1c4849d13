import type { Lsn } from '../log/lsn.ts';

const PAGE = 8192;
/** Of the first page of a segment, and of every other one: xlog_internal.h. */
const LONG_HEADER = 40;
const SHORT_HEADER = 24;
/** Of a page that begins within a record, and where its header says how much of that is left. */
const FIRST_IS_CONTRECORD = 1;
const INFO_AT = 2;
const REMAINING_AT = 16;

/**
 * Whether a server that has replayed the log up to `reached` has replayed all of it that there is up to `end`. What lies between
 * may only be the beginning of a record whose own end is not there. A record that is there whole and was not replayed is damaged,
 * and everything after it would be lost without a word.
 *
 * A server sends its log up to the end of a record or of a page, so that half a record can be there only where `end` is that of a
 * page; and every page that a record goes on in says how much of it is left.
 *
 * @param bytes of the segment that `reached` lies in, and of those after it
 */
export function isAllReplayed(
  bytes: Uint8Array,
  { reached, end, segmentStart, segmentBytes }: { reached: Lsn; end: Lsn; segmentStart: Lsn; segmentBytes: number },
): boolean {
  if (reached >= end) return true;
  const last = Number(end - segmentStart);
  if (last % PAGE !== 0 || last > bytes.length) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const headerAt = (page: number) => (page % segmentBytes === 0 ? LONG_HEADER : SHORT_HEADER);
  let at = Number(reached - segmentStart);
  if (at % PAGE === 0) at += headerAt(at);
  if (at >= last) return true;
  let left = view.getUint32(at, true);
  if (left === 0) return false;
  // the record, page by page, until it ends or the log does
  for (let page = at - (at % PAGE) + PAGE; ; page += PAGE) {
    left -= page - at;
    if (left <= 0) return false;
    if (page >= last) return true;
    const goesOn = (view.getUint16(page + INFO_AT, true) & FIRST_IS_CONTRECORD) !== 0;
    if (!goesOn || view.getUint32(page + REMAINING_AT, true) !== left) return false;
    at = page + headerAt(page);
  }
}
