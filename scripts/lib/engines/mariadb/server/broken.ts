import { log } from '../../../terminal/log.ts';
import { type Connection, errorName, quoteIdentifier } from './connection.ts';
import { serverMessage } from './connection-errors.ts';
import { displayName, listTables } from './contents.ts';

/** A table that the server knows and cannot open, so that it can neither be renamed nor lose its triggers. */
export interface BrokenTable {
  readonly name: string;
  /** In the server's words. */
  readonly why: string;
  /** InnoDB has nothing of it at all; else it lacks its file alone. */
  readonly isUnknown: boolean;
}

/**
 * Tables of InnoDB without a file that the server could open.
 * @param among where it is known which may be
 */
export async function readBroken(
  connection: Connection,
  database: string,
  among?: readonly string[],
): Promise<BrokenTable[]> {
  const broken: BrokenTable[] = [];
  for (const { name, kind } of await listTables(connection, database)) {
    if (kind !== 'table' || among?.includes(name) === false) continue;
    const opened = connection.query(`select 1 from ${quoteIdentifier(database)}.${quoteIdentifier(name)} limit 0`);
    await opened.catch((error: unknown) => {
      if (!errorName(error)?.startsWith('ER_')) throw error;
      const why = serverMessage((error as Error).cause ?? error);
      const isUnknown = /doesn't exist in engine/i.test(why);
      if (isUnknown || /error 194\b|Tablespace is missing/i.test(why)) broken.push({ name, why, isUnknown });
    });
  }
  return broken;
}

/**
 * Gets broken tables out of the way of what is restored. DISCARD TABLESPACE lets a table without its file be renamed, and so
 * its definition be kept; a file that the server may not open stays where it is. Of one that InnoDB does not know there is
 * nothing to be kept, and nothing is deleted but its name. Can be done again.
 */
export async function letBrokenMove(
  connection: Connection,
  database: string,
  broken: readonly BrokenTable[],
): Promise<void> {
  for (const { name, why, isUnknown } of broken) {
    const table = `${quoteIdentifier(database)}.${quoteIdentifier(name)}`;
    log.warn(
      `the live table ${displayName(name)} is broken: ${why}. ${isUnknown ? 'Nothing of it' : 'Nothing but its definition'} can be kept with what is replaced`,
    );
    await connection.query(isUnknown ? `drop table if exists ${table}` : `alter table ${table} discard tablespace`);
  }
}
