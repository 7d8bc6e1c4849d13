import { existsSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a schedule starts in the backup container. */
export type JobName = 'backup' | 'cleanup' | 'drill';

/**
 * Made by the container's entrypoint when it begins to wait for jobs, as is `since` in it. Where it is not, as on a host or in
 * a container that runs one command, nobody waits for jobs.
 */
const FOLDER = '/tmp/jobs';

/** What is known of a job of this container. */
export interface JobNote {
  /** When it was last begun or ended, by whomever; else since when the container has been waiting for it. */
  readonly lastSeen: Date;
  readonly isRunning: boolean;
  /** Whether it was begun at all. */
  readonly hasRun: boolean;
}

/** Notes that a job is under way until `work` ends, where somebody waits for that. What cannot be written is no reason to fail. */
export async function withJobNote<T>(job: JobName | undefined, work: () => Promise<T>): Promise<T> {
  if (job === undefined || !existsSync(FOLDER)) return work();
  const path = join(FOLDER, job);
  try {
    // root and the container's user take turns
    writeFileSync(path, `${process.pid}\n`, { mode: 0o666 });
  } catch {}
  return work().finally(() => {
    try {
      utimesSync(path, new Date(), new Date());
    } catch {}
  });
}

/** What is known of the job, or undefined where nobody waits for jobs. */
export function readJobNote(job: JobName): JobNote | undefined {
  const since = modifiedAt(join(FOLDER, 'since'));
  if (!since) return undefined;
  const path = join(FOLDER, job);
  const lastSeen = modifiedAt(path);
  if (!lastSeen || lastSeen < since) return { lastSeen: since, isRunning: false, hasRun: false };
  return { lastSeen, isRunning: isRunning(path, job), hasRun: true };
}

function modifiedAt(path: string): Date | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtime;
}

/** The number may be another process's by now, which is not that verb. */
function isRunning(path: string, job: JobName): boolean {
  try {
    const pid = readFileSync(path, 'utf8').trim();
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(job);
  } catch {
    return false;
  }
}
