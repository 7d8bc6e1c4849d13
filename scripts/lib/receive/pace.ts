/** How many parts may be stored at short notice before it is one per interval. */
const TOKENS = 12;
/** A commit on an idle server waits this long for others to share its object. */
const SHORT_MS = 1_000;

/** When what has come is to be cut into a part. */
export interface Pace {
  /** How long from `now` until what has just begun to come is cut, in milliseconds. */
  delayMs(now: number): number;
  /** A part was cut because its time had come, or another request made that counts as one. */
  cut(now: number): void;
  /** Whether a request more does not make others wait. */
  hasSpare(now: number): boolean;
}

/**
 * A second after its first byte, while there are tokens: so many, and one more with every interval. A bill is by requests: an
 * idle server's commits are stored at once, and a busy one's every interval.
 */
export function newPace(intervalMs: number, now: number): Pace {
  let tokens = TOKENS;
  let countedAt = now;
  const count = (at: number) => {
    tokens = Math.min(TOKENS, tokens + (at - countedAt) / intervalMs);
    countedAt = at;
  };
  return {
    delayMs: (at) => {
      count(at);
      return Math.max(Math.min(SHORT_MS, intervalMs), Math.ceil((1 - tokens) * intervalMs));
    },
    cut: (at) => {
      count(at);
      tokens -= 1;
    },
    hasSpare: (at) => {
      count(at);
      return tokens >= 2;
    },
  };
}
