import type { DatabaseSource } from '../../../source.ts';
import { besideName, isBeside, type Role, timeOfBeside } from '../../database/beside-names.ts';
import { type Connection, quoteIdentifier } from './connection.ts';

const SYSTEM = ['information_schema', 'performance_schema', 'mysql', 'sys'];

/** A waiting DDL statement keeps everybody else waiting behind it: it gives up in time. */
export const LOCK_WAIT_SECONDS = 30;

/** Every database of the server but its own. */
export async function listDatabases(connection: Connection): Promise<string[]> {
  const rows = await connection.query<{ name: string }>(
    'select schema_name as name from information_schema.schemata order by binary schema_name',
  );
  // a folder among the data that is none of the server's, such as lost+found
  return rows.map(({ name }) => name).filter((name) => !SYSTEM.includes(name) && !name.startsWith('#mysql50#'));
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

/** What is there to be backed up: not what restores made beside it. */
export async function listOwn(connection: Connection): Promise<string[]> {
  const all = await listDatabases(connection);
  return all.filter((name) => !isBeside(name, all));
}

/** The databases that earlier restores left beside this one in a role, the newest first. */
export async function besideDatabases(
  connection: Connection,
  database: string,
  role: Role,
): Promise<{ name: string; since: Date }[]> {
  return (await listDatabases(connection))
    .flatMap((name) => {
      const since = timeOfBeside(name, database, role);
      return since === undefined ? [] : [{ name, since }];
    })
    .sort((a, b) => b.since.getTime() - a.since.getTime());
}

/** A name beside the database that is not taken. */
export async function freeBesideName(connection: Connection, database: string, role: Role): Promise<string> {
  const taken = new Set(await listDatabases(connection));
  for (let ms = Date.now(); ; ms += 1_000) {
    const name = besideName(database, role, new Date(ms));
    if (!taken.has(name)) return name;
  }
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
