import { type Connection, quoteIdentifier } from '../server/connection.ts';
import { displayName, listTables } from '../server/contents.ts';
import { boundDefault } from '../swap/rebind.ts';

interface Column {
  readonly name: string;
  readonly type: string;
  readonly extra: string;
  readonly value: string | null;
  readonly isKey: boolean;
}

interface Table {
  readonly columns: readonly Column[];
  readonly isVersioned: boolean;
  /** Triggers that act on what is inserted. */
  readonly onInsert: readonly string[];
}

/** By the names of the tables: those of the server's own views are compared with no regard to case, which names may differ by. */
async function tablesOf(connection: Connection, database: string): Promise<Map<string, Table>> {
  const columns = await connection.query<Column & { table: string } & Record<string, unknown>>(
    `select table_name as \`table\`, column_name as name, column_type as type, extra, column_default as value
     from information_schema.columns where table_schema = ? order by table_name, ordinal_position`,
    [database],
  );
  const keys = await connection.query<{ table: string; name: string }>(
    `select table_name as \`table\`, column_name as name from information_schema.statistics
     where table_schema = ? and index_name = 'PRIMARY'`,
    [database],
  );
  const triggers = await connection.query<{ table: string; name: string }>(
    `select event_object_table as \`table\`, trigger_name as name from information_schema.triggers
     where event_object_schema = ? and event_manipulation = 'INSERT' order by 2`,
    [database],
  );
  const isKey = new Set(keys.map(({ table, name }) => JSON.stringify([table, name])));
  const columnsOf = new Map<string, Column[]>();
  for (const { table, ...column } of columns)
    columnsOf.set(table, [
      ...(columnsOf.get(table) ?? []),
      { ...column, isKey: isKey.has(JSON.stringify([table, column.name])) },
    ]);
  const tables = (await listTables(connection, database)).filter(({ kind }) => kind === 'table');
  return new Map(
    tables.map(({ name, isVersioned }) => {
      const onInsert = triggers.filter(({ table }) => table === name).map((trigger) => trigger.name);
      return [name, { columns: columnsOf.get(name) ?? [], isVersioned, onInsert }] as const;
    }),
  );
}

const isGenerated = ({ extra }: Column) => /GENERATED/i.test(extra);

/** See Picked.copying. */
export async function copying(
  connection: Connection,
  { live, database, tables }: { live: string; database: string; tables: readonly string[] },
): Promise<string[]> {
  const [from, into] = [await tablesOf(connection, database), await tablesOf(connection, live)];
  const copies: string[] = [];
  for (const [table, picked] of from) {
    if (!tables.includes(displayName(table))) continue;
    const place = { live, database, table };
    const defined = into.has(table) ? [] : await definition(connection, place, picked);
    copies.push([...defined, statement(place, picked, into.get(table))].join('\n'));
  }
  return copies;
}

/** A comment ends with its line, and a name may have several. */
const inLine = (name: string) => name.replaceAll(/[\r\n]+/g, ' ');

const qualified = (database: string, name: string) => `${quoteIdentifier(database)}.${quoteIdentifier(name)}`;

/** The table itself, where the live database has lost it. Its defaults call the sequences of the live database. */
async function definition(
  connection: Connection,
  { live, database, table }: Copy,
  { columns }: Table,
): Promise<string[]> {
  const lines = [
    `-- ${live} has no table ${inLine(displayName(table))}; its foreign keys and triggers do not come:`,
    `CREATE TABLE ${qualified(live, table)} LIKE ${qualified(database, table)};`,
  ];
  const there = (await listTables(connection, live)).map(({ name }) => name);
  for (const { name, value } of columns) {
    const own = value === null ? null : boundDefault(value, live, [database]);
    if (own === value || own === null) continue;
    for (const sequence of await listTables(connection, database)) {
      if (sequence.kind !== 'sequence' || there.includes(sequence.name)) continue;
      if (!own.includes(qualified(live, sequence.name))) continue;
      there.push(sequence.name);
      lines.push(...(await sequenceAgain(connection, { live, database, sequence: sequence.name })));
    }
    lines.push(`ALTER TABLE ${qualified(live, table)} ALTER COLUMN ${quoteIdentifier(name)} SET DEFAULT ${own};`);
  }
  return lines;
}

async function sequenceAgain(
  connection: Connection,
  { live, database, sequence }: { live: string; database: string; sequence: string },
): Promise<string[]> {
  const [shown] = await connection.query<Record<string, string>>(
    `show create sequence ${qualified(database, sequence)}`,
  );
  const [place] = await connection.query<{ value: string }>(
    `select cast(next_not_cached_value as char) as value from ${qualified(database, sequence)}`,
  );
  const made = (shown?.['Create Table'] ?? '').replace(quoteIdentifier(sequence), () => qualified(live, sequence));
  return [`${made};`, `SELECT SETVAL(${qualified(live, sequence)}, ${place?.value}, 0);`];
}

interface Copy {
  readonly live: string;
  readonly database: string;
  readonly table: string;
}

/** Why what is copied may not come as it was, a comment each. */
function notes(table: string, from: readonly Column[], columns: readonly Column[]): string[] {
  return from.flatMap((column) => {
    const now = columns.find(({ name }) => name === column.name);
    if (isGenerated(column) || now?.type === column.type) return [];
    if (!now) return [`-- ${table} has no column ${inLine(column.name)} any more: it is not copied.`];
    return [
      `-- ${table}: ${inLine(column.name)} is ${inLine(now.type)} and was ${inLine(column.type)}: what does not fit may come otherwise.`,
    ];
  });
}

/** Inserts the rows whose key the live table has not. What is worked out by the server, it works out again. */
function statement(
  { live, database, table }: Copy,
  { columns: from, isVersioned }: Table,
  there: Table | undefined,
): string {
  const into = there?.columns;
  const name = (of: string) => qualified(of, table);
  const columns = (into ?? from).filter(
    (column) => !isGenerated(column) && from.some((each) => each.name === column.name && !isGenerated(each)),
  );
  const shown = inLine(displayName(table));
  if (columns.length === 0) return `-- ${shown} has no column that can be copied.`;
  // to the key of a table that keeps former versions belongs until when one was valid
  const keys = (into ?? from).filter((column) => column.isKey && !(isVersioned && isGenerated(column)));
  const isKeyed = keys.length > 0 && keys.every((key) => columns.some(({ name: own }) => own === key.name));
  const names = columns.map((column) => quoteIdentifier(column.name)).join(', ');
  const isNew = keys
    .map((key) => `live.${quoteIdentifier(key.name)} = picked.${quoteIdentifier(key.name)}`)
    .join(' AND ');
  const where = isKeyed ? `\nWHERE NOT EXISTS (SELECT 1 FROM ${name(live)} AS live WHERE ${isNew})` : '';
  return [
    ...(isVersioned ? [`-- ${shown}: its rows as they were last; former versions of them are not copied.`] : []),
    ...notes(shown, from, columns),
    ...(there && there.onInsert.length > 0
      ? [`-- ${shown}: ${inLine(there.onInsert.join(', '))} will act on these rows too, and may change them.`]
      : []),
    ...(isKeyed ? [] : [`-- ${shown} has no primary key: rows that it has already come a second time.`]),
    // else what does not fit would be cut to what does
    "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO');",
    `INSERT INTO ${name(live)} (${names})\nSELECT ${names} FROM ${name(database)} AS picked${where};`,
  ].join('\n');
}
