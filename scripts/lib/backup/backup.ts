import type { Config } from '../config/config.ts';
import { withTimeout } from '../deadline.ts';
import { expandSources, selectSources } from '../engines/sources.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { inParallel } from '../parallel.ts';
import { formatBytes, formatDuration } from '../quantities.ts';
import { describeContents } from '../repository/contents.ts';
import type { Manifest } from '../repository/manifest.ts';
import { dumpBytes } from '../repository/manifest-text.ts';
import type { Repository } from '../repository/repository.ts';
import { belongsTo, isServer, type Source } from '../source.ts';
import { aboutSource, log } from '../terminal/log.ts';
import { guardAgainstDrift } from './drift-guard.ts';
import { dump } from './dump.ts';

/** What came of one source. A failed one is data: the run goes on. */
export interface BackupResult {
  readonly source: string;
  readonly ok: boolean;
  readonly key: string | null;
  readonly sizeBytes: number | null;
  readonly rawBytes: number | null;
  readonly durationMs: number;
  /** What is unlike the backups before, and what a restore will not give back as it is: told, never a failure. */
  readonly warnings?: readonly string[];
  /** Of a folder: what changed while it was read. */
  readonly changed?: Manifest['changed'];
  readonly error?: string;
  /** The error as it was thrown, for the exit code. */
  readonly cause?: unknown;
}

/**
 * Backs up the given sources, BACKUP_PARALLEL_SOURCES of them at a time. Never throws for a source that failed.
 *
 * @param names the sources wanted; none means all
 * @returns what came of each, in the order in which they are configured; nothing of a database that was dropped meanwhile
 * @throws OperatorError USAGE for a name that is not configured
 */
export async function backUp(
  config: Config,
  repository: Repository,
  names: readonly string[],
  signal: AbortSignal,
): Promise<BackupResult[]> {
  const sources = await expandSources(selectSources(config.sources, names), signal);
  const atATime = config.values.BACKUP_PARALLEL_SOURCES;
  // lines of several sources come in any order: each then says whose it is
  const isMixed = Math.min(atATime, sources.length) > 1;
  const results = await inParallel(sources, atATime, ({ source, problem, cause }) =>
    aboutSource(source.name, isMixed, async () =>
      problem === undefined ? backUpSource(config, repository, source, signal) : failure(source, Date.now(), cause),
    ),
  );
  return results.filter((result) => result !== undefined);
}

/** Whether a database of a `/*` source is not there any more: what was listed when a run began may be dropped in its course. */
async function isGone(config: Config, source: Source, signal: AbortSignal): Promise<boolean> {
  const server = config.sources.find((each) => isServer(each) && belongsTo(each, source.name));
  if (server === undefined || signal.aborted) return false;
  const now = await expandSources([server], signal);
  return now.every((each) => each.problem === undefined && each.source.name !== source.name);
}

function failure(source: Source, started: number, error: unknown): BackupResult {
  const hint = error instanceof OperatorError && error.hint !== '' ? `. ${error.hint}` : '';
  log.error(`backup of ${source.name} failed: ${messageOf(error)}${hint}`);
  return {
    source: source.name,
    ok: false,
    key: null,
    sizeBytes: null,
    rawBytes: null,
    durationMs: Date.now() - started,
    error: `${messageOf(error)}${hint}`,
    cause: error,
  };
}

async function backUpSource(
  config: Config,
  repository: Repository,
  source: Source,
  signal: AbortSignal,
): Promise<BackupResult | undefined> {
  const started = Date.now();
  try {
    const what = `the backup of ${source.name}`;
    const unlikeBefore = guardAgainstDrift(repository, source.name, signal);
    const { key, manifest } = await withTimeout(signal, config.limits.backup, what, (limited) =>
      dump({ repository, source, kind: 'backup', signal: limited }),
    );
    const sizeBytes = dumpBytes(manifest);
    const durationMs = Date.now() - started;
    log.info(
      `backed up ${source.name}: ${key} (${formatBytes(sizeBytes)}, ${formatBytes(manifest.rawBytes)} before compression, ${manifest.files === undefined ? `${manifest.tables.length} tables` : describeContents(manifest)}) in ${formatDuration(durationMs)}`,
    );
    const warnings = [...(manifest.warnings ?? []), ...(await unlikeBefore(manifest))];
    for (const warning of warnings) log.warn(`${source.name}: ${warning}`);
    const { rawBytes, changed } = manifest;
    return {
      source: source.name,
      ok: true,
      key,
      sizeBytes,
      rawBytes,
      durationMs,
      warnings,
      ...(changed ? { changed } : {}),
    };
  } catch (error) {
    if (!(await isGone(config, source, signal).catch(() => false))) return failure(source, started, error);
    log.warn(`${source.name} is not backed up: the database was dropped, or has another name, since this run began`);
    return undefined;
  }
}
