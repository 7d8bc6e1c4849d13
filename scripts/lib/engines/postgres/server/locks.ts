import { createHash } from 'node:crypto';
import { OperatorError } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import type { RunUnderWay } from '../../engine.ts';
import type { Connection } from './connection.ts';
import { connectBeside } from './databases.ts';

/**
 * An advisory lock's key for a purpose and a name: 64 bits of a digest, so that other users of advisory locks in the
 * same database do not meet it by chance.
 */
export function lockKey(purpose: string, name: string): string {
  return createHash('sha256').update(`compose-db-backup\0${purpose}\0${name}`).digest().readBigInt64BE().toString();
}

/** One restore or undo of a database at a time, across machines; the lock goes with the session. */
export async function lockRestore(connection: Connection, source: DatabaseSource): Promise<void> {
  const [row] = await connection.query<{ locked: boolean }>('select pg_try_advisory_lock($1::bigint) as locked', [
    lockKey('restore', source.database),
  ]);
  if (row?.locked) return;
  throw new OperatorError('LOCKED', `another restore of ${source.database} is running`, {
    hint: 'Wait until it has ended. The lock ends with that run.',
  });
}

/** See Engine.underWay. */
export async function runsUnderWay(source: DatabaseSource, signal: AbortSignal): Promise<RunUnderWay[]> {
  const connection = await connectBeside(source, signal);
  try {
    const keys = { backup: lockKey('backup', source.name), restore: lockKey('restore', source.database) };
    // a bigint's key is shown as its two halves
    const rows = await connection.query<{ key: string; ms: string }>(
      `select ((l.classid::bigint << 32) | l.objid::bigint)::text as key,
         (extract(epoch from clock_timestamp() - a.backend_start) * 1000)::bigint::text as ms
       from pg_locks l join pg_stat_activity a on a.pid = l.pid
       where l.locktype = 'advisory' and l.granted and l.objsubid = 1
         and ((l.classid::bigint << 32) | l.objid::bigint)::text = any($1)
         -- backups are locked in the database itself, restores beside it
         and (l.database = (select oid from pg_database where datname = $2) or $3 = ((l.classid::bigint << 32) | l.objid::bigint)::text)`,
      [Object.values(keys), source.database, keys.restore],
    );
    return rows.map(({ key, ms }) => ({ purpose: key === keys.backup ? 'backup' : 'restore', forMs: Number(ms) }));
  } finally {
    await connection.close();
  }
}
