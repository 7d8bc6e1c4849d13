import { appendFileSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';

/**
 * What became of the runs of one job, a line each, in a file that outlives the container where its folder is a volume:
 *
 *     2026-11-27T09:00:00.000Z waits 0 * * * * *
 *     2026-11-27T09:01:00.412Z began 71
 *     2026-11-27T09:01:02.030Z ended 71 0
 */
export interface JobHistory {
  /** Since when a container has waited for the job, and by which schedule; the oldest first. */
  readonly waits: readonly { readonly from: Date; readonly schedule: string }[];
  /** The oldest first. */
  readonly runs: readonly JobRun[];
}

export interface JobRun {
  readonly began: Date;
  readonly pid: string;
  /** Undefined while it is under way, and for one that was killed. */
  readonly ended?: Date;
  readonly exitCode?: number;
}

export type JobEvent = 'waits' | 'began' | 'ended';

/** A file that has grown to that is cut to its newest half. A run is about 70 bytes: one every minute fills a day and more. */
const MAX_BYTES = 256 * 1024;

/** Adds a line. @throws what the file system says */
export function addToHistory(path: string, event: JobEvent, words: string, at = new Date()): void {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > MAX_BYTES) shorten(path);
  // root and the container's user take turns
  appendFileSync(path, `${at.toISOString()} ${event} ${words}\n`, { mode: 0o666 });
}

/** What the files tell together; nothing where there are none. Lines that cannot be read are passed over. */
export function readHistory(...paths: string[]): JobHistory {
  const waits: { from: Date; schedule: string }[] = [];
  const runs: { began: Date; pid: string; ended?: Date; exitCode?: number }[] = [];
  // each begins with its time
  for (const line of paths.flatMap(linesOf).sort()) {
    const [, time = '', event, words = ''] = /^(\S+) (waits|began|ended) (.*)$/.exec(line) ?? [];
    const at = new Date(time);
    if (Number.isNaN(at.getTime())) continue;
    if (event === 'waits') waits.push({ from: at, schedule: words });
    if (event === 'began') runs.push({ began: at, pid: words });
    if (event === 'ended') {
      const [pid, code] = words.split(' ');
      const run = runs.findLast((each) => each.pid === pid && each.ended === undefined);
      if (run) Object.assign(run, { ended: at, exitCode: Number(code) });
    }
  }
  return { waits, runs };
}

/** Moves what a file tells to the end of another; nothing where there is none. What cannot be moved stays. */
export function moveHistory(from: string, to: string): void {
  // a run that is under way may add to it: from now on to another file
  const moving = `${from}.${process.pid}`;
  try {
    renameSync(from, moving);
  } catch {
    return;
  }
  try {
    appendFileSync(to, readFileSync(moving), { mode: 0o666 });
    rmSync(moving);
  } catch {
    renameSync(moving, from);
  }
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}

function shorten(path: string): void {
  const lines = linesOf(path).filter((line) => line !== '');
  const kept = lines.slice(Math.ceil(lines.length / 2));
  const schedule = lines.slice(0, -kept.length).findLast((line) => / waits /.test(line));
  // what is known begins with the first line that is kept
  const since = schedule?.replace(/^\S+/, kept[0]?.split(' ')[0] ?? '');
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${[...(since === undefined ? [] : [since]), ...kept].join('\n')}\n`, { mode: 0o666 });
  renameSync(temporary, path);
}
