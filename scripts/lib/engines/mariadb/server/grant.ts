import type { Connection } from './connection.ts';

/** Packages are known by their name in Oracle's mode alone. */
const ON_PACKAGE = /^GRANT [A-Z, ]+ ON PACKAGE /;

/**
 * Runs a GRANT as the server writes it.
 * @throws what the server says of it
 */
export async function grantAsWritten(connection: Connection, grant: string): Promise<void> {
  if (!ON_PACKAGE.test(grant)) {
    await connection.query(grant);
    return;
  }
  const [own] = await connection.query<{ mode: string }>('select @@session.sql_mode as mode');
  await connection.query("set session sql_mode = 'ORACLE'");
  try {
    await connection.query(grant);
  } finally {
    await connection.query('set session sql_mode = ?', [own?.mode ?? '']);
  }
}
