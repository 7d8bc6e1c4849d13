import { messageOf } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { SourceAltered } from '../server/source-altered.ts';

/** What was there when the snapshot was taken, and was dropped before pg_dump came to it. */
const DROPPED =
  /(relation|table|sequence|schema) .* does not exist|could not (open|find) relation|cache lookup failed|may have been concurrently dropped/i;
/** A session that holds a lock on every table, or several of them: more than the server has room for. */
const NO_ROOM_FOR_LOCKS = /out of shared memory|max_locks_per_transaction|max_pred_locks_per_transaction/i;

/** Whether a dump ended because its server has no room for that many locks. */
export function hasNoRoomForLocks(error: unknown): boolean {
  return NO_ROOM_FOR_LOCKS.test(messageOf(error));
}

/**
 * See Engine.another. What was dropped under a dump's hands is not there the next time. Where several sessions stand in
 * each other's way, one session dumps it all, as pg_dump by itself does: who alters a table waits for that one alone. Where
 * even that one has no room for its locks, the parts of a folder are dumped one after the other, and none is held.
 */
export function another(source: DatabaseSource, error: unknown): { source: DatabaseSource; why: string } | undefined {
  const message = messageOf(error);
  const hasNoRoom = hasNoRoomForLocks(error);
  if (source.holdsNoTables) {
    const isAltered = error instanceof SourceAltered || DROPPED.test(message);
    return isAltered ? { source, why: `begun again: ${message}` } : undefined;
  }
  if (source.format === 'folder' && (error instanceof SourceAltered || hasNoRoom))
    return { source: { ...source, format: 'sql', jobs: 1 }, why: `dumped as one object, not as a folder: ${message}` };
  if (hasNoRoom) {
    const free = { ...source, format: 'folder', jobs: 1, jobsBySize: false, holdsNoTables: true } as const;
    return {
      source: free,
      why: `dumped as a folder, part by part, for pg_dump locks every table and sequence at a time, and the server has no room for so many (max_locks_per_transaction): ${message}`,
    };
  }
  return DROPPED.test(message) ? { source, why: `begun again: ${message}` } : undefined;
}
