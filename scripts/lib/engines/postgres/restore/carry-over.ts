import { messageOf, OperatorError } from '../../../errors.ts';
import { type DatabaseStatement, databaseStatements } from '../dump/database-settings.ts';
import { type Connection, quoteIdentifier, sqlState } from '../server/connection.ts';
import { type Ungiven, ungivenOf } from './ungiven.ts';

/**
 * Gives `to` what belongs to the database `from` as a whole and is in no dump of it. Each statement by itself: one
 * that this user may not give, or that this server does not know, is no reason to go without the others.
 *
 * @param isLast limits and flags alone, right before the database is in use; else everything but those
 * @returns what could not be given
 */
export async function carryOver(connection: Connection, from: string, to: string, isLast = false): Promise<Ungiven[]> {
  const ungiven: Ungiven[] = [];
  for (const statement of await databaseStatements(connection, from, quoteIdentifier(to))) {
    if ((statement.isLast === true) !== isLast) continue;
    ungiven.push(...(await give(connection, statement)));
  }
  return ungiven;
}

async function give(connection: Connection, { sql, asRole }: DatabaseStatement): Promise<Ungiven[]> {
  const ungiven: Ungiven[] = [];
  const run = async (statement: string): Promise<boolean> => {
    try {
      await connection.query(statement);
      return true;
    } catch (error) {
      if (sqlState(error) === undefined) throw error;
      // the server's own words, without where it is
      const cause = error instanceof OperatorError ? (error.cause ?? error) : error;
      ungiven.push(ungivenOf(statement, messageOf(cause)));
      return false;
    }
  };
  const isOther = asRole !== undefined && (await run(`set role ${quoteIdentifier(asRole)}`));
  await run(sql);
  if (isOther) await connection.query('reset role');
  return ungiven;
}
