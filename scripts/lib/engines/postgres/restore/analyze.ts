import { messageOf } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { type Connection, sqlState } from '../server/connection.ts';
import { openSessions } from '../server/sessions.ts';

/** How many small tables are handed to a session at a time. */
const BATCH = 50;
const SMALL_BYTES = 1024 * 1024;

// A partition is analyzed with the table that it is a partition of; but where one of them lies on another server, which
// may not be within reach, those that lie here are analyzed each by itself.
const RELATIONS = `
  with recursive parents as (
    select i.inhparent as oid from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relkind = 'f'
    union
    select i.inhparent from pg_inherits i join parents p on p.oid = i.inhrelid)
  select format('%I.%I', n.nspname, c.relname) as name,
    case when c.relkind = 'p' then (select coalesce(sum(pg_relation_size(relid)), 0) from pg_partition_tree(c.oid))
      else pg_relation_size(c.oid) end::text as bytes
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm', 'p') and c.relpersistence <> 't'
    and c.oid not in (select oid from parents)
    and not (c.relispartition and exists (select from pg_partition_ancestors(c.oid) a
      where a.relid <> c.oid and a.relid not in (select oid from parents)))
    and (c.relpersistence = 'p' or not pg_is_in_recovery()) and n.nspname <> 'pg_toast'
    and pg_has_role(c.relowner, 'USAGE')`;

/**
 * ANALYZE of a database, by several sessions, the largest tables first, with the search path that the database has: its
 * functions may need it. Statistics come by themselves later: what cannot be analyzed is told of, and no failure.
 */
export async function analyzeAll(
  source: DatabaseSource,
  database: string,
  jobs: number,
  signal: AbortSignal,
): Promise<void> {
  const settings = ['reset search_path'];
  const sessions = await openSessions(source, database, { count: jobs, settings, signal });
  try {
    if (sessions.first.serverVersionNum < 120_000) {
      await analyze(sessions.first, []);
      return;
    }
    const relations = (await sessions.first.query<{ name: string; bytes: string }>(RELATIONS))
      .map(({ name, bytes }) => ({ name, sizeBytes: Number(bytes) }))
      .sort((a, b) => b.sizeBytes - a.sizeBytes);
    const names = relations.map(({ name }) => name);
    const large = relations.filter(({ sizeBytes }) => sizeBytes >= SMALL_BYTES).length;
    const small = names.slice(large);
    const batches = [
      ...names.slice(0, large).map((name) => [name]),
      ...Array.from({ length: Math.ceil(small.length / BATCH) }, (_, i) => small.slice(i * BATCH, (i + 1) * BATCH)),
    ];
    await sessions.each(batches, analyze);
  } finally {
    await sessions.close();
  }
}

/** One statement for all of them, and where that fails, for each by itself. None: the whole database. */
async function analyze(connection: Connection, names: readonly string[]): Promise<void> {
  try {
    await connection.query(`analyze ${names.join(', ')}`);
  } catch (error) {
    // without an answer of the server's there is no session any more
    if (sqlState(error) === undefined || /^(08|57)/.test(sqlState(error) ?? '')) throw error;
    if (names.length > 1) for (const name of names) await analyze(connection, [name]);
    else
      log.warn(
        `${names[0] ?? 'the database'} could not be analyzed, so queries of it may be slow: ${messageOf(error)}`,
      );
  }
}
