import { OperatorError } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import type { Connection } from '../server/connection.ts';
import { displayName } from '../server/contents.ts';

/**
 * mariadb-dump compares the names that it is to leave out without regard to case, also where the server keeps `Log` and `log`
 * apart: it would leave out the other one too, without a word.
 *
 * @param ignored what the dump is to leave out, or the rows of it, as the server has the names
 * @throws OperatorError CONFIG naming what would be lost with it
 */
export async function assertNoneAlike(
  connection: Connection,
  source: DatabaseSource,
  ignored: ReadonlySet<string>,
): Promise<void> {
  if (ignored.size === 0 || connection.nameCase !== 0) return;
  // as the program does: the bytes of the names, as letters of latin1
  const rows = await connection.query<{ name: string; twin: string }>(
    `select t.table_name as name, hex(weight_string(convert(cast(convert(t.table_name using utf8mb3) as binary) using latin1) collate latin1_swedish_ci)) as twin
     from information_schema.tables t where t.table_schema = ?`,
    [source.database],
  );
  const lost = rows.flatMap(({ name, twin }) => {
    if (ignored.has(name)) return [];
    const of = rows.find((row) => row.twin === twin && ignored.has(row.name));
    return of === undefined ? [] : [`${displayName(name)} with ${displayName(of.name)}`];
  });
  if (lost.length === 0) return;
  const more = lost.length > 5 ? ` (and ${lost.length - 5} more)` : '';
  throw new OperatorError(
    'CONFIG',
    `source ${source.name}: mariadb-dump does not tell apart names that differ in their case alone, and would leave out ${lost.slice(0, 5).join(', ')}${more}`,
    {
      hint: `Leave out both or none (${source.variable}_EXCLUDE_…), rename one of them, or, of a view that cannot be read, mend or drop it. Nothing was stored.`,
    },
  );
}
