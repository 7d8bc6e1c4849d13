import { OperatorError } from './errors.ts';
import { formatDuration } from './quantities.ts';

/** How long work may take to end once it has been told to: its own bounds, of a minute at most, come first. */
const ENDING_MS = 120_000;

/** A limit as the operator set it. */
export interface Limit {
  /** `BACKUP_TIMEOUT`. */
  readonly variable: string;
  readonly ms: number;
}

/** When work has to end. */
export interface Bounds {
  /** How long it may take, and what its signal then aborts with. Without, only the outer signal ends it. */
  readonly time?: { readonly ms: number; readonly overdue: () => Error };
  /** How long it may go on after the outer signal aborted: for what is better finished than cut off. */
  readonly graceMs?: number;
  /** How long work that ignores its signal is waited for once that has aborted; two minutes if not said. */
  readonly endingMs?: number;
}

export interface Deadline {
  /** Aborts with the outer signal's reason or with what the time's end is told as, whichever comes first. */
  readonly signal: AbortSignal;
  /** Gives the whole time again: for work that is bounded by silence. */
  refresh(): void;
  /** From now on nothing aborts the signal. */
  stop(): void;
}

/** Starts the clock. Whoever starts it stops it, for a timer keeps the process alive. */
export function startDeadline(outer: AbortSignal | undefined, { time, graceMs = 0 }: Bounds): Deadline {
  const ended = new AbortController();
  const timer = time && setTimeout(() => ended.abort(time.overdue()), time.ms);
  let grace: NodeJS.Timeout | undefined;
  const onAbort = () => {
    if (graceMs === 0) ended.abort(outer?.reason);
    else grace = setTimeout(() => ended.abort(outer?.reason), graceMs);
  };
  if (outer?.aborted) onAbort();
  else outer?.addEventListener('abort', onAbort, { once: true });
  return {
    signal: ended.signal,
    refresh: () => timer?.refresh(),
    stop: () => {
      clearTimeout(timer);
      clearTimeout(grace);
      outer?.removeEventListener('abort', onAbort);
    },
  };
}

/**
 * Runs work that has to end in time, also when it ignores its signal: what it then still does, it does for nobody.
 * Throws what the work threw, and the signal's reason when it was not waited for any longer.
 */
export async function within<T>(
  outer: AbortSignal | undefined,
  bounds: Bounds,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { endingMs = ENDING_MS } = bounds;
  const { signal, stop } = startDeadline(outer, bounds);
  let ending: NodeJS.Timeout | undefined;
  const abandoned = new Promise<never>((_, reject) => {
    const onAbort = () => {
      if (endingMs === 0) reject(signal.reason);
      else ending = setTimeout(() => reject(signal.reason), endingMs);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work(signal), abandoned]);
  } finally {
    clearTimeout(ending);
    stop();
  }
}

/** The bounds of a limit that the operator set; what it ends is told as an OperatorError TIMEOUT. */
function boundsOf(limit: Limit, what: string): Bounds {
  const hint = `Raise ${limit.variable}, or look for what blocks it: a lock in the database, a slow storage, a server that hangs.`;
  const message = `${what} took longer than ${limit.variable} (${formatDuration(limit.ms)}) and was ended`;
  return { time: { ms: limit.ms, overdue: () => new OperatorError('TIMEOUT', message, { hint }) } };
}

/** A signal that aborts with `outer`, or with a TIMEOUT when the time is over before `stop` was called. */
export function startLimit(outer: AbortSignal, limit: Limit, what: string): Deadline {
  return startDeadline(outer, boundsOf(limit, what));
}

/**
 * Runs work within a limit that the operator set.
 * @throws OperatorError TIMEOUT, when the work throws what its signal aborted with
 */
export function withTimeout<T>(
  outer: AbortSignal,
  limit: Limit,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return within(outer, boundsOf(limit, what), work);
}
