import { messageOf } from '../../../errors.ts';
import type { CodeObject } from './code-objects.ts';
import { type Connection, errorName, quoteIdentifier } from './connection.ts';
import { listTables } from './contents.ts';
import { createCode } from './make-code.ts';

/**
 * Makes views that may need one another. One that reads another is made while that one is read as the user who makes them:
 * its definer may have no rights in this database. Only then is what is read, the last first, made as it is.
 *
 * @param again they are there already
 * @returns what stayed out
 */
export async function createViews(
  connection: Connection,
  database: string,
  views: readonly CodeObject[],
  again = false,
): Promise<{ object: CodeObject; reason: string }[]> {
  const asOurselves = (view: CodeObject): CodeObject => ({
    ...view,
    sql: view.sql.replace(/^(CREATE [^`]*(?:`(?:[^`]|``)*`@?)* SQL SECURITY )DEFINER(?= VIEW )/i, '$1INVOKER'),
  });
  const isRead = readByOthers(views);
  const made: CodeObject[] = [];
  let left = [...views];
  let failed: { object: CodeObject; reason: string }[] = [];
  do {
    failed = [];
    for (const object of left) {
      try {
        await createCode(connection, database, isRead(object) ? asOurselves(object) : object, { again });
        made.push(object);
      } catch (error) {
        failed.push({ object, reason: messageOf(error) });
      }
    }
    if (failed.length === left.length) break;
    left = failed.map(({ object }) => object);
  } while (left.length > 0);
  for (const object of made.toReversed()) {
    if (!isRead(object) || asOurselves(object).sql === object.sql) continue;
    await createCode(connection, database, object, { again: true }).catch(async (error: unknown) => {
      failed.push({ object, reason: messageOf(error) });
      await connection.query(`drop view if exists ${quoteIdentifier(database)}.${quoteIdentifier(object.name)}`);
    });
  }
  return failed;
}

/** Making a view costs the server a file that it waits for: most are read by no other, and are made once. */
function readByOthers(views: readonly CodeObject[]): (view: CodeObject) => boolean {
  const readers = new Map<string, Set<string>>();
  for (const { name, sql } of views)
    for (const [, quoted = ''] of sql.matchAll(/`((?:[^`]|``)*)`/g)) {
      const other = quoted.replaceAll('``', '`').toLowerCase();
      readers.set(other, (readers.get(other) ?? new Set()).add(name));
    }
  return ({ name }) => [...(readers.get(name.toLowerCase()) ?? [])].some((reader) => reader !== name);
}

/** Views that cannot be read though all is there that they name, and their definers may read it: a function is called that cannot do its work. */
export async function readUnread(connection: Connection, database: string): Promise<string[]> {
  const unread: string[] = [];
  for (const { name, kind } of await listTables(connection, database)) {
    if (kind !== 'view') continue;
    const view = `${quoteIdentifier(database)}.${quoteIdentifier(name)}`;
    const readable = await connection.query(`select * from ${view} limit 0`).then(
      () => true,
      (error: unknown) => {
        if (errorName(error)?.startsWith('ER_')) return false;
        throw error;
      },
    );
    if (readable) continue;
    // which looks at what the view itself names, and at the rights of its definer
    const checked = await connection.query<{ Msg_text: string }>(`check table ${view}`);
    if (checked.every(({ Msg_text: text }) => text === 'OK')) unread.push(name);
  }
  return unread;
}
