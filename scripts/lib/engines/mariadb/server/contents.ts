import type { Contents } from '../../../repository/manifest.ts';
import { listCode } from './code-objects.ts';
import { type Connection, quoteIdentifier } from './connection.ts';
import { ALL_VERSIONS } from './history.ts';

/** How many tables are counted in one statement. */
const BATCH = 50;

/** A table's name as SQL would have it: quoted where it needs it. */
export function displayName(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : quoteIdentifier(name);
}

export type TableKind = 'table' | 'sequence' | 'view';

/** Everything that lies among the tables of a database. */
export async function listTables(
  connection: Connection,
  database: string,
): Promise<{ name: string; kind: TableKind; isVersioned: boolean }[]> {
  const rows = await connection.query<{ name: string; type: string }>(
    'select table_name as name, table_type as type from information_schema.tables where table_schema = ? order by binary table_name',
    [database],
  );
  const kinds: Readonly<Record<string, TableKind>> = { VIEW: 'view', SEQUENCE: 'sequence' };
  // SYSTEM VERSIONED is a table too
  return rows.map(({ name, type }) => ({
    name,
    kind: kinds[type] ?? 'table',
    isVersioned: type === 'SYSTEM VERSIONED',
  }));
}

function batches<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / BATCH) }, (_, i) => items.slice(i * BATCH, (i + 1) * BATCH));
}

/** Exact row counts of every table, as they are now; with history, of every version of a row. */
async function countTables(
  connection: Connection,
  database: string,
  counted: readonly { name: string; isVersioned: boolean }[],
  withHistory: boolean,
): Promise<Contents['tables']> {
  const tables: Contents['tables'] = [];
  for (const batch of batches(counted)) {
    const counts = batch.map(
      ({ name, isVersioned }, i) =>
        `select ${i} as i, count(*) as n from ${quoteIdentifier(database)}.${quoteIdentifier(name)}${withHistory && isVersioned ? ALL_VERSIONS : ''}`,
    );
    const rows = await connection.query<{ i: number; n: number }>(counts.join(' union all '));
    for (const { i, n } of rows.sort((a, b) => a.i - b.i))
      tables.push({ table: displayName(batch[i]?.name ?? ''), rows: Number(n) });
  }
  return tables;
}

/** Where every sequence stands now: sequences are outside transactions. */
export async function readSequences(connection: Connection, database: string): Promise<Contents['sequences']> {
  const names = (await listTables(connection, database)).filter(({ kind }) => kind === 'sequence');
  const sequences: Contents['sequences'] = [];
  for (const { name } of names) {
    const [row] = await connection.query<{ value: string }>(
      `select cast(next_not_cached_value as char) as value from ${quoteIdentifier(database)}.${quoteIdentifier(name)}`,
    );
    sequences.push({ sequence: displayName(name), value: row?.value ?? '', isCalled: false });
  }
  return sequences;
}

/**
 * The number of views, triggers, routines and events of each kind as there are now.
 * @param ignored views and triggers that are not to be counted
 */
export async function countCode(
  connection: Connection,
  database: string,
  ignored: Readonly<Partial<Record<string, readonly string[]>>> = {},
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { kind, name } of await listCode(connection, database)) {
    if (ignored[kind]?.includes(name)) continue;
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** What is in a database now. */
export async function countContents(connection: Connection, database: string, withHistory = false): Promise<Contents> {
  const tables = (await listTables(connection, database)).filter(({ kind }) => kind === 'table');
  return {
    tables: await countTables(connection, database, tables, withHistory),
    sequences: await readSequences(connection, database),
    codeObjects: await countCode(connection, database),
  };
}
