import type { Store } from '../copy/stores.ts';
import { formatDuration } from '../quantities.ts';
import type { VerifyRecord } from '../repository/verify-record.ts';

const DAY_MS = 86_400_000;
/** How many rewritten keys are named. */
const SHOWN = 5;

/** What a record says of how a store protects what is in it. */
export type Protecting = Pick<VerifyRecord, 'protection' | 'newestLock' | 'rewritten' | 'sameAs'>;

/** Whether somebody with these keys can destroy what is stored; undefined when it was never found out. */
export function isDestroyable(protecting: Pick<Protecting, 'protection'> | undefined): boolean | undefined {
  const protection = protecting?.protection;
  return protection ? protection.isDeletable || protection.isOverwritable : undefined;
}

/**
 * Why a store does not protect what it is said to protect, as sentences. A store of which no protection was asked is
 * allowed to have none.
 */
export function protectionReasons(
  { lock }: Pick<Store, 'lock'>,
  { protection, newestLock, rewritten, sameAs }: Protecting,
  hasBackups: boolean,
  now: Date,
): string[] {
  return [
    ...(sameAs === null
      ? []
      : [`it is the same store as ${sameAs}, under another name: there is one copy less than it seems`]),
    ...(rewritten.length === 0
      ? []
      : [
          `somebody has written over ${rewritten.length} objects, which this program never does: ${rewritten.slice(0, SHOWN).join(', ')}; as they were: --as-of TIME`,
        ]),
    ...(lock === undefined || protection === null
      ? []
      : lockReasons(lock, { protection, newestLock }, hasBackups, now)),
  ];
}

function lockReasons(
  lock: NonNullable<Store['lock']>,
  {
    protection,
    newestLock,
  }: { protection: NonNullable<Protecting['protection']>; newestLock: Protecting['newestLock'] },
  hasBackups: boolean,
  now: Date,
): string[] {
  const asked = lock.mode === 'bucket' ? "the bucket's own lock" : `${lock.mode} for ${lock.days} days`;
  if (protection.isDeletable)
    return [`a lock was asked for (${asked}), and with these keys an object was deleted for good all the same`];
  if (protection.isOverwritable)
    return [`a lock was asked for (${asked}), and with these keys an object was overwritten for good all the same`];
  if (protection.lock === null) return [`a lock was asked for (${asked}), and the store shows none on what was put`];
  if (!hasBackups || lock.mode === 'bucket') return [];
  if (newestLock === null) return [`a lock was asked for (${asked}), and the newest backup shows none`];
  const leftMs = Date.parse(newestLock.until) - now.getTime();
  if (leftMs <= 0) return [`the lock of the newest backup is over since ${newestLock.until}`];
  // a backup that is a few days old has used up some of its time
  if (leftMs > lock.days * DAY_MS + DAY_MS) return [];
  return lock.mode === newestLock.mode || newestLock.mode === 'compliance'
    ? []
    : [`the newest backup is locked by ${newestLock.mode} for ${formatDuration(leftMs)}, not by ${lock.mode}`];
}
