import { OperatorError } from '../../../errors.ts';
import type { Manifest } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { calledAroundOf } from '../server/called-around.ts';
import { connect } from '../server/connection.ts';
import type { Pick } from './pick.ts';

const MARKED = `
  select e.extname as extension, format('%I.%I', n.nspname, c.relname) as name
  from pg_extension e cross join unnest(e.extconfig) as marked join pg_class c on c.oid = marked
    join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' order by 1, 2`;

interface Place {
  readonly source: DatabaseSource;
  readonly staging: string;
  readonly signal: AbortSignal;
}

async function marked({ source, staging, signal }: Place): Promise<{ extension: string; name: string }[]> {
  const connection = await connect(source, staging, signal);
  return connection.query<{ extension: string; name: string }>(MARKED).finally(() => connection.close());
}

/**
 * What else belongs to what is picked: where a table shows rows that an extension keeps for it, that extension's own tables, and
 * those that it keeps such rows in, whosever they are.
 *
 * @throws OperatorError RESTORE_REFUSED where the extension is not there to say which tables those are
 */
export async function pickKeptElsewhere(pick: Pick, manifest: Manifest | undefined, place: Place): Promise<void> {
  // a table that has rows itself has all of them
  const hasOwn = new Set(manifest?.tables.filter(({ rows }) => rows > 0).map(({ table }) => table));
  const known = calledAroundOf(manifest);
  if (known.length === 0 || pick.asked.every((table) => hasOwn.has(table))) return;
  const tables = await marked(place);
  for (const { known: extension } of known) {
    const own = tables.filter((one) => one.extension === extension.name).map(({ name }) => name);
    if (own.length === 0)
      throw new OperatorError(
        'RESTORE_REFUSED',
        `which tables belong together is known to ${extension.name} alone, which the dump makes in a schema of its own`,
        { hint: 'Restore all of it beside the live database (--to DATABASE), and take the table from there.' },
      );
    const keeping = (manifest?.tables ?? []).filter(({ table }) => extension.keepsRows.test(table));
    pick.addKept([...own, ...keeping.map(({ table }) => table)]);
  }
}

/** Tells it of tables that have rows as soon as their extension is made, whatever is loaded. */
export async function noteOfExtensions(pick: Pick, place: Place): Promise<void> {
  pick.comesWithExtensions((await marked(place)).map(({ name }) => name));
}
