import type { Config } from '../config/config.ts';
import type { Schedule } from '../config/schedule.ts';
import { EXIT } from '../errors.ts';
import type { JobRun } from '../machine/job-history.ts';
import { type JobName, type JobNote, readJobNote } from '../machine/job-notes.ts';
import { command } from '../terminal/hints.ts';
import { shownTime } from '../terminal/time.ts';
import { failedRuns, GRACE_MS, missedRuns } from './missed-runs.ts';

/** Whether a scheduled job ran when it was due. */
export interface JobStatus {
  readonly job: JobName;
  readonly ok: boolean;
  /** When it was due and did not run; null when all is well. */
  readonly missedAt: string | null;
  /** When it was last seen to begin or end in this container; null when it was not. */
  readonly lastSeen: string | null;
  /** Every time of the last days at which it was due and was not begun, also before it ran again; the oldest first. */
  readonly missed: readonly string[];
  /** When the runs of the last days began that failed, or were ended from outside; the oldest first. */
  readonly failed: readonly string[];
  readonly reasons: readonly string[];
  /** What happened and is over, in sentences. */
  readonly notes: readonly string[];
}

/**
 * Whether the jobs that a schedule has ran when they were due, in the container that waits for them; elsewhere nobody can
 * tell, and there are none. One that was not begun is told of from five minutes after it was due.
 */
export function readJobs(config: Config, now: Date, readNote = readJobNote): JobStatus[] {
  const found = schedulesOf(config).flatMap(([job, schedule]) => {
    const note = readNote(job);
    return note && schedule !== 'off' ? [{ job, note, missed: missedAt(schedule, note, now) }] : [];
  });
  const isSilent = found.every(({ note }) => !note.hasRun);
  return found.map(({ job, note, missed }) => {
    const { history, isRunning } = note;
    const all = missedRuns(history, isRunning, now, config.values.TZ);
    const failed = failedRuns(history, isRunning, now);
    return {
      job,
      ok: missed === undefined && note.refused === undefined,
      missedAt: missed?.toISOString() ?? null,
      lastSeen: note.hasRun ? note.lastSeen.toISOString() : null,
      missed: all.map((time) => time.toISOString()),
      failed: failed.map(({ began }) => began.toISOString()),
      reasons: reasons(job, missed, note, isSilent),
      notes: [...missedNote(job, all), ...failedNote(job, failed)],
    };
  });
}

function missedNote(job: JobName, times: readonly Date[]): string[] {
  const [first, last] = [times[0], times.at(-1)];
  if (!first || !last) return [];
  const when =
    times.length === 1
      ? `at ${shownTime(first)}`
      : `${times.length} times from ${shownTime(first)} to ${shownTime(last)}`;
  return [`${job} was due ${when} and was not started`];
}

function failedNote(job: JobName, runs: readonly JobRun[]): string[] {
  const last = runs.at(-1);
  if (!last) return [];
  const how = howItEnded(last);
  const earlier = runs.length === 1 ? '' : `, as ${runs.length - 1} before it`;
  return [`${job} ${how} at ${shownTime(last.ended ?? last.began)}${earlier}: ${command('logs')} says why`];
}

function howItEnded({ exitCode }: JobRun): string {
  if (exitCode === undefined) return 'was ended before it was done';
  if (exitCode === EXIT.locked) return 'was not done, since another run held its lock,';
  return `failed with exit code ${exitCode}`;
}

function schedulesOf({ values, copies, servers }: Config): [JobName, Schedule | 'off'][] {
  // where nothing is copied or locked, nobody need have told Ofelia of these
  const isVerified = copies.length > 0 || values.S3_LOCK !== undefined;
  return [
    ['backup', values.BACKUP_SCHEDULE],
    ['cleanup', values.CLEANUP_SCHEDULE],
    ['drill', values.DRILL_SCHEDULE],
    ['base', servers.length > 0 ? values.BASE_SCHEDULE : 'off'],
    ['copy', copies.length > 0 ? values.COPY_SCHEDULE : 'off'],
    ['verify', isVerified ? values.VERIFY_SCHEDULE : 'off'],
  ];
}

/** The schedule of each job in words. */
export function jobSchedules(config: Config): [JobName, string][] {
  return schedulesOf(config).map(([job, schedule]) => [job, schedule === 'off' ? schedule : schedule.text]);
}

function missedAt(schedule: Schedule, { lastSeen, isRunning }: JobNote, now: Date): Date | undefined {
  if (isRunning) return undefined;
  return schedule.lastDue(lastSeen, new Date(now.getTime() - GRACE_MS));
}

function reasons(job: JobName, missed: Date | undefined, note: JobNote, isSilent: boolean): string[] {
  if (note.refused !== undefined) return [`${job} does not run in this container: ${note.refused}`];
  return missed === undefined ? [] : [reason(job, missed, note, isSilent)];
}

function reason(job: JobName, missed: Date, { lastSeen, hasRun }: JobNote, isSilent: boolean): string {
  const due = `${job} was due at ${shownTime(missed)} and was not started`;
  const look = `${command('logs')} shows what Ofelia says, ${command('up')} starts it again`;
  if (isSilent)
    return `${due}, nor was any job since ${shownTime(lastSeen)}: Ofelia does not run, runs the jobs of another container, or may not start them here; ${look}`;
  return `${due}${hasRun ? `, for the first time since ${shownTime(lastSeen)}` : ''}: ${look}`;
}
