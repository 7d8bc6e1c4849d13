import { messageOf } from '../../../errors.ts';
import { type CodeObject, EVENT_HEAD } from './code-objects.ts';
import { type Connection, quoteIdentifier, quoteLiteral } from './connection.ts';
import { TABLE } from './trigger-text.ts';
import { requalify } from './view-text.ts';

/**
 * Makes an object in a database, with the settings that it was made with.
 * @param options.table the table that a trigger is put on, if not its own
 * @param options.asleep make an event so that it does not run here
 * @param options.again it is there already, and is made in its own place
 */
export async function createCode(
  connection: Connection,
  database: string,
  object: CodeObject,
  options: MakeOptions = {},
): Promise<void> {
  await connection.query(`use ${quoteIdentifier(database)}`);
  await connection.query(
    `set session sql_mode = ${quoteLiteral(object.sqlMode)}, character_set_client = ${object.charset}, collation_connection = ${object.collation}${
      object.timeZone === undefined ? '' : `, time_zone = ${quoteLiteral(object.timeZone)}`
    }`,
  );
  const back = await underCollation(connection, database, object.databaseCollation);
  try {
    const statement = statementFor(object, database, options);
    await connection.query(options.again ? statement.replace(/^create /i, 'create or replace ') : statement);
  } finally {
    await back();
    await connection.query("set session sql_mode = '', time_zone = '+00:00'").catch(() => {});
    await connection.query('set names utf8mb4').catch(() => {});
  }
}

/** As mariadb-dump does it: the server notes the collation that the database has at that moment. */
async function underCollation(
  connection: Connection,
  database: string,
  collation: string | undefined,
): Promise<() => Promise<void>> {
  if (collation === undefined) return async () => {};
  const [row] = await connection.query<{ own: string }>('select @@collation_database as own');
  if (row === undefined || row.own === collation) return async () => {};
  const set = (name: string) => connection.query(`alter database ${quoteIdentifier(database)} collate ${name}`);
  await set(collation);
  return async () => {
    await set(row.own);
  };
}

interface MakeOptions {
  readonly table?: string;
  readonly asleep?: boolean;
  readonly again?: boolean;
}

function statementFor(
  { kind, sql, table, runs, database: from }: CodeObject,
  into: string,
  options: MakeOptions,
): string {
  if (kind === 'view') return from === undefined ? sql : requalify(sql, from, into);
  if (kind === 'trigger') return sql.replace(TABLE, () => quoteIdentifier(options.table ?? table ?? ''));
  if (kind !== 'event') return sql;
  const status = !runs ? 'DISABLE' : options.asleep ? 'DISABLE ON SLAVE' : 'ENABLE';
  return sql.replace(EVENT_HEAD, (_, head: string) => `${head} ${status}`);
}

/** Creates objects that may need one another: one that fails is tried again after the others. Returns what stayed out. */
export async function createAll(
  connection: Connection,
  database: string,
  objects: readonly CodeObject[],
): Promise<{ object: CodeObject; reason: string }[]> {
  let left = [...objects];
  for (;;) {
    const failed: { object: CodeObject; reason: string }[] = [];
    for (const object of left) {
      try {
        await createCode(connection, database, object);
      } catch (error) {
        failed.push({ object, reason: messageOf(error) });
      }
    }
    if (failed.length === 0 || failed.length === left.length) return failed;
    left = failed.map(({ object }) => object);
  }
}
