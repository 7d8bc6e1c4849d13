import { OperatorError } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { calledAroundIn } from '../server/called-around.ts';
import { type Connection, connect, sqlState } from '../server/connection.ts';
import type { Pick } from './pick.ts';

/** What else the definitions made, as a statement drops it: what depends on others first. */
const OTHERS = `
  select format('%I.%I', n.nspname, c.relname) as name, false as "isRoutine", c.oid::text as oid,
    case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' else 'table' end as kind
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('v', 'm', 'r', 'p', 'f') and c.relpersistence <> 't'
    and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  union all
  -- what takes or gives rows of one of them keeps it
  select distinct p.oid::regprocedure::text, true, p.oid::text, case when current_setting('server_version_num')::int < 110000 then 'function' else 'routine' end
  from pg_proc p join pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'n'
    join pg_class c on (d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid)
      or (d.refclassid = 'pg_type'::regclass and d.refobjid in (c.reltype, (select typarray from pg_type where oid = c.reltype)))
  where c.oid >= 16384
    and not exists (select from pg_depend e where e.classid = 'pg_proc'::regclass and e.objid = p.oid and e.deptype = 'e')
  order by 4 desc, 3 desc`;

/** Links of what is wanted to a table above that is not. */
const PARENTS = `
  select format('%I.%I', cn.nspname, c.relname) as child, format('%I.%I', pn.nspname, p.relname) as parent,
    p.relkind = 'p' as "isPartition"
  from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_namespace cn on cn.oid = c.relnamespace
    join pg_class p on p.oid = i.inhparent join pg_namespace pn on pn.oid = p.relnamespace
  where c.relkind in ('r', 'p', 'f')`;

interface Other {
  readonly name: string;
  readonly kind: string;
  readonly isRoutine: boolean;
}

/**
 * Drops the tables and views whose rows were not wanted. Never by cascade: what is wanted could be made poorer by it. What
 * it stands upon stays, empty.
 */
export async function dropOthers(source: DatabaseSource, staging: string, pick: Pick, signal: AbortSignal) {
  const connection = await connect(source, staging, signal);
  try {
    await connection.query("select set_config('search_path', '', false)");
    await letExtensionsSee(connection);
    for (const { child, parent, isPartition } of await connection.query<{
      child: string;
      parent: string;
      isPartition: boolean;
    }>(PARENTS)) {
      if (!pick.holds(child) || pick.holds(parent)) continue;
      // a partition would go with its table
      await connection.query(
        isPartition ? `alter table ${parent} detach partition ${child}` : `alter table ${child} no inherit ${parent}`,
      );
    }
    let left = (await connection.query<Other & Record<string, unknown>>(OTHERS)).filter(
      ({ name, isRoutine }) => isRoutine || !pick.holds(name),
    ) as Other[];
    for (let before = left.length + 1; left.length > 0 && left.length < before; ) {
      before = left.length;
      const kept: Other[] = [];
      for (const other of left) if (!(await isDropped(connection, other))) kept.push(other);
      left = kept;
    }
  } finally {
    await connection.close();
  }
}

/** An extension that keeps rows of tables goes by event triggers of its own; of others there are none where tables are picked out. */
async function letExtensionsSee(connection: Connection): Promise<void> {
  if (!connection.isSuperuser || (await calledAroundIn(connection)).length === 0) return;
  await connection.query(
    connection.serverVersionNum >= 170_000 ? 'set event_triggers = on' : 'set session_replication_role = origin',
  );
}

/** False where something else needs it. */
async function isDropped(connection: Connection, { name, kind }: Other): Promise<boolean> {
  if (kind === 'table') await assertEmptyTable(connection, name);
  try {
    // one that went with another is gone
    await connection.query(`drop ${kind} if exists ${name}`);
    return true;
  } catch (error) {
    // without an answer of the server's there is no session any more
    if (sqlState(error) === undefined || /^(08|57)/.test(sqlState(error) ?? '')) throw error;
    return false;
  }
}

/** What came with rows was picked by somebody: better nothing than less than was compared. @throws OperatorError RESTORE_FAILED */
async function assertEmptyTable(connection: Connection, name: string): Promise<void> {
  const [there] = await connection.query<{ name: string | null }>('select to_regclass($1)::text as name', [name]);
  if (!there?.name) return;
  const [row] = await connection.query<{ hasRows: boolean }>(`select exists (select from only ${name}) as "hasRows"`);
  if (!row?.hasRows) return;
  throw new OperatorError('RESTORE_FAILED', `${name} has rows, and is not among the tables that were picked out`, {
    hint: 'Restore all of it beside the live database (--to DATABASE), and take the table from there. The live database is as it was.',
  });
}
