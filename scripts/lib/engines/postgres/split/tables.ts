import type { Connection } from '../server/connection.ts';
import { LOADED_VIA } from '../server/loaded-via.ts';

/** A table whose rows are dumped, as the snapshot has it. */
export interface SnapshotTable {
  readonly oid: string;
  /** Schema-qualified, quoted where SQL needs it; as row counts have it. */
  readonly name: string;
  readonly schema: string;
  readonly relation: string;
  /** Those that are not generated, in their order. */
  readonly columns: readonly string[];
  /** Its rows can be asked for by the pages that they lie in. */
  readonly canSplit: boolean;
  /** For a table that belongs to an extension, which of its rows are the users'; empty for all. */
  readonly condition: string | null;
  /** The partitioned table through which rows are to be loaded, where they may belong elsewhere after a restore. */
  readonly via: { readonly schema: string; readonly relation: string; readonly name: string } | null;
  /** What is checked or generated of its rows calls functions of the users', which may read other tables. */
  readonly isChecked: boolean;
  /** Differs when the table has been altered or rewritten. */
  readonly signature: string;
}

// What pg_dump writes as data: ordinary tables, partitions included, of everyone but the system and extensions, and
// of these what they mark as configuration. Enum values hash otherwise in another database: such rows go through the
// partitioned table. https://www.postgresql.org/docs/current/extend-extensions.html#EXTEND-EXTENSIONS-CONFIG-TABLES
const USERS_FUNCTION = `d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass) and d.refobjid >= 16384
    and not exists (select from pg_depend e where e.classid = d.refclassid and e.objid = d.refobjid and e.deptype = 'e')`;

/** Types whose values are checked by such functions: domains, and whatever is made of one. */
const CHECKED_TYPES = `
  with recursive checked (oid) as (
    select k.contypid from pg_constraint k join pg_depend d on d.classid = 'pg_constraint'::regclass and d.objid = k.oid
    where k.contype = 'c' and k.contypid <> 0 and ${USERS_FUNCTION}
    union select made.oid from checked c cross join lateral (
      select oid from pg_type where typbasetype = c.oid or typelem = c.oid
      union all select rngtypid from pg_range where rngsubtype = c.oid
      union all select y.oid from pg_attribute a join pg_type y on y.typrelid = a.attrelid
        where a.atttypid = c.oid and a.attnum > 0 and not a.attisdropped) made)`;

// a partition is checked by what its root is divided by, too
const isChecked = (version: number) => `
  (exists (select from pg_constraint k join pg_depend d on d.classid = 'pg_constraint'::regclass and d.objid = k.oid
    where k.contype = 'c' and ${USERS_FUNCTION} and k.conrelid = c.oid)
  or exists (select from pg_attribute a join checked t on t.oid = a.atttypid
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
  ${
    version >= 120_000
      ? `or c.relispartition and exists (select from pg_partition_ancestors(c.oid) as root
    join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = root and ${USERS_FUNCTION})
  or exists (select from pg_attrdef x join pg_attribute a on a.attrelid = x.adrelid and a.attnum = x.adnum
    join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = x.oid
    where x.adrelid = c.oid and a.attgenerated = 's' and ${USERS_FUNCTION})`
      : ''
  })`;

const tablesQuery = (version: number) => `${CHECKED_TYPES}
  select c.oid::text as oid, format('%I.%I', n.nspname, c.relname) as name, n.nspname as schema, c.relname as relation,
    coalesce((select array_agg(a.attname::text order by a.attnum) from pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        ${version >= 120_000 ? "and a.attgenerated = ''" : ''}), '{}') as columns,
    ${version >= 140_000 ? "(select amname = 'heap' from pg_am am where am.oid = c.relam)" : 'false'} as "canSplit",
    x.condition, ${isChecked(version)} as "isChecked", ${version >= 120_000 ? `(select row_to_json(via) from (${LOADED_VIA}) via)` : 'null'} as via, ${SIGNATURE} as signature
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  left join lateral (
    select e.extcondition[i] as condition from pg_extension e, generate_subscripts(e.extconfig, 1) i
    where e.extconfig[i] = c.oid) x on true
  where c.relkind = 'r' and c.relpersistence <> 't'
    and (x.condition is not null or n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
      and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'))
    and (c.relpersistence = 'p' or not pg_is_in_recovery())
  order by 2`;

const SIGNATURE = `md5(concat_ws(' ', n.nspname, c.relname, c.relfilenode, (
  select string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attisdropped), ',' order by a.attnum)
  from pg_attribute a where a.attrelid = c.oid and a.attnum > 0)))`;

/** The same with its size, which only those are told who hold it. */
export interface TableToDump extends SnapshotTable {
  readonly heapBytes: number;
  /** With what is stored out of line. */
  readonly sizeBytes: number;
}

/** Every table whose rows belong into a dump, by the snapshot of the transaction that the connection is in. */
export async function listTables(connection: Connection): Promise<SnapshotTable[]> {
  return inOrderOfReference(
    connection,
    await connection.query<SnapshotTable>(tablesQuery(connection.serverVersionNum)),
  );
}

/** The tables with their sizes. Would wait for one that somebody else has locked. */
export async function measureTables(connection: Connection, tables: readonly SnapshotTable[]): Promise<TableToDump[]> {
  const rows = await connection.query<{ oid: string; heap: string; toast: string }>(
    `select oid::text as oid, pg_relation_size(oid)::text as heap,
       coalesce(pg_relation_size(nullif(reltoastrelid, 0)), 0)::text as toast
     from pg_class where oid = any ($1::oid[])`,
    [tables.map(({ oid }) => oid)],
  );
  const sizes = new Map(rows.map(({ oid, heap, toast }) => [oid, { heap: Number(heap), toast: Number(toast) }]));
  return tables.map((table) => {
    const { heap = 0, toast = 0 } = sizes.get(table.oid) ?? {};
    return { ...table, heapBytes: heap, sizeBytes: heap + toast };
  });
}

/**
 * Those of extensions come first, and among them what is referred to before what refers to it: their foreign keys are
 * there before their rows. In a circle the order is that of the names, as in a dump of pg_dump's.
 */
async function inOrderOfReference(connection: Connection, tables: SnapshotTable[]): Promise<SnapshotTable[]> {
  const configuration = tables.filter(({ condition }) => condition !== null);
  if (configuration.length === 0) return tables;
  const rows = await connection.query<{ from: string; to: string }>(
    "select conrelid::text as from, confrelid::text as to from pg_constraint where contype = 'f' and conrelid = any ($1::oid[])",
    [configuration.map(({ oid }) => oid)],
  );
  const ordered = new Set<SnapshotTable>();
  const visited = new Set<string>();
  const visit = (table: SnapshotTable) => {
    if (visited.has(table.oid)) return;
    visited.add(table.oid);
    for (const { to } of rows.filter(({ from }) => from === table.oid)) {
      const referred = configuration.find(({ oid }) => oid === to);
      if (referred) visit(referred);
    }
    ordered.add(table);
  };
  for (const table of configuration) visit(table);
  return [...ordered, ...tables.filter((table) => !ordered.has(table))];
}

/** The tables that are no longer what the snapshot has, by a connection that sees what is committed now. */
export async function changedTables(now: Connection, tables: readonly SnapshotTable[]): Promise<string[]> {
  const rows = await now.query<{ oid: string; signature: string }>(
    `select c.oid::text as oid, ${SIGNATURE} as signature
     from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and c.oid = any ($1::oid[])`,
    [tables.map(({ oid }) => oid)],
  );
  const signatures = new Map(rows.map(({ oid, signature }) => [oid, signature]));
  return tables.filter(({ oid, signature }) => signatures.get(oid) !== signature).map(({ name }) => name);
}

/** Every sequence that extensions mark as configuration. */
export async function listExtensionSequences(connection: Connection): Promise<string[]> {
  const rows = await connection.query<{ name: string }>(`
    select format('%I.%I', n.nspname, c.relname) as name
    from pg_extension e cross join unnest(e.extconfig) as marked join pg_class c on c.oid = marked
    join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'S' order by 1`);
  return rows.map(({ name }) => name);
}
