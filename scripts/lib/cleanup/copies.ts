import type { Config } from '../config/config.ts';
import { failureOf } from '../copy/away.ts';
import type { Store } from '../copy/stores.ts';
import type { Backup } from '../repository/catalog.ts';
import { planRetention, type RetentionPlan } from '../repository/retention.ts';
import type { RemoveFailure } from '../storages/storage.ts';
import { log } from '../terminal/log.ts';
import { tellWhenFree } from './locked.ts';
import { cleanUpLogs, type LogCleanup } from './log.ts';

/** What came of one copy. */
export interface CopyCleanup {
  readonly name: string;
  readonly plan: RetentionPlan<Backup>;
  readonly failures: readonly RemoveFailure[];
  /** The bases and the log of servers in it; with a source, none. */
  readonly logs: readonly LogCleanup[];
  /** Why nothing was decided; absent when it was. */
  readonly skipped?: string;
  /** Whether that is a failure. */
  readonly ok: boolean;
}

const NONE = { results: [], failures: [] };
const NO_PLAN: RetentionPlan<Backup> = { keep: [], remove: [], policyIsEmpty: false };

/**
 * Applies to each copy its own retention, from its own listing. Nothing is deleted from a copy of what the primary store
 * has nothing of any more: then the copy may be all that is left.
 *
 * @param primary every backup of the primary store
 * @param servers those of which the primary store has bases or log; undefined leaves those of the copies alone
 * @param isMeant of which sources
 */
export async function cleanUpCopies(
  config: Config,
  copies: readonly Store[],
  primary: readonly Backup[],
  options: {
    dryRun: boolean;
    now: Date;
    isMeant: (source: string) => boolean;
    servers: ReadonlySet<string> | undefined;
  },
  signal: AbortSignal,
): Promise<CopyCleanup[]> {
  const { dryRun, now, isMeant, servers } = options;
  const results: CopyCleanup[] = [];
  const inPrimary = new Set(primary.map(({ source }) => source));
  for (const store of copies) {
    try {
      results.push(await cleanUpCopy(store));
    } catch (error) {
      signal.throwIfAborted();
      const { isLate, message } = failureOf(config, store, error, now);
      log[isLate ? 'info' : 'error'](`${store.name} could not be cleaned up: ${message}`);
      results.push({ name: store.name, plan: NO_PLAN, failures: [], logs: [], skipped: message, ok: isLate });
    }
  }
  return results;

  async function cleanUpCopy(store: Store): Promise<CopyCleanup> {
    const { name, repository, retention } = store;
    const { backups, leftovers } = await repository.catalog(signal);
    const orphans = new Set(backups.map(({ source }) => source).filter((source) => !inPrimary.has(source)));
    for (const source of orphans)
      log.warn(`the primary store has no backup of ${source} any more: nothing of it is deleted from ${name}`);
    const plan = planRetention(
      backups.filter(({ source }) => isMeant(source) && !orphans.has(source)),
      retention,
      now,
    );
    const logsOf = async () =>
      servers
        ? await cleanUpLogs(config, repository, { dryRun, now, copy: { name, inPrimary: servers } }, signal)
        : NONE;
    if (dryRun) return { name, plan, failures: [], logs: (await logsOf()).results, ok: true };
    const remove = plan.remove.map(({ backup }) => backup);
    await tellWhenFree(store, remove, signal);
    const failures = await repository.remove(remove, signal);
    const cannotRunSince = new Date(now.getTime() - config.values.BACKUP_TIMEOUT);
    const dead = leftovers.filter(({ createdAt, source }) => createdAt < cannotRunSince && isMeant(source));
    // what an interrupted copy has begun is gone on with, not removed, while the primary store has it
    const isGone = new Set(primary.map(({ createdAt, source }) => `${source} ${createdAt.toISOString()}`));
    failures.push(
      ...(await repository.removeLeftovers(
        dead.filter(({ createdAt, source }) => !isGone.has(`${source} ${createdAt.toISOString()}`)),
        signal,
      )),
    );
    await repository.endUnfinishedUploads(cannotRunSince, signal);
    const logs = await logsOf();
    return { name, plan, failures: [...failures, ...logs.failures], logs: logs.results, ok: true };
  }
}
