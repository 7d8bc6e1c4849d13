import { setTimeout as sleep } from 'node:timers/promises';
import type { Store } from '../copy/stores.ts';
import { backupItem } from '../copy/transfer.ts';
import { messageOf } from '../errors.ts';
import { formatBytes, formatDuration } from '../quantities.ts';
import type { Inventory, StoredBackup } from '../repository/inventory.ts';
import type { VerifyRecord } from '../repository/verify-record.ts';
import { log } from '../terminal/log.ts';
import { startProgress } from '../terminal/progress.ts';
import { readLogBack } from './log.ts';
import { planVerify, WITHIN_MS } from './plan.ts';
import { protectionReasons } from './protection.ts';
import { damageIn } from './read-item.ts';
import { NOTHING_TRIED, tryProtection } from './try-protection.ts';

const CLOCKS_DIFFER_MS = 5_000;

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
 * Reads a store back: compares every byte of the backups and bases whose turn it is with their manifests, reads what was
 * added to the log, tries on an object made for that what somebody with these keys could destroy, and looks for keys that
 * somebody has written over. Keeps a record of it in the store.
 *
 * @param others the other stores, to tell one that is the same under another name
 */
export async function verifyStore(
  store: Store,
  others: readonly Store[],
  request: VerifyRequest,
  began: Date,
  signal: AbortSignal,
): Promise<VerifyResult> {
  const started = Date.now();
  const { repository } = store;
  const records = await repository.verified(new Date(began.getTime() - WITHIN_MS), signal);
  const now = await afterTheSecondOf(records[0], began, signal);
  const inventory = await repository.inventory(signal);
  const chosen = chosenBackups(inventory, records, request);
  const dumps = await readBack(store, inventory, chosen, signal);
  const ofLog = await readLogBack(store, records, request, signal);
  const backups = [...dumps, ...ofLog.entries];
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
    `${store.name}: ${dumps.length} of ${inventory.backups.length} backups${ofLogs(ofLog)} read back, ${formatBytes(readBytes)} in ${formatDuration(durationMs)}`,
  );
  return {
    name: store.name,
    ok: record.ok,
    reasons,
    read: dumps.length + ofLog.bases,
    readBytes,
    damaged,
    protection: record.protection,
    rewritten: record.rewritten,
    durationMs,
    record: request.asOf === undefined ? await keep(store, record, signal) : null,
  };
}

function ofLogs({ bases, objects }: { bases: number; objects: number }): string {
  return bases + objects === 0 ? '' : `, ${bases} bases and ${objects} objects of the log`;
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
      const { repository } = store;
      const open = async () => ({ repository, item: await backupItem(repository, stored, signal), sizes });
      const detail = await damageIn(open, signal);
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

/** Records are ordered, and told apart, by the seconds in their keys. The clock of whoever wrote the last may be a little ahead. */
async function afterTheSecondOf(last: VerifyRecord | undefined, now: Date, signal: AbortSignal): Promise<Date> {
  const next = last ? (Math.floor(Date.parse(last.startedAt) / 1_000) + 1) * 1_000 : 0;
  const waitMs = next - now.getTime();
  if (waitMs <= 0 || waitMs > CLOCKS_DIFFER_MS) return now;
  await sleep(waitMs, undefined, { signal });
  return new Date(next);
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
