import { messageOf } from '../../../errors.ts';
import type { DatabaseSource } from '../../../source.ts';
import { log } from '../../../terminal/log.ts';
import { type Connection, quoteIdentifier } from '../server/connection.ts';
import { besideDatabases } from '../server/databases.ts';
import { dropDatabase } from '../server/drop.ts';
import { dropTrialLeftovers } from './bound-extensions.ts';
import { isEmpty } from './staging.ts';

/**
 * Removes what killed restores of this database left. The restore lock is held, so none of it is in use. One that cannot be
 * dropped is told of: it is in nobody's way.
 */
export async function dropLeftovers(
  connection: Connection,
  source: DatabaseSource,
  database: string,
  signal: AbortSignal,
): Promise<void> {
  await dropTrialLeftovers(connection, source, database, signal);
  for (const { name, isOurs } of await besideDatabases(connection, database, 'restoring')) {
    // one that was killed while it was made had no time to say whose it is, and holds nothing
    if (!isOurs && !(await isEmpty(source, name, signal))) {
      log.warn(
        `${name} has the name of what a killed restore leaves behind, but does not say that it is one: it stays. Look into it; if you do not need it: DROP DATABASE ${quoteIdentifier(name)}`,
      );
      continue;
    }
    log.info(`removing ${name}, left behind by a restore that was killed`);
    try {
      await dropDatabase(connection, source, name, signal);
    } catch (error) {
      signal.throwIfAborted();
      log.warn(`${name} could not be removed: ${messageOf(error)}`);
    }
  }
}
