import { type Connection, quoteIdentifier } from './connection.ts';
import type { Expressions } from './exact-floats.ts';

interface EnumColumn extends Record<string, unknown> {
  readonly table: string;
  readonly column: string;
  readonly isVersioned: number;
  readonly type: string;
}

/**
 * What tells a member '' of an ENUM or SET from none: a value that an ENUM did not take, and a SET without members, are '' in a
 * dump too, and what comes back is the ENUM's member and the SET without it. Read as numbers they are what they were. Only columns
 * that have such values.
 */
export async function readEnums(connection: Connection, database: string): Promise<Expressions> {
  const columns = await connection.query<EnumColumn>(
    `select c.table_name as \`table\`, c.column_name as \`column\`, t.table_type = 'SYSTEM VERSIONED' as isVersioned, c.data_type as type
     from information_schema.columns c
     join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
     where c.table_schema = ? and t.table_type in ('BASE TABLE', 'SYSTEM VERSIONED') and c.data_type in ('enum', 'set')
       and c.column_type regexp '[(,]''''[,)]'`,
    [database],
  );
  const expressions: Record<string, Record<string, string>> = {};
  for (const one of columns) {
    const { table, column } = one;
    if (await comesBackAsAnother(connection, database, one))
      expressions[table] = { ...expressions[table], [column]: `CAST(${quoteIdentifier(column)} AS UNSIGNED)` };
  }
  return expressions;
}

/** What cannot be read, mariadb-dump cannot read either, and says so. */
async function comesBackAsAnother({ query }: Connection, database: string, of: EnumColumn): Promise<boolean> {
  const { table, column, isVersioned, type } = of;
  const name = quoteIdentifier(column);
  const from = `${quoteIdentifier(database)}.${quoteIdentifier(table)}${isVersioned ? ' for system_time all' : ''}`;
  const [row] = await query<{ found: unknown }>(
    `select exists (select 1 from ${from} where ${name} = '' and ${name} + 0 ${type === 'enum' ? '=' : '<>'} 0) as found`,
  ).catch(() => []);
  return Number(row?.found) === 1;
}
