import { within } from '../deadline.ts';
import { OperatorError } from '../errors.ts';
import { formatDuration } from '../quantities.ts';
import type { Source } from '../source.ts';

/** A server that has taken a connection may take this many times CONNECT_TIMEOUT for a few small queries. */
const QUESTIONS = 4;

/**
 * Asks a source's server a few small questions. One that hangs is not waited for.
 * @throws OperatorError SOURCE_CONNECT
 */
export async function asked<T>(
  outer: AbortSignal,
  source: Source,
  questions: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ms = source.connectTimeoutMs * QUESTIONS;
  const overdue = () =>
    new OperatorError(
      'SOURCE_CONNECT',
      `source ${source.name}: the server did not answer within ${formatDuration(ms)}`,
      { hint: 'Is it overloaded, or does it hang? Raise CONNECT_TIMEOUT; this query may take four times as long.' },
    );
  return within(outer, { time: { ms, overdue } }, questions);
}
