import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, OperatorError } from '../errors.ts';
import type { ChainId } from '../log/keys.ts';
import type { Lsn } from '../log/lsn.ts';
import type { LogStore } from '../log/store.ts';
import { log } from '../terminal/log.ts';
import type { Part } from './cutter.ts';

/** Puts side by side: a store answers one after the time of a request, however small the object. */
const AT_ONCE = 4;
/** Of the log that waits for the store; then the server is not read any more, and keeps what comes. */
const MOST_WAITING_BYTES = 64 * 2 ** 20;
const RETRY_FIRST_MS = 1_000;
const RETRY_LAST_MS = 30_000;
/** A part that is stored already is worth a few attempts to have it as a whole. */
const ATTEMPTS_AGAIN = 3;
const TOLD_EVERY_MS = 60_000;

interface Waiting {
  readonly part: Part;
  readonly at: Date;
  isStored: boolean;
}

/** Stores parts, and knows how far everything is stored. One for each chain; it outlives connections to the server. */
export interface Sender {
  readonly chain: ChainId;
  /** The end of what is stored without a gap: what may be acknowledged to the server. */
  readonly stored: Lsn;
  /** Since when nothing could be stored; undefined while all goes well. */
  readonly failingSince: Date | undefined;
  /** The last failure, in words. */
  readonly failure: string | undefined;
  /** When the last part was stored. */
  readonly lastStoredAt: Date | undefined;
  /** Whether everything that was given is stored. */
  readonly isIdle: boolean;
  /** Called when `stored` has moved on. */
  onAdvance: (() => void) | undefined;
  /** Takes a part. @param at the moment that its end covers */
  add(part: Part, at: Date): void;
  /** Never waits. @throws OtherBytesStored, or whatever else has ended the storing */
  assertWell(): void;
  /** Resolves when there is memory for more. @throws OtherBytesStored, the signal's reason */
  room(signal: AbortSignal): Promise<void>;
  /** Resolves when everything that was given is stored. @throws as room */
  drained(signal: AbortSignal): Promise<void>;
}

/** Somebody else stored other bytes under the same name: two servers write one log. */
export class OtherBytesStored extends Error {
  override readonly name = 'OtherBytesStored';
}

export interface SenderSettings {
  readonly store: LogStore;
  readonly server: string;
  readonly chain: ChainId;
  readonly segmentBytes: number;
  /** Where the chain's stored log ends. */
  readonly stored: Lsn;
  /** Ends all requests. */
  readonly signal: AbortSignal;
  /** A part is stored, and everything before it. */
  onStored(part: Part, at: Date): void;
}

export function newSender(settings: SenderSettings): Sender {
  const { store, server, chain, segmentBytes, signal, onStored } = settings;
  const queue: Waiting[] = [];
  const again: Waiting[] = [];
  const listeners = new Set<() => void>();
  let { stored } = settings;
  let waitingBytes = 0;
  let running = 0;
  let next = 0;
  let failingSince: Date | undefined;
  let failure: string | undefined;
  let toldAt = Number.NEGATIVE_INFINITY;
  let lastStoredAt: Date | undefined;
  let broken: unknown;
  let onAdvance: (() => void) | undefined;

  const wake = () => {
    for (const listener of [...listeners]) listener();
  };
  const until = async (isTrue: () => boolean, stopped: AbortSignal): Promise<void> => {
    for (;;) {
      if (broken !== undefined) throw broken;
      stopped.throwIfAborted();
      if (isTrue()) return;
      await new Promise<void>((resolve) => {
        const done = () => {
          listeners.delete(done);
          stopped.removeEventListener('abort', done);
          resolve();
        };
        listeners.add(done);
        stopped.addEventListener('abort', done);
      });
    }
  };

  const putOnce = ({ part, at }: Waiting) => {
    const { segment, start, end } = part;
    return store.put({ server, chain: chain.chain, segment, start, end, at }, part.raw, segmentBytes, signal);
  };
  const put = async (one: Waiting): Promise<boolean> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await putOnce(one);
        if (failingSince !== undefined) log.info(`the log of ${server} is being stored again`);
        failingSince = undefined;
        failure = undefined;
        return true;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof OperatorError && error.code === 'KEY_EXISTS') throw new OtherBytesStored(messageOf(error));
        if (one.part.isAgain && attempt >= ATTEMPTS_AGAIN) return false;
        failingSince ??= new Date();
        failure = messageOf(error);
        if (Date.now() - toldAt >= TOLD_EVERY_MS) {
          toldAt = Date.now();
          log.warn(`the log of ${server} could not be stored, and the server keeps it: ${failure}`);
        }
        wake();
        await sleep(Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt - 1, 6)), undefined, { signal });
      }
    }
  };
  const acknowledge = () => {
    while (queue[0]?.isStored) {
      const { part, at } = queue.shift() as Waiting;
      next -= 1;
      waitingBytes -= part.raw.length;
      stored = part.endLsn > stored ? part.endLsn : stored;
      lastStoredAt = new Date();
      onStored(part, at);
      onAdvance?.();
    }
  };
  const work = async (one: Waiting) => {
    running += 1;
    try {
      one.isStored = await put(one);
      acknowledge();
    } catch (error) {
      broken ??= error;
    } finally {
      running -= 1;
      wake();
      start();
    }
  };
  const start = () => {
    while (running < AT_ONCE && broken === undefined) {
      const one = next < queue.length ? queue[next++] : again.shift();
      if (!one) return;
      void work(one);
    }
  };

  return {
    chain,
    get stored() {
      return stored;
    },
    get failingSince() {
      return failingSince;
    },
    get failure() {
      return failure;
    },
    get lastStoredAt() {
      return lastStoredAt;
    },
    get isIdle() {
      return queue.length === 0;
    },
    get onAdvance() {
      return onAdvance;
    },
    set onAdvance(listener) {
      onAdvance = listener;
    },
    add: (part, at) => {
      if (part.isAgain) {
        // memory that is only kept for this: one segment at a time
        if (again.length === 0) again.push({ part, at, isStored: false });
      } else {
        queue.push({ part, at, isStored: false });
        waitingBytes += part.raw.length;
      }
      start();
    },
    assertWell: () => {
      if (broken !== undefined) throw broken;
    },
    room: (stopped) => until(() => waitingBytes < MOST_WAITING_BYTES, stopped),
    drained: (stopped) => until(() => queue.length === 0 && again.length === 0 && running === 0, stopped),
  };
}
