import type { Connection } from '../server/connection.ts';

/** Extensions whose CREATE EXTENSION works in one database alone, and the setting that names it. */
const BOUND_TO_ONE_DATABASE = [{ name: 'pg_cron', setting: 'cron.database_name' }] as const;

/**
 * What a restore or a drill will not be able to give back as it is, as sentences: told with each backup, for who learns of it
 * at the restore learns of it too late.
 */
export async function notRestorable(connection: Connection): Promise<string[]> {
  const rows = await connection.query<{ name: string }>(
    'select extname as name from pg_extension where extname = any($1)',
    [BOUND_TO_ONE_DATABASE.map(({ name }) => name)],
  );
  return BOUND_TO_ONE_DATABASE.filter(({ name }) => rows.some((row) => row.name === name)).map(
    ({ name, setting }) =>
      `the extension ${name} can be made in the one database that ${setting} names, so in no staging database and on no server of a drill: a restore has to be made with that setting on another server, or by hand. The data of all else is in the backup`,
  );
}
