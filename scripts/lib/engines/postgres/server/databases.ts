import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { besideOf, freeName, isBeside, type Role } from '../../database/beside-names.ts';
import { type Connection, connect, quoteIdentifier, sqlState } from './connection.ts';
import { isMarked, isOfRestore } from './marks.ts';

/** A database of the server, as far as restores care. */
export interface DatabaseRow {
  readonly name: string;
  readonly owner: string;
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
  return connection.query<DatabaseRow & Record<string, unknown>>(`
    select datname as name, oid::text as oid, shobj_description(oid, 'pg_database') as comment, pg_get_userbyid(datdba) as owner
    from pg_database order by 1`);
}

/** How large these databases are, by name; 0 for one that may not be looked into. The server looks at every file of theirs. */
export async function databaseSizes(connection: Connection, names: readonly string[]): Promise<Map<string, number>> {
  if (names.length === 0) return new Map();
  const rows = await connection.query<{ name: string; bytes: string | null }>(
    `select datname as name, case when has_database_privilege(datname, 'CONNECT') then pg_database_size(oid)::text end as bytes
     from pg_database where datname = any($1)`,
    [names],
  );
  return new Map(rows.map(({ name, bytes }) => [name, Number(bytes ?? 0)]));
}

/** They come with every server. */
const OF_THE_SERVER = ['template0', 'template1'];

/**
 * What is there to be backed up: all but the server's own templates and what restores made beside it. What cannot be dumped
 * is told of.
 */
export async function listOwn(connection: Connection, source: DatabaseSource): Promise<string[]> {
  const rows = await connection.query<OwnRow>(
    `select datname as name, oid::text as oid, shobj_description(oid, 'pg_database') as comment, datallowconn as "isOpen",
       datconnlimit = -2 as "isInvalid"
     from pg_database where datname <> all ($1) order by 1`,
    [OF_THE_SERVER],
  );
  const names = rows.map(({ name }) => name);
  return rows
    .filter((row) => {
      if (isOfRestore(row.comment, row.oid)) return false;
      const why = whyLeftOut(row, names);
      if (why !== undefined) log.warn(`${source.name}: the database ${row.name} is left out: ${why}`);
      return why === undefined;
    })
    .map(({ name }) => name);
}

type OwnRow = Pick<DatabaseRow, 'name' | 'oid' | 'comment'> & { isOpen: boolean; isInvalid: boolean } & Record<
    string,
    unknown
  >;

function whyLeftOut({ name, isOpen, isInvalid }: OwnRow, names: readonly string[]): string | undefined {
  const quoted = quoteIdentifier(name);
  if (isInvalid)
    return `a DROP DATABASE of it was interrupted, and it cannot be used any more. DROP DATABASE ${quoted} removes what is left`;
  if (!isOpen)
    return `it takes no connections. ALTER DATABASE ${quoted} ALLOW_CONNECTIONS true lets it be backed up, DROP DATABASE ${quoted} removes it`;
  // between its making and its mark, or never marked; other names of ours are given together with the mark
  if (isBeside(name, names, ['restoring']))
    return `it has the name of what a restore fills, and does not say that it is one. Rename it if it is yours, else DROP DATABASE ${quoted}`;
  return undefined;
}

/** The databases beside this one that have the name of a role, the newest first: `isOurs` are those that say so themselves. */
export async function besideDatabases(
  connection: Connection,
  database: string,
  role: Role,
): Promise<(DatabaseRow & { since: Date; isOurs: boolean })[]> {
  return besideIn(await listDatabases(connection), database, role);
}

/** As besideDatabases, of databases that are listed already. */
export function besideIn(rows: readonly DatabaseRow[], database: string, role: Role) {
  return besideOf(rows, database, role).map((row) => ({
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
