import { createHash } from 'node:crypto';
import { OperatorError } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { command } from '../../../terminal/hints.ts';
import type { RunUnderWay } from '../../engine.ts';
import { type Connection, connect } from './connection.ts';
import { asStored } from './databases.ts';

interface Lock {
  readonly purpose: 'backup' | 'restore';
  readonly source: DatabaseSource;
  readonly waits?: boolean;
}

/** A backup waits at most this long for one that is running; it then takes as long as it takes. */
const FOREVER_SECONDS = 365 * 86_400;

/** Backups of one source exclude one another, restores of one database; locks are the whole server's. */
function lockName(purpose: Lock['purpose'], source: DatabaseSource): string {
  const name = purpose === 'backup' ? `${source.name}\0${source.database}` : source.database;
  const digest = createHash('sha256').update(`${purpose}\0${name}`).digest('hex').slice(0, 32);
  return `compose-db-backup.${digest}`;
}

/** A lock of the server's, which goes with the connection. */
export async function takeLock(connection: Connection, { purpose, source, waits = false }: Lock): Promise<void> {
  const [row] = await connection.query<{ locked: number | null }>('select get_lock(?, ?) as locked', [
    lockName(purpose, source),
    waits ? FOREVER_SECONDS : 0,
  ]);
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

/**
 * See Engine.underWay. The server does not tell since when a lock is held, but for how long its holder has been silent:
 * the holder of a backup's lock is so from the beginning of the dump to its end.
 */
export async function runsUnderWay(source: DatabaseSource, signal: AbortSignal): Promise<RunUnderWay[]> {
  const connection = await connect(source, signal);
  try {
    const stored = await asStored(connection, source);
    const runs: RunUnderWay[] = [];
    for (const purpose of ['backup', 'restore'] as const) {
      const rows = await connection.query<{ ms: number }>(
        'select time_ms as ms from information_schema.processlist where id = is_used_lock(?)',
        [lockName(purpose, stored)],
      );
      runs.push(...rows.map(({ ms }) => ({ purpose, forMs: Math.round(Number(ms)) })));
    }
    return runs;
  } finally {
    await connection.close();
  }
}
