import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, type ExitCode, OperatorError } from '../errors.ts';
import { addToHistory, type JobEvent, type JobHistory, moveHistory, readHistory } from './job-history.ts';

/** What a schedule starts in the backup container. */
export type JobName = 'backup' | 'cleanup' | 'drill' | 'base' | 'copy' | 'verify';

/**
 * Made by the container's entrypoint when it begins to wait for jobs, as is `since` in it. Where it is not, as on a host or in
 * a container that runs one command, nobody waits for jobs.
 */
const FOLDER = '/tmp/jobs';
/** Leads to where histories outlive this container, if there is such a place. */
const HISTORIES = join(FOLDER, 'history');
/** Why this container's jobs are not to run, in words. */
const REFUSED = join(FOLDER, 'refused');
const historyOf = (job: JobName) => join(HISTORIES, job);
/** What was noted before the other place was known, or when it had no room. */
const inMemory = (job: JobName) => join(FOLDER, job);

/** What is known of a job of this container. */
export interface JobNote {
  /** When it was last begun or ended, by whomever; else since when the container has been waiting for it. */
  readonly lastSeen: Date;
  readonly isRunning: boolean;
  /** Whether it was begun at all. */
  readonly hasRun: boolean;
  /** Also of the containers before this one. */
  readonly history: JobHistory;
  /** Why no job is to run in this container. */
  readonly refused?: string;
}

/**
 * From now on this container runs no job: Ofelia, which has read the same schedules, would start them at other times.
 * @param why a sentence
 * @throws what the file system says of /tmp
 */
export function refuseJobs(why: string): void {
  makeOpen(FOLDER);
  writeFileSync(REFUSED, why);
}

/**
 * From now on this container waits for these jobs.
 * @param schedules by job; `off` for one that nobody starts
 * @param keptIn a folder that outlives the container; where it cannot be written, histories begin with the container
 * @throws what the file system says of /tmp
 */
export function awaitJobs(schedules: readonly (readonly [JobName, string])[], keptIn: string): void {
  // root and the container's user take turns
  makeOpen(FOLDER);
  if (!existsSync(HISTORIES)) {
    const kept = join(keptIn, '.jobs');
    try {
      makeOpen(kept);
      for (const [job] of schedules) writeFileSync(join(kept, job), '', { flag: 'a', mode: 0o666 });
      symlinkSync(kept, HISTORIES);
    } catch {
      makeOpen(HISTORIES);
    }
  }
  for (const [job, schedule] of schedules) {
    // what ran while the configuration was checked would be gone with this container
    moveHistory(inMemory(job), historyOf(job));
    addToHistory(historyOf(job), 'waits', schedule);
    open(historyOf(job), 0o666);
  }
  // since it began: what ran while the configuration was checked counts
  writeFileSync(join(FOLDER, 'since'), '', { flag: 'a' });
}

/** Notes that a job is under way until `work` ends, where somebody waits for that. What cannot be written is no reason to fail. */
export async function withJobNote(job: JobName | undefined, work: () => Promise<ExitCode>): Promise<ExitCode> {
  if (job === undefined) return work();
  const began = new Date();
  const isAwaited = existsSync(FOLDER);
  const refused = whyRefused();
  if (refused !== undefined) {
    throw new OperatorError('CONFIG', `this container runs no ${job}: ${refused}`, {
      hint: 'Start the stack with make up, which tells Ofelia so, or write them so in .env.',
    });
  }
  if (isAwaited) note(job, 'began', `${process.pid}`, began);
  let code: ExitCode = EXIT.failed;
  try {
    code = await work();
    return code;
  } catch (error) {
    if (error instanceof OperatorError) code = error.exitCode;
    throw error;
  } finally {
    // it may have been faster than the container that starts
    if (!isAwaited && existsSync(FOLDER)) note(job, 'began', `${process.pid}`, began);
    if (existsSync(FOLDER)) note(job, 'ended', `${process.pid} ${code}`);
  }
}

/** What is known of the job, or undefined where nobody waits for jobs. */
export function readJobNote(job: JobName): JobNote | undefined {
  const refused = whyRefused();
  const since = statSync(refused === undefined ? join(FOLDER, 'since') : REFUSED, { throwIfNoEntry: false })?.mtime;
  if (!since) return undefined;
  const history = readHistory(historyOf(job), inMemory(job));
  if (refused !== undefined) return { lastSeen: since, isRunning: false, hasRun: false, history, refused };
  const last = history.runs.at(-1);
  if (!last || last.began < since) return { lastSeen: since, isRunning: false, hasRun: false, history };
  return {
    lastSeen: last.ended ?? last.began,
    isRunning: history.runs.some((run) => run.began >= since && run.ended === undefined && isProcess(run.pid, job)),
    hasRun: true,
    history,
  };
}

function whyRefused(): string | undefined {
  try {
    return readFileSync(REFUSED, 'utf8');
  } catch {
    return undefined;
  }
}

function note(job: JobName, event: JobEvent, words: string, at = new Date()): void {
  for (const path of [historyOf(job), inMemory(job)]) {
    try {
      addToHistory(path, event, words, at);
      return;
    } catch {}
  }
}

function makeOpen(folder: string): void {
  mkdirSync(folder, { recursive: true });
  open(folder, 0o777);
}

/** Whatever the umask. What is somebody else's was opened by him. */
function open(path: string, mode: number): void {
  try {
    chmodSync(path, mode);
  } catch {}
}

/** The number may be another process's by now, which is not that verb. */
function isProcess(pid: string, job: JobName): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words.some((word) => word.endsWith(`/${job}.mjs`) || word.endsWith(`/${job}.ts`));
  } catch {
    return false;
  }
}
