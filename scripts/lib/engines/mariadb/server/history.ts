import type { Connection } from './connection.ts';
import type { Program } from './programs.ts';

/** From this version on mariadb-dump writes, and a server takes, former versions of rows. */
const HISTORY_SINCE = 101_100;

/** mariadb-dump's option for them, and that of a session that reads or counts them all. */
export const HISTORY_OPTION = '--dump-history';
export const ALL_VERSIONS = ' for system_time all';

/** The tables of a database that keep former versions of their rows, and those of them that mark these by transaction. */
export async function readVersioned(
  { query }: Connection,
  database: string,
): Promise<{ all: string[]; byTransaction: string[] }> {
  const rows = await query<{ name: string }>(
    "select table_name as name from information_schema.tables where table_schema = ? and table_type = 'SYSTEM VERSIONED' order by binary table_name",
    [database],
  );
  if (rows.length === 0) return { all: [], byTransaction: [] };
  const precise = await query<{ name: string }>(
    "select table_name as name from information_schema.columns where table_schema = ? and generation_expression = 'ROW START' and data_type = 'bigint'",
    [database],
  );
  return { all: rows.map(({ name }) => name), byTransaction: precise.map(({ name }) => name) };
}

/** Why the history of a database's rows cannot be in its dump; undefined when it can. */
export function whyWithoutHistory(
  { server }: Connection,
  program: Program,
  { byTransaction }: { byTransaction: readonly string[] },
): string | undefined {
  if (server.number < HISTORY_SINCE || program.version.number < HISTORY_SINCE)
    return 'that needs MariaDB 10.11 or newer, server and mariadb-dump';
  if (byTransaction.length > 0) return `mariadb-dump has no history by transaction, as of ${byTransaction.join(', ')}`;
  return undefined;
}

/** When a row ends that has not ended: the last moment that a server knows, which MariaDB 11.5 moved (MDEV-32188). */
const LAST_MOMENTS = ['2106-02-07 06:28:15.999999', '2038-01-19 03:14:07.999999'] as const;

/** As a dump has it, in UTC. */
export async function readOpenEnd({ query }: Connection): Promise<string> {
  const [row] = await query<{ knows: number | null }>("select unix_timestamp('2106-02-07 06:28:15') > 0 as knows");
  return row?.knows ? LAST_MOMENTS[0] : LAST_MOMENTS[1];
}
