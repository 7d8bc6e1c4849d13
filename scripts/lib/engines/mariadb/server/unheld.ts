import { type Connection, quoteIdentifier } from './connection.ts';
import { displayName } from './contents.ts';

/** Rows that a constraint of their table would not let in any more. */
export interface Unheld {
  readonly kind: 'CHECK' | 'foreign key';
  /** As people write it. */
  readonly table: string;
  readonly name: string;
  readonly rows: number;
  /** The query that shows them. */
  readonly query: string;
}

/**
 * CHECK constraints, those of columns and of JSON among them, that rows do not hold to: a load does not judge again what was
 * let in once. One pass over each table that has some.
 */
export async function readUnheldChecks(connection: Connection, database: string): Promise<Unheld[]> {
  const checks = await connection.query<{ table: string; name: string; clause: string }>(
    `select table_name as \`table\`, constraint_name as name, check_clause as clause
     from information_schema.check_constraints where constraint_schema = ?
     order by binary table_name, binary constraint_name`,
    [database],
  );
  return unheldIn(
    connection,
    checks.map(({ table, name, clause }) => ({
      kind: 'CHECK',
      table,
      name,
      broken: `not (${clause})`,
      from: `${quoteIdentifier(database)}.${quoteIdentifier(table)}`,
    })),
  );
}

interface Constraint {
  readonly kind: Unheld['kind'];
  readonly table: string;
  readonly name: string;
  /** Holds for a row that the constraint would not let in. */
  readonly broken: string;
  readonly from: string;
}

async function unheldIn({ query }: Connection, constraints: readonly Constraint[]): Promise<Unheld[]> {
  const unheld: Unheld[] = [];
  for (const from of new Set(constraints.map((each) => each.from))) {
    const its = constraints.filter((each) => each.from === from);
    const sums = its.map(({ broken }, i) => `cast(coalesce(sum(${broken}), 0) as unsigned) as c${i}`);
    const [row = {}] = await query<Record<string, number>>(`select ${sums.join(', ')} from ${from}`);
    for (const [i, { kind, table, name, broken }] of its.entries()) {
      const rows = Number(row[`c${i}`]);
      const shown = `SELECT * FROM ${from} WHERE ${broken}`;
      if (rows > 0) unheld.push({ kind, table: displayName(table), name, rows, query: shown });
    }
  }
  return unheld;
}

/** Foreign keys whose rows refer to nothing, each looked at by itself. */
export async function readOrphans(
  connection: Connection,
  database: string,
): Promise<{ keys: number; unheld: Unheld[] }> {
  const columns = await connection.query<{ table: string; key: string; own: string; parent: string; their: string }>(
    `select table_name as \`table\`, constraint_name as \`key\`, column_name as own,
       referenced_table_name as parent, referenced_column_name as their
     from information_schema.key_column_usage
     where table_schema = ? and referenced_table_schema = ? and referenced_table_name is not null
     order by binary table_name, binary constraint_name, ordinal_position`,
    [database, database],
  );
  const keys = new Map<string, typeof columns>();
  for (const column of columns) {
    const id = JSON.stringify([column.table, column.key]);
    keys.set(id, [...(keys.get(id) ?? []), column]);
  }
  const unheld: Unheld[] = [];
  for (const parts of keys.values()) {
    const [first] = parts;
    if (!first) continue;
    const place = (table: string) => `${quoteIdentifier(database)}.${quoteIdentifier(table)}`;
    const pairs = parts.map(({ own, their }) => `p.${quoteIdentifier(their)} = c.${quoteIdentifier(own)}`);
    const present = parts.map(({ own }) => `c.${quoteIdentifier(own)} is not null`);
    const rest = `from ${place(first.table)} c where ${present.join(' and ')} and not exists (select 1 from ${place(first.parent)} p where ${pairs.join(' and ')})`;
    const [row] = await connection.query<{ n: number }>(`select count(*) as n ${rest}`);
    const rows = Number(row?.n);
    if (rows > 0)
      unheld.push({
        kind: 'foreign key',
        table: displayName(first.table),
        name: first.key,
        rows,
        query: `SELECT * ${rest}`,
      });
  }
  return { keys: keys.size, unheld };
}

/** What is told of it: values are in the query's answer alone. */
export function describeUnheld({ kind, table, name, rows, query }: Unheld): string {
  const those = rows === 1 ? '1 row does' : `${rows} rows do`;
  return `the ${kind} ${displayName(name)} of table ${table} holds for rows from now on alone: ${those} not hold to it, and came back as dumped: ${query}`;
}
