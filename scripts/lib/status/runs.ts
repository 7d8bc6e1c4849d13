import type { Config } from '../config/config.ts';
import type { RunUnderWay } from '../engines/engine.ts';
import { localLockHeldForMs, localNotesHeldForMs } from '../machine/local-lock.ts';
import { CLEANUP_NOTE, drillDirectory, rehearsalLock, restoreNote } from '../machine/run-notes.ts';
import { formatDuration } from '../quantities.ts';
import type { Backup } from '../repository/catalog.ts';
import type { DrillRecord } from '../repository/drill-record.ts';
import type { Repository } from '../repository/repository.ts';
import type { Source } from '../source.ts';
import { command } from '../terminal/hints.ts';

/** A run that takes this many times as long as the one before it is not slow: it hangs. */
const USUAL_TIMES = 10;
/** Nor is one called stuck before this, however small the database is. */
const PATIENCE_MS = 15 * 60_000;

/** A run that is under way, and whether it is for longer than any that goes on. */
export interface RunStatus {
  readonly purpose: RunUnderWay['purpose'] | 'drill' | 'cleanup';
  readonly forMs: number;
  readonly isStuck: boolean;
}

/** What is known of a source: it says how long its runs usually take. */
export interface Known {
  /** The runs that hold its locks, on whatever machine. */
  readonly underWay: readonly RunUnderWay[];
  readonly lastBackup: Backup | undefined;
  readonly lastDrill: DrillRecord | undefined;
}

/**
 * The runs of a source that are under way: backups and restores that hold its lock in the database, on whatever machine;
 * those of folders, restores beside the live database, drills and cleanups on this one.
 */
export async function readRuns(
  { config, repository, signal }: { config: Config; repository: Repository; signal: AbortSignal },
  source: Source,
  { underWay, lastBackup, lastDrill }: Known,
): Promise<RunStatus[]> {
  const runs = [...underWay, ...(await localRuns(drillDirectory(config.values.DRILL_DIR), source))];
  if (runs.length === 0) return [];
  const usualMs = await durationOf(repository, lastBackup, signal);
  const limits = stuckAfterMs(config.values, usualMs, lastDrill);
  return runs.map((run) => ({ ...run, isStuck: run.forMs > limits[run.purpose] }));
}

/**
 * After how long a run of each kind hangs: what it is ended after in any case, and less where it is known how long it
 * usually takes. A drill that passed tells that of restores too.
 *
 * @param backupMs how long the last backup took
 */
export function stuckAfterMs(
  { BACKUP_TIMEOUT, RESTORE_TIMEOUT }: { BACKUP_TIMEOUT: number; RESTORE_TIMEOUT: number },
  backupMs: number,
  lastDrill: Pick<DrillRecord, 'ok' | 'startedAt' | 'finishedAt' | 'rtoMs'> | undefined,
): Readonly<Record<RunStatus['purpose'], number>> {
  const patience = (usualMs: number) => Math.max(PATIENCE_MS, usualMs * USUAL_TIMES);
  // one that failed may have ended at its beginning
  const passed = lastDrill?.ok ? lastDrill : undefined;
  const drillMs = passed ? Date.parse(passed.finishedAt) - Date.parse(passed.startedAt) : Number.POSITIVE_INFINITY;
  const backup = Math.min(BACKUP_TIMEOUT, patience(backupMs));
  return {
    backup,
    // its lock is held until the safety backup of what was replaced is done
    restore: Math.min(RESTORE_TIMEOUT, patience(passed?.rtoMs ?? drillMs)) + backup,
    drill: Math.min(RESTORE_TIMEOUT, patience(drillMs)),
    // nobody knows how much there is to delete
    cleanup: BACKUP_TIMEOUT,
  };
}

async function localRuns(directory: string, source: Source): Promise<Omit<RunStatus, 'isStuck'>[]> {
  const drillMs = await localLockHeldForMs(directory, rehearsalLock(source.name));
  const restores = await localNotesHeldForMs(directory, restoreNote(source.name));
  const cleanups = await localNotesHeldForMs(directory, CLEANUP_NOTE);
  return [
    ...restores.map((forMs) => ({ purpose: 'restore', forMs }) as const),
    ...(drillMs === undefined ? [] : [{ purpose: 'drill', forMs: drillMs } as const]),
    ...cleanups.map((forMs) => ({ purpose: 'cleanup', forMs }) as const),
  ];
}

/** How long the last backup took; forever when nobody knows. */
async function durationOf(repository: Repository, last: Backup | undefined, signal: AbortSignal): Promise<number> {
  const manifest = last && (await repository.manifestOf(last, signal).catch(() => undefined));
  if (!manifest) return Number.POSITIVE_INFINITY;
  return Date.parse(manifest.finishedAt) - Date.parse(manifest.startedAt);
}

/** Why a stuck run is a reason not to be at ease, and what to do about it. */
export function stuckReasons(runs: readonly RunStatus[]): string[] {
  return runs
    .filter(({ isStuck }) => isStuck)
    .map(
      ({ purpose, forMs }) =>
        `a ${purpose} has been running for ${formatDuration(forMs)} and hangs: ${command('logs')} shows how far it is; docker compose restart backup ends it, and its lock goes with it`,
    );
}
