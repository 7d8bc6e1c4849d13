import type { SourceConfig } from '../../../source.ts';
import { openSessions } from '../server/sessions.ts';

/** So many small tables are handed to a session at a time. */
const BATCH = 50;
const SMALL_BYTES = 1024 * 1024;

// partitions are analyzed with the table that they are partitions of, which cannot be without them
const RELATIONS = `
  select format('%I.%I', n.nspname, c.relname) as name,
    (select coalesce(sum(pg_relation_size(relid)), 0) from pg_partition_tree(c.oid))::text as tree,
    pg_relation_size(c.oid)::text as own
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm', 'p') and c.relpersistence <> 't' and not c.relispartition
    and (c.relpersistence = 'p' or not pg_is_in_recovery()) and n.nspname <> 'pg_toast'
    and pg_has_role(c.relowner, 'USAGE')`;

/** ANALYZE of a database, by several sessions, the largest tables first. */
export async function analyzeAll(
  source: SourceConfig,
  database: string,
  jobs: number,
  signal: AbortSignal,
): Promise<void> {
  const settings = ['set search_path = pg_catalog', 'set statement_timeout = 0', 'set lock_timeout = 0'];
  const sessions = await openSessions(source, database, { count: jobs, settings, signal });
  try {
    if (jobs === 1 || sessions.first.serverVersionNum < 120_000) {
      await sessions.first.query('analyze');
      return;
    }
    const rows = await sessions.first.query<{ name: string; tree: string; own: string }>(RELATIONS);
    const relations = rows
      .map(({ name, tree, own }) => ({ name, sizeBytes: Math.max(Number(tree), Number(own)) }))
      .sort((a, b) => b.sizeBytes - a.sizeBytes);
    const large = relations.filter(({ sizeBytes }) => sizeBytes >= SMALL_BYTES);
    const small = relations.slice(large.length);
    const batches = [
      ...large.map((relation) => [relation]),
      ...Array.from({ length: Math.ceil(small.length / BATCH) }, (_, i) => small.slice(i * BATCH, (i + 1) * BATCH)),
    ];
    await sessions.each(batches, async (connection, batch) => {
      await connection.query(`analyze ${batch.map(({ name }) => name).join(', ')}`);
    });
  } finally {
    await sessions.close();
  }
}
