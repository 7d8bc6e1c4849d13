import { messageOf, OperatorError } from '../../../errors.ts';
import { log } from '../../../terminal/log.ts';
import type { Role } from '../../database/beside-names.ts';
import { listCode } from '../server/code-objects.ts';
import { type Connection, errorName, quoteIdentifier } from '../server/connection.ts';
import { displayName, listTables } from '../server/contents.ts';
import { dropDatabase, readDatabases } from '../server/databases.ts';
import type { DatabaseDefaults } from '../server/facts.ts';
import { isMarked, keepsComments, markClause } from '../server/marks.ts';
import { isJournal, removeJournal, type SwapPlan } from './journal.ts';

/** The database that a swap makes: where the replaced one goes, or the live one itself where none is. */
function madeBy(plan: SwapPlan): { name: string; role: Role; defaults: DatabaseDefaults } {
  return plan.old === null
    ? { name: plan.live, role: 'restoring', defaults: plan.defaults }
    : { name: plan.old, role: plan.undoes ? 'undone' : 'previous', defaults: plan.oldDefaults ?? plan.defaults };
}

/** Whether the database that a swap makes was made by it, and not by an application that looked for one. */
export async function isMade(connection: Connection, plan: SwapPlan): Promise<boolean> {
  const { name } = madeBy(plan);
  const row = (await readDatabases(connection)).find((each) => each.name === name);
  return isMarked(row?.comment ?? '', { live: plan.live, name });
}

/**
 * Makes the database that was not there when the plan was made.
 * @throws OperatorError RESTORE_REFUSED when somebody else has made it since, and put something into it
 */
export async function makeDatabase(connection: Connection, plan: SwapPlan): Promise<void> {
  const { name, role, defaults } = madeBy(plan);
  try {
    await connection.query(
      `create database ${quoteIdentifier(name)} character set ${defaults.encoding} collate ${defaults.collation}${markClause(connection, { role, live: plan.live, name })}`,
    );
  } catch (error) {
    if (errorName(error) !== 'ER_DB_CREATE_EXISTS') throw error;
    // made by a swap that broke off, or by an application that looked for its database: nothing is in it
    const mayBeAnothers = plan.old === null || !keepsComments(connection);
    if ((mayBeAnothers || (await isMade(connection, plan))) && (await isEmpty(connection, name))) return;
    throw new OperatorError('RESTORE_REFUSED', `${name} was made by somebody else while the backup was loaded`, {
      hint: 'Stop what makes it, and restore again: what is in it now will then be kept. Nothing of it was touched.',
      cause: error,
    });
  }
}

async function isEmpty(connection: Connection, database: string): Promise<boolean> {
  const tables = await listTables(connection, database);
  return tables.length === 0 && (await listCode(connection, database)).length === 0;
}

/** Of a swap that is taken back: what it made goes, where nobody has put anything into it. */
export async function dropMade(connection: Connection, plan: SwapPlan): Promise<void> {
  const { name } = madeBy(plan);
  if ((await isMade(connection, plan)) && (await isEmpty(connection, name))) await dropDatabase(connection, name);
}

/** What was emptied goes, unless there is something in it that the swap did not leave there. The live database is whole. */
export async function dropEmptied(connection: Connection, plan: SwapPlan): Promise<void> {
  const strange = [...(await tablesOf(connection, plan.next))].filter((name) => !isJournal(name));
  if (strange.length > 0) {
    await removeJournal(connection, plan);
    log.warn(
      `${plan.next} stays, for these tables in it are none of the swap's: ${strange.map(displayName).join(', ')}`,
    );
    return;
  }
  try {
    await dropDatabase(connection, plan.next);
  } catch (error) {
    await removeJournal(connection, plan);
    log.warn(`${plan.next}, which is of no more use, could not be dropped: ${messageOf(error)}`);
  }
}

export async function tablesOf(connection: Connection, database: string): Promise<Set<string>> {
  return new Set(
    (await listTables(connection, database)).filter(({ kind }) => kind !== 'view').map(({ name }) => name),
  );
}
