import { messageOf } from '../../../errors.ts';
import { log } from '../../../terminal/log.ts';
import type { Connection } from './connection.ts';

/**
 * What tells this server's data from every other's, and stays the same on its standbys: made by initdb. Undefined where
 * this user may not ask for it.
 */
export async function systemIdentifier(connection: Connection): Promise<string | undefined> {
  const [may] = await connection.query<{ may: boolean }>(
    "select has_function_privilege('pg_control_system()', 'execute') as may",
  );
  if (!may?.may) return undefined;
  try {
    const [row] = await connection.query<{ id: string }>(
      'select system_identifier::text as id from pg_control_system()',
    );
    return row?.id;
  } catch (error) {
    log.info(`which server this is cannot be told: ${messageOf(error)}`);
    return undefined;
  }
}
