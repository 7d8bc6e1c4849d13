import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../deadline.ts';
import { formatDuration } from '../quantities.ts';

/** How long a notification may take, so that it never holds up a run. */
export interface Limits {
  /** For one attempt. */
  readonly timeoutMs: number;
  /** Between the first attempt and the second. */
  readonly retryDelayMs: number;
}

export const LIMITS: Limits = { timeoutMs: 10_000, retryDelayMs: 1_000 };

/** A failure that a second attempt would only repeat. */
export class Refusal extends Error {}

/** Does it within the limits, twice at most. */
export async function attempt(action: (signal: AbortSignal) => Promise<void>, limits: Limits): Promise<void> {
  try {
    await attemptOnce(action, limits.timeoutMs);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    await sleep(limits.retryDelayMs);
    await attemptOnce(action, limits.timeoutMs);
  }
}

/** Does it within the time, also when the action ignores its signal. */
export function attemptOnce(action: (signal: AbortSignal) => Promise<void>, timeoutMs: number): Promise<void> {
  const overdue = () => new Error(`no answer within ${formatDuration(timeoutMs)}`);
  return within(undefined, { time: { ms: timeoutMs, overdue }, endingMs: 0 }, action);
}
