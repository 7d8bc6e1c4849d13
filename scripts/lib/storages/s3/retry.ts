/** Before the first repetition; each further one waits twice as long, so that a store that restarts is found again. */
const FIRST_DELAY_MS = 100;
const MAX_DOUBLINGS = 5;
/** How much longer when the store says that it is asked too much. */
const THROTTLED_FACTOR = 10;
/** A store may ask for more time than that with Retry-After, up to this. */
const MAX_ASKED_DELAY_MS = 20_000;

/** A wrong address is reported within a second; a store that has answered before gets ten to come back. */
const ATTEMPTS_AT_FIRST = 4;
const ATTEMPTS_ONCE_REACHED = 8;

interface RetryToken {
  getRetryCount(): number;
  getRetryDelay(): number;
  getRetryCost(): number | undefined;
}

interface RetryErrorInfo {
  readonly errorType: 'TRANSIENT' | 'THROTTLING' | 'SERVER_ERROR' | 'CLIENT_ERROR';
  readonly retryAfterHint?: Date;
}

/**
 * The SDK's retry strategy for one store. Not the SDK's own, which gives a store that restarts 0.4 s, and whose number
 * of attempts cannot be told apart by whether the store was ever there.
 */
export class Patience {
  readonly mode = 'standard';
  readonly #firstDelayMs: number;
  #reached = false;

  constructor(firstDelayMs: number = FIRST_DELAY_MS) {
    this.#firstDelayMs = firstDelayMs;
  }

  /** Something of this store has answered. */
  reached(): void {
    this.#reached = true;
  }

  async acquireInitialRetryToken(): Promise<RetryToken> {
    return tokenOf(0, 0);
  }

  /** Throws, as the SDK wants it, when the request is not to be repeated. */
  async refreshRetryTokenForRetry(token: RetryToken, info: RetryErrorInfo): Promise<RetryToken> {
    const count = token.getRetryCount() + 1;
    if (info.errorType === 'CLIENT_ERROR' || info.errorType === 'SERVER_ERROR') throw new Error('not to be repeated');
    if (count >= (this.#reached ? ATTEMPTS_ONCE_REACHED : ATTEMPTS_AT_FIRST)) {
      // once given up on, it has to be reached again: so ending an upload does not take as long once more
      this.#reached = false;
      throw new Error('repeated often enough');
    }
    return tokenOf(count, delayMs(this.#firstDelayMs, count, info));
  }

  recordSuccess(): void {}
}

function delayMs(firstDelayMs: number, count: number, { errorType, retryAfterHint }: RetryErrorInfo): number {
  const longestMs = firstDelayMs * 2 ** MAX_DOUBLINGS;
  const firstMs = firstDelayMs * (errorType === 'THROTTLING' ? THROTTLED_FACTOR : 1);
  // parts that failed together do not come back together
  const jitter = 0.75 + Math.random() / 2;
  const ownMs = Math.min(firstMs * 2 ** (count - 1), longestMs) * jitter;
  const askedMs = retryAfterHint ? retryAfterHint.getTime() - Date.now() : 0;
  return Math.max(ownMs, Math.min(askedMs, MAX_ASKED_DELAY_MS));
}

function tokenOf(count: number, delay: number): RetryToken {
  return { getRetryCount: () => count, getRetryDelay: () => delay, getRetryCost: () => undefined };
}
