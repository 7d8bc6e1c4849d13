import type { Backup } from './catalog.ts';
import type { Config, SourceConfig } from './config.ts';
import type { RunUnderWay } from './engines/engine.ts';
import { engineOf } from './engines/index.ts';
import { asked } from './interrupt.ts';
import { formatDuration } from './quantities.ts';
import type { Storage } from './storages/storage.ts';
import { readManifest } from './verified-read.ts';

/** A backup that takes so many times as long as the one before it is not slow: it hangs. */
const USUAL_TIMES = 10;
/** Nor is one called stuck before this, however small the database is. */
const PATIENCE_MS = 15 * 60_000;

/** A run that is under way, and whether it is for longer than any that goes on. */
export interface RunStatus extends RunUnderWay {
  readonly isStuck: boolean;
}

/** The runs of a source that hold its locks now, on whatever machine. Never throws for a server that does not answer. */
export async function readRuns(
  { config, storage, signal }: { config: Config; storage: Storage; signal: AbortSignal },
  source: SourceConfig,
  last: Backup | undefined,
): Promise<RunStatus[]> {
  const engine = await engineOf(source.engine);
  const look = engine.underWay?.bind(engine);
  if (!look) return [];
  const runs = await asked(signal, source, (limited) => look(source, limited)).catch(() => []);
  signal.throwIfAborted();
  if (runs.length === 0) return [];
  const { BACKUP_TIMEOUT, RESTORE_TIMEOUT } = config.values;
  const usualMs = await durationOf(storage, last, config.encryption.identity, signal);
  const limits = {
    backup: Math.min(BACKUP_TIMEOUT, Math.max(PATIENCE_MS, usualMs * USUAL_TIMES)),
    // the lock is held until the safety backup of what was replaced is done
    restore: RESTORE_TIMEOUT + BACKUP_TIMEOUT,
  };
  return runs.map((run) => ({ ...run, isStuck: run.forMs > limits[run.purpose] }));
}

/** How long the last backup took; for ever when nobody knows. */
async function durationOf(
  storage: Storage,
  last: Backup | undefined,
  identity: string | undefined,
  signal: AbortSignal,
): Promise<number> {
  const manifest = last && (await readManifest(storage, last, identity, signal).catch(() => undefined));
  if (!manifest) return Number.POSITIVE_INFINITY;
  return Date.parse(manifest.finishedAt) - Date.parse(manifest.startedAt);
}

/** Why a stuck run is a reason not to be at ease, and what to do about it. */
export function stuckReasons(runs: readonly RunStatus[]): string[] {
  return runs
    .filter(({ isStuck }) => isStuck)
    .map(
      ({ purpose, forMs }) =>
        `a ${purpose} has been running for ${formatDuration(forMs)} and hangs: make logs-backup shows how far it came; docker compose restart backup ends it, and its lock goes with it`,
    );
}
