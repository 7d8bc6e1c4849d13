import type { Config } from '../config/config.ts';
import { rpoTargetFor } from '../config/own-settings.ts';
import { failureOf, noteHeld } from '../copy/away.ts';
import { lagMs, planCopy } from '../copy/plan.ts';
import { PRIMARY, type Store } from '../copy/stores.ts';
import { formatDuration } from '../quantities.ts';
import type { Backup } from '../repository/catalog.ts';
import type { Inventory } from '../repository/inventory.ts';
import { normalizePrefix } from '../repository/object-key.ts';
import type { VerifyRecord } from '../repository/verify-record.ts';
import { belongsTo } from '../source.ts';
import { command } from '../terminal/hints.ts';
import { damagedIn, WITHIN_MS } from '../verify/plan.ts';
import { isDestroyable, protectionReasons } from '../verify/protection.ts';

/** How one store stands. */
export interface StoreStatus {
  /** `primary`, or the copy's name. */
  readonly name: string;
  readonly ok: boolean;
  /** Why it is not ok, as sentences. */
  readonly reasons: readonly string[];
  readonly warnings: readonly string[];
  /** Which store it is. */
  readonly description: string;
  /** It does not answer now. */
  readonly isAway: boolean;
  readonly lastBackup: { key: string; createdAt: string; sizeBytes: number } | null;
  /** How far its newest backups are behind those of the primary store; null when nobody can tell. */
  readonly lagMs: number | null;
  /** Backups that it should have by its own retention and does not have. */
  readonly missing: number | null;
  /** Backups that were damaged when they were last read back. */
  readonly unreadable: number | null;
  /** When it was last read back. */
  readonly lastVerified: string | null;
  readonly lastDrill: string | null;
  /** How the newest backup, or what was last put to try, is locked; null without a lock. */
  readonly lock: { mode: 'compliance' | 'governance'; until: string; provenAt: string } | null;
  /** Whether somebody with this machine's keys can delete what is in it, as was tried; null when it was not. */
  readonly isDestroyable: boolean | null;
  readonly backups: number | null;
  readonly storedBytes: number | null;
}

/** What a store's status is told from. */
export interface StoreLook {
  readonly config: Config;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/**
 * The primary store as a store: what it was found to be when it was read back. Its backups are judged by source.
 * @param backups the newest first
 */
export async function primaryStatus(
  look: StoreLook,
  store: Store,
  backups: readonly Backup[],
  warnings: string[],
): Promise<StoreStatus> {
  return statusOf(look, store, backups, { reasons: [], warnings });
}

/** A copy. One that does not answer is late, until its own target is over. Never throws for it. */
export async function copyStatus(look: StoreLook, store: Store, primary: Inventory): Promise<StoreStatus> {
  const { config, now, signal } = look;
  try {
    const inventory = await store.repository.inventory(signal);
    if (inventory.backups.length > 0) noteHeld(config, store, inventory.backups, now);
    const unfinishedSince = new Date(now.getTime() - config.values.BACKUP_TIMEOUT);
    const plan = planCopy(primary, inventory, { retention: store.retention, now, unfinishedSince });
    const emptied = primary.backups.length === 0 && inventory.backups.length > 0;
    const backups = inventory.backups.map(({ backup }) => backup);
    return await statusOf(look, store, backups, {
      lagMs: lagMs(primary, inventory),
      missing: plan.missing.length,
      reasons: [
        ...(emptied
          ? [
              `the primary store is empty, and this copy holds ${inventory.backups.length} backups: nothing is deleted from it`,
            ]
          : []),
        ...ageReasons(look, store, inventory),
        ...plan.differing.map((object) => `${object} has another size than in the primary store`),
      ],
      warnings: [],
    });
  } catch (error) {
    signal.throwIfAborted();
    const failure = failureOf(config, store, error, now);
    return {
      ...NOTHING_KNOWN,
      name: store.name,
      description: store.repository.description,
      isAway: failure.isAway,
      ok: failure.isLate,
      reasons: failure.isLate ? [] : [failure.message],
      warnings: failure.isLate ? [`away, and late: ${failure.message}`] : [],
    };
  }
}

const NOTHING_KNOWN = {
  ...{ lastBackup: null, lagMs: null, missing: null, unreadable: null, lastVerified: null, lastDrill: null },
  ...{ lock: null, isDestroyable: null, backups: null, storedBytes: null },
};

/** Of each configured source that has a backup there or elsewhere: whether the newest one there is recent enough. */
function ageReasons({ config, now }: StoreLook, store: Store, { backups }: Inventory): string[] {
  return config.sources.flatMap((source) => {
    const newest = backups.find(({ backup }) => backup.kind === 'backup' && belongsTo(source, backup.source));
    if (!newest) return [`it has no backup of ${source.name}: ${command('copy')}`];
    const ageMs = now.getTime() - newest.backup.createdAt.getTime();
    // a source that is backed up more seldom is copied more seldom, too
    const targetMs = Math.max(store.rpoTargetMs, store.rpoTargetMs + rpoTargetFor(config, source) - config.rpoTargetMs);
    if (ageMs <= targetMs) return [];
    return [
      `its last backup of ${source.name} is ${formatDuration(ageMs)} old, the target is ${formatDuration(targetMs)}`,
    ];
  });
}

async function statusOf(
  { now, signal }: StoreLook,
  store: Store,
  backups: readonly Backup[],
  own: { reasons: string[]; warnings: string[]; lagMs?: number; missing?: number },
): Promise<StoreStatus> {
  const { repository, name } = store;
  const all = await repository.verified(new Date(now.getTime() - WITHIN_MS), signal);
  const records = all.filter((record) => record.store === name);
  const [last] = records;
  const drills = await repository.newestDrills(signal);
  const drilledAt = [...drills.values()].map(({ at }) => at.getTime());
  const newest = backups.find(({ kind }) => kind === 'backup');
  const nameOf = ({ key }: Backup) => key.slice(normalizePrefix(repository.shelf.prefix).length);
  const isDamaged = damagedIn(records);
  const damaged = isDamaged.size === 0 ? [] : backups.filter((backup) => isDamaged.has(nameOf(backup)));
  const damagedLog = [...isDamaged].filter((key) => /^(base|wal)\//.test(key));
  const reasons = [
    ...own.reasons,
    ...[...damaged.map(nameOf), ...damagedLog].map(
      (key) => `${key} was damaged when it was read back: ${command('verify')}`,
    ),
    ...proofReasons(store, last, newest !== undefined, now),
  ];
  const lock = last?.newestLock ?? last?.protection?.lock ?? null;
  const destroyable = isDestroyable(last);
  return {
    name,
    ok: reasons.length === 0,
    reasons,
    warnings: [
      ...own.warnings,
      ...(last === undefined && backups.length > 0 ? [`never read back: ${command('verify')}`] : []),
    ],
    description: repository.description,
    isAway: false,
    lastBackup: newest
      ? { key: newest.key, createdAt: newest.createdAt.toISOString(), sizeBytes: newest.sizeBytes }
      : null,
    lagMs: name === PRIMARY ? 0 : (own.lagMs ?? null),
    missing: name === PRIMARY ? 0 : (own.missing ?? null),
    unreadable: damaged.length + damagedLog.length,
    lastVerified: last?.startedAt ?? null,
    lastDrill: drilledAt.length === 0 ? null : new Date(Math.max(...drilledAt)).toISOString(),
    lock: lock && last ? { ...lock, provenAt: last.startedAt } : null,
    isDestroyable: destroyable ?? null,
    backups: backups.length,
    storedBytes: backups.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}

/** What was found when the store was last read back, and that it was long ago. */
function proofReasons(store: Store, last: VerifyRecord | undefined, hasBackups: boolean, now: Date): string[] {
  if (last === undefined)
    return store.lock ? [`a lock was asked for, and it was never tried whether it holds: ${command('verify')}`] : [];
  const ageMs = now.getTime() - Date.parse(last.startedAt);
  return [
    ...protectionReasons(store, last, hasBackups, now),
    ...(ageMs > WITHIN_MS ? [`it was last read back ${formatDuration(ageMs)} ago: ${command('verify')}`] : []),
  ];
}
