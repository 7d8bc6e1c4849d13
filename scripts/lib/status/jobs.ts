import type { Config } from '../config/config.ts';
import type { Schedule } from '../config/schedule.ts';
import { type JobName, type JobNote, readJobNote } from '../machine/job-notes.ts';
import { command } from '../terminal/hints.ts';
import { shownTime } from '../terminal/time.ts';

/** A job that begins later than that after it was due was not begun. */
const GRACE_MS = 5 * 60_000;

/** Whether a scheduled job ran when it was due. */
export interface JobStatus {
  readonly job: JobName;
  readonly ok: boolean;
  /** When it was due and did not run; null when all is well. */
  readonly missedAt: string | null;
  /** When it was last seen to begin or end in this container; null when it was not. */
  readonly lastSeen: string | null;
  readonly reasons: readonly string[];
}

/**
 * Whether the jobs that a schedule has ran when they were due, in the container that waits for them; elsewhere nobody can
 * tell, and there are none. One that was not begun is told of from five minutes after it was due.
 */
export function readJobs(config: Config, now: Date, readNote = readJobNote): JobStatus[] {
  const { BACKUP_SCHEDULE, CLEANUP_SCHEDULE, DRILL_SCHEDULE } = config.values;
  const schedules: [JobName, Schedule | 'off'][] = [
    ['backup', BACKUP_SCHEDULE],
    ['cleanup', CLEANUP_SCHEDULE],
    ['drill', DRILL_SCHEDULE],
  ];
  const found = schedules.flatMap(([job, schedule]) => {
    const note = readNote(job);
    return note && schedule !== 'off' ? [{ job, note, missed: missedAt(schedule, note, now) }] : [];
  });
  const isSilent = found.every(({ note }) => !note.hasRun);
  return found.map(({ job, note, missed }) => ({
    job,
    ok: missed === undefined,
    missedAt: missed?.toISOString() ?? null,
    lastSeen: note.hasRun ? note.lastSeen.toISOString() : null,
    reasons: missed === undefined ? [] : [reason(job, missed, note, isSilent)],
  }));
}

function missedAt(schedule: Schedule, { lastSeen, isRunning }: JobNote, now: Date): Date | undefined {
  if (isRunning) return undefined;
  return schedule.lastDue(lastSeen, new Date(now.getTime() - GRACE_MS));
}

function reason(job: JobName, missed: Date, { lastSeen, hasRun }: JobNote, isSilent: boolean): string {
  const due = `${job} was due at ${shownTime(missed)} and was not started`;
  const look = `${command('logs')} shows what Ofelia says, ${command('up')} starts it again`;
  if (isSilent)
    return `${due}, nor was any job since ${shownTime(lastSeen)}: Ofelia does not run, runs the jobs of another container, or may not start them here; ${look}`;
  return `${due}${hasRun ? `, for the first time since ${shownTime(lastSeen)}` : ''}: ${look}`;
}
