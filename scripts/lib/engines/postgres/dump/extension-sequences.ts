import type { SourceFacts } from '../../../repository/manifest.ts';
import type { Connection } from '../server/connection.ts';
import { readPositions } from '../server/contents.ts';

/**
 * Sequences that belong to an extension, and of which it has not said that they hold data: pg_dump leaves them out, and in
 * a restored database they begin anew, below numbers that are taken. PostGIS has one for its topologies.
 */
export const LEFT_OUT = `
  select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'S' and has_table_privilege(c.oid, 'SELECT') and has_schema_privilege(n.oid, 'USAGE')
    and (c.relpersistence = 'p' or not pg_is_in_recovery())
    and exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
    and not exists (select from pg_extension e where c.oid = any(e.extconfig))
  order by 1`;

/** Those of them from which numbers were taken, and the last one. */
export async function readLeftOut(connection: Connection): Promise<NonNullable<SourceFacts['extensionSequences']>> {
  const names = (await connection.query<{ name: string }>(LEFT_OUT)).map(({ name }) => name);
  const positions = await readPositions(connection, names);
  return positions.filter(({ isCalled }) => isCalled).map(({ sequence, value }) => ({ sequence, value }));
}
