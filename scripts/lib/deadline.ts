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

/** A signal that aborts with `outer`, or with a TIMEOUT when the time is over before `stop` was called. */
export function startLimit(outer: AbortSignal, limit: Limit, what: string): { signal: AbortSignal; stop(): void } {
  const hint = `Raise ${limit.variable}, or look for what blocks it: a lock in the database, a slow storage, a server that hangs.`;
  return startTimer(
    outer,
    limit.ms,
    () =>
      new OperatorError(
        'TIMEOUT',
        `${what} took longer than ${limit.variable} (${formatDuration(limit.ms)}) and was ended`,
        { hint },
      ),
  );
}

/** A signal that aborts with `outer`, or with the error when the time is over before `stop` was called. */
export function startTimer(outer: AbortSignal, ms: number, error: () => Error): { signal: AbortSignal; stop(): void } {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(error()), ms);
  return { signal: AbortSignal.any([outer, timeout.signal]), stop: () => clearTimeout(timer) };
}

/**
 * Runs `work` with a signal that also aborts when the time is over. Work that ignores it is waited for no longer
 * than two minutes: what it then still does, it does for nobody.
 *
 * @throws OperatorError TIMEOUT
 */
export async function withTimeout<T>(
  outer: AbortSignal,
  limit: Limit,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, stop } = startLimit(outer, limit, what);
  return raced(signal, work).finally(stop);
}

/** Runs work that may ignore its signal: once that has aborted, it is waited for no longer than two minutes. */
export async function raced<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  let ending: NodeJS.Timeout | undefined;
  const abandoned = new Promise<never>((_, reject) => {
    const onAbort = () => {
      ending = setTimeout(() => reject(signal.reason), ENDING_MS);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work(signal), abandoned]);
  } finally {
    clearTimeout(ending);
  }
}
