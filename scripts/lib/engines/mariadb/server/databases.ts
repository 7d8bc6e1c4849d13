import type { DatabaseSource } from '../../../source.ts';
import { besideOf, freeName, isBeside, type Role } from '../../database/beside-names.ts';
import { type Connection, quoteIdentifier } from './connection.ts';
import { isMarked, isRaisedNote, keepsComments, markedFor } from './marks.ts';

const SYSTEM = ['information_schema', 'performance_schema', 'mysql', 'sys'];

/** A waiting DDL statement keeps everybody else waiting behind it: it gives up in time. */
export const LOCK_WAIT_SECONDS = 30;

/** A database of the server, and what it says of itself. */
export interface DatabaseRow {
  readonly name: string;
  /** Empty for none. */
  readonly comment: string;
}

/** Every database of the server but its own. */
export async function readDatabases(connection: Connection): Promise<DatabaseRow[]> {
  const comment = keepsComments(connection) ? 'schema_comment' : "''";
  const rows = await connection.query<DatabaseRow>(
    `select schema_name as name, ${comment} as comment from information_schema.schemata order by binary schema_name`,
  );
  // a folder among the data that is none of the server's, such as lost+found
  return rows.filter(({ name }) => !SYSTEM.includes(name) && !name.startsWith('#mysql50#'));
}

/** The names of all of them. */
export async function listDatabases(connection: Connection): Promise<string[]> {
  return (await readDatabases(connection)).map(({ name }) => name);
}

/**
 * The name that the server has for a database which a URL or an argument may write with other capitals. Whatever is
 * compared, locked or dropped goes by this one.
 */
export async function storedName(connection: Connection, name: string): Promise<string> {
  if (connection.nameCase === 0) return name;
  const [row] = await connection.query<{ name: string }>(
    'select schema_name as name from information_schema.schemata where schema_name = ?',
    [name],
  );
  if (row) return row.name;
  if (connection.nameCase === 2) return name;
  const [lower] = await connection.query<{ name: string }>('select lower(?) as name', [name]);
  return lower?.name ?? name;
}

/** The source, with its database under the name that the server has for it. */
export async function asStored(connection: Connection, source: DatabaseSource): Promise<DatabaseSource> {
  const database = await storedName(connection, source.database);
  return database === source.database ? source : { ...source, database };
}

/** What is there to be backed up: not what restores made beside it. A server without comments tells those by names alone. */
export async function listOwn(connection: Connection): Promise<string[]> {
  const rows = await readDatabases(connection);
  const isOurs = ({ name, comment }: DatabaseRow) =>
    keepsComments(connection)
      ? markedFor(comment, name) !== undefined || isRaisedNote(comment)
      : isBeside(
          name,
          rows.map((row) => row.name),
        );
  return rows.filter((row) => !isOurs(row)).map(({ name }) => name);
}

/** The databases beside this one that have the name of a role, the newest first: `isOurs` are those that say so themselves. */
export async function besideDatabases(
  connection: Connection,
  database: string,
  role: Role,
): Promise<{ name: string; since: Date; isOurs: boolean }[]> {
  return besideIn(await readDatabases(connection), database, role);
}

/** As besideDatabases, of databases that are listed already. */
export function besideIn(rows: readonly DatabaseRow[], database: string, role: Role) {
  return besideOf(rows, database, role).map(({ name, comment, since }) => ({
    ...{ name, since },
    isOurs: isMarked(comment, { live: database, name }),
  }));
}

/** A name beside the database that is not taken. */
export async function freeBesideName(connection: Connection, database: string, role: Role): Promise<string> {
  return freeName(await listDatabases(connection), database, role);
}

export async function sizeOf(connection: Connection, database: string): Promise<number> {
  const [row] = await connection.query<{ bytes: string }>(
    `select cast(coalesce(sum(data_length + index_length), 0) as char) as bytes
     from information_schema.tables where table_schema = ? and table_type <> 'VIEW'`,
    [database],
  );
  return Math.round(Number(row?.bytes));
}

export async function dropDatabase(connection: Connection, name: string): Promise<void> {
  await connection.query(`set session lock_wait_timeout = ${LOCK_WAIT_SECONDS}, session foreign_key_checks = 0`);
  await connection.query(`drop database if exists ${quoteIdentifier(name)}`);
}
