import { type Connection, quoteIdentifier } from '../server/connection.ts';

const qualified = (database: string, name: string) => `${quoteIdentifier(database)}.${quoteIdentifier(name)}`;

/**
 * What tables name with its database and does not follow them when they are moved: the sequences of their defaults, and
 * parents that were not there. Both are made to mean the database that the tables are in now. Can be done again.
 *
 * @param others the databases that a swap has moved tables between
 */
export async function bindToOwn(connection: Connection, database: string, others: readonly string[]): Promise<void> {
  await bindDefaults(connection, database, others);
  await bindKeys(connection, database, others);
}

/** A text or a name in quotes, or the call of a sequence that is named with its database. */
const CALLS = /'(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`|\b((?:nextval|lastval|setval)\()(`(?:[^`]|``)+`)\./gi;

/** The default of a column, with sequences of these databases as sequences of that one. */
export function boundDefault(value: string, database: string, others: readonly string[]): string {
  const theirs = others.map(quoteIdentifier);
  return value.replaceAll(CALLS, (text, call: string | undefined, of: string) =>
    call !== undefined && theirs.includes(of) ? `${call}${quoteIdentifier(database)}.` : text,
  );
}

/** All defaults of a table in one statement: the server reads each of them, whichever is altered. */
async function bindDefaults(connection: Connection, database: string, others: readonly string[]): Promise<void> {
  const rows = await connection.query<{ table: string; name: string; value: string }>(
    `select table_name as \`table\`, column_name as name, column_default as value from information_schema.columns
     where table_schema = ? and column_default like '%\`.\`%'`,
    [database],
  );
  const changes = new Map<string, string[]>();
  for (const { table, name, value } of rows) {
    const own = boundDefault(value, database, others);
    if (own === value) continue;
    const change = `alter column ${quoteIdentifier(name)} set default ${own}`;
    changes.set(table, [...(changes.get(table) ?? []), change]);
  }
  for (const [table, all] of changes)
    await connection.query(`alter table ${qualified(database, table)} ${all.join(', ')}`);
}

async function bindKeys(connection: Connection, database: string, others: readonly string[]): Promise<void> {
  const rows = await connection.query<{ table: string; name: string; parent: string }>(
    `select distinct table_name as \`table\`, constraint_name as name, referenced_table_schema as parent
     from information_schema.key_column_usage
     where table_schema = ? and referenced_table_schema is not null and referenced_table_schema <> ?`,
    [database, database],
  );
  for (const { table, name, parent } of rows.filter((row) => others.includes(row.parent))) {
    const [shown] = await connection.query<Record<string, string>>(`show create table ${qualified(database, table)}`);
    const start = `CONSTRAINT ${quoteIdentifier(name)} FOREIGN KEY `;
    const line = (shown?.['Create Table'] ?? '').split('\n').find((each) => each.trim().startsWith(start));
    if (line === undefined) continue;
    const own = line
      .trim()
      .replace(/,$/, '')
      .replace(` REFERENCES ${quoteIdentifier(parent)}.`, () => ` REFERENCES ${quoteIdentifier(database)}.`);
    await connection.query(`alter table ${qualified(database, table)} drop foreign key ${quoteIdentifier(name)}`);
    await connection.query(`alter table ${qualified(database, table)} add ${own}`);
  }
}
