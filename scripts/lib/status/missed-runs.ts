import { parseSchedule, type Schedule } from '../config/schedule.ts';
import { EXIT } from '../errors.ts';
import type { JobHistory, JobRun } from '../machine/job-history.ts';

/** A job that begins later than that after it was due was not begun. */
export const GRACE_MS = 5 * 60_000;
/** A run begins by Ofelia's clock, and is noted by ours. */
const CLOCKS_MS = 1_000;
/** How much later than its interval a job of `@every` may begin: a container is recreated, Ofelia starts. */
const SLACK_MS = 30_000;
/** Looked at are as many due times as that, and no more days. */
const MOST_DUE = 400;
const MOST_DAYS_MS = 8 * 24 * 3_600_000;

/**
 * The times at which the job was due and was not begun, also by the containers before this one, the oldest first. A run that
 * was still under way when the next was due counts for that one too, since Ofelia does not begin a second beside it.
 *
 * @param isRunning whether the last run without an end is under way, and was not killed
 */
export function missedRuns(history: JobHistory, isRunning: boolean, now: Date, timeZone: string): Date[] {
  const underWay = isRunning ? runUnderWay(history) : undefined;
  const busy = history.runs.map((run) => ({
    from: run.began.getTime(),
    to: (run.ended ?? (run === underWay ? now : run.began)).getTime(),
  }));
  return history.waits.flatMap(({ from, schedule: text }, i) => {
    const schedule = readable(text, timeZone);
    if (!schedule) return [];
    const span = Math.min(MOST_DAYS_MS, MOST_DUE * schedule.longestIntervalMs());
    const since = Math.max(from.getTime(), now.getTime() - span);
    const until = history.waits[i + 1]?.from ?? now;
    const times = schedule.everyMs === undefined ? dueAndMissed : overdue;
    return times(schedule, busy, { since, until: until.getTime(), now: now.getTime() }).map((time) => new Date(time));
  });
}

/** The runs of the same days that did not end well, the oldest first: failed, ended from outside, or kept from it by a lock. */
export function failedRuns(history: JobHistory, isRunning: boolean, now: Date): JobRun[] {
  const since = now.getTime() - MOST_DAYS_MS;
  const underWay = isRunning ? runUnderWay(history) : undefined;
  const worked = history.runs.filter((run) => run.exitCode === EXIT.done || run === underWay);
  return history.runs.filter((run) => {
    if (run.began.getTime() < since || worked.includes(run)) return false;
    if (run.exitCode !== EXIT.locked) return true;
    // what held the lock was none of these runs, or did not do the work either
    return !worked.some(({ began, ended }) => began <= run.began && run.began <= (ended ?? now));
  });
}

/** Another may have begun since, and found its lock. */
function runUnderWay({ runs }: JobHistory): JobRun | undefined {
  return runs.findLast(({ ended }) => ended === undefined);
}

interface Busy {
  readonly from: number;
  readonly to: number;
}

interface Span {
  readonly since: number;
  readonly until: number;
  readonly now: number;
}

/** `off`, and what another version has written. */
function readable(text: string, timeZone: string): Schedule | undefined {
  try {
    return parseSchedule(text, timeZone);
  } catch {
    return undefined;
  }
}

function dueAndMissed(schedule: Schedule, busy: readonly Busy[], { since, until, now }: Span): number[] {
  const missed: number[] = [];
  let due = schedule.next(new Date(since))?.getTime();
  while (due !== undefined && due < until) {
    const time = due;
    const next = schedule.next(new Date(time))?.getTime() ?? Number.POSITIVE_INFINITY;
    const deadline = Math.min(next, time + GRACE_MS);
    if (deadline > now) break;
    const isMet = busy.some(
      ({ from, to }) => (from >= time - CLOCKS_MS && from < deadline - CLOCKS_MS) || (from <= time && time <= to),
    );
    if (!isMet) missed.push(time);
    due = next;
  }
  return missed;
}

/** When `@every` is due depends on when Ofelia started: only what is too late for every start is told of. */
function overdue({ everyMs = 0 }: Schedule, busy: readonly Busy[], { since, until }: Span): number[] {
  const missed: number[] = [];
  let last = since;
  const begun = busy.filter(({ from }) => from >= since && from < until);
  for (const { from, to } of [...begun, { from: until, to: until }]) {
    for (let time = last + everyMs; time + everyMs + SLACK_MS <= from; time += everyMs) missed.push(time);
    last = Math.max(last, to);
  }
  return missed;
}
