import type { SourceConfig } from './config-sources.ts';
import { OperatorError } from './errors.ts';
import { formatDuration } from './quantities.ts';

/** How long work may take to end once it has been told to: its own bounds, of a minute at most, come first. */
const ENDING_MS = 120_000;
/** A server that has taken a connection may take so many times CONNECT_TIMEOUT for a few small questions. */
const QUESTIONS = 4;

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

function startTimer(outer: AbortSignal, ms: number, error: () => Error): { signal: AbortSignal; stop(): void } {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(error()), ms);
  return { signal: AbortSignal.any([outer, timeout.signal]), stop: () => clearTimeout(timer) };
}

/**
 * Runs `work` with a signal that also aborts when the time is over. Work that does not heed it is waited for no longer
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

/**
 * Asks a source's server a few small questions. One that hangs is not waited for.
 * @throws OperatorError SOURCE_CONNECT
 */
export async function asked<T>(
  outer: AbortSignal,
  source: SourceConfig,
  questions: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ms = source.connectTimeoutMs * QUESTIONS;
  const { signal, stop } = startTimer(
    outer,
    ms,
    () =>
      new OperatorError(
        'SOURCE_CONNECT',
        `source ${source.name}: the server did not answer within ${formatDuration(ms)}`,
        {
          hint: 'Is it overloaded, or does it hang? CONNECT_TIMEOUT gives it more time: four times as long for this.',
        },
      ),
  );
  return raced(signal, questions).finally(stop);
}

async function raced<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
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
