import { messageOf } from '../../../errors.ts';
import { log } from '../../../terminal/log.ts';
import { type Connection, errorName, quoteIdentifier } from '../server/connection.ts';
import { grantAsWritten } from '../server/grant.ts';

/** As mysql.procs_priv has them, and as GRANT wants them. */
const PRIVILEGES: readonly (readonly [kept: string, granted: string])[] = [
  ['Execute', 'EXECUTE'],
  ['Alter Routine', 'ALTER ROUTINE'],
];

/**
 * The grants on single routines of a database, as statements. Other grants are held by names and stay; these go with the
 * routine that is dropped, and a routine cannot be put in another's place without that.
 */
export async function readRoutineGrants(connection: Connection, database: string): Promise<string[]> {
  const rows = await connection
    .query<{ user: string; host: string; name: string; type: string; held: string }>(
      `select user, host, routine_name as name, routine_type as type, cast(proc_priv as char) as held
       from mysql.procs_priv where binary db = ? order by user, host, routine_name`,
      [database],
    )
    .catch((error: unknown) => {
      if (!/ACCESS_?DENIED/.test(errorName(error) ?? '')) throw error;
      log.info(
        `whether there are grants on single routines of ${database} cannot be seen by this user (GRANT SELECT ON mysql.procs_priv): those would go with the routines that are replaced`,
      );
      return [];
    });
  return rows.flatMap(({ user, host, name, type, held }) => {
    const all = held.split(',');
    const granted = PRIVILEGES.filter(([kept]) => all.includes(kept)).map(([, words]) => words);
    if (granted.length === 0) return [];
    const to = host === '' ? quoteIdentifier(user) : `${quoteIdentifier(user)}@${quoteIdentifier(host)}`;
    const option = all.includes('Grant') ? ' WITH GRANT OPTION' : '';
    return [
      `GRANT ${granted.join(', ')} ON ${type} ${quoteIdentifier(database)}.${quoteIdentifier(name)} TO ${to}${option}`,
    ];
  });
}

/** Gives them again. One whose routine is not there any more has nothing to be granted on; others are told of. */
export async function giveRoutineGrants(connection: Connection, grants: readonly string[] = []): Promise<void> {
  for (const grant of grants) {
    await grantAsWritten(connection, grant).catch((error: unknown) => {
      if (errorName(error) === 'ER_SP_DOES_NOT_EXIST') return;
      log.warn(`not granted again, give it yourself: ${grant} (${messageOf(error)})`);
    });
  }
}
