import type { Store } from '../copy/stores.ts';
import { backupItem, digestOf } from '../copy/transfer.ts';
import { messageOf, OperatorError } from '../errors.ts';
import { formatBytes, formatDuration } from '../quantities.ts';
import type { Inventory, StoredBackup } from '../repository/inventory.ts';
import type { VerifyRecord } from '../repository/verify-record.ts';
import { log } from '../terminal/log.ts';
import { startProgress } from '../terminal/progress.ts';
import { planVerify, WITHIN_MS } from './plan.ts';
import { protectionReasons } from './protection.ts';
import { NOTHING_TRIED, tryProtection } from './try-protection.ts';

/** What to read back. */
export interface VerifyRequest {
  /** The time between two runs, in milliseconds. */
  readonly intervalMs: number;
  /** Everything, whenever it was last read. */
  readonly all: boolean;
  /** One backup, by its key; without one, as planVerify has it. */
  readonly wanted?: string;
  /** The store as it was at that time; nothing is recorded, and nothing tried. */
  readonly asOf?: Date;
}

/** What came of one store, and the key of its record; null when that could not be written. */
export interface VerifyResult {
  readonly name: string;
  readonly ok: boolean;
  /** Why it is not, as sentences. */
  readonly reasons: readonly string[];
  readonly read: number;
  readonly readBytes: number;
  readonly damaged: readonly { readonly key: string; readonly detail: string }[];
  readonly protection: VerifyRecord['protection'];
  readonly rewritten: readonly string[];
  readonly durationMs: number;
  readonly record: string | null;
  readonly error?: string;
}

/**
 * Reads a store back: compares every byte of the backups whose turn it is with their manifests, tries on an object made for
 * that what somebody with these keys could destroy, and looks for keys that somebody has written over. Keeps a record of
 * it in the store.
 *
 * @param others the other stores, to tell one that is the same under another name
 */
export async function verifyStore(
  store: Store,
  others: readonly Store[],
  request: VerifyRequest,
  now: Date,
  signal: AbortSignal,
): Promise<VerifyResult> {
  const started = Date.now();
  const { repository } = store;
  const inventory = await repository.inventory(signal);
  const records = await repository.verified(new Date(now.getTime() - WITHIN_MS), signal);
  const chosen = chosenBackups(inventory, records, request);
  const backups = await readBack(store, inventory, chosen, signal);
  const newest = inventory.backups.find(({ backup }) => backup.kind === 'backup');
  const tried = request.asOf === undefined ? await tryProtection(store, others, newest, signal) : NOTHING_TRIED;
  const damaged = backups.flatMap(({ key, ok, detail = '' }) => (ok ? [] : [{ key, detail }]));
  const reasons = [
    ...damaged.map(({ key, detail }) => `${key} is damaged: ${detail}`),
    ...protectionReasons(store, tried, newest !== undefined, now),
  ];
  const record: VerifyRecord = {
    version: 1,
    store: store.name,
    ok: reasons.length === 0,
    startedAt: now.toISOString(),
    finishedAt: new Date().toISOString(),
    backups,
    ...tried,
  };
  for (const reason of reasons) log.error(`${store.name}: ${reason}`);
  const readBytes = backups.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const durationMs = Date.now() - started;
  log.info(
    `${store.name}: ${backups.length} of ${inventory.backups.length} backups read back, ${formatBytes(readBytes)} in ${formatDuration(durationMs)}`,
  );
  return {
    name: store.name,
    ok: record.ok,
    reasons,
    read: backups.length,
    readBytes,
    damaged,
    protection: record.protection,
    rewritten: record.rewritten,
    durationMs,
    record: request.asOf === undefined ? await keep(store, record, signal) : null,
  };
}

function chosenBackups(
  { backups }: Inventory,
  records: readonly VerifyRecord[],
  { all, wanted, intervalMs }: VerifyRequest,
): readonly StoredBackup[] {
  // a copy has not everything
  if (wanted !== undefined)
    return backups.filter(({ name, backup }) => [name, backup.key].some((key) => isMeant(key, wanted)));
  return all ? backups : planVerify(backups, records, intervalMs);
}

function isMeant(key: string, wanted: string): boolean {
  return key === wanted || key === `${wanted}/`;
}

async function readBack(
  store: Store,
  { sizes }: Inventory,
  chosen: readonly StoredBackup[],
  signal: AbortSignal,
): Promise<VerifyRecord['backups']> {
  const totalBytes = chosen.reduce((sum, { backup }) => sum + backup.sizeBytes, 0);
  const progress = startProgress({ what: `reading ${store.name} back`, totalBytes });
  const found: VerifyRecord['backups'] = [];
  try {
    for (const stored of chosen) {
      const detail = await damageOf(store, stored, sizes, signal);
      progress.add(stored.backup.sizeBytes);
      found.push({
        key: stored.name,
        ok: detail === undefined,
        sizeBytes: stored.backup.sizeBytes,
        ...(detail === undefined ? {} : { detail }),
      });
    }
    return found;
  } finally {
    progress.end();
  }
}

/**
 * What is wrong with a backup; undefined when every object is what the manifest says.
 * @throws what is no answer: a store that cannot be asked has not lost anything
 */
async function damageOf(
  { repository }: Store,
  stored: StoredBackup,
  sizes: Inventory['sizes'],
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const item = await backupItem(repository, stored, signal);
    const lacking = item.listed?.find((object) => !sizes.has(object));
    if (lacking !== undefined) return `${lacking} is not there`;
    for (const object of item.objects) {
      const found = await digestOf(repository.objects, object, signal);
      const expected = item.expected(object) ?? { sizeBytes: sizes.get(object), sha256: found.sha256 };
      if (found.sizeBytes !== expected.sizeBytes)
        return `${object} has ${found.sizeBytes} bytes, not ${expected.sizeBytes}`;
      if (found.sha256 !== expected.sha256)
        return `the SHA-256 of ${object} is ${found.sha256}, the manifest says ${expected.sha256}`;
    }
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof OperatorError && /^(BACKUP_DAMAGED|NO_SUCH_BACKUP)$/.test(error.code)) return messageOf(error);
    throw error;
  }
}

async function keep({ name, repository }: Store, record: VerifyRecord, signal: AbortSignal): Promise<string | null> {
  try {
    return await repository.keepVerified(record, signal);
  } catch (error) {
    signal.throwIfAborted();
    log.warn(`the record of ${name} could not be written, so status will not show it: ${messageOf(error)}`);
    return null;
  }
}
