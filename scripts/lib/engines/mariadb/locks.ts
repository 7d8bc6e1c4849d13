import { createHash } from 'node:crypto';
import type { SourceConfig } from '../../config-sources.ts';
import { OperatorError } from '../../errors.ts';
import type { Connection } from './connection.ts';

interface Lock {
  readonly purpose: 'backup' | 'restore';
  readonly source: SourceConfig;
  readonly waits?: boolean;
}

/** A backup waits at most so long for one that is running; it then takes as long as it takes. */
const FOREVER_SECONDS = 365 * 86_400;

/** A lock of the server's, which goes with the connection. */
export async function takeLock(connection: Connection, { purpose, source, waits = false }: Lock): Promise<void> {
  // backups of one source exclude one another, restores of one database; locks are the whole server's
  const name = purpose === 'backup' ? `${source.name}\0${source.database}` : source.database;
  const digest = createHash('sha256').update(`${purpose}\0${name}`).digest('hex').slice(0, 32);
  const [row] = await connection.query<{ locked: number | null }>('select get_lock(?, ?) as locked', [
    `compose-db-backup.${digest}`,
    waits ? FOREVER_SECONDS : 0,
  ]);
  if (row?.locked === 1) return;
  if (purpose === 'restore') {
    throw new OperatorError('LOCKED', `another restore of ${source.database} is running`, {
      hint: 'Wait until it has ended. The lock goes with its holder.',
    });
  }
  throw new OperatorError('LOCKED', `source ${source.name}: another backup of it is running`, {
    hint: 'Wait until it has ended (make logs-backup). The lock lives in the database and goes with its holder.',
  });
}
