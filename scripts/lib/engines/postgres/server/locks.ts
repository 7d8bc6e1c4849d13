import { createHash } from 'node:crypto';
import { OperatorError } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { command } from '../../../terminal/hints.ts';
import type { RunUnderWay } from '../../engine.ts';
import { leftToServer, secondPassed } from '../../second-passed.ts';
import type { Connection } from './connection.ts';
import { hasSessionsLeft } from './sessions.ts';

/**
 * An advisory lock's key for a purpose and a name: 64 bits of a digest, so that other users of advisory locks in the
 * same database do not meet it by chance.
 */
export function lockKey(purpose: string, name: string): string {
  return createHash('sha256').update(`compose-db-backup\0${purpose}\0${name}`).digest().readBigInt64BE().toString();
}

const SECOND = 'second of a backup';

/**
 * The lock of a source's backups, for the session's life. Returns only once the second is over that the backup before it has
 * in its key.
 *
 * @param waits for a backup that is running, instead of giving up
 * @throws OperatorError LOCKED
 */
export async function lockBackup(connection: Connection, { name }: DatabaseSource, waits: boolean): Promise<void> {
  const key = lockKey('backup', name);
  if (waits) {
    await connection.query('select pg_advisory_lock($1::bigint)', [key]);
    // a restore has ended what the backup before it left on the server, and locks are those of a database
    await connection.query(
      'select pg_sleep((ceil(extract(epoch from clock_timestamp())) - extract(epoch from clock_timestamp()))::float)',
    );
  } else {
    const [row] = await connection.query<{ locked: boolean }>('select pg_try_advisory_lock($1::bigint) as locked', [
      key,
    ]);
    if (row?.locked !== true)
      throw new OperatorError('LOCKED', `source ${name}: another backup of it is running`, {
        hint: `Wait until it has ended (${command('logs')}). The lock is in the database and ends with that run.`,
      });
  }
  const second = [lockKey(SECOND, name)];
  await connection.query('select pg_advisory_lock($1::bigint)', second);
  await connection.query('select pg_advisory_unlock($1::bigint)', second);
}

/**
 * Closes the session that holds the lock of a source's backups. What it leaves on the server holds nothing but the second of
 * the backup's time, until that is over; where that cannot be, this waits: also on a standby, whose locks its primary does not see.
 *
 * @param mayLeave false to wait in any case
 */
export async function unlockBackup(
  connection: Connection,
  { name }: DatabaseSource,
  options: { timeMs: number; mayLeave?: boolean; signal: AbortSignal },
): Promise<void> {
  const { timeMs, signal } = options;
  const clock = async () => {
    const [row] = await connection.query<{ ms: string }>(
      'select (extract(epoch from clock_timestamp()) * 1000)::bigint::text as ms',
    );
    return Number(row?.ms);
  };
  const leave = async (ms: number) => {
    await connection.query('select pg_advisory_lock($1::bigint)', [lockKey(SECOND, name)]);
    await connection.query('select pg_advisory_unlock($1::bigint)', [lockKey('backup', name)]);
    // else the server might see that nobody waits any more, and end it
    const stay = connection.serverVersionNum >= 140_000 ? 'set client_connection_check_interval = 0; ' : '';
    await connection.leave(`${stay}select pg_sleep(${ms / 1_000}) /* the second of a backup's key */`);
  };
  const mayLeave =
    options.mayLeave !== false &&
    connection.mayLeave &&
    !signal.aborted &&
    (await isPrimary(connection).catch(() => false)) &&
    (await hasSessionsLeft(connection).catch(() => false));
  if (mayLeave && (await leftToServer(timeMs, { clock, leave }))) return;
  await secondPassed(timeMs, clock, signal);
  await connection.close();
}

async function isPrimary(connection: Connection): Promise<boolean> {
  const [row] = await connection.query<{ primary: boolean }>('select not pg_is_in_recovery() as primary');
  return row?.primary === true;
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

/** The runs that hold the locks of each of these sources now. */
export async function runsUnderWay(
  connection: Connection,
  sources: readonly DatabaseSource[],
): Promise<RunUnderWay[][]> {
  // a bigint's key is shown as its two halves
  const held = await connection.query<{ key: string; database: string | null; ms: string }>(
    `select ((l.classid::bigint << 32) | l.objid::bigint)::text as key, d.datname as database,
       (extract(epoch from clock_timestamp() - a.backend_start) * 1000)::bigint::text as ms
     from pg_locks l join pg_stat_activity a on a.pid = l.pid left join pg_database d on d.oid = l.database
     where l.locktype = 'advisory' and l.granted and l.objsubid = 1`,
  );
  return sources.map(({ name, database }) => {
    const keys = { backup: lockKey('backup', name), restore: lockKey('restore', database) };
    // backups are locked in the database itself, restores beside it
    return held.flatMap((lock): RunUnderWay[] => {
      if (lock.key === keys.restore) return [{ purpose: 'restore', forMs: Number(lock.ms) }];
      if (lock.key === keys.backup && lock.database === database)
        return [{ purpose: 'backup', forMs: Number(lock.ms) }];
      return [];
    });
  });
}
