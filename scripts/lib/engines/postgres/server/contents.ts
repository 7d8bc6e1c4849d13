import type { Contents } from '../../../repository/manifest.ts';
import type { Connection } from './connection.ts';
import { LOADED_VIA } from './loaded-via.ts';

/** How many tables are counted in one statement. */
const BATCH = 100;

// What pg_dump writes as data: ordinary tables, partitions included, of everyone but the system and extensions. Rows
// of partitioned tables are those of their partitions; unlogged tables cannot be read on a standby.
const RELATIONS = `
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind = $1 and c.relpersistence <> 't'
    and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
    and (c.relpersistence = 'p' or not pg_catalog.pg_is_in_recovery())
    and not exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  order by 1`;

async function relations(connection: Connection, kind: 'r' | 'S'): Promise<string[]> {
  const names = `select format('%I.%I', n.nspname, c.relname) as name ${RELATIONS}`;
  return (await connection.query<{ name: string }>(names, [kind])).map((row) => row.name);
}

/** A relation as a dump names it. */
export interface Relation {
  readonly name: string;
  /** `schema.relation`, each in hexadecimal: the bytes that stand in a dump, without any quotes. */
  readonly identity: string;
  /** The partitioned table that its rows may be loaded through, and are counted as. */
  readonly root: { readonly name: string; readonly identity: string } | null;
}

const identityOf = (schema: string, relation: string) =>
  [schema, relation]
    .map((name) => `encode(convert_to(${name}::text, getdatabaseencoding()), 'hex')`)
    .join(" || '.' || ");

/** Every table, or every sequence, whose data pg_dump writes, by the transaction that the connection is in. */
export async function listRelations(connection: Connection, kind: 'r' | 'S'): Promise<Relation[]> {
  const via = `(select row_to_json(via) from
    (select v.name, ${identityOf('v.schema', 'v.relation')} as identity from (${LOADED_VIA}) v) via)`;
  return connection.query<Relation & Record<string, unknown>>(
    `select format('%I.%I', n.nspname, c.relname) as name, ${identityOf('n.nspname', 'c.relname')} as identity,
       ${kind === 'r' && connection.serverVersionNum >= 120_000 ? via : 'null'} as root ${RELATIONS}`,
    [kind],
  );
}

const NO_ROWS = '(select 1 where false) none';

/** What is counted, as a query reads it: a partition whose rows may belong elsewhere after a restore as a part of its root. */
async function countable(connection: Connection): Promise<{ name: string; from: string }[]> {
  if (connection.serverVersionNum < 120_000) {
    return (await relations(connection, 'r')).map((name) => ({ name, from: `only ${name}` }));
  }
  const rows = await connection.query<{ name: string; root: string | null; isBare: boolean }>(
    `select distinct coalesce(root.name, format('%I.%I', n.nspname, c.relname)) as name, root.name as root,
       root.name is null and pg_relation_size(c.oid) = 0
         and c.relam = (select a.oid from pg_am a where a.amname = 'heap') as "isBare"
     ${RELATIONS.replace('where', `left join lateral (${LOADED_VIA}) root on true where`)}`,
    ['r'],
  );
  // a table without a page has no row; extensions have some that stand for others, and cannot be read by themselves
  return rows.map(({ name, root, isBare }) => ({
    name,
    from: isBare ? NO_ROWS : root === null ? `only ${name}` : name,
  }));
}

function batches<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / BATCH) }, (_, i) => items.slice(i * BATCH, (i + 1) * BATCH));
}

/**
 * Exact row counts of every table, in the transaction that the connection is in. `only`, because pg_dump writes a
 * parent's own rows with the parent.
 */
async function countTables(connection: Connection): Promise<Contents['tables']> {
  const tables: Contents['tables'] = [];
  for (const batch of batches(await countable(connection))) {
    const counts = batch.map(({ from }, i) => `select ${i} as i, count(*)::text as rows from ${from}`);
    const rows = await connection.query<{ i: number; rows: string }>(counts.join(' union all '));
    for (const { i, rows: n } of rows.sort((a, b) => a.i - b.i))
      tables.push({ table: batch[i]?.name ?? '', rows: Number(n) });
  }
  return tables;
}

/** Where every sequence stands now: sequences are not part of any snapshot. */
export async function readSequences(connection: Connection): Promise<Contents['sequences']> {
  return readPositions(connection, await relations(connection, 'S'));
}

/** Where these sequences stand now. Each is locked as a reader does until the connection's transaction ends. */
export async function readPositions(connection: Connection, names: readonly string[]): Promise<Contents['sequences']> {
  const sequences: Contents['sequences'] = [];
  for (const batch of batches(names)) {
    const values = batch.map(
      (name, i) => `select ${i} as i, last_value::text as value, is_called as called from ${name}`,
    );
    const rows = await connection.query<{ i: number; value: string; called: boolean }>(values.join(' union all '));
    for (const { i, value, called } of rows.sort((a, b) => a.i - b.i)) {
      sequences.push({ sequence: batch[i] ?? '', value, isCalled: called });
    }
  }
  return sequences;
}

/** In the transaction that the connection is in. */
export async function countLargeObjects(connection: Connection): Promise<number> {
  const [row] = await connection.query<{ n: string }>(
    'select count(*)::text as n from pg_catalog.pg_largeobject_metadata',
  );
  return Number(row?.n);
}

/** Exact counts of what is inside transactions, in the one that the connection is in. */
export async function countContents(connection: Connection): Promise<Omit<Contents, 'sequences'>> {
  return { tables: await countTables(connection), largeObjects: await countLargeObjects(connection) };
}
