import { messageOf, OperatorError } from '../errors.ts';
import { type Lsn, segmentName, segmentStart } from '../log/lsn.ts';
import type { LogBytes } from '../log/segments.ts';
import type { LogStore } from '../log/store.ts';
import { log } from '../terminal/log.ts';
import { digest, type LastPart } from './cutter.ts';

/** Other bytes are other ones from the first on: so many objects tell. */
const MOST_OBJECTS = 8;
/** Of so much the bytes are kept until the server has sent as many; one that writes little never may. */
const MOST_RAW_BYTES = 16 * 2 ** 20;
const WITHIN_MS = 60_000;

/**
 * What is stored of a chain beyond the place from where it is gone on. A receiver that was killed may have stored more than it noted;
 * the server then sends the same bytes again. Other ones tell that the server was set back to an earlier state, together with what was
 * noted of its log. Empty where the store may not be read.
 */
export async function partsBeyond(
  store: LogStore,
  of: { server: string; chain: string; timeline: number; stored: Lsn; segmentBytes: number },
  stopped: AbortSignal,
): Promise<LastPart[]> {
  const { server, chain, timeline, stored, segmentBytes } = of;
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(WITHIN_MS)]);
  const parts: LastPart[] = [];
  let rawBytes = 0;
  try {
    for (let start = segmentStart(stored, segmentBytes); parts.length < MOST_OBJECTS; start += BigInt(segmentBytes)) {
      const found: { lsn: Lsn; endLsn: Lsn; bytes: LogBytes }[] = [];
      for await (const { key, object } of store.ofSegment(
        { server, chain, segment: segmentName(timeline, start, segmentBytes) },
        signal,
      )) {
        if (object.kind !== 'part' && object.kind !== 'segment') continue;
        const [from, to] = object.kind === 'part' ? [object.start, object.end] : [0, segmentBytes];
        const place = { lsn: start + BigInt(from), endLsn: start + BigInt(to) };
        if (place.endLsn > stored) found.push({ ...place, bytes: { key, object } });
      }
      if (found.length === 0) break;
      found.sort((a, b) => Number(a.endLsn - b.endLsn));
      for (const { lsn, endLsn, bytes } of found.slice(0, MOST_OBJECTS - parts.length)) {
        const raw = await store.read(bytes, segmentBytes, signal);
        rawBytes += raw.length;
        parts.push({ lsn, endLsn, sha256: digest(raw), ...(rawBytes <= MOST_RAW_BYTES ? { raw } : {}) });
      }
    }
  } catch (error) {
    stopped.throwIfAborted();
    const mayNot = error instanceof OperatorError && (error.code === 'STORAGE_DENIED' || error.code === 'CONFIG');
    // the log is taken all the same: what is not taken fills the server's disk
    if (!mayNot)
      log.warn(
        `what is stored of the log of ${server} already cannot be compared with the server's: ${messageOf(error)}`,
      );
  }
  return parts;
}
