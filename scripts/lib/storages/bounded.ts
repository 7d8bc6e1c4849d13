export interface Bounds {
  /** The whole call, retries included. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** How long the call may go on after `signal` aborted: for calls that are better finished than cut off. */
  readonly graceMs?: number;
}

/**
 * Runs `call` with a signal that ends it when the time is up or when `signal` has aborted.
 * Throws the signal's reason if that was why, a TimeoutError if the time was up, else what the call threw.
 */
export async function bounded<T>(call: (signal: AbortSignal) => Promise<T>, bounds: Bounds): Promise<T> {
  const { timeoutMs, signal, graceMs = 0 } = bounds;
  signal?.throwIfAborted();
  const ended = new AbortController();
  const timers = [setTimeout(() => ended.abort(timeoutError(timeoutMs)), timeoutMs)];
  const onAbort = () => {
    if (graceMs === 0) ended.abort(signal?.reason);
    else timers.push(setTimeout(() => ended.abort(signal?.reason), graceMs));
  };
  signal?.addEventListener('abort', onAbort);
  try {
    return await call(ended.signal);
  } catch (error) {
    throw ended.signal.aborted ? ended.signal.reason : error;
  } finally {
    for (const timer of timers) clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

function timeoutError(timeoutMs: number): Error {
  const error = new Error(`no answer within ${timeoutMs / 1000} s`);
  error.name = 'TimeoutError';
  return error;
}
