import type { SourceFacts } from '../../../repository/manifest.ts';
import { type Connection, errorName, quoteIdentifier } from './connection.ts';
import { readDatabases } from './databases.ts';
import { markedFor } from './marks.ts';
import type { Program } from './programs.ts';
import { readZones } from './time-zones.ts';

/** The accounts that views, routines, triggers and events run as: without the account, using them fails. */
export async function readDefiners(connection: Connection, database: string): Promise<string[]> {
  const rows = await connection.query<{ definer: string }>(
    `select definer from information_schema.views where table_schema = ?
     union select definer from information_schema.routines where routine_schema = ?
     union select definer from information_schema.triggers where event_object_schema = ?
     union select definer from information_schema.events where event_schema = ?`,
    [database, database, database, database],
  );
  return rows.map(({ definer }) => definer).sort();
}

/** Views that refer to what is not there (any more): mariadb-dump would stop at the first of them. */
export async function readInvalidViews(connection: Connection, database: string): Promise<string[]> {
  const rows = await connection.query<{ name: string }>(
    'select table_name as name from information_schema.views where table_schema = ? order by binary table_name',
    [database],
  );
  const invalid: string[] = [];
  for (const { name } of rows) {
    // it opens the view, as mariadb-dump does
    const shown = connection.query(`show fields from ${quoteIdentifier(database)}.${quoteIdentifier(name)}`);
    await shown.catch((error: unknown) => {
      if (errorName(error) === undefined || !errorName(error)?.startsWith('ER_')) throw error;
      invalid.push(name);
    });
  }
  return invalid;
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

/** What a drill's server is given too, or what tells why a server takes a dump otherwise than this one. */
const KEPT_SETTINGS = [
  'lower_case_table_names',
  'max_allowed_packet',
  'log_bin',
  'log_bin_trust_function_creators',
  'character_set_server',
  'collation_server',
  'character_set_collations',
  'innodb_page_size',
  'innodb_default_row_format',
  'ft_min_word_len',
  'innodb_ft_min_token_size',
  'default_storage_engine',
] as const;

export async function readFacts(connection: Connection, database: string, program: Program): Promise<SourceFacts> {
  const defaults = await readDefaults(connection, database);
  const comment = (await readDatabases(connection)).find(({ name }) => name === database)?.comment ?? '';
  const [size] = await connection.query<{ bytes: string; table_bytes: string }>(
    `select cast(coalesce(sum(data_length + index_length), 0) as char) as bytes,
       cast(coalesce(sum(data_length), 0) as char) as table_bytes
     from information_schema.tables where table_schema = ? and table_type <> 'VIEW'`,
    [database],
  );
  return {
    serverVersion: connection.server.text,
    clientVersion: program.version.text,
    ...defaults,
    ...(comment === '' || markedFor(comment, database) !== undefined ? {} : { comment }),
    settings: {
      ...Object.fromEntries(
        KEPT_SETTINGS.flatMap((name) => {
          const value = connection.variables.get(name);
          return value === undefined ? [] : [[name, value]];
        }),
      ),
      ...(await readZones(connection, database)),
    },
    invalid: await readInvalidViews(connection, database),
    roles: await readDefiners(connection, database),
    databaseBytes: Math.round(Number(size?.bytes)),
    tableBytes: Math.round(Number(size?.table_bytes)),
  };
}
