import { messageOf } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { SourceAltered } from '../server/source-altered.ts';

/** What was there when the snapshot was taken, and was dropped before pg_dump came to it. */
const DROPPED =
  /(relation|table|sequence|schema) .* does not exist|could not (open|find) relation|cache lookup failed|may have been concurrently dropped/i;
/** Several sessions that hold a lock on every table: more than the server has room for. One of them may have it. */
const NO_ROOM_FOR_LOCKS = /out of shared memory|max_locks_per_transaction|max_pred_locks_per_transaction/i;

/**
 * See Engine.another. What was dropped under a dump's hands is not there the next time. Where several sessions stand in
 * each other's way, one session dumps it all, as pg_dump by itself does: who alters a table waits for that one alone.
 */
export function another(source: DatabaseSource, error: unknown): { source: DatabaseSource; why: string } | undefined {
  const message = messageOf(error);
  if (source.format === 'folder' && (error instanceof SourceAltered || NO_ROOM_FOR_LOCKS.test(message))) {
    return { source: { ...source, format: 'sql', jobs: 1 }, why: `dumped as one object, not as a folder: ${message}` };
  }
  return DROPPED.test(message) ? { source, why: `begun again: ${message}` } : undefined;
}
