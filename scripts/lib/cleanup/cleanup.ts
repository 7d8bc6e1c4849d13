import type { Config } from '../config/config.ts';
import type { Store } from '../copy/stores.ts';
import type { Engine, KeptDatabase } from '../engines/engine.ts';
import { engineOf } from '../engines/index.ts';
import { type ExpandedSource, expandSources, sourceFilter } from '../engines/sources.ts';
import { messageOf, OperatorError } from '../errors.ts';
import type { Backup } from '../repository/catalog.ts';
import { planRetention, type RetentionPlan } from '../repository/retention.ts';
import type { Source } from '../source.ts';
import type { RemoveFailure } from '../storages/storage.ts';
import { log } from '../terminal/log.ts';
import { type CopyCleanup, cleanUpCopies } from './copies.ts';
import { tellWhenFree } from './locked.ts';
import { cleanUpLogs, type LogCleanup } from './log.ts';

const DAY_MS = 86_400_000;

export interface CleanupResult {
  readonly dryRun: boolean;
  readonly plan: RetentionPlan<Backup>;
  readonly failures: readonly RemoveFailure[];
  /** Databases that restores and undos had kept and whose time is over: dropped, or with a dry run to be. */
  readonly databases: readonly { readonly name: string; readonly since: string }[];
  /** Of each copy by its own retention. */
  readonly copies: readonly CopyCleanup[];
  /** The bases and the log of servers; with a source, none. */
  readonly logs: readonly LogCleanup[];
}

/**
 * Applies the retention policy to everything under the prefix, or to what is of one source (`source`; of a `/*` one, to
 * all its databases). Nothing is deleted unless the listing was read to its end, and of each backup the manifest goes first.
 *
 * @throws OperatorError USAGE for a source that is not configured and has no backups
 */
export async function cleanUp(
  config: Config,
  { primary, copies }: { primary: Store; copies: readonly Store[] },
  options: { dryRun: boolean; now: Date; source?: string },
  signal: AbortSignal,
): Promise<CleanupResult> {
  const { repository } = primary;
  const catalog = await repository.catalog(signal);
  const isMeant = sourceFilter(options.source, config.sources, catalog.backups);
  const backups = catalog.backups.filter(({ source }) => isMeant(source));
  const dead = catalog.leftovers.filter(
    ({ createdAt, source }) => createdAt < cannotRunSince(config, options.now) && isMeant(source),
  );
  const sources = (await expandSources(config.sources, signal)).filter(({ source }) => isMeant(source.name));
  const plan = planRetention(backups, primary.retention, options.now);
  if (plan.policyIsEmpty) log.info('every RETENTION_KEEP_* is 0: everything is kept');
  const before = new Date(options.now.getTime() - config.values.RESTORE_PROTECT_DAYS * DAY_MS);
  // by the window of the log, which knows no source
  const { dryRun, now } = options;
  const ofLogs = async () =>
    options.source === undefined
      ? await cleanUpLogs(config, repository, { dryRun, now }, signal)
      : { results: [], failures: [], servers: undefined };
  const ofCopies = (servers: ReadonlySet<string> | undefined) =>
    cleanUpCopies(config, copies, catalog.backups, { dryRun, now, isMeant, servers }, signal);
  if (dryRun) {
    const logs = await ofLogs();
    for (const { stem } of dead) log.info(`would delete ${stem}/, left unfinished by a run that was killed`);
    return {
      dryRun: true,
      plan,
      failures: [],
      logs: logs.results,
      databases: await forEachServer(sources, signal, (engine, source) =>
        engine.kept(source, signal).then((kept) => kept.filter(({ since }) => since < before)),
      ),
      copies: await ofCopies(logs.servers),
    };
  }

  // from here on things are deleted
  const remove = plan.remove.map(({ backup }) => backup);
  await tellWhenFree(primary, remove, signal);
  const failures = await repository.remove(remove, signal);
  failures.push(...(await repository.removeLeftovers(dead, signal)));
  // by their age alone, whatever they belong to
  if (options.source === undefined) await repository.endUnfinishedUploads(cannotRunSince(config, options.now), signal);
  const logs = await ofLogs();
  failures.push(...logs.failures);
  const databases = await forEachServer(sources, signal, (engine, source) => engine.dropKept(source, before, signal));
  return { dryRun: false, plan, failures, databases, copies: await ofCopies(logs.servers), logs: logs.results };
}

/** What `look` finds at every source. A server that does not answer keeps what it has, and is told of. */
export async function forEachServer(
  sources: readonly ExpandedSource[],
  signal: AbortSignal,
  look: (engine: Engine, source: Source) => Promise<KeptDatabase[]>,
): Promise<{ name: string; since: string }[]> {
  const found: { name: string; since: string }[] = [];
  for (const { source, problem } of sources) {
    try {
      if (problem !== undefined) throw new Error(problem);
      const kept = await look(await engineOf(source.engine), source);
      found.push(...kept.map(({ name, since }) => ({ name, since: since.toISOString() })));
    } catch (error) {
      signal.throwIfAborted();
      log.warn(`databases that restores of ${source.name} replaced could not be listed: ${messageOf(error)}`);
    }
  }
  return found;
}

/** A backup that began before this moment has ended, one way or the other. */
function cannotRunSince(config: Config, now: Date): Date {
  return new Date(now.getTime() - config.values.BACKUP_TIMEOUT);
}

/**
 * What the store holds fast for a time is no failure: it is told, and a later cleanup removes it.
 * @throws OperatorError CLEANUP_FAILED naming what could not be deleted
 */
export function assertDeleted(failures: readonly RemoveFailure[]): void {
  const locked = failures.filter(({ isLocked }) => isLocked);
  if (locked[0]) {
    log.warn(
      `${locked.length} objects are locked in the storage and are kept until the lock expires, the first is ${locked[0].key}: ${locked[0].reason}`,
    );
  }
  const [first, ...others] = failures.filter(({ isLocked }) => !isLocked);
  if (!first) return;
  throw new OperatorError(
    'CLEANUP_FAILED',
    `${others.length + 1} objects could not be deleted, the first is ${first.key}: ${first.reason}`,
    { hint: 'The credentials need DeleteObject. Everything else was done.' },
  );
}
