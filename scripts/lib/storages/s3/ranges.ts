import { addAbortSignal, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDeadline } from '../../deadline.ts';
import { OperatorError } from '../../errors.ts';
import { log } from '../../terminal/log.ts';
import { notS3, type S3Target } from './errors.ts';
import { cutOff, silent } from './guard.ts';

/** What is asked for at a time: some requests for a gigabyte, and little to ask for again when a connection breaks. */
export const RANGE_BYTES = 4 * 1024 * 1024;
/** How many ranges are under way or wait for the reader: a distant store sends one while the next is asked for. */
const AHEAD = 4;
/** A range whose connection breaks is read on where it broke, this many times in all. */
const ATTEMPTS = 5;
const FIRST_DELAY_MS = 100;

/** A part of an object, on its way. */
export interface RangeAnswer {
  readonly body: Readable;
  readonly from: number;
  /** The first byte that is no longer part of it. */
  readonly to: number;
  readonly totalBytes: number;
}

interface RangedObject {
  /** Asks for the bytes from `from` up to `to`. Fails when the object is no longer the same. */
  readonly ask: (from: number, to: number, signal: AbortSignal) => Promise<RangeAnswer>;
  /** The first byte that is wanted. */
  readonly from: number;
  /** The first byte that is not wanted; as far as the object goes, for one beyond its end. */
  readonly to: number;
  readonly target: S3Target;
  readonly rangeBytes: number;
  readonly idleTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * The object's bytes, or some of them, in their order, of which a few ranges are read ahead, side by side. A reader may pause for as long
 * as it likes: what was read ahead waits in memory, and no connection meanwhile.
 */
export function inRanges(first: RangeAnswer, object: RangedObject): Readable {
  const closed = new AbortController();
  const signal = AbortSignal.any([closed.signal, ...(object.signal ? [object.signal] : [])]);
  const chunks = chunksInOrder(first, object, signal);
  const stream = new Readable({
    read() {
      chunks.next().then(
        ({ done, value }) => this.push(done ? null : value),
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, done) {
      closed.abort();
      object.signal?.removeEventListener('abort', onAbort);
      done(error);
    },
  });
  const onAbort = () => stream.destroy(object.signal?.reason);
  if (object.signal?.aborted) onAbort();
  else object.signal?.addEventListener('abort', onAbort);
  return stream;
}

async function* chunksInOrder(
  first: RangeAnswer,
  object: RangedObject,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void> {
  const { rangeBytes } = object;
  const { totalBytes } = first;
  const end = Math.min(object.to, totalBytes);
  const ranges: Promise<Buffer[]>[] = [];
  let next = object.from;
  const begin = (answer?: RangeAnswer) => {
    const range = { from: next, to: Math.min(next + rangeBytes, end), totalBytes };
    const read = readRange(range, answer, object, signal);
    // it is awaited in its turn, which an earlier failure may keep from coming
    read.catch(() => {});
    ranges.push(read);
    next = range.to;
  };
  begin(first);
  for (let range = ranges.shift(); range; range = ranges.shift()) {
    while (ranges.length < AHEAD - 1 && next < end) begin();
    yield* await range;
  }
}

/** A whole range, in memory; whatever connections it takes. */
async function readRange(
  { from, to, totalBytes }: Omit<RangeAnswer, 'body'>,
  first: RangeAnswer | undefined,
  object: RangedObject,
  signal: AbortSignal,
): Promise<Buffer[]> {
  const { target, ask } = object;
  const chunks: Buffer[] = [];
  let at = from;
  for (let attempt = 1; ; attempt += 1) {
    const answer = attempt === 1 && first ? first : await ask(at, to, signal);
    if (answer.from !== at || answer.to !== to || answer.totalBytes !== totalBytes) {
      answer.body.destroy();
      throw notS3(target, `bytes ${at} to ${to} of ${totalBytes} were asked for, others came`);
    }
    const cause = await readTo(answer.body, at, object, signal, (chunk) => {
      chunks.push(chunk);
      at += chunk.length;
    });
    if (at === to) return chunks;
    if (at > to) throw notS3(target, `it sent more than the bytes ${from} to ${to}`);
    const broken = cutOff(target, at, totalBytes, cause);
    if (attempt === ATTEMPTS) throw broken;
    log.warn(`${broken.message}; continuing from there`);
    await sleep(FIRST_DELAY_MS * 2 ** (attempt - 1), undefined, { signal });
  }
}

/**
 * Reads a body to its end, or to where its connection broke, of which it returns the error.
 * @throws the signal's reason, or OperatorError STORAGE when no byte comes any more
 */
async function readTo(
  body: Readable,
  from: number,
  { target, idleTimeoutMs }: RangedObject,
  signal: AbortSignal,
  take: (chunk: Buffer) => void,
): Promise<unknown> {
  let at = from;
  const silence = startDeadline(signal, {
    time: { ms: idleTimeoutMs, overdue: () => silent(target, at, idleTimeoutMs) },
  });
  addAbortSignal(silence.signal, body);
  try {
    for await (const chunk of body) {
      take(chunk as Buffer);
      at += (chunk as Buffer).length;
      silence.refresh();
    }
    return undefined;
  } catch (error) {
    silence.signal.throwIfAborted();
    if (error instanceof OperatorError) throw error;
    return error;
  } finally {
    silence.stop();
  }
}
