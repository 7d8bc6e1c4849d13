import { fileURLToPath } from 'node:url';
import type { Stage } from '../../../pipeline/chain.ts';
import { inLargePipes } from '../../../pipeline/large-pipes.ts';
import type { Picked } from '../../restoring.ts';
import { dropCode } from '../server/code-objects.ts';
import { type Connection, quoteIdentifier } from '../server/connection.ts';
import { displayName, listTables } from '../server/contents.ts';
import { freeBesideName } from '../server/databases.ts';
import { markText } from '../server/marks.ts';
import { copying } from './copying.ts';

const FILTER = fileURLToPath(new URL('./pick-rows.mjs', import.meta.url));

/** Stands in front of what sees a dump pass, and hands on the rows of these tables alone. */
export function pickStage(tables: readonly string[]): Stage {
  return { name: 'pick', ...inLargePipes(process.execPath, [FILTER]), files: [JSON.stringify(tables)] };
}

/** See RestoreSession.picked. @param ask on a connection of its own */
export function pickedOf(
  tables: readonly string[],
  live: string,
  ask: (query: (connection: Connection) => Promise<string[]>) => Promise<string[]>,
): Picked {
  return {
    holds: (table) => tables.includes(table),
    copying: (database) => ask((connection) => copying(connection, { live, database, tables })),
  };
}

/** Where what was restored goes: in the place of the live database, or beside it under a name that says what it is. */
export async function placeOf(order: {
  readonly connection: Connection;
  readonly target: string;
  readonly comment: string;
  readonly pick: readonly string[] | undefined;
  readonly isBeside: boolean;
}): Promise<{ name: string; comment: string }> {
  const { connection, target, comment, pick, isBeside } = order;
  if (!pick || isBeside) return { name: target, comment };
  const name = await freeBesideName(connection, target, 'picked');
  return { name, comment: markText({ role: 'picked', live: target, name }) };
}

/**
 * Drops what is not wanted: tables whose rows did not come, and all code. Of those that stay go the foreign keys to what is
 * gone: with them, no row could be changed.
 */
export async function dropOthers(connection: Connection, database: string, tables: readonly string[]): Promise<void> {
  await connection.query('set session foreign_key_checks = 0');
  await dropCode(connection, database);
  for (const { name, kind } of await listTables(connection, database)) {
    if (kind !== 'table' || tables.includes(displayName(name))) continue;
    await connection.query(`drop table if exists ${quoteIdentifier(database)}.${quoteIdentifier(name)}`);
  }
  const dangling = await connection.query<{ table: string; name: string }>(
    `select r.table_name as \`table\`, r.constraint_name as name from information_schema.referential_constraints r
     where r.constraint_schema = ? and r.unique_constraint_schema = ? and not exists (
       select 1 from information_schema.tables t where t.table_schema = r.unique_constraint_schema and binary t.table_name = binary r.referenced_table_name)`,
    [database, database],
  );
  for (const { table, name } of dangling)
    await connection.query(
      `alter table ${quoteIdentifier(database)}.${quoteIdentifier(table)} drop foreign key ${quoteIdentifier(name)}`,
    );
}
