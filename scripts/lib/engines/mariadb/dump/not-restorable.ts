import { formatBytes } from '../../../quantities.ts';
import type { Connection } from '../server/connection.ts';
import { displayName } from '../server/contents.ts';
import { packetFor } from '../server/raised.ts';

/**
 * What a restore will not give back as it is, or on this server not without being allowed more, as sentences: told with
 * each backup, for who learns of it at the restore learns of it too late.
 *
 * @param facts.invalid views that refer to what is not there
 * @param facts.versioned tables whose former rows are not in the dump, and why
 * @param facts.rounded columns of which the dump has six digits
 * @param facts.respelled columns of which the dump has texts as others
 */
export async function notRestorable(
  connection: Connection,
  database: string,
  {
    invalid: invalidViews,
    versioned,
    why,
    rounded,
    respelled,
  }: {
    invalid: readonly string[];
    versioned: readonly string[];
    why?: string | undefined;
    rounded: readonly string[];
    respelled: readonly string[];
  },
): Promise<string[]> {
  const unsafe = await unsafeFunctions(connection, database);
  const named = (names: readonly string[]) => names.map(displayName).join(', ');
  return [
    ...(invalidViews.length > 0
      ? [
          `views that refer to what is not there are not in the dump, as they could not be restored: ${named(invalidViews)}. Mend or drop them`,
        ]
      : []),
    ...(why !== undefined && versioned.length > 0
      ? [`of system-versioned tables the current rows are in the dump, not their history: ${named(versioned)} (${why})`]
      : []),
    ...(rounded.length > 0
      ? [
          `of a FLOAT mariadb-dump writes six digits, and a value with more of them comes back rounded (123456.789 as 123457): ${rounded.join(', ')}. They are read exactly where the connection is verified by an authority: ?sslrootcert= names it`,
        ]
      : []),
    ...(respelled.length > 0
      ? [
          `texts that utf8mb4 has no letters for come out of mariadb-dump as ? or as others: ${respelled.join(', ')}. They are read exactly where the connection is verified by an authority: ?sslrootcert= names it`,
        ]
      : []),
    ...(unsafe.length > 0
      ? [
          `with its binary log this server takes no functions such as ${named(unsafe)}: a restore sets log_bin_trust_function_creators = ON for its time, for which its user needs SUPER. DETERMINISTIC or READS SQL DATA in their definitions ends that`,
        ]
      : []),
  ];
}

/** With a binary log a server takes no function that may write, or answers otherwise each time, unless it is told to trust. */
async function unsafeFunctions({ query, variables }: Connection, database: string): Promise<string[]> {
  if (variables.get('log_bin') !== 'ON' || variables.get('log_bin_trust_function_creators') !== 'OFF') return [];
  const rows = await query<{ name: string }>(
    `select routine_name as name from information_schema.routines
     where routine_schema = ? and routine_type = 'FUNCTION' and is_deterministic = 'NO'
       and sql_data_access in ('CONTAINS SQL', 'MODIFIES SQL DATA') order by binary routine_name`,
    [database],
  );
  return rows.map(({ name }) => name);
}

/** A row that came in by pieces, or was once taken, may be longer than what the server takes in one statement. */
export async function packetWarning(
  connection: Connection,
  longestRowBytes: number | undefined,
): Promise<string | undefined> {
  if (longestRowBytes === undefined) return undefined;
  const needed = packetFor(longestRowBytes);
  const taken = Number(connection.variables.get('max_allowed_packet'));
  if (!(needed > taken)) return undefined;
  return `a row is ${formatBytes(longestRowBytes)} long in the dump, and this server takes ${formatBytes(taken)} in one statement: a restore raises that for its time, for which its user needs SUPER. SET GLOBAL max_allowed_packet = ${1024 * 1024 * Math.ceil(needed / 1024 / 1024)}, there and in its configuration, ends that`;
}
