import { messageOf } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { type Connection, quoteIdentifier } from '../server/connection.ts';
import { besideDatabases, dropDatabase } from '../server/databases.ts';
import { findUnfinished } from '../swap/journal.ts';

/** Removes what killed restores of this database left. The restore lock is held, so none of it is in use. */
export async function dropLeftovers(connection: Connection, source: DatabaseSource): Promise<void> {
  const swapping = await findUnfinished(connection, source.database);
  for (const { name, isOurs } of await besideDatabases(connection, source.database, 'restoring')) {
    if (swapping.some(({ plan }) => plan.next === name)) continue;
    if (!isOurs) {
      log.warn(
        `${name} has the name of what a killed restore leaves behind, but does not say that it is one: it stays. Look into it; if you do not need it: DROP DATABASE ${quoteIdentifier(name)}`,
      );
      continue;
    }
    log.info(`removing ${name}, left behind by a restore that was killed`);
    await dropDatabase(connection, name).catch((error: unknown) => {
      log.warn(`${name} could not be dropped, and stays: ${messageOf(error)}`);
    });
  }
}
