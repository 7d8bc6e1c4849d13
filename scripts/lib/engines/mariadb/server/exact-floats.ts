import { type Connection, quoteIdentifier } from './connection.ts';

/** By table and column: what mariadb-dump is to read in the place of the column. */
export type Expressions = Readonly<Record<string, Readonly<Record<string, string>>>>;

/**
 * What gives each FLOAT of a database exactly. A server writes six digits of one (FLT_DIG), and a FLOAT needs up to nine to be
 * read back as it was; of a DOUBLE it writes all that it needs. A FLOAT with decimals of its own is stored rounded to them.
 */
export async function readFloats(connection: Connection, database: string): Promise<Expressions> {
  const rows = await connection.query<{ table: string; column: string }>(
    `select c.table_name as \`table\`, c.column_name as \`column\` from information_schema.columns c
     join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
     where c.table_schema = ? and c.data_type = 'float' and c.numeric_scale is null and t.table_type <> 'VIEW'`,
    [database],
  );
  if (rows.length === 0) return {};
  const castsToFloat = await connection.query("select cast('0.1' as float) as f").then(
    () => true,
    () => false,
  );
  const expressions: Record<string, Record<string, string>> = {};
  for (const { table, column } of rows)
    expressions[table] = { ...expressions[table], [column]: exactly(quoteIdentifier(column), castsToFloat) };
  return expressions;
}

/** Six digits where they are enough, as people have written most values; else the digits of the DOUBLE that is the same. */
function exactly(column: string, castsToFloat: boolean): string {
  const whole = `CAST(${column} AS DOUBLE)`;
  if (!castsToFloat) return whole;
  const digits = `CAST(${column} AS CHAR)`;
  return `IF(CAST(${digits} AS FLOAT) = ${column}, CAST(${digits} AS DOUBLE), ${whole})`;
}
