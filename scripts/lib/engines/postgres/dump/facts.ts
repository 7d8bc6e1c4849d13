import { messageOf } from '../../../errors.ts';
import type { SourceFacts } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import type { Connection } from '../server/connection.ts';
import { connectBeside } from '../server/databases.ts';
import { systemIdentifier } from '../server/identity.ts';
import { type Program, versionText } from '../server/programs.ts';
import { tableFiles } from '../server/table-files.ts';
import { readLeftOut } from './extension-sequences.ts';
import { notRestorable } from './not-restorable.ts';
import { readServerSettings } from './server-settings.ts';

/** Columns whose values name roles, which no catalog notes: of the types regrole and aclitem, and whatever is made of them. */
const NAMES_ROLES = `
  with recursive naming (oid) as (
    values ('regrole'::regtype::oid), ('aclitem'::regtype::oid)
    union select made.oid from naming n cross join lateral (
      select oid from pg_type where typbasetype = n.oid or typelem = n.oid
      union all select y.oid from pg_attribute a join pg_type y on y.typrelid = a.attrelid join pg_class c on c.oid = a.attrelid
        where a.atttypid = n.oid and a.attnum > 0 and not a.attisdropped and c.relkind = 'c') made)
  select from pg_attribute a join pg_class c on c.oid = a.attrelid
  where a.atttypid in (select oid from naming) and a.attnum > 0 and not a.attisdropped
    and c.relkind in ('r', 'm') and c.relpersistence <> 't' and c.oid >= 16384`;

/** Roles that no object belongs to, but a subscription (shared by all databases, as its owner is), or that functions and sessions become. */
const BECOME = `
  select subowner from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())
  union select r.oid from pg_roles r join (
    select unnest(proconfig) as setting from pg_proc where oid >= 16384
    union select unnest(setconfig) from pg_db_role_setting
      where setdatabase = (select oid from pg_database where datname = current_database())) s
    on s.setting in ('role=' || r.rolname, 'session_authorization=' || r.rolname) where r.rolname !~ '^pg_'`;

// which of them such a column names only all of its rows would tell: then every role is needed, as pg_dumpall has it
const ROLES = `
  select distinct r.oid
  from pg_shdepend s join pg_roles r on r.oid = s.refobjid
  where s.refclassid = 'pg_authid'::regclass
    and (s.dbid = (select oid from pg_database where datname = current_database())
      or s.classid = 'pg_database'::regclass
        and s.objid = (select oid from pg_database where datname = current_database()))
    and r.rolname !~ '^pg_'
  union select datdba from pg_database where datname = current_database()
  union select relowner from pg_class where oid >= 16384 and relkind in ('r', 'p', 'v', 'm', 'S', 'f')
  union select nspowner from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
    and nspname <> 'public'
  union ${BECOME}
  union select oid from pg_roles where rolname !~ '^pg_' and exists (${NAMES_ROLES})`;

const TABLESPACES = `
  select distinct t.spcname as name from pg_class c join pg_tablespace t on t.oid = c.reltablespace
  where c.reltablespace <> 0 and t.spcname !~ '^pg_'
  union
  select t.spcname from pg_database d join pg_tablespace t on t.oid = d.dattablespace
  where d.datname = current_database() and t.spcname !~ '^pg_' order by 1`;

/** Constraints that were never validated, and indexes that a failed CREATE INDEX CONCURRENTLY left. */
export const INVALID_OBJECTS = `
  select format('constraint %I on %s', conname, conrelid::regclass) as name
  from pg_constraint c join pg_namespace n on n.oid = c.connamespace
  where not convalidated and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  union all
  select format('index %s', indexrelid::regclass) from pg_index where not indisvalid and indexrelid >= 16384
  order by 1`;

/** What template0 has, and no dump says that it is gone. */
export const DROPPED = `
  select 'schema public' as name where not exists (select from pg_namespace where nspname = 'public')
  union all select 'extension plpgsql' where not exists (select from pg_extension where extname = 'plpgsql')
  order by 1`;

/** Event triggers, but for those of extensions, which come and go with them. */
const EVENT_TRIGGERS = `
  select evtname as name from pg_event_trigger t where not exists (
    select from pg_depend d where d.classid = 'pg_event_trigger'::regclass and d.objid = t.oid and d.deptype = 'e')
  order by 1`;

/** What is known of the database in the transaction that the connection is in. */
export async function readFacts(connection: Connection, program: Program, shared: Connection): Promise<SourceFacts> {
  // column names of pg_database changed with the versions; a row as JSON has those that there are
  const [row] = await connection.query<{
    d: Record<string, string | null>;
    oid: string;
    encoding: string;
    bytes: string;
    table_bytes: string;
    version: string;
    tablespace: string;
  }>(`
    select to_jsonb(d) - 'datacl' as d, d.oid::text as oid, pg_encoding_to_char(d.encoding) as encoding,
      (select spcname from pg_tablespace t where t.oid = d.dattablespace) as tablespace,
      pg_database_size(d.oid)::text as bytes,
      (select (coalesce(sum(relpages::bigint), 0) * current_setting('block_size')::bigint)::text
       from pg_class where relkind in ('r', 't') and oid >= 16384) as table_bytes,
      current_setting('server_version') as version
    from pg_database d where datname = current_database()`);
  const extensions = await connection.query<{ name: string; version: string; schema: string }>(
    `select extname as name, extversion as version, nspname as schema
     from pg_extension e join pg_namespace n on n.oid = e.extnamespace order by 1`,
  );
  const names = async (sql: string) => (await connection.query<{ name: string }>(sql)).map((r) => r.name);
  // not in the transaction that the dump is of, where a refusal would be its end
  const identifier = await systemIdentifier(shared);
  const files = await tableFiles(connection);
  const d = row?.d ?? {};
  const warnings = await notRestorable(connection);
  const dropped = await names(DROPPED);
  const leftOut = await readLeftOut(connection).catch((error: unknown) => {
    log.warn(`where sequences of extensions stand is not noted: ${messageOf(error)}`);
    return [];
  });
  const locale = d.datlocale ?? d.daticulocale;
  return {
    serverVersion: row?.version ?? versionText(connection.serverVersionNum),
    clientVersion: program.version,
    encoding: row?.encoding ?? '',
    collation: d.datcollate ?? '',
    characterType: d.datctype ?? '',
    ...(d.datlocprovider ? { localeProvider: d.datlocprovider } : {}),
    ...(locale ? { locale } : {}),
    ...(d.daticurules ? { icuRules: d.daticurules } : {}),
    ...(row === undefined || row.tablespace === 'pg_default' ? {} : { defaultTablespace: row.tablespace }),
    serverSettings: await readServerSettings(connection),
    extensions,
    roles: await roleNames(connection, shared),
    tablespaces: await names(TABLESPACES),
    invalid: await names(INVALID_OBJECTS),
    eventTriggers: await names(EVENT_TRIGGERS),
    ...(dropped.length > 0 ? { dropped } : {}),
    ...(leftOut.length > 0 ? { extensionSequences: leftOut } : {}),
    ...(warnings.length > 0 ? { warnings } : {}),
    ...(row?.oid === undefined ? {} : { databaseOid: row.oid }),
    ...(files.length > 0 ? { tableFiles: Object.fromEntries(files.map(({ table, file }) => [table, file])) } : {}),
    ...(identifier === undefined ? {} : { systemIdentifier: identifier }),
    databaseBytes: Number(row?.bytes),
    tableBytes: Number(row?.table_bytes),
  };
}

async function roleNames(connection: Connection, shared: Connection): Promise<string[]> {
  const oids = (await connection.query<{ oid: string }>(`select oid::text from (${ROLES}) as role`)).map(
    ({ oid }) => oid,
  );
  const rows = await shared.query<{ name: string }>(
    "select rolname as name from pg_roles where oid = any($1::oid[]) and rolname !~ '^pg_' order by 1",
    [oids],
  );
  return rows.map(({ name }) => name);
}

/**
 * A connection by which names of roles are read as they were written. All databases share them, and no encoding is
 * noted with them: a database that is not UTF8 shows those that were made in one that is as other letters.
 */
export async function sharedNames(
  connection: Connection,
  source: DatabaseSource,
  signal: AbortSignal,
): Promise<Connection> {
  const [row] = await connection.query<{ encoding: string }>("select current_setting('server_encoding') as encoding");
  if (row?.encoding === 'UTF8') return connection;
  try {
    return await connectBeside(source, signal);
  } catch (error) {
    signal.throwIfAborted();
    log.warn(`names of roles are read as ${source.database} shows them: ${messageOf(error)}`);
    return connection;
  }
}
