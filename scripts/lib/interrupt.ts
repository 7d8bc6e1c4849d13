import { OperatorError } from './errors.ts';
import { formatDuration } from './quantities.ts';

/** Runs `work` with a signal that also aborts when the time is over. */
export async function withTimeout<T>(
  outer: AbortSignal,
  timeoutMs: number,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeout = new AbortController();
  const timer = setTimeout(() => {
    timeout.abort(
      new OperatorError(
        'TIMEOUT',
        `${what} took longer than BACKUP_TIMEOUT (${formatDuration(timeoutMs)}) and was ended`,
        {
          hint: 'Raise BACKUP_TIMEOUT, or look for what blocks it: a lock in the database, a slow upload.',
        },
      ),
    );
  }, timeoutMs);
  try {
    return await work(AbortSignal.any([outer, timeout.signal]));
  } finally {
    clearTimeout(timer);
  }
}
