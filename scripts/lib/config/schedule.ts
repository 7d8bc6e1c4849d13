import { Cron } from 'croner';
import { parseDurationMs } from '../quantities.ts';

/** The shortcuts that Ofelia knows, as the six fields that they stand for. */
const SHORTCUTS = {
  '@yearly': '0 0 0 1 1 *',
  '@annually': '0 0 0 1 1 *',
  '@monthly': '0 0 0 1 * *',
  '@weekly': '0 0 0 * * 0',
  '@daily': '0 0 0 * * *',
  '@midnight': '0 0 0 * * *',
  '@hourly': '0 0 * * * *',
} as const satisfies Record<`@${string}`, string>;

/** A schedule as Ofelia reads it. */
export interface Schedule {
  readonly text: string;
  /** The first run after `from`, or undefined when there is none. */
  next(from: Date): Date | undefined;
  /** The longest time between two runs, in milliseconds, over the next hundreds of runs. */
  longestIntervalMs(): number;
}

/**
 * Reads six fields (seconds first), a shortcut, or `@every <duration>`.
 * @throws Error whose message says what is wrong and what to write instead
 */
export function parseSchedule(text: string): Schedule {
  const every = /^@every\s+(\S+)$/.exec(text);
  if (every) {
    const intervalMs = parseDurationMs(every[1] ?? '');
    if (intervalMs === undefined) throw new Error('@every wants a duration such as 30m or 6h');
    return { text, next: (from) => new Date(from.getTime() + intervalMs), longestIntervalMs: () => intervalMs };
  }
  if (text.startsWith('@') && !Object.hasOwn(SHORTCUTS, text)) {
    throw new Error(`unknown shortcut; there are ${Object.keys(SHORTCUTS).join(', ')} and @every <duration>`);
  }
  const fields = Object.hasOwn(SHORTCUTS, text) ? SHORTCUTS[text as keyof typeof SHORTCUTS] : text;
  const count = fields.trim().split(/\s+/).length;
  if (count === 5) throw new Error(`five fields; Ofelia wants six, seconds first: '0 ${text}'`);
  if (count !== 6) throw new Error('a schedule is six fields, seconds first, or a shortcut such as @hourly');
  let cron: Cron;
  try {
    cron = new Cron(fields, { timezone: 'UTC', paused: true });
  } catch (error) {
    throw new Error(error instanceof Error ? error.message : String(error));
  }
  return {
    text,
    next: (from) => cron.nextRun(from) ?? undefined,
    longestIntervalMs: () => longestGapMs(cron),
  };
}

function longestGapMs(cron: Cron): number {
  const runs = cron.nextRuns(400, '2026-01-01T00:00:00Z').map((run) => run.getTime());
  return runs.slice(1).reduce((longest, run, index) => Math.max(longest, run - (runs[index] ?? run)), 0);
}
