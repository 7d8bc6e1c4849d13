import { setMaxListeners } from 'node:events';
import type { Config } from '../config/config.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { withLocalLock } from '../machine/local-lock.ts';
import { drillDirectory } from '../machine/run-notes.ts';
import { inParallel } from '../parallel.ts';
import { formatBytes, formatDuration } from '../quantities.ts';
import type { Inventory, StoredBackup } from '../repository/inventory.ts';
import type { Policies } from '../repository/retention.ts';
import { command } from '../terminal/hints.ts';
import { log } from '../terminal/log.ts';
import { failureOf, heldBackups, noteHeld } from './away.ts';
import { copyLog, type LogCopied } from './log.ts';
import { planCopy } from './plan.ts';
import { isAway, type Store } from './stores.ts';
import { backupItem, copyItem, type Route } from './transfer.ts';

/** Backups under way at the same time. More are not faster. */
const AT_ONCE = 4;
/** Of those that are read in ranges and sent in parts, several side by side, which wait in memory: so it stays below 200 MB. */
const LARGE_AT_ONCE = 1;
const LARGE_BYTES = 2 ** 31;

/** What came of one copy. */
export interface CopyResult {
  readonly name: string;
  readonly ok: boolean;
  /** It does not answer now: late, and no failure until its own target is over. */
  readonly isAway: boolean;
  /** The backups that were copied, by their keys in it. */
  readonly copied: readonly string[];
  readonly copiedBytes: number;
  /** Backups that it should have and does not have. */
  readonly missing: number;
  readonly failed: readonly { readonly key: string; readonly error: string }[];
  /** Objects of another size than in the store that it is a copy of. */
  readonly differing: readonly string[];
  /** Of the log of servers; null where none belongs into it. */
  readonly log: Omit<LogCopied, 'failed' | 'differing'> | null;
  readonly durationMs: number;
  readonly error?: string;
}

/** From where, to where, and by whose retention. */
export interface CopyOrder {
  readonly from: Store;
  readonly to: Store;
  readonly retention: Policies;
  /** Fill a copy that held backups when it was last seen, and is empty now. */
  readonly refill: boolean;
}

/**
 * Copies what each store should have and lacks, the oldest backup first, byte for byte. Deletes nothing, anywhere. A backup,
 * or a store, that fails is data: the run goes on with the others.
 *
 * @throws OperatorError LOCKED when another run copies here; as the listing of the store that is read fails
 */
export async function copyAll(
  config: Config,
  orders: readonly CopyOrder[],
  now: Date,
  signal: AbortSignal,
): Promise<CopyResult[]> {
  // each of what is under way listens, and Node takes more than ten for a mistake
  setMaxListeners(0, signal);
  return withLocalLock(drillDirectory(config.values.DRILL_DIR), 'copy', async () => {
    const results: CopyResult[] = [];
    const read = new Map<string, Inventory>();
    for (const order of orders) {
      const { from } = order;
      const source = read.get(from.name) ?? (await from.repository.inventory(signal));
      read.set(from.name, source);
      results.push(await copyTo(config, order, source, now, signal));
      signal.throwIfAborted();
    }
    return results;
  });
}

async function copyTo(
  config: Config,
  order: CopyOrder,
  source: Inventory,
  now: Date,
  signal: AbortSignal,
): Promise<CopyResult> {
  const { to } = order;
  const started = Date.now();
  const nothing = { name: to.name, copied: [], copiedBytes: 0, missing: 0, failed: [], differing: [], log: null };
  const ended = (rest: Pick<CopyResult, 'ok' | 'isAway'> & Partial<CopyResult>): CopyResult => ({
    ...nothing,
    ...rest,
    durationMs: Date.now() - started,
  });
  try {
    const present = await to.repository.inventory(signal);
    assertPlausible(config, order, source, present);
    const result = await copyMissing(config, order, { source, present }, now, signal);
    const ofLog = to.hasLog ? await copyLog(order.from, to, signal) : undefined;
    if (!ofLog) return ended({ ...result, isAway: false });
    const { failed, differing, ...counts } = ofLog;
    return ended({
      ...result,
      ok: result.ok && failed.length === 0 && differing.length === 0,
      differing: [...result.differing, ...differing],
      failed: [...result.failed, ...failed],
      log: counts,
      isAway: false,
    });
  } catch (error) {
    signal.throwIfAborted();
    const failure = failureOf(config, to, error, now);
    if (failure.isLate) log.info(`${to.name} is away, and late: ${failure.message}`);
    else log.error(`copy to ${to.name} failed: ${failure.text}`);
    return ended({
      ok: failure.isLate,
      isAway: failure.isAway,
      error: failure.isLate ? failure.message : failure.text,
    });
  }
}

/** @throws OperatorError for a store that is empty and should not be */
function assertPlausible(config: Config, { from, to, refill }: CopyOrder, source: Inventory, present: Inventory): void {
  if (source.backups.length === 0 && present.backups.length > 0) {
    throw new OperatorError(
      'NO_SUCH_BACKUP',
      `${from.name} is empty, and ${to.name} holds ${present.backups.length} backups: nothing is copied, and nothing is deleted`,
      { hint: `Find out what emptied it. ${command('copyFrom')}${to.name} fills it again from the copy.` },
    );
  }
  if (present.backups.length > 0 || refill || source.backups.length === 0 || !heldBackups(config, to)) return;
  throw new OperatorError('STORAGE', `${to.name} (${to.repository.description}) is empty, and held backups before`, {
    hint: `Is its disk mounted? To fill an empty one again: ${command('refill')}.`,
  });
}

async function copyMissing(
  config: Config,
  { from, to, retention }: CopyOrder,
  { source, present }: { source: Inventory; present: Inventory },
  now: Date,
  signal: AbortSignal,
): Promise<Omit<CopyResult, 'name' | 'durationMs' | 'isAway' | 'log'>> {
  const unfinishedSince = new Date(now.getTime() - config.values.BACKUP_TIMEOUT);
  const { missing, differing, holds } = planCopy(source, present, { retention, now, unfinishedSince });
  for (const object of differing) log.error(`${object} has another size in ${to.name} than in ${from.name}`);
  const isLarge = missing.some(({ objects }) =>
    objects.some((object) => (source.sizes.get(object) ?? 0) > LARGE_BYTES),
  );
  const atOnce = isLarge ? LARGE_AT_ONCE : AT_ONCE;
  const totalBytes = missing.reduce((sum, { backup }) => sum + backup.sizeBytes, 0);
  if (missing.length > 0)
    log.info(`copying ${missing.length} backups (${formatBytes(totalBytes)}) from ${from.name} to ${to.name}`);
  const route: Route = {
    from: from.repository.objects,
    to: to.repository.objects,
    present: present.sizes,
    atOnce,
    signal,
  };
  for (const hold of holds)
    await copyItem({ name: hold, objects: [hold], expected: () => undefined }, source.sizes, route);
  const copied: StoredBackup[] = [];
  const failed: { key: string; error: string }[] = [];
  let copiedBytes = 0;
  let unanswered = 0;
  let before: Promise<unknown> = Promise.resolve();
  await inParallel(missing, atOnce, (stored) => {
    const copying = copyOne(stored, before);
    // the next one is not there before this one is, so that a run that is cut off leaves no gap
    before = copying.catch(() => {});
    return copying;
  });
  noteHeld(config, to, [...present.backups, ...copied], now);
  return {
    ok: failed.length === 0 && differing.length === 0,
    copied: copied.map(({ name }) => name),
    copiedBytes,
    missing: missing.length - copied.length,
    failed,
    differing,
  };

  async function copyOne(stored: StoredBackup, earlier: Promise<unknown>): Promise<void> {
    // the store itself has gone: the others would meet the same
    if (unanswered >= atOnce) return;
    const startedMs = Date.now();
    try {
      const bytes = await copyItem(await backupItem(from.repository, stored, signal), source.sizes, {
        ...route,
        before: earlier,
      });
      unanswered = 0;
      copiedBytes += bytes;
      copied.push(stored);
      log.info(`${stored.name} is in ${to.name} (${formatBytes(bytes)} in ${formatDuration(Date.now() - startedMs)})`);
    } catch (error) {
      signal.throwIfAborted();
      unanswered = isAway(error) ? unanswered + 1 : 0;
      log.error(`${stored.name} could not be copied to ${to.name}: ${messageOf(error)}`);
      failed.push({ key: stored.name, error: messageOf(error) });
    }
  }
}
