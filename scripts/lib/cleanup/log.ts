import type { Config } from '../config/config.ts';
import { baseManifestKey } from '../log/base-keys.ts';
import { objectsToRemove, planLog } from '../log/log-retention.ts';
import { type KnownBase, readServerLogs, type ServerLog } from '../log/server-log.ts';
import { type LogStore, openLog, type StoredBase } from '../log/store.ts';
import { formatBytes } from '../quantities.ts';
import type { Repository } from '../repository/repository.ts';
import type { RemoveFailure } from '../storages/storage.ts';
import { log } from '../terminal/log.ts';
import { shownTime } from '../terminal/time.ts';

/** What came of one server's bases and log. */
export interface LogCleanup {
  readonly server: string;
  /** Every moment from here on stays restorable, if it was; null while nothing is. */
  readonly since: string | null;
  readonly keep: readonly { key: string; endedAt: string; reason: string }[];
  readonly remove: readonly { key: string; endedAt: string; reason: string }[];
  /** Objects of the log that were deleted, or would be in a dry run, and their bytes. */
  readonly logObjects: number;
  readonly logBytes: number;
}

/** What came of the logs in one store. */
export interface LogsCleanup {
  readonly results: readonly LogCleanup[];
  readonly failures: readonly RemoveFailure[];
  /** Every server of which the store has anything. */
  readonly servers: ReadonlySet<string>;
}

/**
 * Removes the bases and the log that no moment of PITR_WINDOW needs: bases first, of each the manifest first, then log. A server whose
 * bases cannot all be read keeps everything.
 *
 * @param options.copy the name of the copy that this is, and the servers of which the primary store has anything: of others nothing is
 *   deleted, for then the copy may be all that is left
 */
export async function cleanUpLogs(
  config: Config,
  repository: Repository,
  { dryRun, now, copy }: { dryRun: boolean; now: Date; copy?: { name: string; inPrimary: ReadonlySet<string> } },
  signal: AbortSignal,
): Promise<LogsCleanup> {
  const store = openLog(repository);
  const failures: RemoveFailure[] = [];
  const results: LogCleanup[] = [];
  const servers = new Set<string>();
  const where = copy ? ` in ${copy.name}` : '';
  for (const of of await readServerLogs(store, now, signal)) {
    servers.add(of.server);
    if (copy && !copy.inPrimary.has(of.server)) {
      log.warn(
        `the primary store has nothing of the server ${of.server} any more: nothing of it is deleted from ${copy.name}`,
      );
      continue;
    }
    if (of.unread[0]) {
      log.warn(
        `the bases and the log of ${of.server}${where} are all kept, because a manifest cannot be read: ${of.unread[0].why}`,
      );
      continue;
    }
    results.push(await cleanUpServer({ store, of, where, config, dryRun, now, signal }, failures));
  }
  return { results, failures, servers };
}

/** So many keys are in memory at a time, of a log that may have half a million. */
const REMOVED_AT_ONCE = 10_000;

interface Order {
  readonly store: LogStore;
  readonly of: ServerLog;
  /** For what is told: in which copy. */
  readonly where: string;
  readonly config: Config;
  readonly dryRun: boolean;
  readonly now: Date;
  readonly signal: AbortSignal;
}

async function cleanUpServer(order: Order, failures: RemoveFailure[]): Promise<LogCleanup> {
  const { store, of, where, config, dryRun, now, signal } = order;
  const before = failures.length;
  const plan = planLog(of.reaches, of.chains, config.values.PITR_WINDOW);
  const decided = (keep: boolean) =>
    plan.bases
      .filter((each) => each.keep === keep)
      .map(({ base, reason }) => ({ key: baseManifestKey(base.stem), endedAt: base.endedAt, reason }));
  const doomed = plan.bases.filter(({ keep }) => !keep).map(({ base }) => base);
  // where nothing else tells that a log was taken, what is named alike may be somebody else's
  const isOurs = of.chains.length > 0 || of.bases.length > 0;
  const dead = of.unfinished.filter(
    ({ createdAt }) => isOurs && createdAt.getTime() < now.getTime() - config.values.BACKUP_TIMEOUT,
  );
  if (!dryRun) failures.push(...(await removeBases(store, doomed, dead, signal)));
  // log that a base needs which could not be deleted stays with it
  const isLeft = failures.length > before;
  let logObjects = 0;
  let logBytes = 0;
  for (const { chain, below } of isLeft ? [] : plan.chains) {
    let keys: string[] = [];
    const removeThem = async () => {
      const some = keys;
      keys = [];
      if (some.length > 0) failures.push(...(await store.remove(some, signal)));
    };
    for (const each of objectsToRemove(chain.contents, { below, segmentBytes: chain.segmentBytes, now })) {
      logObjects += 1;
      logBytes += each.sizeBytes;
      if (dryRun) continue;
      keys.push(each.key);
      if (keys.length === REMOVED_AT_ONCE) await removeThem();
    }
    await removeThem();
  }
  if (logObjects > 0) {
    log.info(
      `${dryRun ? 'would delete' : 'deleted'} ${logObjects} objects of the log of ${of.server}${where}, ${formatBytes(logBytes)}`,
    );
  }
  if (plan.since)
    log.info(`${of.server}${where}: every moment since ${shownTime(plan.since)} that could be restored still can`);
  return {
    server: of.server,
    since: plan.since?.toISOString() ?? null,
    keep: decided(true),
    remove: decided(false),
    logObjects,
    logBytes,
  };
}

/** The manifests first: a base without one is none, whatever of it stays. */
async function removeBases(
  store: LogStore,
  doomed: readonly KnownBase[],
  dead: readonly StoredBase[],
  signal: AbortSignal,
): Promise<RemoveFailure[]> {
  const failures = await store.remove(
    doomed.map(({ stem }) => baseManifestKey(stem)),
    signal,
  );
  const stays = new Set(failures.map(({ key }) => key));
  const gone = [...doomed.filter(({ stem }) => !stays.has(baseManifestKey(stem))), ...dead];
  const archives = gone.flatMap((base) => base.archives.map(({ key }) => key));
  return [...failures, ...(archives.length > 0 ? await store.remove(archives, signal) : [])];
}
