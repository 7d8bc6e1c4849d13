import { OperatorError } from '../../../errors.ts';
import type { LeftOut } from '../../../repository/manifest.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import type { Connection } from '../server/connection.ts';
import { displayName, listTables } from '../server/contents.ts';

/** What a dump is to leave out, found in the database. */
export interface Omission {
  /** For the manifest, as row counts have the names. */
  readonly leftOut: LeftOut;
  /** By which mariadb-dump leaves it out. */
  readonly options: readonly string[];
  /** Names of tables, views and sequences that are in no dump, as the server has them. */
  readonly gone: ReadonlySet<string>;
  /** These, and the tables whose rows alone are in no dump. */
  readonly ignored: ReadonlySet<string>;
  /** Triggers of such tables. */
  readonly triggers: readonly string[];
}

/** The options by which a dump has these tables without their rows. @param names as row counts have them */
export function withoutData(database: string, names: readonly string[]): string[] {
  return names.map((name) => `--ignore-table-data=${database}.${plainName(name)}`);
}

/** The inverse of displayName. */
const plainName = (name: string) => (name.startsWith('`') ? name.slice(1, -1).replaceAll('``', '`') : name);

/**
 * What the source's patterns fit in this database: `*` is any sequence of characters, `?` any one, and what stands in quotes is
 * as it stands. Undefined when there are none. A pattern that fits nothing is told of.
 *
 * @throws OperatorError CONFIG when something that stays refers to what is left out, for its restore would fail
 */
export async function findOmission(connection: Connection, source: DatabaseSource): Promise<Omission | undefined> {
  const { leaveOut, database } = source;
  if (leaveOut === undefined) return undefined;
  const all = await listTables(connection, database);
  const names = (option: string, patterns: readonly string[], isMeant: (kind: string) => boolean) => {
    const found = new Set<string>();
    for (const pattern of patterns) {
      const expression = expressionOf(pattern, connection.nameCase !== 0);
      const fitting = all.filter(({ name, kind }) => isMeant(kind) && expression.test(name));
      if (fitting.length === 0)
        log.warn(
          `source ${source.name}: ${option} has the pattern ${pattern}, which fits nothing in ${database}: nothing is left out by it`,
        );
      for (const { name } of fitting) found.add(name);
    }
    return found;
  };
  const gone = names('EXCLUDE_TABLE', leaveOut.tables, () => true);
  const data = names('EXCLUDE_TABLE_DATA', leaveOut.data, (kind) => kind === 'table');
  for (const name of gone) data.delete(name);
  if (gone.size + data.size === 0) return undefined;
  const tables = all.filter(({ kind }) => kind === 'table');
  if (tables.length > 0 && tables.every(({ name }) => gone.has(name)))
    throw refusal(source, `every table of ${database} is left out: there would be nothing in the backup`);
  await assertNothingRefers(connection, source, { gone, data });
  if (tables.length > 0 && tables.every(({ name }) => gone.has(name) || data.has(name)))
    log.warn(
      `source ${source.name}: the rows of every table of ${database} are left out: there are definitions alone in the backup`,
    );
  const leftOut = { tables: [...gone].map(displayName), data: [...data].map(displayName), schemas: [] };
  const triggers = await connection.query<{ name: string; table: string }>(
    'select trigger_name as name, event_object_table as `table` from information_schema.triggers where event_object_schema = ?',
    [database],
  );
  return {
    leftOut,
    options: [...[...gone].map((name) => `--ignore-table=${database}.${name}`), ...withoutData(database, leftOut.data)],
    gone,
    ignored: new Set([...gone, ...data]),
    triggers: triggers.filter(({ table }) => gone.has(table)).map(({ name }) => name),
  };
}

function expressionOf(pattern: string, ignoresCase: boolean): RegExp {
  const parts = pattern.match(/"(?:[^"]|"")*"|\*|\?|[^"*?]+/g) ?? [];
  const expression = parts.map((part) => {
    if (part === '*') return '.*';
    if (part === '?') return '.';
    const text = part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part;
    return text.replaceAll(/[\\^$.|?*+()[\]{}]/g, '\\$&');
  });
  return new RegExp(`^${expression.join('')}$`, ignoresCase ? 'isu' : 'su');
}

/** @throws OperatorError CONFIG */
async function assertNothingRefers(
  connection: Connection,
  source: DatabaseSource,
  { gone, data }: { gone: ReadonlySet<string>; data: ReadonlySet<string> },
): Promise<void> {
  const { database } = source;
  const keys = await connection.query<{ key: string; table: string; to: string }>(
    `select constraint_name as \`key\`, table_name as \`table\`, referenced_table_name as \`to\`
     from information_schema.referential_constraints where constraint_schema = ? order by 3, 2, 1`,
    [database],
  );
  const said = keys
    .filter(
      ({ table, to }) => (gone.has(to) && !gone.has(table)) || (data.has(to) && !gone.has(table) && !data.has(table)),
    )
    .map(
      ({ key, table, to }) =>
        `${gone.has(to) ? '' : 'the data of '}${displayName(to)} is left out, and constraint ${key} of table ${displayName(table)} refers to it`,
    );
  const views = await connection.query<{ name: string; text: string | null }>(
    'select table_name as name, view_definition as text from information_schema.views where table_schema = ? order by 1',
    [database],
  );
  const quoted = (name: string) => `\`${name.replaceAll('`', '``')}\``;
  // the server names in full what a view reads
  for (const { name, text } of views)
    for (const table of gone)
      if (!gone.has(name) && text?.includes(`${quoted(database)}.${quoted(table)}`))
        said.push(`${displayName(table)} is left out, and view ${displayName(name)} reads it`);
  const defaults = await connection.query<{ table: string; column: string; value: string }>(
    `select table_name as \`table\`, column_name as \`column\`, column_default as value from information_schema.columns
     where table_schema = ? and column_default like '%\`.\`%' order by 1, 2`,
    [database],
  );
  // and what takes its values from a sequence
  for (const { table, column, value } of defaults)
    for (const sequence of gone)
      if (!gone.has(table) && value.includes(`${quoted(database)}.${quoted(sequence)}`))
        said.push(
          `${displayName(sequence)} is left out, and the default of ${displayName(column)} in table ${displayName(table)} takes its values`,
        );
  if (said.length === 0) return;
  const more = said.length > 5 ? ` (and ${said.length - 5} more)` : '';
  throw refusal(source, `what is left out is needed by what stays: ${said.slice(0, 5).join('; ')}${more}`);
}

function refusal({ name, variable }: DatabaseSource, message: string): OperatorError {
  return new OperatorError('CONFIG', `source ${name}: ${message}`, {
    hint: `Such a backup could not be restored. Leave out what refers to it too, or take the pattern back (?exclude-… in ${variable}, or ${variable}_EXCLUDE_…). Nothing was stored.`,
  });
}
