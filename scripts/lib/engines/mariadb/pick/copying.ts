import { type Connection, quoteIdentifier } from '../server/connection.ts';
import { displayName } from '../server/contents.ts';

interface Column extends Record<string, unknown> {
  readonly table: string;
  readonly name: string;
  readonly extra: string;
  readonly isKey: number;
}

async function columnsOf(connection: Connection, database: string): Promise<Map<string, Column[]>> {
  const rows = await connection.query<Column>(
    `select c.table_name as \`table\`, c.column_name as name, c.extra as extra, exists (
       select 1 from information_schema.statistics s where s.table_schema = c.table_schema and s.table_name = c.table_name
         and s.index_name = 'PRIMARY' and s.column_name = c.column_name) as isKey
     from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
     where c.table_schema = ? and t.table_type in ('BASE TABLE', 'SYSTEM VERSIONED') order by c.table_name, c.ordinal_position`,
    [database],
  );
  const tables = new Map<string, Column[]>();
  for (const row of rows) tables.set(row.table, [...(tables.get(row.table) ?? []), row]);
  return tables;
}

const isGenerated = ({ extra }: Column) => /GENERATED/i.test(extra);

/** See Picked.copying. */
export async function copying(
  connection: Connection,
  { live, database, tables }: { live: string; database: string; tables: readonly string[] },
): Promise<string[]> {
  const [from, into] = [await columnsOf(connection, database), await columnsOf(connection, live)];
  return [...from]
    .filter(([table]) => tables.includes(displayName(table)))
    .map(([table, columns]) => statement({ live, database, table }, columns, into.get(table)));
}

interface Copy {
  readonly live: string;
  readonly database: string;
  readonly table: string;
}

/** Inserts the rows whose key the live table has not. What is worked out by the server, it works out again. */
function statement(
  { live, database, table }: Copy,
  from: readonly Column[],
  into: readonly Column[] | undefined,
): string {
  const name = (of: string) => `${quoteIdentifier(of)}.${quoteIdentifier(table)}`;
  const columns = (into ?? from).filter(
    (column) => !isGenerated(column) && from.some((each) => each.name === column.name && !isGenerated(each)),
  );
  const lost = from.filter((column) => !isGenerated(column) && !columns.some(({ name: own }) => own === column.name));
  const keys = (into ?? from).filter(({ isKey }) => Number(isKey) === 1);
  const isKeyed = keys.length > 0 && keys.every((key) => columns.some(({ name: own }) => own === key.name));
  const names = columns.map((column) => quoteIdentifier(column.name)).join(', ');
  const isNew = keys
    .map((key) => `live.${quoteIdentifier(key.name)} = picked.${quoteIdentifier(key.name)}`)
    .join(' AND ');
  const where = isKeyed ? `\nWHERE NOT EXISTS (SELECT 1 FROM ${name(live)} AS live WHERE ${isNew})` : '';
  return [
    ...(into
      ? []
      : [`-- ${live} has no table ${displayName(table)}:`, `CREATE TABLE ${name(live)} LIKE ${name(database)};`]),
    ...lost.map((column) => `-- ${displayName(table)} has no column ${column.name} any more: it is not copied.`),
    ...(isKeyed ? [] : [`-- ${displayName(table)} has no primary key: rows that it has already come a second time.`]),
    ...(columns.some(({ extra }) => /auto_increment/i.test(extra))
      ? ["SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO');"]
      : []),
    `INSERT INTO ${name(live)} (${names})\nSELECT ${names} FROM ${name(database)} AS picked${where};`,
  ].join('\n');
}
