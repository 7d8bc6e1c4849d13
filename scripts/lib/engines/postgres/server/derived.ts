import type { Contents, DerivedSum } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { type Connection, connect, quoteIdentifier } from './connection.ts';
import { hasSessionsLeft } from './sessions.ts';

/** How much longer than the dump the sums may take: what is not summed by then is not compared. */
const LONGER_MS = 5_000;
/** Who has a table locked is not waited for, and nobody waits behind us. */
const LOCK_WAIT_MS = 200;

/** What can be summed, the smallest first. A partitioned table is one: into which partition a row goes may change. */
const DERIVED = `
  select format('%I.%I', n.nspname, c.relname) as name, c.relkind = 'm' as "isView", c.relkind = 'p' as "isRoot",
    array(
      select a.attname::text from pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and (c.relkind = 'm' or a.attgenerated = 's')
      order by a.attname) as columns
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and not c.relispartition
    and (c.relpersistence = 'p' or c.relpersistence = 'u' and not pg_is_in_recovery())
    and (c.relkind = 'm' and c.relispopulated or c.relkind in ('r', 'p') and exists (
      select from pg_attribute a where a.attrelid = c.oid and a.attgenerated = 's' and not a.attisdropped))
    and not exists (
      select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  order by case when c.relkind = 'p' then 0 else pg_relation_size(c.oid) end, 1`;

interface Derived {
  readonly name: string;
  readonly isView: boolean;
  readonly isRoot: boolean;
  readonly columns: readonly string[];
}

/** Generated columns, which came with PostgreSQL 12, and materialized views: what a dump has the making of alone. */
async function listDerived(connection: Connection): Promise<Derived[]> {
  if (connection.serverVersionNum < 120_000) return [];
  return connection.query<Derived & Record<string, unknown>>(DERIVED);
}

/** A sum that does not depend on the order of rows, as a proof of content has it: the server does it, on its own core. */
async function sumOf(connection: Connection, { name, isView, isRoot, columns }: Derived): Promise<DerivedSum> {
  const values = columns.map((column) => `t.${quoteIdentifier(column)}`).join(', ');
  const [row] = await connection.query<{ rows: string; sum: string }>(
    `select count(*)::text as rows, coalesce(mod(sum(hashtextextended(row(${values})::text collate "C", 0)), 18446744073709551616), 0)::text as sum
     from ${isView || isRoot ? '' : 'only '}${name} as t`,
  );
  const kind = isView ? 'materialized view' : 'generated columns';
  return { table: name, kind, columns: [...columns], rows: Number(row?.rows), sum: row?.sum ?? '' };
}

/** What sums at a backup are taken of. */
export interface DerivedOrder {
  readonly source: DatabaseSource;
  /** In the transaction of the snapshot. */
  readonly connection: Connection;
  readonly snapshotId: string;
  readonly signal: AbortSignal;
}

/**
 * Sums what the dump does not hold, of the dump's own snapshot, beside the dump: one short transaction each, whose locks
 * nobody queues behind. Nothing of it can fail the backup, or hold it up for long.
 *
 * @param dumpEnded settles when the dump has been written
 */
export async function derivedSums(
  { source, connection, snapshotId, signal }: DerivedOrder,
  dumpEnded: Promise<unknown>,
): Promise<DerivedSum[]> {
  const list = await listDerived(connection);
  if (list.length === 0 || !(await hasSessionsLeft(connection))) return [];
  const late = new AbortController();
  const end = () => setTimeout(() => late.abort(), LONGER_MS).unref();
  dumpEnded.then(end, () => late.abort());
  const sums: DerivedSum[] = [];
  try {
    const own = await connect(source, source.database, AbortSignal.any([signal, late.signal]));
    try {
      await own.query(`set lock_timeout = ${LOCK_WAIT_MS}; set max_parallel_workers_per_gather = 0`);
      for (const one of list) {
        const sum = await ofSnapshot(own, snapshotId, one);
        if (sum) sums.push(sum);
      }
    } finally {
      await own.close();
    }
  } catch {
    // late, or without a session: what is not summed is named by the drill as not compared
    signal.throwIfAborted();
  }
  return sums;
}

async function ofSnapshot(own: Connection, snapshotId: string, one: Derived): Promise<DerivedSum | undefined> {
  await own.query(`begin isolation level repeatable read read only; set transaction snapshot '${snapshotId}'`);
  try {
    return await sumOf(own, one);
  } catch {
    // locked by somebody, or altered since the snapshot: then it is not compared
    return undefined;
  } finally {
    await own.query('rollback');
  }
}

/** Those that are of the state that was dumped: a table that was emptied or rewritten after the snapshot shows other rows. */
export function ofTheDump(sums: readonly DerivedSum[], { tables }: Pick<Contents, 'tables'>): DerivedSum[] {
  const rows = new Map(tables.map((table) => [table.table, table.rows]));
  return sums.filter(
    (sum) => sum.kind === 'materialized view' || !rows.has(sum.table) || rows.get(sum.table) === sum.rows,
  );
}

/**
 * The same of what was restored.
 * @param lcMonetary by which money was written when it was dumped
 */
export async function derivedOfRestored(
  source: DatabaseSource,
  staging: string,
  wanted: readonly DerivedSum[],
  { lcMonetary, signal }: { lcMonetary: string | undefined; signal: AbortSignal },
): Promise<DerivedSum[]> {
  const connection = await connect(source, staging, signal);
  try {
    if (lcMonetary !== undefined)
      await connection.query("select set_config('lc_monetary', $1, false)", [lcMonetary]).catch(() => undefined);
    const list = await listDerived(connection);
    const sums: DerivedSum[] = [];
    for (const { table } of wanted) {
      const one = list.find(({ name }) => name === table);
      if (one) sums.push(await sumOf(connection, one));
    }
    return sums;
  } finally {
    await connection.close();
  }
}
