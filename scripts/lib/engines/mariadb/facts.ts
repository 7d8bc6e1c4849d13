import type { SourceFacts } from '../../manifest.ts';
import type { Connection } from './connection.ts';
import type { Program } from './programs.ts';

/** Whoever views, routines, triggers and events run as: without the account, using them fails. */
export async function readDefiners(connection: Connection, database: string): Promise<string[]> {
  const rows = await connection.query<{ definer: string }>(
    `select definer from information_schema.views where table_schema = ?
     union select definer from information_schema.routines where routine_schema = ?
     union select definer from information_schema.triggers where trigger_schema = ?
     union select definer from information_schema.events where event_schema = ?`,
    [database, database, database, database],
  );
  return rows.map(({ definer }) => definer).sort();
}

/** Views that refer to what is not there (any more), as the server's own listing says. */
export async function readInvalidViews(connection: Connection, database: string): Promise<string[]> {
  const rows = await connection.query<{ name: string }>(
    `select table_name as name from information_schema.tables
     where table_schema = ? and table_type = 'VIEW' and table_comment <> 'VIEW' order by binary table_name`,
    [database],
  );
  return rows.map(({ name }) => name);
}

export interface DatabaseDefaults {
  readonly encoding: string;
  readonly collation: string;
}

/** What new tables of the database are made with; undefined when there is no such database. */
export async function readDefaults(connection: Connection, database: string): Promise<DatabaseDefaults | undefined> {
  const [row] = await connection.query<DatabaseDefaults>(
    `select default_character_set_name as encoding, default_collation_name as collation
     from information_schema.schemata where schema_name = ?`,
    [database],
  );
  return row;
}

export async function readFacts(connection: Connection, database: string, program: Program): Promise<SourceFacts> {
  const defaults = await readDefaults(connection, database);
  const [size] = await connection.query<{ bytes: string }>(
    `select cast(coalesce(sum(data_length + index_length), 0) as char) as bytes
     from information_schema.tables where table_schema = ? and table_type <> 'VIEW'`,
    [database],
  );
  return {
    serverVersion: connection.server.isMariaDb ? connection.server.text : `${connection.server.text} (MySQL)`,
    clientVersion: program.version.text,
    ...defaults,
    invalid: await readInvalidViews(connection, database),
    roles: await readDefiners(connection, database),
    databaseBytes: Math.round(Number(size?.bytes)),
  };
}
