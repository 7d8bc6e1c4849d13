import type { Connection } from 'mariadb';
import { quoteIdentifier } from '../../scripts/lib/engines/mariadb/server/connection.ts';
import { SAMPLE_JSON, sampleDay, sampleNumber, sampleText, sampleTime, sampleUuid } from './samples.ts';

/** Rows for each table that has none. */
const ROWS = 5;
/** How often a row is tried with other values. */
const TRIES = 3;
/** Tables refer to one another: what could not be filled may be once others are. */
const PASSES = 6;

interface Column {
  readonly name: string;
  readonly dataType: string;
  readonly type: string;
  readonly mayBeNull: boolean;
  readonly isGenerated: boolean;
  readonly hasDefault: boolean;
  readonly length: number | null;
  readonly digits: number | null;
  readonly behind: number | null;
  readonly isJson: boolean;
}

interface Reference {
  readonly column: string;
  readonly target: string;
  readonly targetColumn: string;
}

interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly references: readonly Reference[];
}

/** Puts a few rows into each table of the session's database that has none. @returns tables that stay empty */
export async function fillMariaDb(connection: Connection): Promise<string[]> {
  await connection.query("set session sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'");
  let open = await tablesOf(connection);
  for (let pass = 0; pass < PASSES && open.length > 0; pass += 1) {
    const stillOpen: Table[] = [];
    for (const table of open) if (!(await fillTable(connection, table))) stillOpen.push(table);
    open = stillOpen;
  }
  return open.map(({ name }) => name);
}

async function tablesOf(connection: Connection): Promise<Table[]> {
  const columns: (Column & { table: string })[] = await connection.query(
    `select c.table_name as \`table\`, column_name as name, data_type as dataType, column_type as type, is_nullable = 'YES' as mayBeNull,
       is_generated = 'ALWAYS' as isGenerated, extra like '%auto_increment%' or column_default is not null as hasDefault,
       character_maximum_length as length, numeric_precision as digits, numeric_scale as behind,
       exists (select 1 from information_schema.check_constraints k where k.constraint_schema = c.table_schema
         and k.table_name = c.table_name and k.check_clause like concat('%json_valid(\`', c.column_name, '\`)%')) as isJson
     from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
     where c.table_schema = database() and t.table_type = 'BASE TABLE' order by c.table_name, ordinal_position`,
  );
  const references: (Reference & { table: string })[] = await connection.query(
    `select table_name as \`table\`, column_name as \`column\`, referenced_table_name as target, referenced_column_name as targetColumn
     from information_schema.key_column_usage where table_schema = database() and referenced_table_name is not null`,
  );
  return [...new Set(columns.map(({ table }) => table))].map((name) => ({
    name,
    columns: columns.filter(({ table }) => table === name),
    references: references.filter(({ table }) => table === name),
  }));
}

async function fillTable(connection: Connection, table: Table): Promise<boolean> {
  const name = quoteIdentifier(table.name);
  if ((await connection.query(`select 1 from ${name} limit 1`)).length > 0) return true;
  let filled = false;
  for (let n = 0; n < ROWS; n += 1) {
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const row = await rowOf(connection, table, n, attempt);
      if (row === undefined) break;
      const columns = [...row.keys()].map(quoteIdentifier).join(', ');
      try {
        await connection.query(
          `insert into ${name} (${columns}) values (${[...row.keys()].map(() => '?').join(', ')})`,
          [...row.values()],
        );
        filled = true;
        break;
      } catch {
        // the next attempt has other values
      }
    }
  }
  return filled;
}

type Value = string | Buffer | null;

async function rowOf(
  connection: Connection,
  table: Table,
  n: number,
  attempt: number,
): Promise<Map<string, Value> | undefined> {
  const row = new Map<string, Value>();
  for (const column of table.columns) {
    if (column.isGenerated || (column.hasDefault && (n + attempt) % 2 === 0)) continue;
    row.set(column.name, column.mayBeNull && (n + attempt) % 4 === 3 ? null : sampleFor(column, n, attempt > 0));
  }
  for (const { column, target, targetColumn } of table.references) {
    const rows = await connection.query(
      `select ${quoteIdentifier(targetColumn)} as value from ${quoteIdentifier(target)} limit 3`,
    );
    const mayBeNull = table.columns.some(({ name, mayBeNull }) => name === column && mayBeNull);
    if (rows.length === 0 && !mayBeNull) return undefined;
    row.set(column, rows.length === 0 ? null : rows[n % rows.length].value);
  }
  return row;
}

function sampleFor(column: Column, n: number, isPlain: boolean): Value {
  const { dataType, type, length, digits, behind } = column;
  const words = [...type.matchAll(/'((?:[^']|'')*)'/g)].map(([, word = '']) => word.replaceAll("''", "'"));
  if (column.isJson) return SAMPLE_JSON;
  switch (dataType) {
    case 'enum':
    case 'set':
      return words[n % words.length] ?? '';
    case 'char':
    case 'varchar':
    case 'tinytext':
    case 'text':
    case 'mediumtext':
    case 'longtext':
      return sampleText(n, isPlain, Math.min(80, Number(length ?? 80)));
    case 'binary':
    case 'varbinary':
    case 'tinyblob':
    case 'blob':
    case 'mediumblob':
    case 'longblob':
      return Buffer.from([0x5c, 0x00, 0xff, 0x27, 0x0a, n, 0x1a]).subarray(0, Math.max(1, Number(length ?? 7)));
    case 'decimal':
      return sampleNumber(n, Number(digits ?? 6), Number(behind ?? 0));
    case 'float':
    case 'double':
      return ['0.1', '1.5e-7', '123456.789'][n % 3] ?? '0';
    case 'date':
      return sampleDay(n);
    case 'time':
      return sampleTime(n);
    case 'datetime':
      return `${sampleDay(n)} ${sampleTime(n)}`;
    case 'timestamp':
      return `2024-02-29 ${sampleTime(n)}`;
    case 'year':
      return String(2000 + n);
    case 'bit':
      return Buffer.from([1]);
    case 'uuid':
      return sampleUuid(n);
    case 'inet6':
      return `2001:db8::${n + 1}`;
    default:
      return String(n + 1);
  }
}
