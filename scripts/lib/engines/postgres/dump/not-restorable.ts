import { CALLED_AROUND, calledAroundIn } from '../server/called-around.ts';
import type { Connection } from '../server/connection.ts';
import { passedOver } from './passed-over.ts';

/** Extensions whose CREATE EXTENSION works in one database alone, and the setting that names it. */
const BOUND_TO_ONE_DATABASE = [{ name: 'pg_cron', setting: 'cron.database_name' }] as const;

/**
 * What a restore or a drill may not be able to give back as it is, as sentences: told with each backup, for who learns of it
 * at the restore learns of it too late.
 */
export async function notRestorable(connection: Connection): Promise<string[]> {
  return [
    ...(await boundExtensions(connection)),
    ...(await leaningFunctions(connection)),
    ...(await settingsOfTheServer(connection)),
    ...(await ofEverybody(connection)),
    ...(await rowsOfExtensions(connection)),
    ...(await uncheckedKeys(connection)),
    ...(await hashedByEnums(connection)),
    ...(await passedOver(connection)),
  ];
}

const OF_ALL_ROLES = `
  select distinct split_part(setting, '=', 1) as name from pg_db_role_setting a cross join unnest(a.setconfig) as setting
  where a.setdatabase = 0 and a.setrole = 0 and not exists (
    select from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase cross join unnest(s.setconfig) as own
    where d.datname = current_database() and s.setrole = 0 and lower(split_part(own, '=', 1)) = lower(split_part(setting, '=', 1)))
  order by 1`;
const PARAMETERS_OF_PUBLIC = `
  select distinct p.parname as name from pg_parameter_acl p cross join lateral aclexplode(p.paracl) a where a.grantee = 0 order by 1`;

/** What everybody has on the whole server belongs to no database and to no role that a backup could carry. */
async function ofEverybody(connection: Connection): Promise<string[]> {
  const names = async (sql: string) =>
    (await connection.query<{ name: string }>(sql)).map(({ name }) => name).join(', ');
  const settings = await names(OF_ALL_ROLES);
  const parameters = connection.serverVersionNum >= 150_000 ? await names(PARAMETERS_OF_PUBLIC) : '';
  return [
    ...(settings === ''
      ? []
      : [
          `sessions have settings by ALTER ROLE ALL, which are the server's and in no backup: ${settings}. ALTER DATABASE … SET makes them a part of each; on another server ALTER ROLE ALL SET … gives them again`,
        ]),
    ...(parameters === ''
      ? []
      : [
          `everybody may set parameters that are granted to PUBLIC, which is the server's and in no backup: ${parameters}. On another server: GRANT SET ON PARAMETER … TO PUBLIC`,
        ]),
  ];
}

// what extconfig names is dumped: https://www.postgresql.org/docs/current/extend-extensions.html#EXTEND-EXTENSIONS-CONFIG-TABLES
const ROWS_OF_EXTENSIONS = `
  select e.extname as extension, string_agg(format('%I.%I', n.nspname, c.relname), ', ' order by n.nspname, c.relname) as tables
  from pg_depend d join pg_extension e on e.oid = d.refobjid join pg_class c on c.oid = d.objid join pg_namespace n on n.oid = c.relnamespace
  where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e' and c.relkind = 'r'
    and c.relpersistence = 'p' and not c.oid = any(coalesce(e.extconfig, '{}')) and pg_relation_size(c.oid) > 0
    and not exists (select from unnest($1::text[], $2::text[]) as own (extension, schema)
      where own.extension = e.extname and n.nspname ~ own.schema)
  group by 1 order by 1`;

/** pg_dump leaves out what belongs to an extension, also a table that somebody gave to it, but for what the extension names. */
async function rowsOfExtensions(connection: Connection): Promise<string[]> {
  const rows = await connection.query<{ extension: string; tables: string }>(ROWS_OF_EXTENSIONS, [
    CALLED_AROUND.map(({ name }) => name),
    CALLED_AROUND.map(({ ownRows }) => ownRows),
  ]);
  return rows.map(
    ({ extension, tables }) =>
      `the extension ${extension} owns tables with rows that it does not name for dumps, so no dump has them: ${tables}. Where they are yours: ALTER EXTENSION … DROP TABLE …, and the next backup has them`,
  );
}

/** Tables whose rows an extension keeps elsewhere are without any while they are loaded. */
async function uncheckedKeys(connection: Connection): Promise<string[]> {
  const told: string[] = [];
  for (const { name: extension, unchecked } of await calledAroundIn(connection)) {
    const names = (await connection.query<{ name: string }>(unchecked)).map(({ name }) => name);
    if (names.length > 0)
      told.push(
        `foreign keys refer to tables that ${extension} keeps the rows of, and no load can check them, so that a restore and a drill fail: ${names.join(', ')}. restore --without-broken has them for rows from then on; afterwards drop and add each`,
      );
  }
  return told;
}

// pg_dump loads through the partitioned table what is divided by an enum itself, and nothing else
const HASHED_BY_ENUMS = `
  with recursive made (oid) as (
    select oid from pg_type where typtype = 'e' and exists (select from pg_partitioned_table where partstrat = 'h')
    union select t.oid from made m cross join lateral (
      select oid from pg_type where typbasetype = m.oid or typelem = m.oid
      union all select rngtypid from pg_range where rngsubtype = m.oid
      union all select y.oid from pg_attribute a join pg_type y on y.typrelid = a.attrelid
        where a.atttypid = m.oid and a.attnum > 0 and not a.attisdropped) t)
  select p.partrelid::regclass::text as name from pg_partitioned_table p
  where p.partstrat = 'h' and exists (select from pg_inherits where inhparent = p.partrelid) and exists (
    select from unnest(p.partattrs::int2[], p.partclass::oid[]) as key (attribute, class)
    join pg_attribute a on a.attrelid = p.partrelid and a.attnum = key.attribute
    join made on made.oid = a.atttypid join pg_opclass o on o.oid = key.class and o.opcname <> 'enum_ops')
  order by 1`;

/** Values of an enum hash by numbers that are others in each database, also within arrays and rows. */
async function hashedByEnums(connection: Connection): Promise<string[]> {
  const names = (await connection.query<{ name: string }>(HASHED_BY_ENUMS)).map(({ name }) => name);
  if (names.length === 0) return [];
  return [
    `tables are divided by the hash of enums within arrays or other types, which is another one in each database, so that a restore finds rows in partitions where they do not belong and fails: ${names.join(', ')}. Divide them by the enum itself or by its text, or keep a dump of pg_dump --load-via-partition-root beside`,
  ];
}

async function boundExtensions(connection: Connection): Promise<string[]> {
  const rows = await connection.query<{ name: string }>(
    'select extname as name from pg_extension where extname = any($1)',
    [BOUND_TO_ONE_DATABASE.map(({ name }) => name)],
  );
  return BOUND_TO_ONE_DATABASE.filter(({ name }) => rows.some((row) => row.name === name)).map(
    ({ name, setting }) =>
      `the extension ${name} is for the one database that ${setting} names: another server has to preload it, with that setting, before the backup can be restored there`,
  );
}

// What checks and generated columns read by their own text, and by that of the functions that they, or indexes, call.
const SETTINGS_OF_THE_SERVER = `
  with callers as (
    select 'pg_constraint'::regclass as class, oid, pg_get_constraintdef(oid) as text from pg_constraint
    where contype = 'c' and oid >= 16384
    union all select 'pg_attrdef'::regclass, d.oid, pg_get_expr(d.adbin, d.adrelid)
    from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
    where d.oid >= 16384 and to_jsonb(a)->>'attgenerated' = 's'
    union all select 'pg_class'::regclass, indexrelid, null from pg_index where indexrelid >= 16384 and indexprs is not null),
  texts as (
    select text from callers
    union all select p.prosrc from callers c join pg_depend d on d.classid = c.class and d.objid = c.oid
      join pg_proc p on d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid and p.oid >= 16384)
  select distinct read[1] as name
  from texts cross join regexp_matches(text, $re$current_setting\\(\\s*'([^'.]+\\.[^']+)'$re$, 'gi') as read
  where current_setting(read[1], true) is not null and not exists (
    select from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase cross join unnest(s.setconfig) as setting
    where d.datname = current_database() and lower(split_part(setting, '=', 1)) = lower(read[1]))
  order by 1`;

/** A setting that is somebody's own has no value but that which somebody gives it; a backup carries those of the database alone. */
async function settingsOfTheServer(connection: Connection): Promise<string[]> {
  const rows = await connection.query<{ name: string }>(SETTINGS_OF_THE_SERVER);
  return rows.map(
    ({ name }) =>
      `a check, a generated column or an index reads the setting ${name}, which the server's configuration or a role has, and no backup: ALTER DATABASE … SET ${name} = … makes it a part of each`,
  );
}

/** A function that a load calls, and what of a schema its text may name without saying which. */
interface CalledWhileLoading {
  readonly fn: string;
  readonly body: string;
  /** What calls it. */
  readonly caller: string;
  /** Names of functions, types and relations that are in no schema which a load looks into. */
  readonly names: readonly string[];
  readonly isOfExtension: boolean;
}

// What calls functions while a dump is loaded: indexes, generated columns, checks, materialized views. Those that say which
// path they go by do not lean on a session's, nor do bodies that were parsed when they were made.
const CALLED_WHILE_LOADING = `
  with callers as (
    select d.refobjid as fn, format('the index %s', d.objid::regclass) as caller
    from pg_depend d join pg_index i on i.indexrelid = d.objid
    where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_proc'::regclass
    union all
    select d.refobjid, format('the generated column %I of %s', att.attname, ad.adrelid::regclass)
    from pg_depend d join pg_attrdef ad on ad.oid = d.objid
      join pg_attribute att on att.attrelid = ad.adrelid and att.attnum = ad.adnum
    where d.classid = 'pg_attrdef'::regclass and d.refclassid = 'pg_proc'::regclass and to_jsonb(att)->>'attgenerated' = 's'
    union all
    select d.refobjid, format('the check %I', con.conname)
    from pg_depend d join pg_constraint con on con.oid = d.objid and con.contype = 'c'
    where d.classid = 'pg_constraint'::regclass and d.refclassid = 'pg_proc'::regclass
    union all
    select d.refobjid, format('the materialized view %s', c.oid::regclass)
    from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class c on c.oid = r.ev_class and c.relkind = 'm'
    where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_proc'::regclass),
  called as (select distinct on (fn) fn, caller from callers order by fn, caller)
  select p.oid::regprocedure::text as fn, p.prosrc as body, called.caller,
    exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e') as "isOfExtension",
    array(
      select distinct o.name from (
        select lower(token[1]) as word from regexp_matches(p.prosrc, '([[:alpha:]_][[:alnum:]_$]*)', 'g') as token
        union select token[1] from regexp_matches(p.prosrc, '"([^"]+)"', 'g') as token) t
      cross join lateral (
        select o.proname::text as name, o.pronamespace as schema from pg_proc o where o.proname = t.word
        union all select o.typname, o.typnamespace from pg_type o where o.typname = t.word and o.typrelid = 0
        union all select o.relname, o.relnamespace from pg_class o where o.relname = t.word and o.relkind in ('r', 'v', 'm', 'p', 'f', 'S')) o
      where o.schema not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
        and not exists (select from pg_proc c where c.proname = t.word and c.pronamespace = 'pg_catalog'::regnamespace)
        and not exists (select from pg_type c where c.typname = t.word and c.typnamespace = 'pg_catalog'::regnamespace)
    ) as names
  from called join pg_proc p on p.oid = called.fn join pg_language l on l.oid = p.prolang
  where l.lanname in ('sql', 'plpgsql') and p.prosrc <> '' and p.pronamespace <> 'pg_catalog'::regnamespace
    and not exists (select from unnest(p.proconfig) as setting where setting like 'search\\_path=%')
  order by 1`;

/** A load finds nothing by a search path, which a dump empties. */
async function leaningFunctions(connection: Connection): Promise<string[]> {
  const functions = await connection.query<CalledWhileLoading & Record<string, unknown>>(CALLED_WHILE_LOADING);
  return functions.flatMap(({ fn, body, caller, names, isOfExtension }) => {
    const found = names.find((name) => namesWithoutSchema(body, name));
    if (found === undefined) return [];
    // what is altered in an extension is in no dump of it
    const way = isOfExtension ? '' : `ALTER FUNCTION ${fn} SET search_path = …, or `;
    return `${caller} calls the function ${fn}, which finds ${found} by the search path alone; a load has none, and may fail by it: ${way}restore with --own-search-path`;
  });
}

/** Whether a function's text calls, casts to or reads what has this name, without its schema. */
export function namesWithoutSchema(body: string, name: string): boolean {
  const text = body.replaceAll(/--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'/g, ' ');
  const plain = name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const spelled = `(?<![\\w.$"])(?:${plain}|"${plain}")(?![\\w$"])`;
  return new RegExp(
    `${spelled}\\s*\\(|::\\s*${spelled}|\\bas\\s+${spelled}\\s*\\)|\\b(?:from|join)\\s+${spelled}(?!\\s*[.(])`,
    'i',
  ).test(text);
}
