import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { besideOf, freeName, isBeside, type Role } from '../../database/beside-names.ts';
import { type Connection, connect, quoteIdentifier, sqlState } from './connection.ts';
import { isMarked } from './marks.ts';

/** A database of the server, as far as restores care. */
export interface DatabaseRow {
  readonly name: string;
  readonly owner: string;
  readonly sizeBytes: number;
  readonly oid: string;
  readonly comment: string | null;
}

/**
 * Connects to the server beside the live database, which cannot be renamed by a session of its own.
 * @throws OperatorError SOURCE_CONNECT
 */
export async function connectBeside(source: DatabaseSource, signal: AbortSignal): Promise<Connection> {
  const candidates = ['postgres', 'template1'].filter((name) => name !== source.database);
  let lastError: unknown;
  for (const database of candidates) {
    try {
      return await connect(source, database, signal);
    } catch (error) {
      lastError = error;
      // no such database, or no right to connect to it: the next one may do
      if (!['3D000', '42501'].includes(sqlState(error) ?? '')) break;
    }
  }
  throw lastError;
}

/** Every database of the server. */
export async function listDatabases(connection: Connection): Promise<DatabaseRow[]> {
  const rows = await connection.query<Omit<DatabaseRow, 'sizeBytes'> & { bytes: string | null }>(`
    select datname as name, oid::text as oid, shobj_description(oid, 'pg_database') as comment, pg_get_userbyid(datdba) as owner,
      case when has_database_privilege(datname, 'CONNECT') then pg_database_size(oid)::text end as bytes
    from pg_database order by 1`);
  return rows.map(({ bytes, ...row }) => ({ ...row, sizeBytes: Number(bytes ?? 0) }));
}

/** What is there to be backed up: what can be connected to, but for templates and what restores made beside it. */
export async function listOwn(connection: Connection, source: DatabaseSource): Promise<string[]> {
  const rows = await connection.query<{ name: string; invalid: boolean }>(
    'select datname as name, datconnlimit = -2 as invalid from pg_database where datallowconn and not datistemplate order by 1',
  );
  for (const { name } of rows.filter(({ invalid }) => invalid)) {
    log.warn(
      `${source.name}: the database ${name} is left out: a DROP DATABASE of it was interrupted, and it cannot be used any more. DROP DATABASE ${quoteIdentifier(name)} removes what is left`,
    );
  }
  const all = (await listDatabases(connection)).map((row) => row.name);
  return rows.filter(({ name, invalid }) => !invalid && !isBeside(name, all)).map(({ name }) => name);
}

/** The databases beside this one that have the name of a role, the newest first: `isOurs` are those that say so themselves. */
export async function besideDatabases(
  connection: Connection,
  database: string,
  role: Role,
): Promise<(DatabaseRow & { since: Date; isOurs: boolean })[]> {
  return besideOf(await listDatabases(connection), database, role).map((row) => ({
    ...row,
    isOurs: isMarked(row.comment, { oid: row.oid, live: database }),
  }));
}

/** A name beside the database that is not taken. */
export async function freeBesideName(connection: Connection, database: string, role: Role): Promise<string> {
  const taken = await listDatabases(connection);
  return freeName(
    taken.map(({ name }) => name),
    database,
    role,
  );
}
