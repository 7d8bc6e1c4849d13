import { formatBytes, formatDuration } from '../quantities.ts';
import { isTerminal, log, setStatusLines } from './log.ts';

/** How often a log hears of a long run. */
const LOGGED_EVERY_MS = 30_000;
const DRAWN_EVERY_MS = 250;
/** Rates of the first moments say nothing of how long the rest will take. */
const RATE_AFTER_MS = 2_000;

/** One thing under way whose bytes are counted. */
export interface Progress {
  /** How far it has come. */
  reached(doneBytes: number): void;
  /** It has come so much further. */
  add(sizeBytes: number): void;
  /** It is over, well or not: nothing more is said of it. */
  end(): void;
}

export interface ProgressOrder {
  /** What is under way, as a log line starts: `backup of shop`. */
  readonly what: string;
  /** How much it will be; without it there is neither a percentage nor a time left. */
  readonly totalBytes?: number | undefined;
  /** The total is a guess: it is shown with `about`, and 100 % is never claimed. */
  readonly isEstimate?: boolean;
}

interface Tracked {
  readonly order: ProgressOrder;
  readonly startedAtMs: number;
  doneBytes: number;
  loggedAtMs: number;
}

const tracked = new Set<Tracked>();
let timer: NodeJS.Timeout | undefined;

/**
 * Tells how far something has come: on a terminal in a line that stays at the bottom, in a log with a line every 30
 * seconds. Standard output is left alone, and short runs say nothing in a log.
 */
export function startProgress(order: ProgressOrder): Progress {
  const nowMs = Date.now();
  const one: Tracked = { order, startedAtMs: nowMs, doneBytes: 0, loggedAtMs: nowMs };
  tracked.add(one);
  if (timer === undefined) {
    timer = setInterval(tick, isTerminal() ? DRAWN_EVERY_MS : 1_000);
    timer.unref();
  }
  return {
    reached: (doneBytes) => {
      one.doneBytes = doneBytes;
    },
    add: (sizeBytes) => {
      one.doneBytes += sizeBytes;
    },
    end: () => {
      tracked.delete(one);
      if (tracked.size > 0) return;
      clearInterval(timer);
      timer = undefined;
      if (isTerminal()) setStatusLines([]);
    },
  };
}

function tick(): void {
  const nowMs = Date.now();
  if (isTerminal()) {
    setStatusLines([...tracked].map((one) => progressText(one.order, one.doneBytes, nowMs - one.startedAtMs)));
    return;
  }
  for (const one of tracked) {
    if (nowMs - one.loggedAtMs < LOGGED_EVERY_MS) continue;
    one.loggedAtMs = nowMs;
    log.info(progressText(one.order, one.doneBytes, nowMs - one.startedAtMs), {
      doneBytes: one.doneBytes,
      ...(one.order.totalBytes === undefined ? {} : { totalBytes: one.order.totalBytes }),
    });
  }
}

/** `backup of shop: 1.2 GiB of about 4.0 GiB (30 %), 95.0 MiB/s, 29.5s left` */
export function progressText(
  { what, totalBytes, isEstimate }: ProgressOrder,
  doneBytes: number,
  ageMs: number,
): string {
  const parts = [formatBytes(doneBytes)];
  const isKnown = totalBytes !== undefined && totalBytes > 0;
  if (isKnown) {
    const percent = Math.min(isEstimate ? 99 : 100, Math.floor((100 * doneBytes) / totalBytes));
    parts[0] += ` of ${isEstimate ? 'about ' : ''}${formatBytes(totalBytes)} (${percent} %)`;
  }
  if (ageMs >= RATE_AFTER_MS && doneBytes > 0) {
    const bytesPerMs = doneBytes / ageMs;
    parts.push(`${formatBytes(bytesPerMs * 1_000)}/s`);
    if (isKnown && doneBytes < totalBytes) {
      parts.push(`${formatDuration((totalBytes - doneBytes) / bytesPerMs)} left`);
    }
  }
  return `${what}: ${parts.join(', ')}`;
}
