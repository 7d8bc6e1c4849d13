import { type Connection, quoteIdentifier, quoteLiteral } from './connection.ts';
import type { Expressions } from './exact-floats.ts';

/** Every letter of these has one of its own in utf8mb4, in which mariadb-dump reads. */
const IN_UNICODE = ['utf8', 'utf8mb3', 'utf8mb4', 'binary'];

interface TextColumn extends Record<string, unknown> {
  readonly table: string;
  readonly column: string;
  readonly charset: string;
  readonly isOfBytes: number;
  readonly isVersioned: number;
}

/**
 * What gives texts byte for byte that do not come back from utf8mb4 as they were, by table and column. A column takes any bytes of
 * its character set, also those that are no letter of Unicode (0x98 in cp1251, which is half of a Cyrillic letter that a client
 * wrote in UTF-8), or that share one with others (cp932): mariadb-dump has `?` for them, or the others.
 */
export async function readTexts(connection: Connection, database: string): Promise<Expressions> {
  const columns = await connection.query<TextColumn>(
    `select c.table_name as \`table\`, c.column_name as \`column\`, c.character_set_name as charset, s.maxlen = 1 as isOfBytes,
       t.table_type = 'SYSTEM VERSIONED' as isVersioned
     from information_schema.columns c
     join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
     join information_schema.character_sets s on s.character_set_name = c.character_set_name
     where c.table_schema = ? and t.table_type in ('BASE TABLE', 'SYSTEM VERSIONED') and c.character_set_name not in (?)
       and c.data_type in ('char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext')`,
    [database, IN_UNICODE],
  );
  const whole = new Set<string>();
  for (const charset of new Set(columns.filter(({ isOfBytes }) => isOfBytes).map((each) => each.charset)))
    if (await isInUnicode(connection, charset)) whole.add(charset);
  const open = columns.filter(({ charset }) => !whole.has(charset));
  const expressions: Record<string, Record<string, string>> = {};
  for (const table of new Set(open.map((each) => each.table))) {
    const its = open.filter((each) => each.table === table);
    for (const { column } of await changed(connection, database, its))
      expressions[table] = { ...expressions[table], [column]: `CAST(${quoteIdentifier(column)} AS BINARY)` };
  }
  return expressions;
}

/** What a text becomes by way of utf8mb4, as bytes, and what it is. */
const isSame = (text: string, charset: string) =>
  `cast(convert(convert(${text} using utf8mb4) using ${charset}) as binary) <=> cast(${text} as binary)`;

const BYTES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0')).join('');

async function isInUnicode({ query }: Connection, charset: string): Promise<boolean> {
  const [row] = await query<{ same: number }>(`select ${isSame(`_${charset} x'${BYTES}'`, charset)} as same`);
  return Number(row?.same) === 1;
}

/** Those of a table's columns that have such a text in them. What cannot be read, mariadb-dump cannot read either, and says so. */
async function changed(
  { query }: Connection,
  database: string,
  columns: readonly TextColumn[],
): Promise<readonly TextColumn[]> {
  const [first] = columns;
  if (first === undefined) return [];
  const asked = columns.map(
    ({ column, charset }, at) => `max(not (${isSame(quoteIdentifier(column), charset)})) as ${quoteLiteral(`c${at}`)}`,
  );
  const from = `${quoteIdentifier(database)}.${quoteIdentifier(first.table)}${first.isVersioned ? ' for system_time all' : ''}`;
  const [row] = await query<Record<string, unknown>>(`select ${asked.join(', ')} from ${from}`).catch(() => []);
  return columns.filter((_, at) => Number(row?.[`c${at}`]) === 1);
}
