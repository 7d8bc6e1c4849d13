import { createHash } from 'node:crypto';
import { OperatorError } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { command } from '../../../terminal/hints.ts';
import type { RunUnderWay } from '../../engine.ts';
import { leftToServer, secondPassed } from '../../second-passed.ts';
import type { Connection } from './connection.ts';
import { asStored } from './databases.ts';

interface Lock {
  readonly purpose: (typeof PURPOSES)[number];
  readonly source: DatabaseSource;
  readonly waits?: boolean;
}

const PURPOSES = ['backup', 'restore'] as const;

/** A backup waits at most this long for one that is running; it then takes as long as it takes. */
const FOREVER_SECONDS = 365 * 86_400;

/** Backups of one source exclude one another, restores of one database; locks are the whole server's. */
function lockName(purpose: Lock['purpose'] | 'second', source: DatabaseSource): string {
  const name = purpose !== 'restore' ? `${source.name}\0${source.database}` : source.database;
  const digest = createHash('sha256').update(`${purpose}\0${name}`).digest('hex').slice(0, 32);
  return `compose-db-backup.${digest}`;
}

/** A lock of the server's, which goes with the connection. */
export async function takeLock(connection: Connection, { purpose, source, waits = false }: Lock): Promise<void> {
  const [row] = await connection.query<{ locked: number | null }>('select get_lock(?, ?) as locked', [
    lockName(purpose, source),
    waits ? FOREVER_SECONDS : 0,
  ]);
  if (row?.locked === 1 && purpose === 'backup') {
    await secondOfBefore(connection, source);
    // a restore may have ended what the backup before it left on the server
    if (waits) await connection.query('do sleep(1 - microsecond(utc_timestamp(6)) / 1000000)');
  }
  if (row?.locked === 1) return;
  if (purpose === 'restore') {
    throw new OperatorError('LOCKED', `another restore of ${source.database} is running`, {
      hint: 'Wait until it has ended. The lock ends with that run.',
    });
  }
  throw new OperatorError('LOCKED', `source ${source.name}: another backup of it is running`, {
    hint: `Wait until it has ended (${command('logs')}). The lock is in the database and ends with that run.`,
  });
}

/** Returns only once the second is over that the backup before it has in its key. */
async function secondOfBefore(connection: Connection, source: DatabaseSource): Promise<void> {
  await connection.query('select get_lock(?, ?)', [lockName('second', source), FOREVER_SECONDS]);
  await connection.query('select release_lock(?)', [lockName('second', source)]);
}

/** The server's clock in milliseconds. */
export async function serverTime(connection: Connection): Promise<number> {
  const [row] = await connection.query<{ ms: string }>(
    // not of now(): when clocks are put back, an hour of local time comes twice
    'select cast(timestampdiff(microsecond, "1970-01-01", utc_timestamp(3)) div 1000 as char) as ms',
  );
  return Number(row?.ms);
}

/**
 * Closes the session that holds the lock of a source's backups. What it leaves on the server holds nothing but the second of
 * the backup's time, until that is over; where that cannot be, this waits.
 *
 * @param mayLeave false to wait in any case
 */
export async function unlockBackup(
  connection: Connection,
  source: DatabaseSource,
  { timeMs, mayLeave = true, signal }: { timeMs: number; mayLeave?: boolean; signal: AbortSignal },
): Promise<void> {
  const clock = () => serverTime(connection);
  const leave = async (ms: number) => {
    await connection.query('select get_lock(?, ?)', [lockName('second', source), FOREVER_SECONDS]);
    await connection.query('select release_lock(?)', [lockName('backup', source)]);
    await connection.leave(`do sleep(${ms / 1_000}) /* the second of a backup's key */`);
  };
  if (mayLeave && connection.mayLeave && !signal.aborted && (await leftToServer(timeMs, { clock, leave }))) return;
  await secondPassed(timeMs, clock, signal);
  await connection.close();
}

/**
 * The runs that hold the locks of each of these sources now. The server does not tell since when a lock is held, but for how
 * long its holder has been silent: the holder of a backup's lock is so from the beginning of the dump to its end.
 */
export async function runsUnderWay(
  connection: Connection,
  sources: readonly DatabaseSource[],
): Promise<RunUnderWay[][]> {
  const runs: RunUnderWay[][] = [];
  for (const source of sources) {
    const stored = await asStored(connection, source);
    const names = PURPOSES.map((purpose) => lockName(purpose, stored));
    const [holders = {}] = await connection.query<Record<string, number | null>>(
      'select is_used_lock(?) as backup, is_used_lock(?) as `restore`',
      names,
    );
    const ofSource: RunUnderWay[] = [];
    for (const purpose of PURPOSES) {
      if (holders[purpose] === null) continue;
      const [holder] = await connection.query<{ ms: number }>(
        'select time_ms as ms from information_schema.processlist where id = ?',
        [holders[purpose]],
      );
      if (holder) ofSource.push({ purpose, forMs: Math.round(Number(holder.ms)) });
    }
    runs.push(ofSource);
  }
  return runs;
}
